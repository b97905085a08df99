"""Reductions. `sum`, `max` and `min` are the kernels' names: inside this file they hide Python's own."""

import math

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.runs import sum_pixels, sum_rows

_MANY = 2**14  # numbers: below, a pass over the array costs less than to wake the threads


def sum(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Sum over axes; floating-point numbers are added up in float64."""
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        return np.add.reduce(x, axis=axes, keepdims=keepdims, dtype=np.int64, out=...)
    with np.errstate(all="ignore"):
        if x.size >= _MANY and axes and axes == tuple(range(axes[0], axes[-1] + 1)):
            total = _sum_neighbours(np.asarray(x, order="C"), axes[0], axes[-1] + 1)
        else:
            total = np.add.reduce(x, axis=axes, dtype=np.float64, out=...)
        shape = [1 if a in axes else n for a, n in enumerate(x.shape)] if keepdims else total.shape
        return total.astype(x.dtype).reshape(shape)


def _sum_neighbours(x: Array, first: int, end: int) -> Array:
    """Sum over the axes from ``first`` to ``end`` − 1, in float64."""
    before, summed, behind = x.shape[:first], x.shape[first:end], x.shape[end:]
    outer, pixels, channels = (math.prod(sizes) for sizes in (before, summed, behind))
    if channels == 1 and pixels < outer:
        total = sum_rows(x.reshape(outer, pixels))
    else:
        total = sum_pixels(x.reshape(outer, pixels, channels))
    return total.reshape(before + behind)


def max(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Largest over axes; NaN if any is."""
    with np.errstate(invalid="ignore"):
        return np.maximum.reduce(x, axis=axes, keepdims=keepdims, out=...)


def min(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Smallest over axes; NaN if any is."""
    with np.errstate(invalid="ignore"):
        return np.minimum.reduce(x, axis=axes, keepdims=keepdims, out=...)


def argmax(x: Array, axis: int) -> Array:
    """Index (int64) of the first largest along an axis; the first NaN counts as largest."""
    return np.asarray(np.argmax(x, axis=axis), np.int64)
