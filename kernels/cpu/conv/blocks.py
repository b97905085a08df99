"""How arrays and channels are cut for kernels that work on flat memory."""

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.jit import helper
from minifcn.kernels.cpu.memory import contiguous
from minifcn.kernels.cpu.simd import load, load_first, store, store_first


def even_block(length: int, most: int) -> int:
    """Length of a block if ``length`` is cut into as few as hold ``most`` each; several are multiples of 16.

    >>> even_block(130, 128), even_block(100, 128), even_block(3, 128)
    (80, 100, 3)
    """
    even = -(length // (length // -most))
    return min(length, -(even // -16) * 16)


def flat(x: Array) -> Array:
    """The memory from the first number of x, whose strides are positive, to the last, as one row."""
    span = 1 + sum((n - 1) * (s // x.itemsize) for n, s in zip(x.shape, x.strides, strict=True))
    return np.ndarray((span,), x.dtype, x, strides=(x.itemsize,)) if x.flags.c_contiguous else _spanned(x, span)


def _spanned(x: Array, span: int) -> Array:
    return np.lib.stride_tricks.as_strided(x, (span,), (x.itemsize,))


def pixelwise(x: Array) -> Array:
    """x (N, H, W, C), copied unless the channels of a pixel lie side by side; pixels may lie apart."""
    apart = all(s >= 0 and s % x.itemsize == 0 for s in x.strides)
    return x if apart and (x.strides[3] == x.itemsize or x.shape[3] == 1) else contiguous(x)


@helper
def whole_vectors(count: int, vector: int) -> int:
    """``count`` rounded up to a multiple of ``vector``."""
    return (count + vector - 1) // vector * vector


@helper
def copy_channels(source: Array, at: int, count: int, vector: int, target: Array, to: int) -> None:
    """target[to :] = source[at :], ``count`` numbers."""
    rest = count % vector
    for k in range(0, count - rest, vector):
        store(target, to + k, load(source, at + k))
    if rest:
        store_first(target, to + count - rest, load_first(source, at + count - rest, rest), rest)
