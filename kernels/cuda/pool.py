"""Memory on the GPU that is used again: lists of free blocks, one a size.

To ask the driver for memory waits for the GPU and takes hundreds of microseconds; a training step asks for the same
sizes each time. So blocks are kept when their last array dies, and handed out again. A block may be used again at once,
although the kernels that read it may not have run yet: all work goes to one stream, in order. Sizes are rounded up to
one of eight steps between powers of two, which wastes at most an eighth.
"""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np

from minifcn.kernels.cuda import driver
from minifcn.kernels.errors import OutOfDeviceMemoryError

_SMALLEST = 512


class Stats(NamedTuple):
    """Bytes on the GPU."""

    in_use: int  # of arrays that exist
    peak: int  # the most that was in use since the last `reset_peak`
    held: int  # taken from the driver: in use, or kept for the next arrays
    free: int  # of the GPU, that nobody has taken
    total: int  # of the GPU


class _Owner:
    """What an array's geometry has as its base: it gives the block back once no view is left."""

    __slots__ = ("__array_interface__", "_address", "_pool", "_size")

    def __init__(self, pool: Pool, address: int, size: int, shape: tuple[int, ...], dtype: np.dtype):
        self._pool, self._address, self._size = pool, address, size
        self.__array_interface__ = {"data": (address, False), "shape": shape, "typestr": dtype.str, "version": 3}

    def __del__(self) -> None:
        # At any moment, also while this very thread changes the lists of free blocks: so only leave a note.
        self._pool.returned.append((self._address, self._size))


class Pool:
    """Blocks of the GPU's memory, handed out and taken back. Threads may share it."""

    def __init__(self) -> None:
        self.returned: deque[tuple[int, int]] = deque()
        self._lock = threading.Lock()
        self._free: dict[int, list[int]] = defaultdict(list)  # size -> addresses; the last to come is the first to go
        self._in_use = self._peak = self._held = 0

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the process, there may be no driver left
            self._collect()
            self._released()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype, size: int) -> np.ndarray:
        """A NumPy array that has shape and address, and must never be read: its memory is the GPU's."""
        rounded = bucket(size)
        with self._lock:
            self._collect()
            addresses = self._free[rounded]
            address = addresses.pop() if addresses else self._allocated(rounded)
            self._in_use += rounded
            self._peak = max(self._peak, self._in_use)
        return np.asarray(_Owner(self, address, rounded, shape, dtype))

    def stats(self) -> Stats:
        """Bytes in use and held now."""
        with self._lock:
            self._collect()
            return Stats(self._in_use, self._peak, self._held, *driver.memory_info())

    def reset_peak(self) -> None:
        """Look for the peak anew, from what is in use now."""
        with self._lock:
            self._collect()
            self._peak = self._in_use

    def release(self) -> int:
        """Give blocks that no array uses back to the driver; returns their bytes."""
        with self._lock:
            self._collect()
            return self._released()

    def _collect(self) -> None:
        while self.returned:
            address, size = self.returned.popleft()
            self._free[size].append(address)
            self._in_use -= size

    def _released(self) -> int:
        freed = 0
        for size, addresses in self._free.items():
            for address in addresses:
                driver.free(address)
            freed += size * len(addresses)
        self._free.clear()
        self._held -= freed
        return freed

    def _allocated(self, size: int) -> int:
        address = driver.allocate(size)
        if address is None and self._released() + (0 if self is _shared else _shared.release()):
            address = driver.allocate(size)
        if address is None:
            free, total = driver.memory_info()
            mib = 2.0**-20
            raise OutOfDeviceMemoryError(
                f"the GPU has no room for an array of {size * mib:,.1f} MiB: of {total * mib:,.0f} MiB, "
                f"{self._in_use * mib:,.0f} MiB are in arrays of this process (at most {self._peak * mib:,.0f}), "
                f"{(total - free - self._held) * mib:,.0f} MiB are held by others, {free * mib:,.0f} MiB are free; use "
                "smaller batches or images. `minifcn audit memory` says what a training step needs"
            )
        self._held += size
        return address


def bucket(size: int) -> int:
    """The size of the block that an array of ``size`` bytes gets.

    >>> bucket(1), bucket(513), bucket(1025), bucket(2**20 + 1) / 2**20
    (512, 576, 1152, 1.125)
    """
    if size <= _SMALLEST:
        return _SMALLEST
    step = 2 ** max((size - 1).bit_length() - 4, 0)
    return -(-size // step) * step


_shared = Pool()
_current: ContextVar[Pool] = ContextVar("minifcn_cuda_pool", default=_shared)


def pool() -> Pool:
    """The pool that arrays are taken from here."""
    return _current.get()


@contextlib.contextmanager
def taking_from(own: Pool) -> Iterator[None]:
    """Inside the block, in this thread alone, take arrays from another pool; a graph's memory must stay its own."""
    token = _current.set(own)
    try:
        yield
    finally:
        _current.reset(token)
