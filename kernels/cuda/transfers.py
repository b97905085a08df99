"""Copies between host and GPU that nobody waits for: up on a stream of their own, down behind the work so far."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Sequence

import numpy as np

from minifcn.kernels.cuda import driver, pinned
from minifcn.kernels.cuda.arrange import contiguous
from minifcn.kernels.cuda.array import CudaArray, empty
from minifcn.kernels.cuda.events import Event
from minifcn.kernels.cuda.lang import SIMULATED
from minifcn.kernels.cuda.pool import bucket

_KEPT = 2**20  # bytes: larger buffers of downloads are not kept for the next one


@functools.cache
def copy_stream() -> int:
    """A second stream, for uploads: it waits for no other stream unless told to."""
    if SIMULATED:
        return 0
    flags = driver.enum("CUstream_flags")
    return int(driver.call("cuStreamCreate", int(flags.CU_STREAM_NON_BLOCKING)))


class Upload:
    """Arrays on their way to the GPU.

    Attributes:
        arrays: on the GPU; to be used only after `arrive`, and not to be dropped before.
    """

    def __init__(self, arrays: tuple[CudaArray, ...], copied: Event):
        self.arrays, self._copied = arrays, copied

    def arrive(self) -> tuple[CudaArray, ...]:
        """The arrays; work that is started from here on waits for the copy, the host does not."""
        self._copied.hold_back()
        return self.arrays


class Uploader:
    """Copies arrays through pinned buffers, which take turns: the next are filled while the last are still copied.

    Args:
        turns: how many uploads may be under way at once before the next waits for the oldest.
    """

    def __init__(self, turns: int = 2):
        self._turns: deque[_Turn] = deque(_Turn() for _ in range(turns))

    def start(self, arrays: Sequence[np.ndarray]) -> Upload:
        """Begin to copy arrays of the host, which may be changed once this returns."""
        turn = self._turns[0]
        self._turns.rotate(-1)
        if turn.copied is not None:
            turn.copied.wait()
        targets = tuple(empty(array.shape, array.dtype) for array in arrays)
        # Work that was started before may still use the memory that the pool has just handed out.
        Event().record().hold_back(copy_stream())
        for place, (array, target) in enumerate(zip(arrays, targets, strict=True)):
            source = turn.staged(place, array)
            driver.copy_to_device(target.pointer, source.ctypes.data, source.nbytes, on=copy_stream())
        turn.copied = Event().record(copy_stream())
        return Upload(targets, turn.copied)

    def close(self) -> None:
        """Wait for the copies that are under way: after it, arrays and buffers may be dropped. In any thread."""
        driver.enter()
        for turn in self._turns:
            if turn.copied is not None:
                turn.copied.wait()


class _Turn:
    """Pinned buffers of one upload, grown as needed, and when its copy is done."""

    def __init__(self) -> None:
        self.copied: Event | None = None
        self._buffers: list[np.ndarray] = []

    def staged(self, place: int, array: np.ndarray) -> np.ndarray:
        """A contiguous copy of an array in pinned memory."""
        if place == len(self._buffers):
            self._buffers.append(np.empty(0, np.uint8))
        if self._buffers[place].nbytes < array.nbytes:
            self._buffers[place] = pinned.empty((array.nbytes,), np.dtype(np.uint8))
        copy = self._buffers[place][: array.nbytes].view(array.dtype).reshape(array.shape)
        np.copyto(copy, array)
        return copy


# Buffers of earlier downloads, each with the event that says when it may be written again.
_idle: deque[tuple[np.ndarray, Event]] = deque()


class Download:
    """A copy of an array of the GPU on its way to the host, as it is when the work so far is done."""

    def __init__(self, array: CudaArray):
        self._shape, self._dtype, size = array.shape, array.dtype, array.nbytes
        self._buffer = _buffer(size)
        # A temporary copy may be dropped at once: later work in the same stream comes later.
        driver.copy_to_host(self._buffer.ctypes.data, contiguous(array).pointer, size)
        self._copied = Event().record()

    def __del__(self, idle: deque[tuple[np.ndarray, Event]] = _idle) -> None:  # bound, as modules end before objects
        if hasattr(self, "_copied"):
            idle.append((self._buffer, self._copied))

    @property
    def done(self) -> bool:
        """Whether `result` would not wait."""
        return self._copied.done

    def result(self) -> np.ndarray:
        """The values; waits for the copy and the work before it, not for what was started since."""
        self._copied.wait()
        size = int(np.prod(self._shape, dtype=np.int64)) * self._dtype.itemsize
        return self._buffer[:size].view(self._dtype).reshape(self._shape).copy()


def _buffer(size: int) -> np.ndarray:
    """Pinned memory for ``size`` bytes, that of an earlier download if one is large enough."""
    for _ in range(len(_idle)):
        try:
            buffer, copied = _idle.popleft()
        except IndexError:  # another thread took it
            break
        if copied.done:
            if buffer.nbytes >= size:
                return buffer
            if buffer.nbytes > _KEPT:
                continue
        _idle.append((buffer, copied))
    return pinned.empty((bucket(size),), np.dtype(np.uint8))
