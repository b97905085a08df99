"""The largest image that fits: a bisection over the sizes that a network takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from minifcn.audit.rehearsal import rehearse
from minifcn.audit.subject import Subject
from minifcn.models.network import Network

#: How far to look for the next legal size: beyond any network's total stride.
_NEAR = 256
_LIMIT = 2**17  # pixels a side


def available_memory() -> int:
    """Bytes that this machine could still give: what Linux says, elsewhere all of its memory."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def takes(subject: Subject, height: int, width: int) -> bool:
    """Whether the module takes an image of this size, whatever it makes of it."""
    if isinstance(subject.module, Network):
        return subject.output_size(height, width) is not None
    try:
        rehearse(subject, (height, width))
    except (ValueError, RuntimeError, IndexError):
        return False
    return True


def largest_side(subject: Subject, fits: Callable[[int], bool]) -> int | None:
    """The largest legal side of a square image that fits, up to 131,072 pixels; None if no legal one does.

    ``fits`` is asked about legal sides alone, and must be monotone.
    """
    largest = _legal(subject, 1, 4096)
    if largest is None or not fits(largest):
        return None
    beyond = largest + 1
    while largest < _LIMIT:  # double until it does not fit
        beyond = 2 * largest
        tried = _legal(subject, beyond, beyond + _NEAR)
        if tried is None or not fits(tried):
            break
        largest = tried
    while beyond - largest > 1:  # at `beyond` and above, nothing legal fits
        middle = (largest + beyond) // 2
        tried = _legal(subject, middle, beyond)
        if tried is None or not fits(tried):
            beyond = middle
        else:
            largest = tried
    return largest


def _legal(subject: Subject, least: int, end: int) -> int | None:
    """The first legal side from ``least`` on, before ``end``."""
    return next((side for side in range(least, end) if takes(subject, side, side)), None)
