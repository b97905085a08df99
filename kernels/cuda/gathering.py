"""Indexing with arrays, as NumPy does it: elements are taken from, put to and added up at places in a list.

The host turns a key into places: where in memory, along one axis that stands for all indexed ones, each entry lies. The
other axes are walked as in any copy. Index arrays and masks that lie on the GPU are copied to the host first, which
waits for the GPU: how large the result is depends on what they hold.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minifcn.kernels.cuda import lang
from minifcn.kernels.cuda.array import CudaArray, Shape, empty, from_host
from minifcn.kernels.cuda.lang import cuda, u32
from minifcn.kernels.cuda.launching import Kernel, jit, threads_and_blocks
from minifcn.kernels.cuda.striding import collapsed, elements, span


class Selection(NamedTuple):
    """What a key with arrays selects from an array.

    The result has the axes ``before``, ``listed`` and ``behind``; along the middle ones elements lie at ``places``.
    """

    before: Shape
    listed: Shape
    behind: Shape
    places: np.ndarray  # (entries,) int64: elements from the first of the array's memory, flat
    strides: Shape  # of the axes before and behind, in elements
    memory: CudaArray  # that holds the array

    @property
    def shape(self) -> Shape:
        """The result's shape, as NumPy has it."""
        return self.before + self.listed + self.behind

    @property
    def flat_shape(self) -> Shape:
        """The result's shape with one axis for all listed ones."""
        return (*self.before, len(self.places), *self.behind)


def gathered(x: CudaArray, key: Any) -> CudaArray:
    """x[key]."""
    chosen = selection(x, key)
    y = empty(chosen.shape, x.dtype)
    if y.size:
        _move(chosen, y.reshape(chosen.flat_shape), chosen.places, None)
    return y


def scatter(values: Any, key: Any, x: CudaArray) -> None:
    """x[key] = values; of several for one place, the last stays."""
    from minifcn.kernels.cuda.arrange import contiguous, fitting

    chosen = selection(x, key)
    given = values if isinstance(values, CudaArray) else from_host(np.asarray(values).astype(x.dtype, copy=False))
    flat = contiguous(fitting(given, chosen.shape, x)).reshape(chosen.flat_shape)
    if flat.size == 0:
        return
    backwards = chosen.places[::-1]
    places, last = np.unique(backwards, return_index=True)
    if len(places) == len(backwards):
        _move(chosen, flat, chosen.places, None, to_memory=True)
    else:
        _move(chosen, flat, places, len(backwards) - 1 - last, to_memory=True)


def add_scattered(x: CudaArray, key: Any, y: CudaArray) -> None:
    """Add x to the zeros y at ``key``. Of several for one place, the sum is in the order of the key."""
    from minifcn.kernels.cuda.arrange import contiguous

    chosen = selection(y, key)
    flat = contiguous(x.broadcast_view(chosen.shape)).reshape(chosen.flat_shape)
    if flat.size == 0:
        return
    order = np.argsort(chosen.places, kind="stable")
    places, starts = np.unique(chosen.places[order], return_index=True)
    if len(places) == len(order):
        _move(chosen, flat, chosen.places, None, to_memory=True)
        return
    shape, steps, axis = _walk(chosen, len(places), flat)
    ends = np.append(starts, len(order))
    lists = (_uploaded(order), _uploaded(ends), _uploaded(places))
    count = math.prod(shape)
    kernel = _sum_kernel(len(shape), axis)
    kernel.launch(*threads_and_blocks(count), flat, chosen.memory, *lists, count, shape, *steps)


def _move(
    chosen: Selection, flat: CudaArray, places: np.ndarray, entries: np.ndarray | None, to_memory: bool = False
) -> None:
    """Copy between the selected elements and the contiguous array ``flat``, whose entries are all, or ``entries``."""
    shape, steps, axis = _walk(chosen, len(places), flat)
    memory_list = _uploaded(places)
    flat_list = memory_list if entries is None else _uploaded(entries)
    count = math.prod(shape)
    kernel = _move_kernel(len(shape), axis, entries is not None, to_memory)
    kernel.launch(*threads_and_blocks(count), chosen.memory, flat, memory_list, flat_list, count, shape, *steps)


