"""Max-pooling, and the pair of adjoints that its indices define: reading pixels, and adding to them."""

import math

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.shapes import Pair, Window


def max_pool2d(x: Array, window: Window, output_size: Pair) -> tuple[Array, Array]:
    """(N, H, W, C) -> (N, *output_size, C): the first largest in each window, and its int32 index h·W + w.

    >>> x = np.array([[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 2.0, np.nan]]).reshape(1, 2, 4, 1)
    >>> y, indices = max_pool2d(x, Window((2, 2), stride=(2, 2)), (1, 2))
    >>> y[0, 0, :, 0], indices[0, 0, :, 0]
    (array([ 5., nan]), array([1, 7], dtype=int32))
    """
    N, H, W, C = x.shape
    (kh, kw), s, padding, d = window
    y = np.empty((N, *output_size, C), x.dtype)
    indices = np.empty(y.shape, np.int32)
    for n, i, j, c in np.ndindex(y.shape):
        best, where = -math.inf, -1
        for r, t in np.ndindex(kh, kw):
            p = i * s[0] + r * d[0] - padding[0]
            q = j * s[1] + t * d[1] - padding[1]
            if 0 <= p < H and 0 <= q < W:
                value = float(x[n, p, q, c])
                if where < 0 or value > best or (math.isnan(value) and not math.isnan(best)):
                    best, where = value, p * W + q
        y[n, i, j, c], indices[n, i, j, c] = best, where
    return y, indices


def gather2d(x: Array, indices: Array) -> Array:
    """(N, H, W, C) -> (N, P, Q, C): the value of each pixel that an index points at; 0 for −1.

    >>> x = np.array([10.0, 20.0, 30.0, 40.0]).reshape(1, 2, 2, 1)
    >>> gather2d(x, np.array([3, 3, 0], np.int32).reshape(1, 1, 3, 1))[0, 0, :, 0]
    array([40., 40., 10.])
    """
    W = x.shape[2]
    y = np.zeros(indices.shape, x.dtype)
    for n, i, j, c in np.ndindex(y.shape):
        p, q = divmod(int(indices[n, i, j, c]), W)
        if p >= 0:
            y[n, i, j, c] = x[n, p, q, c]
    return y


@np.errstate(all="ignore")
def max_unpool2d(y: Array, indices: Array, output_size: Pair, tile: Pair | None) -> Array:
    """(N, P, Q, C) -> (N, *output_size, C): zeros, plus each value where its index points; −1 is nowhere.

    ``tile`` says that windows do not overlap, and changes no result.

    >>> y = np.array([1.0, 2.0, 4.0]).reshape(1, 1, 3, 1)
    >>> max_unpool2d(y, np.array([3, 3, 0], np.int32).reshape(1, 1, 3, 1), (2, 2), None)[0, :, :, 0]
    array([[4., 0.],
           [0., 3.]])
    """
    x = np.zeros((len(y), *output_size, y.shape[3]))
    for n, i, j, c in np.ndindex(y.shape):
        p, q = divmod(int(indices[n, i, j, c]), output_size[1])
        if p >= 0:
            x[n, p, q, c] += y[n, i, j, c]
    return x.astype(y.dtype)
