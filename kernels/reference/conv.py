"""Convolution: one bilinear form in x and w, its value and its two adjoints.

    y[n, i, j, k] = Σ_{r, t, c} x[n, p, q, c] · w[r, t, c, k],   p = i·s + r·d − padding,   q likewise for columns.

All three functions walk over the same terms of this sum. conv2d adds them up in y, conv_transpose2d in x, conv2d_weight
in w.
"""

from collections.abc import Iterator

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.shapes import Pair, Window


@np.errstate(all="ignore")
def conv2d(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
) -> Array:
    """(N, H, W, C) -> (N, *output_size, K).

    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)  # 0 1 2 / 3 4 5 / 6 7 8
    >>> diagonal = np.array([[1.0, 0.0], [0.0, 1.0]]).reshape(2, 2, 1, 1)
    >>> conv2d(x, diagonal, None, Window((2, 2)), 1, (2, 2), False)[0, :, :, 0]  # 0 + 4, 1 + 5, 3 + 7, 4 + 8
    array([[ 4.,  6.],
           [10., 12.]])
    """
    N, H, W, C = x.shape
    K = weight.shape[3]
    y = np.zeros((N, *output_size, K))
    if bias is not None:
        y += bias
    xs, ws = x.tolist(), weight.tolist()
    for i, j, r, t, p, q in _taps((H, W), output_size, window):
        for n in range(N):
            for k, c, first in _channels(C, K, groups):
                y[n, i, j, k] += xs[n][p][q][first + c] * ws[r][t][c][k]
    return _rectified(y, relu).astype(np.result_type(x, weight))


@np.errstate(all="ignore")
def conv_transpose2d(
    y: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
) -> Array:
    """(N, P, Q, K) -> (N, *output_size, C): every pixel of y leaves its multiple of the kernel where conv2d read it.

    >>> y = np.array([1.0, 10.0]).reshape(1, 1, 2, 1)
    >>> kernel = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    >>> conv_transpose2d(y, kernel, None, Window((1, 3), stride=(1, 2)), 1, (1, 5), False)[0, 0, :, 0]
    array([ 1.,  2., 13., 20., 30.])
    """
    N, P, Q, K = y.shape
    C = weight.shape[2] * groups
    x = np.zeros((N, *output_size, C))
    if bias is not None:
        x += bias
    ys, ws = y.tolist(), weight.tolist()
    for i, j, r, t, p, q in _taps(output_size, (P, Q), window):
        for n in range(N):
            for k, c, first in _channels(C, K, groups):
                x[n, p, q, first + c] += ys[n][i][j][k] * ws[r][t][c][k]
    return _rectified(x, relu).astype(np.result_type(y, weight))


@np.errstate(all="ignore")
def conv2d_weight(x: Array, y: Array, window: Window, groups: int) -> Array:
    """(N, H, W, C) and (N, P, Q, K) -> (kh, kw, C // groups, K): x correlated with y.

    >>> x = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)
    >>> y = np.array([10.0, 100.0]).reshape(1, 1, 2, 1)
    >>> conv2d_weight(x, y, Window((1, 2)), 1)[0, :, 0, 0]  # 1·10 + 2·100, 2·10 + 3·100
    array([210., 320.])
    """
    N, H, W, C = x.shape
    _, P, Q, K = y.shape
    weight = np.zeros((*window.kernel_size, C // groups, K))
    xs, ys = x.tolist(), y.tolist()
    for i, j, r, t, p, q in _taps((H, W), (P, Q), window):
        for n in range(N):
            for k, c, first in _channels(C, K, groups):
                weight[r, t, c, k] += xs[n][p][q][first + c] * ys[n][i][j][k]
    return weight.astype(np.result_type(x, y))


def _rectified(x: Array, relu: bool) -> Array:
    return np.maximum(x, 0.0) if relu else x  # NaN stays NaN


def _taps(size: Pair, output_size: Pair, window: Window) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Every (i, j, r, t, p, q) whose pixel (p, q) lies inside the image; outside it is zero and adds nothing."""
    (H, W), s, d, padding = size, window.stride, window.dilation, window.padding
    for i, j in np.ndindex(output_size):
        for r, t in np.ndindex(window.kernel_size):
            p = i * s[0] + r * d[0] - padding[0]
            q = j * s[1] + t * d[1] - padding[1]
            if 0 <= p < H and 0 <= q < W:
                yield i, j, r, t, p, q


def _channels(C: int, K: int, groups: int) -> Iterator[tuple[int, int, int]]:
    """Every output channel k with every input channel c of its group, and the group's first input channel."""
    for k in range(K):
        first = k // (K // groups) * (C // groups)
        for c in range(C // groups):
            yield k, c, first
