"""Reductions. `sum`, `max` and `min` are the kernels' names: inside this file they hide Python's own."""

import math

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.copying import contiguous
from minifcn.kernels.cpu.memory import empty
from minifcn.kernels.cpu.runs import sum_pixels, sum_rows

_MANY = 2**14  # numbers: below, a pass over the array costs less than to wake the threads


def sum(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Sum over axes; floating-point numbers are added up in float64."""
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        return np.add.reduce(x, axis=axes, keepdims=keepdims, out=_room(x, axes, keepdims, np.dtype(np.int64)))
    with np.errstate(all="ignore"):
        if x.size >= _MANY and axes and axes == tuple(range(axes[0], axes[-1] + 1)):
            total = _sum_neighbours(contiguous(x), axes[0], axes[-1] + 1)
        else:
            total = np.add.reduce(x, axis=axes, out=_room(x, axes, False, np.dtype(np.float64)))
        y = _room(x, axes, keepdims, x.dtype)
        y[...] = total.reshape(y.shape)
        return y


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
        return np.maximum.reduce(x, axis=axes, keepdims=keepdims, out=_room(x, axes, keepdims, x.dtype))


def min(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Smallest over axes; NaN if any is."""
    with np.errstate(invalid="ignore"):
        return np.minimum.reduce(x, axis=axes, keepdims=keepdims, out=_room(x, axes, keepdims, x.dtype))


def argmax(x: Array, axis: int) -> Array:
    """Index (int64) of the first largest along an axis; the first NaN counts as largest."""
    return np.argmax(x, axis=axis, out=_room(x, (axis % x.ndim,), False, np.dtype(np.int64)))


def _room(x: Array, axes: tuple[int, ...], keepdims: bool, dtype: np.dtype) -> Array:
    """An array for a reduction of ``x``; given as ``out``, it is the result even where NumPy would make a scalar."""
    kept = ((a not in axes, n) for a, n in enumerate(x.shape))
    return empty([n if stays else 1 for stays, n in kept if stays or keepdims], dtype)
