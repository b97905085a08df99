"""Arrangement: copies, selections, joins. What lies side by side is moved as one run of memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn.kernels.cuda.array import CudaArray, empty, from_host
from minifcn.kernels.cuda.copying import copy, fill

__all__ = ["assign", "broadcast_to", "cast", "concatenate", "contiguous", "fill", "index", "index_add", "pad"]


def contiguous(x: CudaArray) -> CudaArray:
    """The array itself if its elements lie one after the other, else a copy of which that holds."""
    if x.is_contiguous:
        return x
    y = empty(x.shape, x.dtype)
    copy(x, y)
    return y


def cast(x: CudaArray, dtype: Any) -> CudaArray:
    """The same values in another dtype, in a new array."""
    kind = np.dtype(dtype)
    if kind != x.dtype:
        from minifcn.kernels.cuda.elementwise import converted

        return converted(x, kind)
    y = empty(x.shape, kind)
    copy(x, y)
    return y


def broadcast_to(x: CudaArray, shape: tuple[int, ...]) -> CudaArray:
    """Repeat to fill ``shape``, in a new array."""
    y = empty(shape, x.dtype)
    copy(x.broadcast_view(tuple(shape)), y)
    return y


def index(x: CudaArray, key: Any) -> CudaArray:
    """``x[key]``, as NumPy indexes. Integers and slices share memory; index arrays on the GPU are waited for."""
    if is_basic(key):
        return x.view(key)
    from minifcn.kernels.cuda.gathering import gathered

    return gathered(x, key)


def index_add(x: CudaArray, key: Any, shape: tuple[int, ...]) -> CudaArray:
    """Zeros of ``shape``, to which ``x`` is added at ``key``, repeated positions adding up in the order of the key."""
    y = empty(shape, x.dtype)
    fill(y, 0)
    if is_basic(key):
        target = y.view(key)
        copy(x.broadcast_view(target.shape), target)
    else:
        from minifcn.kernels.cuda.gathering import add_scattered

        add_scattered(x, key, y)
    return y


def assign(x: CudaArray, key: Any, values: Any) -> None:
    """x[key] = values, numbers or arrays that broadcast, from the host or the GPU."""
    if not is_basic(key):
        from minifcn.kernels.cuda.gathering import scatter

        scatter(values, key, x)
        return
    target = x.view(key)
    if not isinstance(values, CudaArray):
        array = np.asarray(values)
        if array.ndim == 0:
            fill(target, array)
            return
        values = from_host(array.astype(x.dtype, copy=False))
    copy(fitting(values, target.shape, target), target)


def concatenate(arrays: tuple[CudaArray, ...], axis: int) -> CudaArray:
    """Join along an existing axis."""
    axis %= arrays[0].ndim
    shape = list(arrays[0].shape)
    shape[axis] = sum(array.shape[axis] for array in arrays)
    y = empty(tuple(shape), np.result_type(*(array.dtype for array in arrays)))
    begin = 0
    for array in arrays:
        end = begin + array.shape[axis]
        part = y.view((slice(None),) * axis + (slice(begin, end),))
        copy(array if array.dtype == y.dtype else cast(array, y.dtype), part)
        begin = end
    return y


def pad(x: CudaArray, widths: tuple[tuple[int, int], ...], value: float) -> CudaArray:
    """Surround with ``value``: ``widths[a]`` elements before and after along axis a."""
    y = empty([before + n + after for n, (before, after) in zip(x.shape, widths, strict=True)], x.dtype)
    if y.size > x.size:
        fill(y, value)
    copy(x, y.view(tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))))
    return y


def fitting(values: CudaArray, shape: tuple[int, ...], target: CudaArray) -> CudaArray:
    """What is to be written to ``target``: of ``shape``, of its dtype, and in memory that it does not share."""
    if values.dtype != target.dtype:
        values = cast(values, target.dtype)
    elif np.may_share_memory(values._layout, target._layout):  # looks at addresses alone
        values = cast(values, values.dtype)
    while values.ndim > len(shape) and values.shape[0] == 1:  # NumPy lets go of leading ones here
        values = values.view(0)
    return values.broadcast_view(shape)


def is_basic(key: Any) -> bool:
    """Whether a key has no arrays: integers, slices, ``...`` and None select views."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None or part is ... or isinstance(part, slice | np.integer) or type(part) is int for part in parts
    )
