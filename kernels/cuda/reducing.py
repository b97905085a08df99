"""How many numbers become one, in passes over ever fewer.

Axes that are reduced together are one: an array is (outer, length, inner), its middle axis goes. Threads ``across``
stand on neighbouring columns, so that warps read runs of memory; the ``members`` share a column's numbers; what is left
of a block takes further lines. Each thread combines up to some hundred numbers, the members combine their results in a
tree, and further passes combine those of chunks. Who combines what depends on shapes alone: the bits never change.

Sums of float32 are float32 over the 128 numbers of a thread, in four parts, and float64 from there on.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda import lang
from minifcn.kernels.cuda.arrange import cast, contiguous
from minifcn.kernels.cuda.array import CudaArray, empty, full
from minifcn.kernels.cuda.bodies import reduce as bodies
from minifcn.kernels.cuda.lang import cuda, device_function, u32
from minifcn.kernels.cuda.launching import Kernel, jit, threads_and_blocks

_THREADS = 32 if lang.SIMULATED else 256  # of a block
_PARTS = 4  # accumulators of a thread
_AHEAD = 16  # numbers that a thread reads before it combines them, so that the reads overlap
_MOST = 128  # numbers that a thread combines
_BLOCKS = 1024  # that a large array is worth: some on every multiprocessor
_CHUNK = 1024  # numbers that a thread of `argmax` looks at, where lines are long

_is_first_largest = device_function(bodies.is_first_largest)


# --- the passes -------------------------------------------------------------------------------------------------------


def reduced(body: str, x: CudaArray, axes: tuple[int, ...], keepdims: bool, result: np.dtype) -> CudaArray:
    """Combine all elements that differ only along ``axes``."""
    gone = {a % x.ndim for a in axes}
    kept = tuple(1 if a in gone else n for a, n in enumerate(x.shape) if keepdims or a not in gone)
    count = math.prod(x.shape[a] for a in gone)
    if count == 0 and 0 not in kept and body != "total":
        raise ValueError(f"the largest or smallest of no elements: axes {axes} of shape {x.shape}")
    if x.size == 0:
        return full(kept, 0, result)
    if count == 1:
        return cast(x, result).reshape(kept)
    array, (outer, length, inner) = _as_three_axes(x, gone)
    array = _plain(array)
    y = empty(kept, result)
    target = _plain(y)
    between = np.dtype(np.float64 if result.kind == "f" else np.int64) if body == "total" else array.dtype
    while length > 1 or array is not target:
        chunks, launch = _pass(outer, length, inner)
        written = target if chunks == 1 else empty((outer, chunks, inner), between)
        launch(_kernel(body, _inside(array.dtype, body), _inside(between, body)), array, written)
        array, length = written, chunks
    return y


def argmax(x: CudaArray, axis: int) -> CudaArray:
    """Index (int64) of the first largest along an axis; the first NaN counts as largest.

    Raises:
        ValueError: there is nothing to choose from.
    """
    axis %= x.ndim
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    outer, length, inner = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    y = empty(shape, np.int64)
    if y.size == 0:
        return y
    if length == 0:
        raise ValueError(f"argmax of no elements: axis {axis} of shape {x.shape}")
    x = _plain(contiguous(x))
    chunks = -(-length // _CHUNK)
    found = y if chunks == 1 else empty((outer, chunks, inner), np.int64)
    grid, block = threads_and_blocks(found.size)
    _argmax.launch(grid, block, x, found, found.size, length, inner, chunks)
    if chunks > 1:
        grid, block = threads_and_blocks(y.size)
        _argmax_of_chunks.launch(grid, block, x, found, y, y.size, length, inner, chunks)
    return y


def _as_three_axes(x: CudaArray, gone: set[int]) -> tuple[CudaArray, tuple[int, int, int]]:
    """A contiguous array (outer, length, inner) of the same elements, of which the middle axis is reduced."""
    long = [a for a, n in enumerate(x.shape) if n != 1]
    reduced = [a for a in long if a in gone]
    if [a for a in long if reduced[0] <= a <= reduced[-1]] != reduced:  # other axes lie between
        order = [a for a in range(x.ndim) if a not in gone] + sorted(gone)
        x = x.transpose(order)
        outer = math.prod(x.shape[: x.ndim - len(gone)])
        return contiguous(x), (outer, x.size // outer, 1)
    first, end = reduced[0], reduced[-1] + 1
    outer, length, inner = (math.prod(n) for n in (x.shape[:first], x.shape[first:end], x.shape[end:]))
    return contiguous(x), (outer, length, inner)


def _plain(x: CudaArray) -> CudaArray:
    """Booleans as the bytes that they are."""
    return CudaArray(x._layout.view(np.uint8)) if x.dtype == bool else x


def _inside(dtype: np.dtype, body: str) -> Any:
    """The type that a thread combines numbers in."""
    return np.int64 if body == "total" and dtype.kind != "f" else dtype.type


def _pass(outer: int, length: int, inner: int) -> tuple[int, Any]:
    """How many chunks a pass leaves of each line of ``length``, and a function that launches it."""
    across = _power_of_two(inner, _THREADS)
    members = _power_of_two(-(-length // _PARTS), _THREADS // across)
    lines = _THREADS // (across * members)
    each = min(_MOST, -(-outer * length * inner // (_THREADS * _BLOCKS)))  # of one thread, if blocks are to be many
    chunks = -(-length // (members * max(each, 2 * _PARTS)))
    chunk = -(-length // chunks)
    chunks = -(-length // chunk)
    grid = -(-outer * chunks // lines) * -(-inner // across)
    shape = (outer, length, inner, chunk, chunks, across, members)

    def launch(kernel: Kernel, x: CudaArray, y: CudaArray) -> None:
        kernel.launch(grid, _THREADS, x, y, shape)

    return chunks, launch


def _power_of_two(number: int, most: int) -> int:
    """The first power of two that is not below ``number``, or ``most``."""
    power = 1
    while power < number and power < most:
        power *= 2
    return power


# --- kernels; shape is (outer, length, inner, chunk, chunks, across, members) -----------------------------------------

# mypy: disable-error-code="no-untyped-def, no-untyped-call"


@functools.cache
def _kernel(body: str, inside: Any, between: Any) -> Kernel:
    """Combines chunks of lines: a thread in one type, ``inside``, threads with each other in another, ``between``."""
    combine = device_function(getattr(bodies, body))
    of_some = _combined_by_thread(combine, inside)

    @jit()
    def _reduce(x, y, shape):
        outer, length, inner, chunk, chunks, across, members = shape
        shared = cuda.shared.array(_THREADS, between)
        thread, block = u32(cuda.threadIdx.x), u32(cuda.blockIdx.x)
        above = u32(thread // across)
        line_of_block = u32(above // members)
        member = u32(above - u32(line_of_block * members))
        tiles = u32(u32(u32(inner + across) - u32(1)) // across)
        group = u32(block // tiles)
        tile = u32(block - u32(group * tiles))
        column = u32(u32(tile * across) + u32(thread - u32(above * across)))
        line = u32(u32(group * u32(u32(_THREADS) // u32(across * members))) + line_of_block)
        row = u32(line // chunks)
        part = u32(line - u32(row * chunks))
        first = u32(part * chunk)
        here = column < inner and row < outer
        filled = min(members, u32(min(chunk, u32(length - first))))
        if here and member < filled:
            start = u32(u32(u32(u32(u32(row * length) + first) + member) * inner) + column)
            left = u32(min(chunk, u32(length - first)) - member)
            count = u32(u32(u32(left + members) - u32(1)) // members)
            shared[thread] = between(of_some(x, start, u32(members * inner), count))
        half = u32(members // u32(2))
        while half > 0:  # a tree: member m combines with member m + half
            cuda.syncthreads()
            if here and member < half and u32(member + half) < filled:
                shared[thread] = combine(shared[thread], shared[u32(thread + u32(half * across))])
            half = u32(half // u32(2))
        if here and member == 0:
            y[u32(u32(line * inner) + column)] = shared[thread]

    kernel: Kernel = _reduce
    kernel.name = {"total": "sum", "larger": "max", "smaller": "min"}[body]
    return kernel


def _combined_by_thread(combine: Any, inside: Any) -> Any:
    """A function that combines ``count`` numbers ``step`` apart, at least one."""

    def _of_some(x, start, step, count):
        total = inside(x[start])
        if count < u32(_PARTS):
            for k in range(1, count):
                total = combine(total, inside(x[u32(start + u32(u32(k) * step))]))
            return total
        parts = cuda.local.array(_PARTS, inside)
        for p in range(_PARTS):
            parts[p] = inside(x[u32(start + u32(u32(p) * step))])
        done = u32(_PARTS)
        ahead = cuda.local.array(_AHEAD, inside)
        while u32(done + u32(_AHEAD)) <= count:
            at = u32(start + u32(done * step))
            for p in range(_AHEAD):
                ahead[p] = inside(x[u32(at + u32(u32(p) * step))])
            for p in range(_AHEAD):
                parts[p % _PARTS] = combine(parts[p % _PARTS], ahead[p])
            done = u32(done + u32(_AHEAD))
        while u32(done + u32(_PARTS)) <= count:
            at = u32(start + u32(done * step))
            for p in range(_PARTS):
                parts[p] = combine(parts[p], inside(x[u32(at + u32(u32(p) * step))]))
            done = u32(done + u32(_PARTS))
        for k in range(done, count):
            parts[0] = combine(parts[0], inside(x[u32(start + u32(u32(k) * step))]))
        return combine(combine(parts[0], parts[1]), combine(parts[2], parts[3]))

    return device_function(_of_some)


@jit()
def _argmax(x, y, count, length, inner, chunks):
    """A thread looks at a chunk of a line."""
    e = u32(u32(cuda.blockIdx.x * cuda.blockDim.x) + cuda.threadIdx.x)
    if e < count:
        above = u32(e // inner)
        column = u32(e - u32(above * inner))
        row = u32(above // chunks)
        first = u32(u32(above - u32(row * chunks)) * u32(_CHUNK))
        start = u32(u32(u32(row * length) * inner) + column)
        best, where = x[u32(start + u32(first * inner))], first
        for k in range(u32(first + u32(1)), min(u32(first + u32(_CHUNK)), length)):
            value = x[u32(start + u32(u32(k) * inner))]
            if _is_first_largest(value, best):
                best, where = value, u32(k)
        y[e] = where


@jit()
def _argmax_of_chunks(x, found, y, count, length, inner, chunks):
    """A thread compares what the chunks of a line found."""
    e = u32(u32(cuda.blockIdx.x * cuda.blockDim.x) + cuda.threadIdx.x)
    if e < count:
        row = u32(e // inner)
        column = u32(e - u32(row * inner))
        start = u32(u32(u32(row * length) * inner) + column)
        listed = u32(u32(u32(row * chunks) * inner) + column)
        where = u32(found[listed])
        best = x[u32(start + u32(where * inner))]
        for k in range(1, chunks):
            place = u32(found[u32(listed + u32(u32(k) * inner))])
            value = x[u32(start + u32(place * inner))]
            if _is_first_largest(value, best):
                best, where = value, place
        y[e] = where


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    number, shape = lang.scalar_type(np.dtype(np.uint32)), lang.tuple_type(7)
    double, integers = lang.array_type(np.dtype(np.float64)), lang.array_type(np.dtype(np.int64))
    for dtype in map(np.dtype, (np.float32, np.float64)):
        x, kind = lang.array_type(dtype), _inside(dtype, "larger")
        yield f"sum, first pass {dtype}", _kernel("total", kind, np.float64), (x, double, shape)
        yield f"sum, only pass {dtype}", _kernel("total", kind, np.float64), (x, x, shape)
        yield f"max {dtype}", _kernel("larger", kind, kind), (x, x, shape)
    last = _kernel("total", np.float64, np.float64)
    yield "sum, last pass", last, (double, lang.array_type(np.dtype(np.float32)), shape)
    booleans = lang.array_type(np.dtype(np.uint8))
    yield "sum of booleans", _kernel("total", np.int64, np.int64), (booleans, integers, shape)
    for dtype in map(np.dtype, (np.float32, np.float64)):
        x = lang.array_type(dtype)
        yield f"argmax {dtype}", _argmax, (x, integers, *[number] * 4)
        yield f"argmax of chunks {dtype}", _argmax_of_chunks, (x, integers, integers, *[number] * 4)
