"""Arrangement: what moves values without computing any."""

from typing import Any

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.shapes import Pair


@np.errstate(all="ignore")
def cast(x: Array, dtype: Any) -> Array:
    """The same values in another dtype, in a new array.

    >>> cast(np.array([1.75, -1.75]), np.int64)
    array([ 1, -1])
    """
    y = np.empty(x.shape, dtype)
    for i in np.ndindex(x.shape):
        y[i] = x[i]
    return y


def broadcast_to(x: Array, shape: tuple[int, ...]) -> Array:
    """Repeat to fill ``shape``, in a new array.

    >>> broadcast_to(np.array([[1.0], [2.0]]), (2, 2))
    array([[1., 1.],
           [2., 2.]])
    """
    y = np.empty(shape, x.dtype)
    new = len(shape) - x.ndim
    for i in np.ndindex(*shape):
        y[i] = x[tuple(0 if n == 1 else k for k, n in zip(i[new:], x.shape, strict=True))]
    return y


def index(x: Array, key: Any) -> Array:
    """``x[key]``: NumPy says which element goes where.

    >>> index(np.array([[1.0, 2.0], [3.0, 4.0]]), (slice(None), 1))
    array([2., 4.])
    """
    positions = _positions(x.shape, key)
    y = np.empty(positions.shape, x.dtype)
    for i in np.ndindex(y.shape):
        y[i] = x.flat[positions[i]]
    return y


def index_add(x: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape``, to which ``x`` is added at ``key``, repeated positions adding up.

    >>> index_add(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), (3,))
    array([5., 0., 2.])
    """
    y = np.zeros(shape, x.dtype)
    positions = _positions(shape, key)
    for i in np.ndindex(positions.shape):
        y.flat[positions[i]] += x[i]
    return y


def concatenate(arrays: tuple[Array, ...], axis: int) -> Array:
    """Join along an existing axis.

    >>> concatenate((np.array([[1.0], [2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])), axis=1)
    array([[1., 3., 4.],
           [2., 5., 6.]])
    """
    shape = list(arrays[0].shape)
    shape[axis] = sum(array.shape[axis] for array in arrays)
    y = np.empty(shape, np.result_type(*arrays))
    begin = 0
    for array in arrays:
        for i in np.ndindex(array.shape):
            y[(*i[:axis], begin + i[axis], *i[axis + 1 :])] = array[i]
        begin += array.shape[axis]
    return y


def pad(x: Array, widths: tuple[Pair, ...], value: float) -> Array:
    """Surround with ``value``: ``widths[a]`` elements before and after along axis a.

    >>> pad(np.array([[1.0, 2.0]]), ((1, 0), (0, 2)), 9.0)
    array([[9., 9., 9., 9.],
           [1., 2., 9., 9.]])
    """
    y = np.full([before + n + after for n, (before, after) in zip(x.shape, widths, strict=True)], value, x.dtype)
    for i in np.ndindex(x.shape):
        y[tuple(before + k for k, (before, _) in zip(i, widths, strict=True))] = x[i]
    return y


def _positions(shape: tuple[int, ...], key: Any) -> Array:
    """The flat positions that ``key`` selects from an array of ``shape``."""
    return np.asarray(np.arange(int(np.prod(shape))).reshape(shape)[key])
