"""Arrangement: copies, selections, joins."""

from typing import Any

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.copying import copy
from minifcn.kernels.cpu.memory import empty, full, zeros
from minifcn.kernels.shapes import Pair


def cast(x: Array, dtype: Any) -> Array:
    """The same values in another dtype, in a new array."""
    with np.errstate(all="ignore"):  # 1e300 in float32 is inf
        y = empty(x.shape, dtype)
        y[...] = x
        return y


def broadcast_to(x: Array, shape: tuple[int, ...]) -> Array:
    """Repeat to fill ``shape``, in a new array."""
    y = empty(shape, x.dtype)
    y[...] = x
    return y


def index(x: Array, key: Any) -> Array:
    """``x[key]``, as NumPy indexes."""
    return np.asarray(x[key])


def index_add(x: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape``, to which ``x`` is added at ``key``, repeated positions adding up."""
    y = zeros(shape, x.dtype)
    if _selects_once(key):
        y[key] = x
    else:
        np.add.at(y, key, x)  # in the order of the key, so with the same bits each time
    return y


def concatenate(arrays: tuple[Array, ...], axis: int) -> Array:
    """Join along an existing axis."""
    shape = list(arrays[0].shape)
    shape[axis] = sum(array.shape[axis] for array in arrays)
    y = empty(shape, np.result_type(*arrays))
    begin = 0
    for array in arrays:
        end = begin + array.shape[axis]
        copy(array, y[(slice(None),) * axis + (slice(begin, end),)])
        begin = end
    return y


def pad(x: Array, widths: tuple[Pair, ...], value: float) -> Array:
    """Surround with ``value``: ``widths[a]`` elements before and after along axis a."""
    y = full([before + n + after for n, (before, after) in zip(x.shape, widths, strict=True)], value, x.dtype)
    y[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))] = x
    return y


def _selects_once(key: Any) -> bool:
    """Whether no position can occur twice: integers, slices, ``...`` and None select each at most once."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(part is None or part is ... or isinstance(part, slice | int | np.integer) for part in parts)
