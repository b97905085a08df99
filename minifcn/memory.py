"""How much memory large arrays take, and how to give it back.

Large arrays that the engine makes (results of kernels, gradients, parameters, the optimiser's state) are cut from an
arena, which counts them; see `minifcn.kernels.cpu.memory`. Small ones (below 64 KiB) and what you make with NumPy are
not counted. All figures are in bytes.

>>> import minifcn as mf
>>> x = mf.ones(512, 1024, requires_grad=True)  # 2 MiB
>>> with track() as usage:
...     y = (2.0 * x).sum()
>>> usage.peak / 2**20  # the product
2.0
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minifcn.kernels.cpu.memory import Stats


class Usage:
    """What `track` found, in bytes; the figures are there once the block has ended."""

    #: By how much the memory in use grew at most, from the beginning of the block.
    peak: int = 0
    #: The same of the memory that is held, in use or kept for the next arrays: what the process took from the system.
    peak_held: int = 0
    #: By how much the memory in use has grown from the beginning of the block to its end.
    kept: int = 0

    def __repr__(self) -> str:
        return f"Usage(peak={self.peak}, peak_held={self.peak_held}, kept={self.kept})"


def stats() -> Stats:
    """Bytes ``in_use`` and ``held`` now, their highest values ``peak`` and ``peak_held``, and ``reserved`` addresses.

    ``in_use`` is what arrays take that exist. ``held`` adds the gaps between them, which wait for the next arrays: it
    is what the process occupies. It stays at its highest value until `release`. ``reserved`` has no memory behind it.
    """
    now: Stats = _arena().stats()
    return now


def peak() -> int:
    """The most bytes that were in use at a time since the process began, or since `reset_peak`."""
    return stats().peak


def reset_peak() -> None:
    """Look for the peaks anew, from what is in use and held now."""
    _arena().reset_peak()


def release() -> int:
    """Give memory that no array uses back to the system, at the cost of page faults when it is next needed.

    Nothing does so by itself: after a step, its memory is kept for the next one.

    Returns:
        how many bytes went back.
    """
    return int(_arena().release())


@contextmanager
def track() -> Iterator[Usage]:
    """``with track() as usage:`` measures a block of code, in all threads; blocks may be nested.

    >>> import minifcn as mf
    >>> with track() as usage:
    ...     x = mf.zeros(1024, 1024)
    >>> usage.peak == usage.kept == x.data.nbytes
    True
    """
    usage, before = Usage(), stats()
    reset_peak()
    try:
        yield usage
    finally:
        after = stats()
        usage.peak, usage.kept = after.peak - before.in_use, after.in_use - before.in_use
        usage.peak_held = after.peak_held - before.held
        # As if there had been no reset: an outer block looks for its own peaks.
        _arena().reset_peak(max(before.peak, after.peak), max(before.peak_held, after.peak_held))


def empty(shape: Any, dtype: Any) -> Any:
    """An array of arbitrary contents; for the engine's own use, like the following."""
    return _arena().empty(shape, dtype)


def full(shape: Any, value: float, dtype: Any) -> Any:
    """An array of one value."""
    return _arena().full(shape, value, dtype)


def zeros_like(array: Any) -> Any:
    """Zeros, in shape and dtype like ``array``."""
    return full(array.shape, 0, array.dtype)


def copy(array: Any) -> Any:
    """A copy of an array."""
    copied = empty(array.shape, array.dtype)
    copied[...] = array
    return copied


_replacement: ContextVar[Any] = ContextVar("minifcn_arena", default=None)


@contextmanager
def replaced(arena: Any) -> Iterator[None]:
    """Inside the block, in this thread alone, take arrays from ``arena``; for rehearsals."""
    token = _replacement.set(arena)
    try:
        yield
    finally:
        _replacement.reset(token)


def _arena() -> Any:
    """What arrays are taken from."""
    return _replacement.get() or _cpu()


@cache
def _cpu() -> Any:
    """The module that has the arena. Numba comes with it, so `import minifcn` does without."""
    return import_module("minifcn.kernels.cpu.memory")
