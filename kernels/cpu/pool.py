"""Max-pooling and its adjoint pair: reading a pixel for each index, and adding to it.

The inner loops run over channels, which lie side by side in memory; each window keeps its best value and index in the
output itself, so no buffer is needed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.copying import contiguous
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty, zeros
from minifcn.kernels.shapes import Pair, Window

_PAIRS = Window((2, 2), (2, 2))
_LINE = 16  # channels that a thread scatters: a cache line of float32, which no two threads then share


def max_pool2d(x: Array, window: Window, output_size: Pair) -> tuple[Array, Array]:
    """(N, H, W, C) -> (N, *output_size, C): the first largest in each window, and its int32 index h·W + w."""
    x = contiguous(x)
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
    _gather2d(contiguous(x).reshape(n, h * w, c), contiguous(indices), y)
    return y


def max_unpool2d(y: Array, indices: Array, output_size: Pair, tile: Pair | None) -> Array:
    """(N, P, Q, C) -> (N, *output_size, C): zeros, to which each value is added where its index points.

    In tiles, every pixel belongs to one window, and is either its value or 0: one pass, without zeros first.
    """
    n, p, q, c = y.shape
    h, w = output_size
    y, indices = contiguous(y), contiguous(indices)
    if tile is None or y.size == 0:
        x = zeros((n, h, w, c), y.dtype)
        _max_unpool2d(y.reshape(n, p * q, c), indices.reshape(n, p * q, c), x.reshape(n, h * w, c))
    else:
        x = empty((n, h, w, c), y.dtype)
        _unpool_tiles(y.reshape(n * p, q * c), indices.reshape(n * p, q * c), tile, p, c, x.reshape(n * h, w * c))
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
                        # `not <=` lets NaN win, `best == best` lets it stay; −1 has had no pixel yet. `and` and `or`
                        # would be jumps, which nobody can predict.
                        better = ((not value <= best) & (best == best)) | (where < 0)
                        y[n, i, j, c] = value if better else best
                        indices[n, i, j, c] = position if better else where


@helper
def _better(value: Any, position: Any, best: Any, where: Any) -> tuple[Any, Any]:
    """The larger with its position; the first wins a tie, and NaN wins."""
    better = (not value <= best) & (best == best)  # `and` would be a jump, which nobody can predict
    return (value if better else best), (position if better else where)


def _pool_line_of(known: int) -> Callable:
    """`_pool_line` for a number of channels that is known when it is compiled; 0: for any."""

    @helper
    def pool_line(top: Array, bottom: Array, y: Array, indices: Array, position: int, width: int, C: int) -> None:
        """One row of windows; ``position`` is the index of the first one's first pixel."""
        C = known or C
        for j in range(y.size // C):
            here = np.int32(position + 2 * j)
            for c in range(C):
                left, right = 2 * j * C + c, 2 * j * C + C + c
                best, where = _better(top[right], here + np.int32(1), top[left], here)
                best, where = _better(bottom[left], here + np.int32(width), best, where)
                best, where = _better(bottom[right], here + np.int32(width + 1), best, where)
                y[j * C + c], indices[j * C + c] = best, where

    return pool_line


def _unpool_line_of(known: int, known_columns: int) -> Callable:
    """`_unpool_line` for numbers of channels and columns that are known when it is compiled; 0: for any."""

    @helper
    def unpool_line(y: Array, indices: Array, position: int, columns: int, C: int, x: Array) -> None:
        """One line of pixels, whose first index is ``position``."""
        C, columns = known or C, known_columns or columns
        zero = x.dtype.type(0)
        for j in range(y.size // C):
            for t in range(columns):
                here, pixel = np.int32(position + j * columns + t), (j * columns + t) * C
                for c in range(C):
                    value, hit = y[j * C + c], indices[j * C + c] == here
                    x[pixel + c] = value if hit else zero
        x[y.size * columns :] = zero

    return unpool_line


# Few channels make short loops, which become vectors only if their length is known.
_pool_line, _pool_line_1, _pool_line_16 = (_pool_line_of(channels) for channels in (0, 1, 16))
_unpool_line, _unpool_pair, _unpool_pair_1 = _unpool_line_of(0, 0), _unpool_line_of(0, 2), _unpool_line_of(1, 2)


@helper
def _pool_few_channels(top: Array, bottom: Array, y: Array, indices: Array, position: int, width: int, C: int) -> None:
    """The same for channels too few to fill vectors: left and right pixels are parted first, then there is one loop."""
    parts = np.empty((4, y.size), y.dtype)
    a, b, c, d = parts[0], parts[1], parts[2], parts[3]
    _part(top, a, b, C)
    _part(bottom, c, d, C)
    for j in range(y.size // C):
        for k in range(j * C, j * C + C):
            indices[k] = position + 2 * j
    one, down, across = np.int32(1), np.int32(width), np.int32(width + 1)
    for k in range(y.size):
        here = indices[k]
        best, where = _better(b[k], here + one, a[k], here)
        best, where = _better(c[k], here + down, best, where)
        y[k], indices[k] = _better(d[k], here + across, best, where)


@helper
def _part(line: Array, left: Array, right: Array, C: int) -> None:
    for j in range(left.size // C):
        for c in range(C):
            left[j * C + c] = line[2 * j * C + c]
            right[j * C + c] = line[2 * j * C + C + c]


@kernel
def _max_pool_pairs(x: Array, P: int, H: int, C: int, y: Array, indices: Array) -> None:
    """Windows of 2 x 2 side by side; the arrays are (rows, columns · C), N images of H or P rows each."""
    width = x.shape[1] // C
    for row in prange(len(y)):
        top = row // P * H + row % P * 2
        lines, position = (x[top], x[top + 1], y[row], indices[row]), row % P * 2 * width
        if C == 1:
            _pool_line_1(*lines, position, width, C)
        elif C == 16:
            _pool_line_16(*lines, position, width, C)
        elif C < 32:
            _pool_few_channels(*lines, position, width, C)
        else:
            _pool_line(*lines, position, width, C)


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


@kernel
def _unpool_tiles(y: Array, indices: Array, tile: Pair, P: int, C: int, x: Array) -> None:
    """Arrays are (rows, columns · C), N images of P rows or H; rows and columns beyond the tiles become 0."""
    H, W = len(x) * P // len(y), x.shape[1] // C
    for row in prange(len(y)):
        n, i = row // P, row % P
        for h in range(i * tile[0], (i + 1) * tile[0]):
            line = y[row], indices[row], h * W, tile[1], C, x[n * H + h]
            if tile[1] != 2:
                _unpool_line(*line)
            elif C == 1:
                _unpool_pair_1(*line)
            else:
                _unpool_pair(*line)
        if i == P - 1:
            x[n * H + P * tile[0] : (n + 1) * H] = 0
