"""Reductions. `sum`, `max` and `min` are the kernels' names: inside this file they hide Python's own."""

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.meta.space import contiguous, empty

_MANY = 2**14  # numbers: from here on, the CPU sums neighbouring axes of a contiguous array by a kernel


def sum(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Sum over axes; of integers and booleans, in int64."""
    if not np.issubdtype(x.dtype, np.floating):
        return _reduced(x, axes, keepdims, np.int64)
    if x.size >= _MANY and axes and axes == tuple(range(axes[0], axes[-1] + 1)):
        contiguous(x)
        return _reduced(x, axes, keepdims, x.dtype)
    total = _reduced(x, axes, False, np.float64)
    result = _reduced(x, axes, keepdims, x.dtype)
    del total  # both are there at a time
    return result


def max(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Largest over axes."""
    return _reduced(x, axes, keepdims, x.dtype)


def min(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Smallest over axes."""
    return _reduced(x, axes, keepdims, x.dtype)


def argmax(x: Array, axis: int) -> Array:
    """Index (int64) of the first largest along an axis."""
    return _reduced(x, (axis % x.ndim,), False, np.int64)


def _reduced(x: Array, axes: tuple[int, ...], keepdims: bool, dtype: np.dtype | type) -> Array:
    kept = ((a not in axes, n) for a, n in enumerate(x.shape))
    return empty([n if stays else 1 for stays, n in kept if stays or keepdims], dtype)
