"""Of all gradients together: their norm, and their scaling, in one launch; `optimiser` has the table."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minifcn.kernels.cuda import lang
from minifcn.kernels.cuda.array import CudaArray, empty, full
from minifcn.kernels.cuda.lang import SIMULATED, cuda, f32, f64, load_at, store_at, u32
from minifcn.kernels.cuda.launching import Kernel, jit
from minifcn.kernels.cuda.optimiser import table_of

_THREADS = 32 if SIMULATED else 256


def squared_norm(arrays: Sequence[CudaArray]) -> CudaArray:
    """Σ x² over the elements of all arrays, a 0-d float64 array. A sum for each block, then the sum of those."""
    tables = list(_tables(arrays))
    if not tables:
        return full((), 0, np.float64)
    partial = empty((sum(blocks for _, _, blocks in tables),), np.float64)
    begin = 0
    for dtype, table, blocks in tables:
        _sum_squares(dtype.char).launch(blocks, _THREADS, table, partial.view(slice(begin, begin + blocks)))
        begin += blocks
    total = empty((), np.float64)
    _sum_partial.launch(1, _THREADS, partial, total, partial.size)
    return total


def scale_all(arrays: Sequence[CudaArray], factor: CudaArray) -> None:
    """Multiply every array by the 0-d float64 array ``factor``, rounded to its dtype, in place."""
    for dtype, table, blocks in _tables(arrays):
        _scale(dtype.char).launch(blocks, _THREADS, table, factor)


def _tables(arrays: Sequence[CudaArray]) -> Iterator[tuple[np.dtype, CudaArray, int]]:
    """For the arrays of each dtype, the table of their blocks, and how many there are."""
    filled = [array for array in arrays if array.size]
    if not all(array.is_contiguous for array in filled):
        raise ValueError("gradients have to be contiguous arrays")
    for dtype in dict.fromkeys(array.dtype for array in filled):
        table, blocks = table_of([(array,) for array in filled if array.dtype == dtype], dtype.itemsize)
        yield dtype, table, blocks


@functools.cache
def _sum_squares(char: str) -> Kernel:
    """A block's numbers, squared and added up in float64, for float32 ("f") or float64 ("d")."""
    kind = f32 if char == "f" else f64

    @jit()
    def _squared_norm(table, partial):
        sums = cuda.shared.array(_THREADS, f64)
        row, t = u32(cuda.blockIdx.x * u32(2)), u32(cuda.threadIdx.x)
        address, count = table[row], u32(table[u32(row + u32(1))])
        total, e = f64(0), t
        while e < count:
            value = f64(load_at(address, e, kind(0)))
            total += value * value
            e = u32(e + u32(_THREADS))
        sums[t] = total
        cuda.syncthreads()
        if t == 0:
            total = f64(0)
            for i in range(_THREADS):
                total += sums[i]
            partial[u32(cuda.blockIdx.x)] = total

    return _squared_norm


@jit()
def _sum_partial(partial, total, count):
    sums = cuda.shared.array(_THREADS, f64)
    t = u32(cuda.threadIdx.x)
    own, e = f64(0), t
    while e < count:
        own += partial[e]
        e = u32(e + u32(_THREADS))
    sums[t] = own
    cuda.syncthreads()
    if t == 0:
        own = f64(0)
        for i in range(_THREADS):
            own += sums[i]
        total[0] = own


@functools.cache
def _scale(char: str) -> Kernel:
    """Multiply a block's numbers; a factor of 1 leaves memory alone."""
    kind = f32 if char == "f" else f64

    @jit()
    def _scale_all(table, factor):
        row, e = u32(cuda.blockIdx.x * u32(2)), u32(cuda.threadIdx.x)
        address, count = table[row], u32(table[u32(row + u32(1))])
        by = kind(factor[0])
        if by != kind(1):
            while e < count:
                store_at(address, e, load_at(address, e, kind(0)) * by)
                e = u32(e + u32(_THREADS))

    return _scale_all


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    table, sums = lang.array_type(np.dtype(np.uint64)), lang.array_type(np.dtype(np.float64))
    for char, name in (("f", "float32"), ("d", "float64")):
        yield f"squared_norm {name}", _sum_squares(char), (table, sums)
        yield f"scale_all {name}", _scale(char), (table, sums)
    yield "squared_norm, second pass", _sum_partial, (sums, sums, lang.scalar_type(np.dtype(np.uint32)))
