"""Max-pooling and its adjoint pair: reading a pixel for each index, and adding to it.

The inner loops run over channels, which lie side by side in memory; each window keeps its best value and index in the
output itself, so no buffer is needed.
"""

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty, zeros
from minifcn.kernels.shapes import Pair, Window

_PAIRS = Window((2, 2), (2, 2))
_LINE = 16  # channels that a thread scatters: a cache line of float32, which no two threads then share


def max_pool2d(x: Array, window: Window, output_size: Pair) -> tuple[Array, Array]:
    """(N, H, W, C) -> (N, *output_size, C): the first largest in each window, and its int32 index h·W + w."""
    x = np.asarray(x, order="C")
    shape = (x.shape[0], *output_size, x.shape[3])
    y, indices = empty(shape, x.dtype), empty(shape, np.int32)
    n, h, w, c = x.shape
    p, q = output_size
    if window == _PAIRS and 2 * p <= h and 2 * q <= w:
        _max_pool_pairs(x.reshape(n * h, w * c), p, h, c, y.reshape(n * p, q * c), indices.reshape(n * p, q * c))
    else:
        _max_pool2d(x, window, y, indices)
    return y, indices


def gather2d(x: Array, indices: Array) -> Array:
    """(N, H, W, C) -> (N, P, Q, C): the value of each pixel that an index points at."""
    n, h, w, c = x.shape
    y = empty(indices.shape, x.dtype)
    _gather2d(np.asarray(x, order="C").reshape(n, h * w, c), np.asarray(indices, order="C"), y)
    return y


def max_unpool2d(y: Array, indices: Array, output_size: Pair) -> Array:
    """(N, P, Q, C) -> (N, *output_size, C): zeros, to which each value is added where its index points."""
    n, p, q, c = y.shape
    x = np.zeros((n, *output_size, c), y.dtype)
    pixels = output_size[0] * output_size[1]
    _max_unpool2d(
        np.asarray(y, order="C").reshape(n, p * q, c),
        np.asarray(indices, order="C").reshape(n, p * q, c),
        x.reshape(n, pixels, c),
    )
    return x


@kernel
def _max_pool2d(x: Array, window: Window, y: Array, indices: Array) -> None:
    (kh, kw), stride, padding, dilation = window
    N, H, W, C = x.shape
    _, P, Q, _ = y.shape
    for row in prange(N * P):
        n, i = row // P, row % P
        for j in range(Q):
            for c in range(C):
                y[n, i, j, c], indices[n, i, j, c] = -np.inf, -1
            for r in range(kh):
                p = i * stride[0] + r * dilation[0] - padding[0]
                if p < 0 or p >= H:
                    continue
                for t in range(kw):
                    q = j * stride[1] + t * dilation[1] - padding[1]
                    if q < 0 or q >= W:
                        continue
                    position = np.int32(p * W + q)
                    for c in range(C):
                        value, best, where = x[n, p, q, c], y[n, i, j, c], indices[n, i, j, c]
                        # `not <=` lets NaN win, `best == best` lets it stay; −1 has had no pixel yet.
                        better = (not value <= best and best == best) or where < 0
                        y[n, i, j, c] = value if better else best
                        indices[n, i, j, c] = position if better else where


@kernel
def _max_pool_pairs(x: Array, P: int, H: int, C: int, y: Array, indices: Array) -> None:
    """Windows of 2 x 2 side by side; every argument is (rows, columns · C), N images of H or P rows each."""
    width = x.shape[1] // C
    for row in prange(len(y)):
        top = row // P * H + row % P * 2
        lines = x[top], x[top + 1], y[row], indices[row]
        position = row % P * 2 * width
        # The same loops for some numbers of channels that the compiler then knows, and need not find the vectors in.
        if C == 1:
            _pool_line(*lines, position, width, 1)
        elif C == 8:
            _pool_line(*lines, position, width, 8)
        elif C == 16:
            _pool_line(*lines, position, width, 16)
        else:
            _pool_line(*lines, position, width, C)


@helper
def _pool_line(top: Array, bottom: Array, y: Array, indices: Array, position: int, width: int, C: int) -> None:
    """One row of windows; ``position`` is the index of the first one's first pixel."""
    for j in range(y.size // C):
        for c in range(C):
            left, right = 2 * j * C + c, 2 * j * C + C + c
            here = np.int32(position + 2 * j)
            best, where = _better(top[right], here + np.int32(1), top[left], here)
            best, where = _better(bottom[left], here + np.int32(width), best, where)
            best, where = _better(bottom[right], here + np.int32(width + 1), best, where)
            y[j * C + c], indices[j * C + c] = best, where


@helper
def _better(value: float, position: int, best: float, where: int) -> tuple[float, int]:
    """The larger with its position; the first wins a tie, and NaN wins."""
    better = not value <= best and best == best
    return (value if better else best), (position if better else where)


@kernel
def _gather2d(x: Array, indices: Array, y: Array) -> None:
    N, P, Q, C = indices.shape
    for row in prange(N * P):
        n, i = row // P, row % P
        for j in range(Q):
            for c in range(C):
                k = indices[n, i, j, c]
                y[n, i, j, c] = x[n, k, c] if k >= 0 else 0


@kernel
def _max_unpool2d(y: Array, indices: Array, x: Array) -> None:
    # Windows may overlap, and so indices of different pixels coincide, but those of different channels never do:
    # a thread takes a few channels of one image, all its pixels in order.
    N, pixels, C = y.shape
    parts = (C + _LINE - 1) // _LINE
    for task in prange(N * parts):
        n, first = task // parts, task % parts * _LINE
        for p in range(pixels):
            for c in range(first, min(first + _LINE, C)):
                k = indices[n, p, c]
                if k >= 0:
                    x[n, k, c] += y[n, p, c]
