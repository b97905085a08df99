"""What can be set for a whole process or a block of code: the device that new tensors live on, threads.

>>> import minifcn as mf
>>> with mf.device("reference"):
...     mf.zeros(2).device
'reference'
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import overload

from minifcn import kernels

_device: ContextVar[str] = ContextVar("minifcn_device", default="cpu")


class _Device:
    """``device()`` is the current default device; ``with device(name):`` changes it inside the block."""

    @overload
    def __call__(self) -> str: ...
    @overload
    def __call__(self, name: str) -> contextlib.AbstractContextManager[None]: ...
    def __call__(self, name: str | None = None) -> str | contextlib.AbstractContextManager[None]:
        return _device.get() if name is None else self._within(name)

    @contextlib.contextmanager
    def _within(self, name: str) -> Iterator[None]:
        kernels.load(name)
        token = _device.set(name)
        try:
            yield
        finally:
            _device.reset(token)


device = _Device()


def set_num_threads(count: int) -> None:
    """Use ``count`` threads in the CPU kernels.

    Raises:
        ValueError: fewer than 1, or more than Numba started with.
    """
    import numba

    limit = numba.config.NUMBA_NUM_THREADS
    if not 1 <= count <= limit:
        raise ValueError(f"set_num_threads: {count} is not between 1 and {limit} (NUMBA_NUM_THREADS)")
    numba.set_num_threads(count)


def get_num_threads() -> int:
    """How many threads the CPU kernels use."""
    import numba

    return int(numba.get_num_threads())
