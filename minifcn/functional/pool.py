"""Pooling and unpooling of images (N, H, W, C)."""

from __future__ import annotations

from functools import lru_cache

from minifcn.functional.arguments import TensorLike, as_image, as_tensor, image_size, pair
from minifcn.functional.reduce import max as max_over
from minifcn.functional.reduce import mean
from minifcn.kernels import axismap, shapes
from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.shapes import Pair, Window
from minifcn.ops import pool as ops
from minifcn.ops.resample import Resample2d
from minifcn.tensor import Tensor


def max_pool2d(
    x: TensorLike,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of each window: (N, H, W, C) -> (N, P, Q, C).

    P = ⌊(H + 2p − d (k − 1) − 1) / s⌋ + 1 (⌈...⌉ with ``ceil_mode``). On ties the first in row order wins; NaN counts
    as largest; padding counts as −∞.

    Args:
        x: images.
        kernel_size: rows and columns of a window.
        stride: between windows; ``kernel_size`` if None.
        padding: at most half the kernel size.
        dilation: between the elements of a window.
        ceil_mode: keep a last window that reaches beyond the image.
        return_indices: also return where each maximum was, int32 (N, P, Q, C): h · W + w in the H x W plane.

    Raises:
        ValueError: the window does not fit into the image, or ``padding`` is more than half of it.

    >>> y, where = max_pool2d(np.array([[1.0, 3.0], [2.0, 0.0]]).reshape(1, 2, 2, 1), 2, return_indices=True)
    >>> y.item(), where.item()
    (3.0, 1)
    """
    x, window = as_image("max_pool2d", x), _window("max_pool2d", kernel_size, stride, padding, dilation)
    operation = ops.MaxPool2d(window, _output_size("max_pool2d", x, window, ceil_mode))
    y = operation(x)
    if not return_indices:
        return y
    return y, Tensor(operation.extra[0], device=x.device)


def max_unpool2d(
    x: TensorLike,
    indices: TensorLike,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    output_size: int | Pair | None = None,
) -> Tensor:
    """Put each value back where `max_pool2d` found the maximum, zeros elsewhere.

    (N, P, Q, C) -> (N, H, W, C), with (H, W) = ``output_size``, or the smallest image that pools to (P, Q). This is the
    adjoint of max-pooling given its indices; where windows overlapped, so that indices repeat, values add up. It is the
    lecture's pooling index memorisation, and the decoder of SegNet (Badrinarayanan et al. 2017).

    Raises:
        ValueError: ``indices`` has another shape than ``x``, or points outside the output.
    """
    name = "max_unpool2d"
    x = as_image(name, x)
    where = as_tensor(indices, like=x)
    if where.shape != x.shape or where.dtype.kind != "i":
        raise ValueError(
            f"{name}: indices must be integers of shape {x.shape}, got {where.dtype} of shape {where.shape}; "
            "max_pool2d(..., return_indices=True) returns them"
        )
    window = _window(name, kernel_size, stride, padding, 1)
    size = (
        shapes.unpool_size(image_size(x), window) if output_size is None else pair(name, "output_size", output_size, 1)
    )
    if min(size) < 1:
        raise ValueError(f"{name}: input {x.shape} unpools to {size}, which is empty; give output_size=")
    # −1 is max_pool2d's index for a window without a pixel, and points nowhere.
    if where.is_on_host and where.size and (where.data.min() < -1 or where.data.max() >= size[0] * size[1]):
        raise ValueError(
            f"{name}: indices go from {where.data.min()} to {where.data.max()}, but the output of {size[0]} x "
            f"{size[1]} has {size[0] * size[1]} pixels; give output_size= the size of the image that was pooled"
        )
    return ops.MaxUnpool2d(size)(x, where)


def sum_pool2d(
    x: TensorLike, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0
) -> Tensor:
    """The sum over each window: (N, H, W, C) -> (N, P, Q, C); with stride = kernel size, `upsample_nearest`'s adjoint.

    >>> sum_pool2d(np.array([[1.0, 3.0], [2.0, 0.0]]).reshape(1, 2, 2, 1), 2).item()
    6.0
    """
    return _windowed("sum_pool2d", x, kernel_size, stride, padding, False, None)


def avg_pool2d(
    x: TensorLike,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean over each window: (N, H, W, C) -> (N, P, Q, C).

    ``count_include_pad`` divides by the window's size although padding is zero; without it, by the number of real
    pixels. ``divisor_override`` divides by that number instead.

    Raises:
        ValueError: the window does not fit into the image, or ``padding`` is more than half of it.

    >>> avg_pool2d(np.array([[1.0, 3.0], [2.0, 0.0]]).reshape(1, 2, 2, 1), 2).item()
    1.5
    """
    if divisor_override is not None:
        if divisor_override == 0:
            raise ValueError("avg_pool2d: divisor_override must not be 0; None divides by the window's size")
        return _windowed("avg_pool2d", x, kernel_size, stride, padding, ceil_mode, None) * (1.0 / divisor_override)
    mode = "padded" if count_include_pad else "inside"
    return _windowed("avg_pool2d", x, kernel_size, stride, padding, ceil_mode, mode)


def global_avg_pool2d(x: TensorLike) -> Tensor:
    """The mean over all pixels: (N, H, W, C) -> (N, 1, 1, C)."""
    return mean(as_image("global_avg_pool2d", x), (1, 2), keepdims=True)


def global_max_pool2d(x: TensorLike) -> Tensor:
    """The maximum over all pixels: (N, H, W, C) -> (N, 1, 1, C)."""
    return max_over(as_image("global_max_pool2d", x), (1, 2), keepdims=True)


def _windowed(
    name: str,
    x: TensorLike,
    kernel_size: int | Pair,
    stride: int | Pair | None,
    padding: int | Pair,
    ceil_mode: bool,
    mean: str | None,
) -> Tensor:
    x, window = as_image(name, x), _window(name, kernel_size, stride, padding, 1)
    size = _output_size(name, x, window, ceil_mode)
    rows, columns = (_sum_window(x.shape[1 + a], size[a], window, a, mean) for a in (0, 1))
    return Resample2d(rows, columns)(x)


@lru_cache(maxsize=256)
def _sum_window(input_size: int, output_size: int, window: Window, axis: int, mean: str | None) -> AxisMap:
    return axismap.sum_window(
        input_size, output_size, window.kernel_size[axis], window.stride[axis], window.padding[axis], mean
    )


def _window(
    name: str, kernel_size: int | Pair, stride: int | Pair | None, padding: int | Pair, dilation: int | Pair
) -> Window:
    kernel = pair(name, "kernel_size", kernel_size, 1)
    step = kernel if stride is None else pair(name, "stride", stride, 1)
    window = Window(kernel, step, pair(name, "padding", padding), pair(name, "dilation", dilation, 1))
    if any(2 * p > k for p, k in zip(window.padding, kernel, strict=True)):
        raise ValueError(
            f"{name}: padding {padding} is more than half of kernel_size {kernel_size}, so a window could lie outside "
            "the image; pad() the image instead"
        )
    return window


def _output_size(name: str, x: Tensor, window: Window, ceil_mode: bool) -> Pair:
    size = shapes.pool_size(image_size(x), window, ceil_mode)
    if min(size) < 1:
        raise ValueError(
            f"{name}: a window of {window.extent[0]} x {window.extent[1]} does not fit into an image of "
            f"{x.shape[1]} x {x.shape[2]}; use a smaller kernel, padding or ceil_mode=True"
        )
    return size
