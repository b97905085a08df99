"""Sparse linear maps along rows and columns."""

from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.contract import Array
from minifcn.kernels.meta.space import contiguous, empty


def resample2d(x: Array, rows: AxisMap, columns: AxisMap) -> Array:
    """(N, H, W, C) -> (N, P, Q, C)."""
    x = contiguous(x)
    return empty((x.shape[0], rows.output_size, columns.output_size, x.shape[3]), x.dtype)