def _walk(chosen: Selection, entries: int, flat: CudaArray) -> tuple[Shape, list[Shape], int]:
    """Lengths of the axes to walk, strides in memory and in ``flat``, and which axis is the listed one."""
    listed = len(chosen.before)
    shape = (*chosen.before, entries, *chosen.behind)
    in_memory = (*chosen.strides[:listed], 0, *chosen.strides[listed:])
    lengths, steps = collapsed(shape, in_memory, elements(flat.strides, flat.itemsize), kept=listed)
    axis = 0 if listed == 0 else len(collapsed(shape[:listed], in_memory[:listed], _row(shape[:listed]))[0])
    if listed and all(n == 1 for n in shape[:listed]):
        axis = 0
    return lengths, steps, axis


def _row(shape: Shape) -> Shape:
    """Strides of a contiguous array, in elements."""
    return tuple(math.prod(shape[a + 1 :]) for a in range(len(shape)))


def _uploaded(numbers: np.ndarray) -> CudaArray:
    return from_host(numbers.astype(np.uint32))


# --- keys -------------------------------------------------------------------------------------------------------------


def selection(x: CudaArray, key: Any) -> Selection:
    """What ``key``, of which some parts are arrays, selects.

    Raises:
        IndexError: an index lies outside, or a mask has another shape.
    """
    parts = _expanded(_on_host(key), x.ndim)
    basic: list[Any] = []  # the key of a view in which indexed axes are whole
    arrays: list[tuple[int, np.ndarray]] = []  # axis of that view, indices along it
    where: list[int] = []  # of which parts of the key are arrays: neighbours keep their place
    view_axis = axis = 0
    for p, part in enumerate(parts):
        if isinstance(part, np.ndarray):
            where.append(p)
            if part.ndim == 0 and part.dtype == bool:  # indexes an axis of its own
                basic.append(None)
                arrays.append((view_axis, np.zeros(int(part), np.int64)))
                view_axis += 1
                continue
            found = part.nonzero() if part.dtype == bool else (part,)
            if part.dtype == bool and part.shape != x.shape[axis : axis + part.ndim]:
                raise IndexError(f"a mask of shape {part.shape} cannot index an array of shape {x.shape}")
            for indices in found:
                basic.append(slice(None))
                arrays.append((view_axis, _inside(indices, x.shape[axis], axis)))
                view_axis, axis = view_axis + 1, axis + 1
        else:
            basic.append(part)
            view_axis += part is None or isinstance(part, slice)
            axis += part is not None and part is not ...
    view = x.view(tuple(part for part in basic if part is not ...))
    together = where == list(range(where[0], where[-1] + 1))
    return _selected(view, arrays, together)


def _selected(view: CudaArray, arrays: list[tuple[int, np.ndarray]], together: bool) -> Selection:
    """The selection of these indices along these axes of a view."""
    strides = elements(view.strides, view.itemsize)
    indexed = [axis for axis, _ in arrays]
    broadcast = np.broadcast_arrays(*(indices for _, indices in arrays))
    memory, first = span(view) if view.size else (view.ravel(), 0)
    places = np.full(broadcast[0].shape, first, np.int64)
    for axis, indices in zip(indexed, broadcast, strict=True):
        places += indices * strides[axis]
    free = [a for a in range(view.ndim) if a not in indexed]
    before = [a for a in free if together and a < indexed[0]]
    behind = [a for a in free if a not in before]
    return Selection(
        tuple(view.shape[a] for a in before),
        places.shape,
        tuple(view.shape[a] for a in behind),
        places.ravel(),
        tuple(strides[a] for a in (*before, *behind)),
        memory,
    )


def _on_host(key: Any) -> tuple[Any, ...]:
    """The key's parts; arrays and lists as NumPy's, and, beside them, integers as arrays too."""
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(part if part is None or part is ... or isinstance(part, slice) else _array(part) for part in parts)


def _array(part: Any) -> np.ndarray:
    array = part.to_host() if isinstance(part, CudaArray) else np.asarray(part)
    if array.size == 0 and not isinstance(part, (np.ndarray, CudaArray)):
        array = array.astype(np.int64)  # an empty list
    if array.dtype.kind not in "biu":
        raise IndexError(f"arrays that index must be of integers or booleans, not {array.dtype}")
    return array


