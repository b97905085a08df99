"""Sparse linear maps along rows and columns: upsampling, average pooling, mirrored borders, and their adjoints."""

import numpy as np
from numba import prange

from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.copying import contiguous
from minifcn.kernels.cpu.jit import kernel
from minifcn.kernels.cpu.memory import empty


def resample2d(x: Array, rows: AxisMap, columns: AxisMap) -> Array:
    """(N, H, W, C) -> (N, P, Q, C): y[n, i, j, c] = Σ_p Σ_q rows[i, p] · columns[j, q] · x[n, p, q, c]."""
    x = contiguous(x)
    n, _, _, c = x.shape
    y = empty((n, rows.output_size, columns.output_size, c), x.dtype)
    _resample2d(
        x,
        *(rows.start, rows.source, rows.weight.astype(x.dtype)),
        *(columns.start, columns.source, columns.weight.astype(x.dtype)),
        y,
    )
    return y


@kernel
def _resample2d(
    x: Array,
    row_start: Array,
    row_index: Array,
    row_weight: Array,
    column_start: Array,
    column_index: Array,
    column_weight: Array,
    y: Array,
) -> None:
    N, H, W, C = x.shape
    _, P, Q, _ = y.shape
    flat = x.reshape(N, H, W * C)
    for task in prange(N * P):
        n, i = task // P, task % P
        # Rows first: whole rows of the image are added, one long loop each however few the channels.
        mixed = np.zeros(W * C, x.dtype)
        for k in range(row_start[i], row_start[i + 1]):
            weight, line = row_weight[k], flat[n, row_index[k]]
            for m in range(mixed.size):
                mixed[m] += weight * line[m]
        pixels = mixed.reshape(W, C)
        for j in range(Q):
            for c in range(C):
                y[n, i, j, c] = 0
            for k in range(column_start[j], column_start[j + 1]):
                weight, q = column_weight[k], column_index[k]
                for c in range(C):
                    y[n, i, j, c] += weight * pixels[q, c]
