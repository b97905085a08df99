"""What can be set for a process or a block of code: the device of new tensors, how to convolve, precision, threads.

>>> import minifcn as mf
>>> with mf.device("reference"):
...     mf.zeros(2).device
'reference'
>>> with mf.settings.override(conv="direct"):
...     mf.settings.conv()
'direct'
"""

from __future__ import annotations

import contextlib
import operator
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


def conv() -> str:
    """The algorithm that the CPU's convolutions use here: "auto" (by their shape), "direct" or "winograd"."""
    from minifcn.kernels.cpu.choice import forced

    return forced()


def set_conv(name: str) -> None:
    """Force an algorithm in the whole process, as the environment variable MINIFCN_CONV does from its start.

    Raises:
        ValueError: it is not "auto", "direct" or "winograd".
    """
    from minifcn.kernels.cpu.choice import force

    force(name)


def override(*, conv: str) -> contextlib.AbstractContextManager[None]:
    """Force an algorithm inside a ``with`` block, in this thread or task alone; see `conv`.

    Raises:
        ValueError: it is not "auto", "direct" or "winograd".
    """
    from minifcn.kernels.cpu.choice import checked, forcing

    return forcing(checked(conv))


def allow_tf32() -> bool:
    """Whether float32 convolutions and matrix products on a GPU may round their factors to TF32's 10 bits."""
    from minifcn.kernels.cuda.conv.choice import allow_tf32 as allowed

    return bool(allowed())


def set_allow_tf32(allowed: bool) -> None:
    """Let tensor cores round factors to TF32, in the whole process, as MINIFCN_ALLOW_TF32=1 does from its start.

    About three times as fast on large convolutions; a relative error of some 3e-4 instead of 1e-6.
    """
    from minifcn.kernels.cuda.conv.choice import set_allow_tf32 as change

    change(bool(allowed))


def set_num_threads(count: int) -> None:
    """Use ``count`` threads in the CPU kernels, and in NumPy's matrix product: in all threads of this process.

    Raises:
        TypeError: not an integer.
        ValueError: fewer than 1, or more than Numba started with.
    """
    import numba

    from minifcn.kernels.cpu import threads

    limit, count = numba.config.NUMBA_NUM_THREADS, operator.index(count)
    if not 1 <= count <= limit:
        raise ValueError(f"set_num_threads: {count} is not between 1 and {limit} (NUMBA_NUM_THREADS)")
    threads.set_num_threads(count)


def get_num_threads() -> int:
    """How many threads the CPU kernels use."""
    from minifcn.kernels.cpu import threads

    return threads.get_num_threads()
