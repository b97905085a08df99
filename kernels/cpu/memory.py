"""Memory for arrays that is used again, and counted: an arena.

The system hands out pages when they are first written to, zeroed: a fresh array of 16 MB costs more in page faults than
most kernels take to fill it, and each step of a training makes dozens of them. So large arrays are cut from one big
mapping and go back to it when their last view dies. The mapping only reserves addresses; it takes physical memory as
far as it is written to, in huge pages where the system has them (fewer faults, fewer misses in the table of pages).

A request gets the smallest free block that is large enough, of those the one at the lowest address (best fit); the rest
of the block stays free, and free neighbours become one block again. Knuth 1997, The Art of Computer Programming 1, 2.5.
"""

from __future__ import annotations

import bisect
import contextlib
import ctypes
import math
import mmap
import os
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minifcn.kernels.contract import Array

#: Arrays of fewer bytes are NumPy's own: the C library keeps such blocks, and knows how to find them faster.
SMALL = 2**16
#: Blocks begin at multiples of this many bytes: a cache line, and the widest vector.
ALIGNMENT = 64
#: Addresses reserved at a time where the system does not let us have them all at once, in bytes.
_PIECE = 2**28
_NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if os.uname().sysname == "Linux" else 0)  # Python has it from 3.13


class Stats(NamedTuple):
    """Bytes of the large arrays (from `SMALL` on)."""

    in_use: int  # of arrays that exist
    peak: int  # the most that was in use since the last `reset_peak`
    held: int  # physical memory behind all blocks that were handed out, in use or kept for later
    peak_held: int  # the most that was held since the last `reset_peak`
    reserved: int  # addresses, most of them without memory behind them


class _Owner:
    """What an array from the arena has as its base: it gives the block back once no view is left."""

    __slots__ = ("__array_interface__", "_address", "_arena", "_size")

    def __init__(self, arena: Arena, address: int, size: int, shape: tuple[int, ...], dtype: np.dtype):
        self._arena, self._address, self._size = arena, address, size
        self.__array_interface__ = {"data": (address, False), "shape": shape, "typestr": dtype.str, "version": 3}

    def __del__(self) -> None:
        # At any moment, also while this very thread changes the lists of free blocks: so only leave a note.
        self._arena.returned.append((self._address, self._size))


