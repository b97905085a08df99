"""Arrays without memory: a space of addresses that nobody writes to.

It is the CPU's arena (`minifcn.kernels.cpu.memory`), on a mapping as large as is asked for. Physical memory comes when
a page is written to, and no kernel here writes; a page that is read is the system's one page of zeros. So arrays of any
size cost nothing, and yet have strides, may be sliced and share memory with their views, and blocks are cut and joined
as they will be. An array is counted from its birth until its last view dies.

Small arrays, as vectors of channels, do have memory: what Python code computes of them stays cheap and true.
"""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.memory import _NO_RESERVE, SMALL, Arena

#: Addresses reserved at a time, in bytes.
_PIECE = 2**40


class Block:
    """The life of one array.

    Attributes:
        bytes: its size.
        counted: whether `minifcn.memory` would count it: it would lie in the arena.
        label: of the moment when it was made; see `Space.label`.
    """

    __slots__ = ("bytes", "counted", "label")

    def __init__(self, size: int, counted: bool, label: Any):
        self.bytes, self.counted, self.label = size, counted, label


class _Owner:
    """What an array has as its base: it tells the space once no view is left."""

    __slots__ = ("__array_interface__", "_address", "_buffer", "_space", "block")

    def __init__(self, space: Space, block: Block, shape: tuple[int, ...], dtype: np.dtype):
        self._space, self.block = space, block
        self._buffer = None if block.counted else np.zeros(max(1, block.bytes), np.uint8)
        self._address = space.address(block.bytes) if self._buffer is None else self._buffer.ctypes.data
        self.__array_interface__ = {"data": (self._address, False), "shape": shape, "typestr": dtype.str, "version": 3}

    def __del__(self) -> None:
        # At any moment, also while this very thread changes the lists of free blocks: so only leave notes.
        self._space.events.append((self.block, self._space.label, False))
        if self._buffer is None:
            self._space.returned.append((self._address, _aligned(self.block.bytes)))


class Space(Arena):
    """Arrays, and what became of them.

    Attributes:
        events: every birth (True) and death (False) of a `Block`, with the label of the moment, in order.
        label: whoever uses the space sets it, to know later what was being done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[Block, Any, bool]] = []
        self.label: Any = None

    def empty(self, shape: int | tuple[int, ...] | list[int], dtype: Any, least: int = SMALL) -> Array:
        """A new C-contiguous array; of fewer bytes than ``least``, one with memory."""
        shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size == 0:
            return np.empty(shape, dtype)
        block = Block(size, size >= least, self.label)
        array = np.asarray(_Owner(self, block, shape, dtype))
        self.events.append((block, self.label, True))
        return array

    def full(self, shape: int | tuple[int, ...] | list[int], value: float, dtype: Any) -> Array:
        """A new array; only a small one holds ``value``."""
        array = self.empty(shape, dtype)
        if array.nbytes < SMALL:
            array.fill(value)
        return array

    def address(self, size: int) -> int:
        """Of a new block of ``size`` bytes."""
        size = _aligned(size)
        with self.lock:
            self._collect()
            address = self._cut(size)
            if address is None and self._map(size):
                address = self._cut(size)
        if address is None:
            raise MemoryError(f"the system has no {size / 2**40:,.1f} TiB of addresses left; give a smaller size")
        return address

    def _map(self, size: int) -> bool:
        """Reserve more addresses; memory may be far smaller."""
        length = -(-max(size + 2 * mmap.PAGESIZE, _PIECE) // _PIECE) * _PIECE
        try:
            mapping = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
        except (OSError, ValueError, OverflowError):
            return False
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a huge page of zeros needs no tables for its small ones
                mapping.madvise(mmap.MADV_HUGEPAGE)
        self._adopt(mapping)
        return True


def block_of(array: Any) -> Block | None:
    """The block that an array, or a view of it, lies in; None if it is no array of a space."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array.block if isinstance(array, _Owner) else None


_space: ContextVar[Space | None] = ContextVar("minifcn_space", default=None)


@contextlib.contextmanager
def inside(space: Space) -> Iterator[Space]:
    """Make this thread's arrays in ``space``."""
    token = _space.set(space)
    try:
        yield space
    finally:
        _space.reset(token)


def empty(shape: int | tuple[int, ...] | list[int], dtype: Any, least: int = SMALL) -> Array:
    """A new array in the space of this thread; one of its own where there is none."""
    return (_space.get() or Space()).empty(shape, dtype, least)


def empty_like(x: Array) -> Array:
    """A new C-contiguous array of the shape and dtype of ``x``."""
    return empty(x.shape, x.dtype)


def contiguous(x: Array) -> Array:
    """``x`` itself if it is C-contiguous, else room for a copy."""
    return x if x.flags.c_contiguous else empty_like(x)


def _aligned(size: int) -> int:
    return -(-size // 64) * 64
