"""Max-pooling and its adjoint pair."""

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.meta.space import contiguous, empty
from minifcn.kernels.shapes import Pair, Window


def max_pool2d(x: Array, window: Window, output_size: Pair) -> tuple[Array, Array]:
    """(N, H, W, C) -> (N, *output_size, C), and int32 indices."""
    x = contiguous(x)
    shape = (x.shape[0], *output_size, x.shape[3])
    return empty(shape, x.dtype), empty(shape, np.int32)


def gather2d(x: Array, indices: Array) -> Array:
    """(N, H, W, C) -> (N, P, Q, C), the shape of ``indices``."""
    x, indices = contiguous(x), contiguous(indices)
    return empty(indices.shape, x.dtype)


def max_unpool2d(y: Array, indices: Array, output_size: Pair, tile: Pair | None) -> Array:
    """(N, P, Q, C) -> (N, *output_size, C)."""
    y, indices = contiguous(y), contiguous(indices)
    return empty((y.shape[0], *output_size, y.shape[3]), y.dtype)
