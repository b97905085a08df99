"""Arrangement: copies, selections, joins."""

from typing import Any

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.meta.space import empty
from minifcn.kernels.shapes import Pair


def cast(x: Array, dtype: Any) -> Array:
    """The same shape in another dtype."""
    return empty(x.shape, dtype)


def broadcast_to(x: Array, shape: tuple[int, ...]) -> Array:
    """Repeat to fill ``shape``."""
    return empty(shape, x.dtype)


def index(x: Array, key: Any) -> Array:
    """``x[key]``: a view where NumPy gives one. Otherwise nothing is read; NumPy would make the copy."""
    if _is_basic(key):
        return np.asarray(x[key])
    chosen = np.broadcast_to(np.False_, x.shape)[key]
    return empty(chosen.shape, x.dtype, least=2**63)


def index_add(x: Array, key: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape``, plus ``x`` at ``key``."""
    return empty(shape, x.dtype)


def concatenate(arrays: tuple[Array, ...], axis: int) -> Array:
    """Join along an existing axis."""
    shape = list(arrays[0].shape)
    shape[axis] = sum(array.shape[axis] for array in arrays)
    return empty(shape, np.result_type(*(array.dtype for array in arrays)))


def pad(x: Array, widths: tuple[Pair, ...], value: float) -> Array:
    """Surround with ``value``."""
    return empty([before + n + after for n, (before, after) in zip(x.shape, widths, strict=True)], x.dtype)


def _is_basic(key: Any) -> bool:
    """Whether the key makes a view: integers, slices, ``...`` and None."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(part is None or part is ... or isinstance(part, slice | int | np.integer) for part in parts)
