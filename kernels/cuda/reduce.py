"""Reductions. `sum`, `max` and `min` are the kernels' names: inside this file they hide Python's own."""

from __future__ import annotations

import numpy as np

from minifcn.kernels.cuda.array import CudaArray
from minifcn.kernels.cuda.reducing import argmax, kernels_to_check, reduced

__all__ = ["argmax", "kernels_to_check", "max", "min", "sum"]


def sum(x: CudaArray, axes: tuple[int, ...], keepdims: bool) -> CudaArray:
    """Sum over axes; of integers and booleans, in int64."""
    result = x.dtype if x.dtype.kind == "f" else np.dtype(np.int64)
    return reduced("total", x, axes, keepdims, result)


def max(x: CudaArray, axes: tuple[int, ...], keepdims: bool) -> CudaArray:
    """Largest over axes; NaN if any is."""
    return reduced("larger", x, axes, keepdims, x.dtype)


def min(x: CudaArray, axes: tuple[int, ...], keepdims: bool) -> CudaArray:
    """Smallest over axes; NaN if any is."""
    return reduced("smaller", x, axes, keepdims, x.dtype)