class Arena:
    """Blocks of memory, handed out and taken back. Threads may share it; a forked child has its own copy."""

    def __init__(self) -> None:
        #: Blocks that came back and are not yet free: (address, bytes).
        self.returned: deque[tuple[int, int]] = deque()
        self.lock = threading.Lock()
        self._by_size: list[tuple[int, int]] = []  # (bytes, address) of the free blocks, sorted
        self._sizes: dict[int, int] = {}  # address -> bytes of the free blocks
        self._starts: dict[int, int] = {}  # end -> address of the free blocks
        self._fresh: dict[int, int] = {}  # address -> how many bytes at the end of the block have no memory behind them
        self._mappings: list[tuple[int, mmap.mmap]] = []
        self._in_use = self._peak = self._held = self._peak_held = 0

    def take(self, shape: tuple[int, ...], dtype: np.dtype, size: int) -> Array | None:
        """An array of ``size`` bytes with arbitrary contents; None if there is no room for it."""
        size = -(-size // ALIGNMENT) * ALIGNMENT
        # The time limit is for a signal's handler that makes an array while its thread is in here.
        if not self.lock.acquire(timeout=1.0):
            return None
        try:
            self._collect()
            address = self._cut(size)
            if address is None and self._map(size):
                address = self._cut(size)
        finally:
            self.lock.release()
        return None if address is None else np.asarray(_Owner(self, address, size, shape, dtype))

    def _cut(self, size: int) -> int | None:
        """The address of a block, no longer free."""
        position = bisect.bisect_left(self._by_size, (size, 0))
        if position == len(self._by_size):
            return None
        whole, address = self._by_size[position]
        fresh = self._remove(whole, address)
        touched = max(0, size - (whole - fresh))
        if whole > size:
            self._insert(whole - size, address + size, fresh - touched)
        self._in_use += size
        self._held += touched
        self._peak = max(self._peak, self._in_use)
        self._peak_held = max(self._peak_held, self._held)
        return address

    def _collect(self) -> None:
        """Make free what came back."""
        while self.returned:
            address, size = self.returned.popleft()
            self._in_use -= size
            fresh = 0
            before = self._starts.get(address)
            if before is not None:
                fresh += self._remove(address - before, before)
                address, size = before, size + address - before
            behind = self._sizes.get(address + size)
            if behind is not None:
                fresh += self._remove(behind, address + size)
                size += behind
            self._insert(size, address, fresh)

    def _insert(self, size: int, address: int, fresh: int) -> None:
        bisect.insort(self._by_size, (size, address))
        self._sizes[address], self._starts[address + size], self._fresh[address] = size, address, fresh

    def _remove(self, size: int, address: int) -> int:
        """Take a block from the free ones; how many of its bytes are fresh."""
        del self._by_size[bisect.bisect_left(self._by_size, (size, address))]
        del self._sizes[address], self._starts[address + size]
        return self._fresh.pop(address)

    def _map(self, size: int) -> bool:
        """Reserve more addresses, at least ``size`` bytes; whether the system agreed."""
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if size > physical:
            return False  # addresses would be granted, memory never
        needed = size + 2 * mmap.PAGESIZE
        for wanted in ([] if self._mappings else [2 * physical]) + [max(needed, _PIECE), needed]:
            try:
                flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
                mapping = mmap.mmap(-1, -(-wanted // mmap.PAGESIZE) * mmap.PAGESIZE, flags=flags)
            except (OSError, ValueError, OverflowError):
                continue
            if hasattr(mmap, "MADV_HUGEPAGE"):
                with contextlib.suppress(OSError):  # the system may have none
                    mapping.madvise(mmap.MADV_HUGEPAGE)
            self._adopt(mapping)
            return True
        return False

    def _adopt(self, mapping: mmap.mmap) -> None:
        """Make a new mapping one fresh free block."""
        start = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        self._mappings.append((start, mapping))
        # The first line stays unused, so that no block reaches from one mapping into the next.
        self._insert(len(mapping) - ALIGNMENT, start + ALIGNMENT, len(mapping) - ALIGNMENT)

    def release(self) -> int:
        """Give the memory behind free blocks back to the system; how many bytes."""
        with self.lock:
            self._collect()
            before = self._held
            for address, size in self._sizes.items():
                first = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
                end = (address + size - self._fresh[address]) // mmap.PAGESIZE * mmap.PAGESIZE
                if end > first:
                    start, mapping = max(m for m in self._mappings if m[0] <= address)
                    mapping.madvise(mmap.MADV_DONTNEED, first - start, end - first)
                    self._held -= end - first
                    self._fresh[address] += end - first
            return before - self._held

    def stats(self) -> Stats:
        """What is in use, and what was."""
        with self.lock:
            self._collect()
            reserved = sum(len(mapping) for _, mapping in self._mappings)
            return Stats(self._in_use, self._peak, self._held, self._peak_held, reserved)

    def reset_peak(self, peak: int = 0, peak_held: int = 0) -> None:
        """Begin to look for the peaks anew, from what is in use and held now, or from more."""
        with self.lock:
            self._collect()
            self._peak, self._peak_held = max(self._in_use, peak), max(self._held, peak_held)


_arena = Arena()
# A fork in the middle of a change would leave the child with half of it, and with a lock that nobody opens.
os.register_at_fork(before=_arena.lock.acquire, after_in_parent=_arena.lock.release, after_in_child=_arena.lock.release)

stats, reset_peak, release = _arena.stats, _arena.reset_peak, _arena.release


def empty(shape: int | tuple[int, ...] | list[int], dtype: Any) -> Array:
    """A new C-contiguous array with arbitrary contents, like `numpy.empty`."""
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    dtype = np.dtype(dtype)
    size = int(math.prod(shape)) * dtype.itemsize  # lengths may be NumPy's integers
    if size < SMALL or dtype.hasobject or min(shape) < 0:
        array = np.empty(shape, dtype)
    else:
        array = _large(shape, dtype, size)
    if _poisoned:
        _poison(array)
    return array


def empty_like(x: Array) -> Array:
    """A new C-contiguous array of the shape and dtype of ``x`` with arbitrary contents."""
    return empty(x.shape, x.dtype)


def zeros(shape: int | tuple[int, ...] | list[int], dtype: Any) -> Array:
    """A new array of zeros."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def full(shape: int | tuple[int, ...] | list[int], value: float, dtype: Any) -> Array:
    """A new array of one value."""
    array = empty(shape, dtype)
    array.fill(value)
    return array


def _large(shape: tuple[int, ...], dtype: np.dtype, size: int) -> Array:
    array = _arena.take(shape, dtype, size)
    if array is not None:
        return array
    try:
        return np.empty(shape, dtype)
    except MemoryError:
        release()
    try:
        return np.empty(shape, dtype)
    except MemoryError:
        now = stats()
        raise MemoryError(
            f"no memory for an array of shape {shape} and {dtype}, {size / 2**20:,.0f} MiB; large arrays use "
            f"{now.in_use / 2**20:,.0f} MiB now, at most {now.peak / 2**20:,.0f} MiB so far; take smaller batches "
            "or crops"
        ) from None


_poisoned = bool(os.environ.get("MINIFCN_POISON_MEMORY"))


@contextlib.contextmanager
def poison() -> Iterator[None]:
    """Fill new arrays with 0xFF bytes, floats with NaN: what reads before it writes shows. For tests.

    ``MINIFCN_POISON_MEMORY=1`` does so for a whole process.
    """
    global _poisoned
    before, _poisoned = _poisoned, True
    try:
        yield
    finally:
        _poisoned = before


def _poison(array: Array) -> None:
    """0xFF in every byte: NaN as a float, −1 as an integer."""
    if not array.dtype.hasobject:
        array.reshape(-1).view(np.uint8).fill(0xFF)
