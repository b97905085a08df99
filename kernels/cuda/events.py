"""Marks in a stream of work: has the GPU come this far, and when? In the simulator it always has."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from minifcn.kernels.cuda import driver
from minifcn.kernels.cuda.lang import SIMULATED

# Made once and used again: to make one takes longer than to record it. By whether they tell the time.
_unused: dict[bool, deque[Any]] = {False: deque(), True: deque()}


class Event:
    """A place in a stream: all work that was there when `record` was called lies before it.

    Args:
        timed: it also notes when the GPU passed it, to half a microsecond; others cost the GPU less.
    """

    __slots__ = ("_handle", "_timed", "_when")

    def __init__(self, timed: bool = False):
        self._handle: Any = None
        self._timed = timed
        self._when = 0.0  # in the simulator
        if not SIMULATED:
            try:
                self._handle = _unused[timed].pop()
            except IndexError:
                flags = driver.enum("CUevent_flags")
                flag = flags.CU_EVENT_DEFAULT if timed else flags.CU_EVENT_DISABLE_TIMING
                self._handle = driver.call("cuEventCreate", int(flag))

    def __del__(self, unused: dict[bool, deque[Any]] = _unused) -> None:  # bound, because modules end before objects
        # Passed or not: a stream that was told to wait for it keeps waiting for what it meant then.
        if self._handle is not None:
            unused[self._timed].append(self._handle)

    def record(self, stream: int | None = None) -> Event:
        """Put the mark behind all work that a stream (that of all work, unless given) has so far."""
        if SIMULATED:
            self._when = time.perf_counter()
        else:
            driver.call("cuEventRecord", self._handle, driver.stream() if stream is None else stream)
        return self

    def hold_back(self, stream: int | None = None) -> None:
        """Let a stream begin later work only when this mark is passed; nothing waits on the host."""
        if not SIMULATED:
            driver.call("cuStreamWaitEvent", driver.stream() if stream is None else stream, self._handle, 0)

    @property
    def done(self) -> bool:
        """Whether the GPU has passed the mark (or there is none)."""
        if not SIMULATED:
            try:
                driver.call("cuEventQuery", self._handle)
            except driver.DriverError as error:
                if "CUDA_ERROR_NOT_READY" in str(error):
                    return False
                raise
        return True

    def wait(self) -> None:
        """Wait, on the host, until the GPU has passed the mark; errors of work before it appear here."""
        if not SIMULATED:
            driver.call("cuEventSynchronize", self._handle)

    def seconds_since(self, earlier: Event) -> float:
        """Time from one mark to this; both are timed and done."""
        if SIMULATED:
            return self._when - earlier._when
        return float(driver.call("cuEventElapsedTime", earlier._handle, self._handle)) * 1e-3
