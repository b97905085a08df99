"""A clock of the GPU's own: how long work takes that the host has queued, ours and PyTorch's alternating."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minifcn.kernels.cuda import driver
from minifcn.kernels.cuda.events import Event
from minifcn.kernels.cuda.lang import SIMULATED

try:
    import torch as _torch
except ImportError:  # then there is nobody to compare with
    _torch = None

#: PyTorch, or None.
torch: Any = _torch

#: What is timed: called with 0, 1, 2, ..., so that it can take other inputs each time.
Work = Callable[[int], Any]

#: Whether PyTorch can use the GPU too.
TORCH_CUDA = torch is not None and not SIMULATED and torch.cuda.is_available()
TORCH_DEVICE = "cuda" if TORCH_CUDA else "cpu"


@contextmanager
def one_stream() -> Iterator[None]:
    """Inside the block, PyTorch gives its work to our stream, so one clock serves both."""
    if not TORCH_CUDA:
        yield
        return
    driver.context()
    torch.cuda.init()
    with torch.cuda.stream(torch.cuda.ExternalStream(driver.stream())):
        yield


def once(work: Work, repeats: int, offset: int = 0, hide_launches: bool = False) -> float:
    """Milliseconds of a call, the mean of ``repeats``.

    With ``hide_launches``, the GPU is kept busy until the host has queued them: for kernels shorter than their launch.
    """
    if SIMULATED:
        began = time.perf_counter()
        for i in range(repeats):
            work(offset + i)
        return (time.perf_counter() - began) * 1e3 / repeats
    driver.synchronize()
    if hide_launches and TORCH_CUDA:
        torch.cuda._sleep(int(2e9 * min(20e-3, repeats * 40e-6)))  # in cycles, of some 2 GHz
    first = Event(timed=True).record()
    for i in range(repeats):
        work(offset + i)
    last = Event(timed=True).record()
    driver.synchronize()
    return 1e3 * last.seconds_since(first) / repeats


def alternate(
    contestants: dict[str, Work], seconds: float = 0.2, rounds: int = 5, hide_launches: bool = False
) -> dict[str, float]:
    """Median milliseconds of each, measured in turn, in about ``seconds`` (and what the warm-up takes)."""
    repeats = {}
    share = 1e3 * seconds / len(contestants) / rounds
    for name, work in contestants.items():
        once(work, 1)  # compiles
        single = once(work, 1)
        if single < share / 8:  # then there is time to warm up, and to find out better
            single = min(once(work, 3), once(work, 5))
        repeats[name] = 1 if SIMULATED else max(1, min(200, int(share / max(single, 1e-3))))
    if SIMULATED:
        rounds = 1
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, work in contestants.items():
            times[name].append(once(work, repeats[name], number * repeats[name], hide_launches))
    return {name: statistics.median(values) for name, values in times.items()}


def copies_beyond_cache(nbytes: int) -> int:
    """How many sets of ``nbytes`` to take in turn, so that none is in the second-level cache when it comes again."""
    cache = driver.info().l2_bytes
    return max(1, min(16, -(-3 * cache // max(nbytes, 1)))) if cache else 1
