"""Blurring before subsampling: what keeps fine detail from turning into something else when pixels are dropped."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np

from minifcn.functional.arguments import TensorLike, as_image, pair
from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.shapes import Pair
from minifcn.ops.resample import Resample2d
from minifcn.tensor import Tensor

PaddingMode = Literal["reflect", "replicate", "zeros"]
PADDING_MODES = ("reflect", "replicate", "zeros")


def blur_pool2d(
    x: TensorLike, kernel_size: int | Pair = 4, stride: int | Pair = 2, padding_mode: PaddingMode = "reflect"
) -> Tensor:
    """A binomial filter, of whose output every ``stride``-th pixel is kept: (N, H, W, C) -> (N, ⌈H / s⌉, ⌈W / s⌉, C).

    The filter of k pixels is (k − 1 over i) / 2^(k − 1) along each axis, such as (1, 3, 3, 1) / 8. It begins
    ⌊(k − 1) / 2⌋ pixels before the one that it answers, and sees the border beyond the image. It is linear; its adjoint
    is the same kernel with transposed matrices. Zhang 2019, "Making convolutional networks shift-invariant again",
    arXiv:1904.11486; defaults and padding are those of the code that the author published (adobe/antialiased-cnns).

    Args:
        x: images.
        kernel_size: k, along rows and columns.
        stride: s.
        padding_mode: "reflect" mirrors about the outermost pixels, as often as a small image needs; "replicate" repeats
            them; "zeros".

    Raises:
        ValueError: there is no such ``padding_mode``, or no pixel.

    >>> blur_pool2d(np.array([0.0, 8.0, 0.0, 0.0]).reshape(1, 1, 4, 1), kernel_size=(1, 3)).data.ravel().tolist()
    [4.0, 2.0]
    """
    name = "blur_pool2d"
    x, kernel, step = as_image(name, x), pair(name, "kernel_size", kernel_size, 1), pair(name, "stride", stride, 1)
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"{name}: padding_mode must be 'reflect', 'replicate' or 'zeros', not {padding_mode!r}")
    if min(x.shape[1:3]) < 1:
        raise ValueError(f"{name}: images of shape {x.shape} have no pixels; height and width must be at least 1")
    rows, columns = (_binomial(x.shape[1 + axis], kernel[axis], step[axis], padding_mode) for axis in (0, 1))
    return Resample2d(rows, columns)(x)


@lru_cache(maxsize=256)
def _binomial(size: int, kernel: int, stride: int, padding_mode: PaddingMode) -> AxisMap:
    """Along one axis."""
    weights = np.array([math.comb(kernel - 1, tap) for tap in range(kernel)]) / 2.0 ** (kernel - 1)
    taps = np.arange(0, size, stride)[:, None] + np.arange(kernel) - (kernel - 1) // 2  # (output size, kernel)
    inside = np.ones(taps.shape, bool)
    if padding_mode == "reflect":
        period = max(2 * (size - 1), 1)  # of an image that is mirrored again and again; one pixel has no other
        taps = taps % period
        taps = np.minimum(taps, period - taps) if size > 1 else taps
    elif padding_mode == "replicate":
        taps = np.clip(taps, 0, size - 1)
    else:
        inside = (taps >= 0) & (taps < size)
    start = np.concatenate(([0], np.cumsum(inside.sum(axis=1))))
    return AxisMap(start, taps[inside], np.broadcast_to(weights, taps.shape)[inside], size)
