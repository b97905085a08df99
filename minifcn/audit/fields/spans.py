"""Spans: from which input rows (or columns) each element of a map is computed, and how they move with the image.

A link says that a row of an operation's output is computed from a row of its input; every operation on images is a list
of links for each axis. To follow an operation is to take, over the links of each output row, the first and the last of
the input's spans.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

#: The span of what depends on no pixel: it begins after every row and ends before the first, so that unions ignore it.
NOTHING = (np.iinfo(np.int64).max, -1)

#: (rows of the output, rows of the input), one pair a link.
Links = tuple[np.ndarray, np.ndarray]


class Shift(NamedTuple):
    """An image that is shifted by ``pixels`` shifts the map by ``rows`` along its ``axis``, away from borders.

    Both are the smallest for which that is certain. After a stride of 2 they are 2 and 1; a transposed convolution of
    stride 2 makes 2 and 2 of that, and not 1 and 1.
    """

    axis: int
    pixels: int
    rows: int

    def strided(self, step: int) -> Shift:
        """After one row of every ``step`` was kept."""
        factor = step // math.gcd(self.rows, step)
        return Shift(self.axis, self.pixels * factor, self.rows * factor // step)

    def stretched(self, step: int) -> Shift:
        """After every row became ``step`` rows."""
        return Shift(self.axis, self.pixels, self.rows * step)

    def moved(self, axis: int | None) -> Shift | None:
        """The same along another axis of another map; None if that axis is gone."""
        return None if axis is None else Shift(axis, self.pixels, self.rows)


class Span(NamedTuple):
    """The first and the last input row behind every element of a map.

    The arrays broadcast to the map's shape, with as many axes: those along which nothing changes have length 1.
    ``shift`` is None where the map does not move with the image.
    """

    first: np.ndarray
    last: np.ndarray
    shift: Shift | None

    @property
    def ndim(self) -> int:
        """Number of axes of the map."""
        return self.first.ndim

    def mapped(self, change: Callable[[np.ndarray], np.ndarray], shift: Shift | None) -> Span:
        """Both arrays after a change that only moves elements."""
        return Span(change(self.first), change(self.last), shift)

    def over(self, axes: Sequence[int]) -> Span:
        """The span of all elements along ``axes`` together; the axes stay, with length 1."""
        kept = self.shift if self.shift is not None and self.shift.axis not in axes else None
        return Span(
            self.first.min(axis=tuple(axes), keepdims=True), self.last.max(axis=tuple(axes), keepdims=True), kept
        )

    def widened(self, ndim: int) -> Span:
        """For a map with leading axes added, up to ``ndim``."""
        extra = ndim - self.ndim
        shift = self.shift and self.shift.moved(self.shift.axis + extra)
        return self.mapped(lambda array: array.reshape((1,) * extra + array.shape), shift)

    def linked(self, axis: int, length: int, links: Links, output_length: int, shift: Shift | None) -> Span:
        """Through an operation along one axis of the map, which had ``length`` rows."""
        if self.first.shape[axis] != length:  # the same for all rows: it stays the same
            return self._replace(shift=shift)
        to, source = links

        def union(array: np.ndarray, ufunc: np.ufunc, empty: int) -> np.ndarray:
            rows = np.moveaxis(array, axis, 0)
            result = np.full((output_length, *rows.shape[1:]), empty, np.int64)
            ufunc.at(result, to, rows[source])
            return np.moveaxis(result, 0, axis)

        return Span(union(self.first, np.minimum, NOTHING[0]), union(self.last, np.maximum, NOTHING[1]), shift)


def union(spans: Sequence[Span]) -> Span:
    """Of maps that broadcast to one: each element depends on what any of them depends on."""
    ndim = max(span.ndim for span in spans)
    spans = [span.widened(ndim) for span in spans]
    first = functools.reduce(np.minimum, [span.first for span in spans])
    last = functools.reduce(np.maximum, [span.last for span in spans])
    return Span(first, last, common_shift([span.shift for span in spans]))


def common_shift(shifts: Sequence[Shift | None]) -> Shift | None:
    """How maps move together: by the least common multiple of their pixels; None if they drift apart.

    >>> common_shift([Shift(1, 2, 2), Shift(1, 3, 3)])
    Shift(axis=1, pixels=6, rows=6)
    """
    if any(shift is None for shift in shifts):
        return None
    known = [shift for shift in shifts if shift is not None]
    pixels = math.lcm(*(shift.pixels for shift in known))
    together = {Shift(axis, pixels, rows * pixels // own) for axis, own, rows in known}
    return together.pop() if len(together) == 1 else None
