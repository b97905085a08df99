"""How arrays lie in memory: few axes instead of many, and the memory of a view as one row.

A kernel gets a view as the row of memory that holds it, and the distances from an element to the next along each axis.
Distances are numbers modulo 2^32, so that negative ones (of views that run backwards) need nothing of their own: what
counts is that the sum, the place of an element, is not negative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minifcn.kernels.cuda.array import CudaArray, Shape
from minifcn.kernels.cuda.lang import device_function, u32


def collapsed(shape: Shape, *strides: Sequence[int], kept: int | None = None) -> tuple[Shape, list[Shape]]:
    """Fewer axes with the same elements in the same order: neighbours that lie alike in all operands become one.

    ``strides`` are one sequence an operand. Axes of length 1 go; axis ``kept`` stays as it is.

    >>> collapsed((2, 3, 4), (12, 4, 1), (4, 0, 1))
    ((2, 3, 4), [(12, 4, 1), (4, 0, 1)])
    >>> collapsed((2, 3, 4), (12, 4, 1), (0, 0, 1))
    ((6, 4), [(4, 1), (0, 1)])
    """
    lengths: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    previous_is_kept = True
    for a, length in enumerate(shape):
        if length == 1 and a != kept:
            continue
        here = [operand[a] for operand in strides]
        before = [operand[-1] if operand else 0 for operand in steps]
        if a != kept and not previous_is_kept and all(p == n * length for p, n in zip(before, here, strict=True)):
            lengths[-1] *= length
            for operand, step in zip(steps, here, strict=True):
                operand[-1] = step
        else:
            lengths.append(length)
            for operand, step in zip(steps, here, strict=True):
                operand.append(step)
        previous_is_kept = a == kept
    if not lengths:
        return (1,), [(0,) for _ in strides]
    return tuple(lengths), [tuple(operand) for operand in steps]


def span(x: CudaArray, dtype: np.dtype | None = None) -> tuple[CudaArray, int]:
    """The memory from the lowest element of ``x`` to the highest as one row, and the place of the first element.

    With a ``dtype``, of numbers of that type, whose size divides the memory's; the place is in those.
    """
    layout = x._layout
    kind = layout.dtype if dtype is None else dtype
    if layout.flags.c_contiguous:
        row = layout.reshape(-1)
        return CudaArray(row if kind == row.dtype else row.view(kind)), 0
    lowest = layout[tuple(slice(None, None, -1 if s < 0 and n > 1 else 1) for n, s in _axes(layout))]
    itemsize = layout.itemsize
    length = 1 + sum((n - 1) * (s // itemsize) for n, s in _axes(lowest) if n > 1) if layout.size else 0
    row = np.lib.stride_tricks.as_strided(lowest, (length,), (itemsize,))
    place = sum((n - 1) * -s for n, s in _axes(layout) if s < 0 and n > 1)
    return CudaArray(row if kind == row.dtype else row.view(kind)), place // kind.itemsize


def elements(strides: Sequence[int], itemsize: int) -> Shape:
    """Strides in bytes as strides in elements."""
    return tuple(stride // itemsize for stride in strides)


def _axes(layout: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(layout.shape, layout.strides, strict=True))


# --- in kernels -------------------------------------------------------------------------------------------------------

# mypy: disable-error-code="no-untyped-def"


@functools.cache
def place_of(rank: int) -> Callable[..., Any]:
    """A function of kernels: (e, shape, steps) -> the place of element number e.

    ``steps`` are the strides along ``rank`` axes, then the place of the first element.
    """

    def place(e, shape, steps):
        at, rest = steps[rank], e
        for a in range(rank - 1):
            above = u32(rest // shape[rank - 1 - a])
            at = u32(at + u32(u32(rest - u32(above * shape[rank - 1 - a])) * steps[rank - 1 - a]))
            rest = above
        return u32(at + u32(rest * steps[0]))

    return device_function(place)


@functools.cache
def two_places_of(rank: int) -> Callable[..., Any]:
    """As `place_of`, of two arrays at once: the divisions are what takes time."""

    def places(e, shape, a_steps, b_steps):
        a_at, b_at, rest = a_steps[rank], b_steps[rank], e
        for a in range(rank - 1):
            above = u32(rest // shape[rank - 1 - a])
            i = u32(rest - u32(above * shape[rank - 1 - a]))
            a_at = u32(a_at + u32(i * a_steps[rank - 1 - a]))
            b_at = u32(b_at + u32(i * b_steps[rank - 1 - a]))
            rest = above
        return u32(a_at + u32(rest * a_steps[0])), u32(b_at + u32(rest * b_steps[0]))

    return device_function(places)


@functools.cache
def walk_of(rank: int) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """Functions of kernels whose threads take every so many-th element: one division serves all elements of a matrix.

    ``start(e, shape)`` is where element e is, ``move(where, shape, advance)`` the element `advance_of` further on;
    ``place(where, shape, steps, count)`` and ``two_places(where, shape, a_steps, b_steps, count)`` find it in memory.
    From the last of ``count`` elements on, they find one that is there.
    """
    one, two = place_of(rank), two_places_of(rank)

    def row_and_column(e, shape):
        row = u32(e // shape[1])
        return row, u32(e - u32(row * shape[1]))

    def next_row_and_column(where, shape, advance):
        row, column = u32(where[0] + advance[0]), u32(where[1] + advance[1])
        beyond = column >= shape[1]
        return u32(row + u32(1)) if beyond else row, u32(column - shape[1]) if beyond else column

    def place_in_rows(where, shape, steps, count):
        row = min(where[0], u32(shape[0] - u32(1)))
        return u32(u32(steps[2] + u32(row * steps[0])) + u32(where[1] * steps[1]))

    in_rows = device_function(place_in_rows)

    def two_places_in_rows(where, shape, a_steps, b_steps, count):
        return in_rows(where, shape, a_steps, count), in_rows(where, shape, b_steps, count)

    def number(e, shape):
        return e

    def next_number(where, shape, advance):
        return u32(where + advance[0])

    def place(where, shape, steps, count):
        return one(min(where, u32(count - u32(1))), shape, steps)

    def two_places(where, shape, a_steps, b_steps, count):
        return two(min(where, u32(count - u32(1))), shape, a_steps, b_steps)

    if rank == 2:
        start, move, find = row_and_column, next_row_and_column, two_places_in_rows
        return device_function(start), device_function(move), in_rows, device_function(find)
    return device_function(number), device_function(next_number), device_function(place), device_function(two_places)


def advance_of(shape: Shape, threads: int) -> tuple[int, int]:
    """What `walk_of`'s ``move`` is given to go on by so many elements."""
    return divmod(threads, shape[1]) if len(shape) == 2 else (threads, 0)
