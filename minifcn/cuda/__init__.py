"""The GPU from Python: is there one, what is it doing, how much of its memory is taken; graphs, profiles, prefetching.

``model.to("cuda")`` is all that most programs need. This package has what the device ``"cuda"`` offers beyond the
others.

>>> is_available() in (True, False)
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minifcn.kernels import DeviceUnavailableError, load

if TYPE_CHECKING:
    from minifcn.cuda.graph import GraphedStep, graphed
    from minifcn.cuda.prefetch import prefetched
    from minifcn.cuda.profiler import profile
    from minifcn.cuda.readback import Readback
    from minifcn.kernels.cuda.pool import Stats

_LAZY = {
    "GraphedStep": "graph",
    "Readback": "readback",
    "graphed": "graph",
    "prefetched": "prefetch",
    "profile": "profiler",
}

__all__ = [
    "GraphedStep",
    "Readback",
    "graphed",
    "is_available",
    "memory_stats",
    "name",
    "prefetched",
    "profile",
    "release_memory",
    "reset_peak",
    "synchronize",
    "unavailable_because",
]


def is_available() -> bool:
    """Whether tensors can be moved to ``"cuda"`` (or to the simulator that stands for it)."""
    return unavailable_because() is None


def unavailable_because() -> str | None:
    """What is missing: a package, a driver or a GPU; None if nothing is."""
    try:
        load("cuda")
    except DeviceUnavailableError as error:
        return str(error)
    return None


def name() -> str:
    """The GPU's name and compute capability, such as "NVIDIA H100 80GB HBM3 (9.0)"."""
    info = _driver().info()
    return f"{info.name} ({'.'.join(map(str, info.compute_capability))})"


def synchronize() -> None:
    """Wait until the GPU has done all that it was given: before stopping a clock."""
    _driver().synchronize()


def memory_stats() -> Stats:
    """Bytes ``in_use`` and ``held`` by this process, the former's ``peak``, and the GPU's ``free`` and ``total``."""
    return _pool().stats()


def reset_peak() -> None:
    """Look for the peak of memory in use anew."""
    _pool().reset_peak()


def release_memory() -> int:
    """Give memory that no tensor uses back to the driver, for other processes; returns its bytes."""
    return int(_pool().release())


def _driver() -> Any:
    load("cuda")
    from minifcn.kernels.cuda import driver

    return driver


def _pool() -> Any:
    load("cuda")
    from minifcn.kernels.cuda.pool import pool

    return pool()


def __getattr__(attribute: str) -> Any:
    if attribute in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"minifcn.cuda.{_LAZY[attribute]}"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
