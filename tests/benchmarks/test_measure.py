"""Measuring, with contestants and a clock that are made up."""

import time
from collections.abc import Callable

import pytest

from minifcn.benchmarks import measure
from minifcn.benchmarks.machine import Bystanders
from minifcn.benchmarks.measure import Effort, Timing, alternate, settle


class Clock:
    """Stands still unless somebody works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def worker(self, name: str, *durations: float) -> Callable[[], None]:
        """A contestant that takes these times, again and again."""

        def work() -> None:
            self.now += durations[self.calls.count(name) % len(durations)]
            self.calls.append(name)

        return work


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(measure, "settle", lambda: None)
    return Clock()


def test_contestants_take_turns_that_rotate(clock: Clock) -> None:
    contestants = {name: clock.worker(name, 1.0) for name in "abc"}
    timings = alternate(contestants, Effort(rounds=4, seconds=0.0, slow_rounds=4, turn=0.0), clock)
    # Each turn is one call that does not count, and one that does.
    assert "".join(clock.calls) == "aabbcc" + "bbccaa" + "ccaabb" + "aabbcc"
    assert timings == dict.fromkeys("abc", Timing(1.0, 1.0, 1.0, 4))


def test_medians_and_quartiles_are_of_the_calls_that_count(clock: Clock) -> None:
    # 100 s are warming up; counted are 1, 2, 3, 4, 5.
    contestants = {"a": clock.worker("a", 100, 1, 100, 2, 100, 3, 100, 4, 100, 5)}
    timing = alternate(contestants, Effort(rounds=5, seconds=0.0, slow_rounds=5, turn=0.0), clock)["a"]
    assert timing == Timing(median=3.0, low=2.0, high=4.0, rounds=5)


def test_a_turn_is_the_median_of_its_calls(clock: Clock) -> None:
    contestants = {"a": clock.worker("a", 1.0, 1.0, 9.0, 2.0)}
    timing = alternate(contestants, Effort(rounds=1, seconds=0.0, slow_rounds=1, turn=3.0), clock)["a"]
    assert clock.calls == ["a"] * 4
    assert timing.median == 2.0


@pytest.mark.parametrize(
    ("duration", "rounds"),
    [
        (0.01, 50),  # until a second has passed
        (0.2, 9),  # the rounds asked for
        (1.0, 5),  # slow: fewer
    ],
)
def test_rounds_follow_from_the_duration(clock: Clock, duration: float, rounds: int) -> None:
    effort = Effort(rounds=9, seconds=1.0, slow_rounds=5, turn=0.0)
    timing = alternate({"a": clock.worker("a", duration)}, effort, clock)["a"]
    assert timing.rounds == pytest.approx(rounds, abs=1)  # sums of 0.01


def test_settling_waits_for_work_to_end_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter([0.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # busy, busy, idle
    naps: list[float] = []
    monkeypatch.setattr(measure.time, "process_time", lambda: next(used))
    monkeypatch.setattr(measure.time, "sleep", naps.append)
    settle(limit=60.0)
    assert len(naps) == 3
    forever = iter(range(10**6))
    monkeypatch.setattr(measure.time, "process_time", lambda: float(next(forever)))
    settle(limit=0.001)


def test_bystanders_are_not_ourselves() -> None:
    bystanders = Bystanders()
    with bystanders.watched():
        end = time.perf_counter() + 0.15
        while time.perf_counter() < end:
            pass
    assert bystanders.share is None or 0.0 <= bystanders.share <= 1.0
