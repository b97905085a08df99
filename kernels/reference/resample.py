"""Sparse linear maps along rows and columns: upsampling, average pooling, mirrored borders, and their adjoints."""

from collections.abc import Iterator

import numpy as np

from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.contract import Array


@np.errstate(all="ignore")
def resample2d(x: Array, rows: AxisMap, columns: AxisMap) -> Array:
    """(N, H, W, C) -> (N, P, Q, C): y[n, i, j, c] = Σ_p Σ_q rows[i, p] · columns[j, q] · x[n, p, q, c].

    >>> from minifcn.kernels.axismap import bilinear, gather
    >>> x = np.array([[0.0, 4.0], [8.0, 12.0]]).reshape(1, 2, 2, 1)
    >>> resample2d(x, gather(np.array([1, 0]), 2), bilinear(2, 3, align_corners=True))[0, :, :, 0]
    array([[ 8., 10., 12.],
           [ 0.,  2.,  4.]])
    """
    N, _, _, C = x.shape
    y = np.zeros((N, rows.output_size, columns.output_size, C))
    for n, i, j, c in np.ndindex(y.shape):
        for p, row_weight in _entries(rows, i):
            for q, column_weight in _entries(columns, j):
                y[n, i, j, c] += row_weight * column_weight * x[n, p, q, c]
    return y.astype(x.dtype)


def _entries(matrix: AxisMap, row: int) -> Iterator[tuple[int, float]]:
    """Column and value of each entry of a matrix's row."""
    for k in range(matrix.start[row], matrix.start[row + 1]):
        yield matrix.source[k], matrix.weight[k]