def _expanded(parts: tuple[Any, ...], ndim: int) -> list[Any]:
    """The key with ``...`` followed by the whole axes that it stands for; the missing last ones too."""
    used = sum(_axes_of(part) for part in parts)
    if used > ndim:
        raise IndexError(f"too many indices: {used} for an array of {ndim} axes")
    whole = [slice(None)] * (ndim - used)
    at = next((p for p, part in enumerate(parts) if part is ...), None)
    if at is None:
        return [*parts, *whole]
    return [*parts[: at + 1], *whole, *parts[at + 1 :]]


def _axes_of(part: Any) -> int:
    """How many axes a part of a key takes."""
    if part is None or part is ...:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1


def _inside(indices: np.ndarray, length: int, axis: int) -> np.ndarray:
    """Indices from 0 on; negative ones count from the end."""
    numbers = indices.astype(np.int64)
    if numbers.size and (numbers.min() < -length or numbers.max() >= length):
        raise IndexError(f"an index lies outside of axis {axis}, which has {length} elements")
    return np.where(numbers < 0, numbers + length, numbers)


# --- kernels ----------------------------------------------------------------------------------------------------------

# mypy: disable-error-code="no-untyped-def"


@functools.cache
def _move_kernel(rank: int, axis: int, some: bool, to_memory: bool) -> Kernel:
    """A thread copies an element. Entry p of axis ``axis`` lies at places[p]; in ``flat``, p or what a list says."""

    @jit()
    def _move_listed(memory, flat, places, entries, count, shape, steps, flat_steps):
        e = u32(u32(cuda.blockIdx.x * cuda.blockDim.x) + cuda.threadIdx.x)
        if e < count:
            at, flat_at, rest = u32(0), u32(0), e
            for a in range(rank):
                b = rank - 1 - a
                above = u32(rest // shape[b])
                i = u32(rest - u32(above * shape[b]))
                rest = above
                if b == axis:
                    at = u32(at + places[i])
                    if some:
                        i = u32(entries[i])
                else:
                    at = u32(at + u32(i * steps[b]))
                flat_at = u32(flat_at + u32(i * flat_steps[b]))
            if to_memory:
                memory[at] = flat[flat_at]
            else:
                flat[flat_at] = memory[at]

    return _move_listed


@functools.cache
def _sum_kernel(rank: int, axis: int) -> Kernel:
    """Sums of the entries order[starts[p]] to order[starts[p + 1] − 1] go to places[p]; a thread makes one number."""

    @jit()
    def _sum_listed(flat, memory, order, starts, places, count, shape, steps, flat_steps):
        e = u32(u32(cuda.blockIdx.x * cuda.blockDim.x) + cuda.threadIdx.x)
        if e < count:
            at, flat_at, rest, listed = u32(0), u32(0), e, u32(0)
            for a in range(rank):
                b = rank - 1 - a
                above = u32(rest // shape[b])
                i = u32(rest - u32(above * shape[b]))
                rest = above
                if b == axis:
                    listed = i
                else:
                    at = u32(at + u32(i * steps[b]))
                    flat_at = u32(flat_at + u32(i * flat_steps[b]))
            total = flat.dtype.type(0)
            for j in range(starts[listed], starts[u32(listed + u32(1))]):
                total += flat[u32(flat_at + u32(order[u32(j)] * flat_steps[axis]))]
            memory[u32(at + places[listed])] = total

    return _sum_listed


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    number, places = lang.scalar_type(np.dtype(np.uint32)), lang.array_type(np.dtype(np.uint32))
    for dtype in map(np.dtype, (np.float32, np.int64)):
        x = lang.array_type(dtype)
        for rank, axis in ((1, 0), (2, 0), (3, 1)):
            shape = lang.tuple_type(rank)
            label = f"of {rank} axes, {axis} listed, {dtype}"
            for to_memory in (False, True):
                types = (x, x, places, places, number, shape, shape, shape)
                kind = "scatter" if to_memory else "gather"
                yield f"{kind} {label}", _move_kernel(rank, axis, to_memory, to_memory), types
            lists = (places, places, places)
            yield f"sums {label}", _sum_kernel(rank, axis), (x, x, *lists, number, shape, shape, shape)
