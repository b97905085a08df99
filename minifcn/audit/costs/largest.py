"""The largest image that fits: a bisection over the sizes that a network takes."""

from __future__ import annotations

import math
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minifcn.audit.costs.rehearsal import Rehearsal, rehearse
from minifcn.audit.subject import Subject
from minifcn.models.network import Network

#: How far to look for the next legal size: beyond any network's total stride.
_NEAR = 256
_LIMIT = 2**16  # pixels a side: no doubling goes beyond
#: Share of the memory available that what a module makes with NumPy may take in a rehearsal; of twice the side it is
#: four times as much.
_REAL = 1 / 16
_TOO_MUCH = 2**62  # bytes
_WATCHED = 512  # pixels a side
_NOISE = 2**16  # bytes: Python's own objects


def available_memory() -> int:
    """Bytes that this machine could still give: what Linux says, elsewhere all of its memory."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def needs(subject: Subject, height: int, width: int, training: bool = False, **options: Any) -> Rehearsal | None:
    """The rehearsal of an image of this size; None if the module does not take it."""
    if isinstance(subject.module, Network) and subject.output_size(height, width) is None:
        return None
    try:
        return rehearse(subject, (options.pop("batch", 1), height, width), training, **options)
    except (ValueError, RuntimeError, IndexError):
        return None


class Search:
    """A search for the largest image that ends before the rehearsals themselves take much memory.

    The engine's arrays take none there, but NumPy's do: a module that copies a map makes it in full. Watching that
    takes several times as long as a rehearsal, so it is done with small images; for larger ones, what it grew by there
    is carried on in proportion to the number of pixels.

    Args:
        need: as for `largest_side`.

    Attributes:
        end: the side beyond which nothing was tried; None if the search was free.
    """

    def __init__(self, need: Callable[[int], int | None]):
        self._need, self._limit = need, available_memory() * _REAL
        self._real: dict[int, int] = {}  # side -> bytes that its rehearsal really took
        self.end: int | None = None

    def largest(self, budget: int) -> int | None:
        """See `largest_side`."""
        return largest_side(self._careful, budget)

    def _careful(self, side: int) -> int | None:
        watched = side <= _WATCHED or len(self._real) < 2
        if self.end is None and not watched:
            self.end = self._foreseen(side)
        if self.end is not None and side > self.end:
            return _TOO_MUCH
        try:
            return self._watch(side) if watched else self._need(side)
        except MemoryError:
            self.end = side - 1
            return _TOO_MUCH

    def _watch(self, side: int) -> int | None:
        if tracing := tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        else:
            tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        try:
            needed = self._need(side)
            real = tracemalloc.get_traced_memory()[1] - before
        finally:
            if not tracing:
                tracemalloc.stop()
        if needed is not None:
            self._real[side] = real
        if real > self._limit:
            self.end = side
        return needed

    def _foreseen(self, side: int) -> int | None:
        """Up to where to search, if this side would take too much."""
        smaller, larger = sorted(self._real)[-2:]
        growth = (self._real[larger] - self._real[smaller]) / (larger**2 - smaller**2)
        if growth * side**2 <= self._limit or growth * larger**2 < _NOISE:
            return None
        return max(larger, math.isqrt(int(self._limit / growth)))


def largest_side(need: Callable[[int], int | None], budget: int) -> int | None:
    """The largest side of a square image that fits; None if no legal one does.

    The search ends beyond 65,536 pixels.

    Args:
        need: side -> bytes, the more the larger; None where a side is not legal.
        budget: bytes.

    >>> largest_side(lambda side: 4 * side**2 if side % 16 == 0 else None, budget=4 * 100**2)
    96
    """
    largest = 0
    beyond = 1
    while beyond <= _LIMIT:  # double until it does not fit
        tried, size = _legal(need, beyond, 4096 if largest == 0 else beyond + _NEAR)
        if size is None or size > budget:
            break
        largest, beyond = tried, 2 * tried
    if beyond > _LIMIT:
        return largest
    while beyond - largest > 1:  # what is legal from `beyond` on does not fit
        middle = (largest + beyond) // 2
        tried, size = _legal(need, middle, beyond)
        if size is None or size > budget:
            beyond = middle
        else:
            largest = tried
    return largest or None


def _legal(need: Callable[[int], int | None], least: int, end: int) -> tuple[int, int | None]:
    """The first legal side from ``least`` on, before ``end``, and what it needs."""
    sides = ((side, need(side)) for side in range(least, end))
    return next(((side, size) for side, size in sides if size is not None), (end, None))
