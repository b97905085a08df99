"""Memory of the host that the GPU reads and writes by itself, while Python goes on: pages that never move.

A copy from ordinary memory goes through a buffer of the driver, and the caller waits for it. To pin memory takes
milliseconds, so what needs it again and again keeps it.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from minifcn.kernels.cuda import driver
from minifcn.kernels.cuda.lang import SIMULATED

_PORTABLE = 1  # CU_MEMHOSTALLOC_PORTABLE: pinned for every context of the process
_returned: deque[int] = deque()


class _Owner:
    """What an array has as its base: it gives the memory back once no view is left."""

    __slots__ = ("__array_interface__", "_address")

    def __init__(self, address: int, size: int):
        self._address = address
        self.__array_interface__ = {"data": (address, False), "shape": (size,), "typestr": "|u1", "version": 3}

    def __del__(self, returned: deque[int] = _returned) -> None:  # bound, because modules end before objects
        # At any moment and in any thread, where the driver must not be called: so only leave a note.
        returned.append(self._address)


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A NumPy array of arbitrary contents in pinned memory; an ordinary one in the simulator.

    It must live until copies from and to it are done. Its memory is freed when this function is called after the last
    view has died.
    """
    if SIMULATED:
        return np.empty(shape, dtype)
    release()
    size = math.prod(shape) * dtype.itemsize
    address = int(driver.call("cuMemHostAlloc", max(size, 1), _PORTABLE))
    return np.asarray(_Owner(address, size)).view(dtype).reshape(shape)


def release() -> None:
    """Free what no array uses any more."""
    while _returned:
        driver.call("cuMemFreeHost", _returned.popleft())
