"""Reductions. `sum`, `max` and `min` are the kernels' names: inside this file they hide Python's own."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minifcn.kernels.contract import Array


def sum(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Sum over axes; of integers and booleans, in int64.

    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), (0,), keepdims=False)
    array([4., 6.])
    """
    dtype = x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(np.int64)
    return _reduce(x, axes, keepdims, dtype, operator.add)


def max(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Largest over axes; NaN if any is.

    >>> max(np.array([[1.0, 2.0], [3.0, np.nan]]), (1,), keepdims=True)
    array([[ 2.],
           [nan]])
    """
    return _reduce(x, axes, keepdims, x.dtype, lambda a, b: a if a >= b or a != a else b)


def min(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Smallest over axes; NaN if any is.

    >>> min(np.array([[1.0, 2.0], [3.0, 0.0]]), (0, 1), keepdims=False)
    array(0.)
    """
    return _reduce(x, axes, keepdims, x.dtype, lambda a, b: a if a <= b or a != a else b)


def argmax(x: Array, axis: int) -> Array:
    """Index (int64) of the first largest along an axis; the first NaN counts as largest.

    >>> argmax(np.array([[1.0, 3.0, 3.0], [np.nan, 9.0, np.nan]]), axis=1)
    array([1, 0])
    """
    lines = np.moveaxis(x, axis, -1)
    y = np.empty(lines.shape[:-1], np.int64)
    for i in np.ndindex(y.shape):
        line, best = lines[i].tolist(), 0
        for k, value in enumerate(line):
            if value > line[best] or (value != value and line[best] == line[best]):
                best = k
        y[i] = best
    return y


@np.errstate(all="ignore")
def _reduce(
    x: Array, axes: tuple[int, ...], keepdims: bool, dtype: np.dtype, combine: Callable[[Any, Any], Any]
) -> Array:
    """Combine all elements whose positions agree outside of ``axes``. The sum of none is 0."""
    kept = [a for a in range(x.ndim) if a not in axes]
    groups: dict[tuple[int, ...], list] = {i: [] for i in np.ndindex(*(x.shape[a] for a in kept))}
    for i in np.ndindex(x.shape):
        groups[tuple(i[a] for a in kept)].append(x[i].item())
    y = np.empty([x.shape[a] for a in kept], dtype)
    for i, values in groups.items():
        y[i] = functools.reduce(combine, values) if values else 0
    return y.reshape([1 if a in axes else n for a, n in enumerate(x.shape)]) if keepdims else y
