"""How times are taken: contestants alternate, so that whatever else the machine does hits all of them alike.

A round gives each contestant its turn, in an order that rotates. A turn waits until no thread of this process spins
(runtimes let theirs spin after work, PyTorch 5 ms and ONNX Runtime 25, which would cost the next one a core), makes one
call that does not count, so that threads and caches are warm, and then times calls. The figure of a turn is the median
of its calls; the figure of a contestant the median of its turns, with quartiles as the spread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Effort:
    """How long to measure: at least ``rounds`` and ``seconds``, but ``slow_rounds`` if a round takes ``seconds``."""

    rounds: int = 9
    seconds: float = 1.5
    slow_rounds: int = 5
    turn: float = 0.02  #: seconds of calls in a turn; at least one call

    @classmethod
    def quick(cls) -> Effort:
        """Enough to see whether everything works."""
        return cls(rounds=3, seconds=0.1, slow_rounds=2, turn=0.005)


@dataclass(frozen=True)
class Timing:
    """Median and quartiles of the turns, in seconds, and how many turns there were."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Timing:
        """Of the figures of the turns.

        >>> Timing.of([3.0, 1.0, 2.0])
        Timing(median=2.0, low=1.5, high=2.5, rounds=3)
        """
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high, len(values))


def alternate(
    contestants: Mapping[str, Callable[[], Any]], effort: Effort, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Timing]:
    """Time the contestants, which have been called before, in turns."""
    names = list(contestants)
    turns: dict[str, list[float]] = {name: [] for name in names}
    begin = clock()
    rounds = 0
    while not _enough(rounds, clock() - begin, effort):
        for position in range(len(names)):
            name = names[(rounds + position) % len(names)]
            settle()
            turns[name].append(_turn(contestants[name], effort.turn, clock))
        rounds += 1
    return {name: Timing.of(values) for name, values in turns.items()}


def _enough(rounds: int, elapsed: float, effort: Effort) -> bool:
    if rounds >= effort.slow_rounds and elapsed >= effort.seconds * rounds:
        return True
    return rounds >= max(effort.rounds, 1) and elapsed >= effort.seconds


def _turn(run: Callable[[], Any], seconds: float, clock: Callable[[], float]) -> float:
    """The median of calls that take ``seconds`` together, after one that does not count."""
    begin = clock()
    run()
    first = clock() - begin
    calls = []
    for _ in range(max(1, round(seconds / max(first, 1e-6)))):
        begin = clock()
        run()
        calls.append(clock() - begin)
    return statistics.median(calls)


def settle(limit: float = 0.5, slice_: float = 0.004) -> None:
    """Sleep until this process uses almost no processor time: until no thread spins. At most ``limit`` seconds."""
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(slice_)
        if time.process_time() - used < 0.1 * slice_:
            return
