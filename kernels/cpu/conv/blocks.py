"""How channels are cut into blocks, and which arrays can be read pixel by pixel where they lie."""

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.copying import contiguous
from minifcn.kernels.cpu.jit import helper


def even_block(length: int, most: int) -> int:
    """Length of a block if ``length`` is cut into as few as hold ``most`` each; several are multiples of 16.

    >>> even_block(130, 128), even_block(100, 128), even_block(3, 128)
    (80, 100, 3)
    """
    even = -(length // (length // -most))
    return min(length, -(even // -16) * 16)


def pixelwise(x: Array) -> Array:
    """x (N, H, W, C), copied unless the channels of a pixel lie side by side; pixels may lie apart."""
    return x if is_pixelwise(x) else contiguous(x)


def is_pixelwise(x: Array) -> bool:
    """Whether the channels of each pixel lie side by side, and pixels a whole number of elements apart, forwards."""
    if x.flags.c_contiguous:
        return True
    apart = all(s >= 0 and s % x.itemsize == 0 for s in x.strides)
    return apart and (x.strides[3] == x.itemsize or x.shape[3] == 1)


@helper
def whole_vectors(count: int, vector: int) -> int:
    """``count`` rounded up to a multiple of ``vector``."""
    return (count + vector - 1) // vector * vector
