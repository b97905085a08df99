"""Every window of an image classified in four ways: ``python -m minifcn.benchmarks.sliding_window``.

The sliding window itself, shift-and-stitch, dilation and max-pooling fragments (`minifcn.models.sliding`) give the same
answers; this measures what each costs, for one image that has SIZE x SIZE answers. Where the image is large, the
sliding window classifies a square of it only, from which its time for all is extrapolated. Answers are compared before
any time is taken.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import minifcn as mf
from minifcn import memory, models, nn
from minifcn.benchmarks import machine, truth
from minifcn.benchmarks.measure import Effort, Timing, alternate
from minifcn.io.atomic import write_text
from minifcn.models.sliding import Dilated, EveryWindow, Fragments, PatchClassifier, ShiftAndStitch, SlidingWindow

FAST: tuple[type[ShiftAndStitch] | type[Dilated] | type[Fragments], ...] = (ShiftAndStitch, Dilated, Fragments)
#: The sliding window's square has at most so many answers a side.
_SQUARE = 12
_SECONDS_BETWEEN_LINES = 2.0

Say = Callable[[str], None]


def _silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Row:
    """What one way costs: seconds an image (median and quartiles), and bytes of maps at the peak."""

    name: str
    seconds: Timing
    peak: int
    answers: int  #: that were timed; the seconds are for all


@dataclass(frozen=True)
class Report:
    """Everything that was measured of a network at a size."""

    model: str
    size: int
    threads: int
    bystanders: float | None  #: share of the processors that other processes used meanwhile
    rows: list[Row]


def measure(model: str, size: int, rounds: int, seed: int = 0, say: Say = _silent) -> Report:
    """Compare the four ways, then time them in turns.

    Raises:
        ValueError: the model is no classifier of windows.
        truth.WrongResultError: one of them gives something else.
    """
    classifier = build(model, seed)
    side = size + classifier.window - 1
    image = mf.tensor(np.random.default_rng(seed).random((1, side, side, classifier.in_channels), np.float32))
    square = min(size, _SQUARE)
    cut = image[:, : square + classifier.window - 1, : square + classifier.window - 1]
    ways: list[tuple[EveryWindow, mf.Tensor]] = [(SlidingWindow(classifier), cut)]
    ways += [(way(classifier), image) for way in FAST]
    bystanders = machine.Bystanders()
    with mf.no_grad():
        peaks = compare(ways, square, say)
        turns = {type(network).__name__: functools.partial(_turn, network, x, say) for network, x in ways}
        with bystanders.watched():
            timings = alternate(turns, Effort(rounds, seconds=0.0, slow_rounds=rounds))
    rows = []
    for name, timing in timings.items():
        answers = square**2 if name == "SlidingWindow" else size**2
        rows.append(Row(name, scaled(timing, size**2 / answers), peaks[name], answers))
    return Report(model, size, mf.get_num_threads(), bystanders.share, rows)


def _turn(network: EveryWindow, x: mf.Tensor, say: Say) -> None:
    say(f"timing {type(network).__name__}")
    network(x)


def build(model: str, seed: int) -> PatchClassifier:
    """The classifier, with weights that keep the scale of what they sum: as published they give nearly constant
    answers.

    Raises:
        ValueError: the model is no classifier of windows.
    """
    mf.manual_seed(seed)
    classifier = models.create(model, in_channels=1, classes=2)
    if not isinstance(classifier, PatchClassifier):
        known = [name for name, network in models.REGISTRY.items() if issubclass(network, PatchClassifier)]
        raise ValueError(f"sliding_window: {model!r} does not classify windows; models that do: {', '.join(known)}")
    for parameter in classifier.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    return classifier.eval()


def compare(ways: Sequence[tuple[EveryWindow, mf.Tensor]], square: int, say: Say = _silent) -> dict[str, int]:
    """Check answers where the first way has some, and elsewhere against each other; each way's peak of memory, in
    bytes.

    Raises:
        truth.WrongResultError: one of them gives something else.
    """
    outcomes: dict[str, np.ndarray] = {}
    peaks = {}
    for network, x in ways:
        name = type(network).__name__
        say(f"comparing {name}")
        with memory.track() as usage:
            outcomes[name] = network(x).data
        peaks[name] = usage.peak
    # Roundings of all layers add up.
    terms = sum(p.size // p.shape[-1] for p in ways[0][0].parameters() if p.ndim > 1)
    (first, expected), *others = outcomes.items()
    for name, answers in others:
        truth.check(f"{name} against {first}", [answers[:, :square, :square]], [expected], [terms])
        truth.check(f"{name} against {others[0][0]}", [answers], [others[0][1]], [terms])
    return peaks


def scaled(timing: Timing, factor: float) -> Timing:
    """The same for ``factor`` times the work.

    >>> scaled(Timing(2.0, 1.0, 3.0, rounds=5), 10)
    Timing(median=20.0, low=10.0, high=30.0, rounds=5)
    """
    return Timing(timing.median * factor, timing.low * factor, timing.high * factor, timing.rounds)


def table(report: Report) -> str:
    """What was measured, to be read."""
    slowest = max(row.seconds.median for row in report.rows)
    lines = [f"{'':16}{'s an image':>12}{'quartiles':>20}{'times as fast':>15}{'peak MiB':>10}"]
    notes = []
    for row in report.rows:
        seconds = row.seconds
        mark = "" if row.answers == report.size**2 else "*"
        if mark:
            notes.append(f"* extrapolated from {math.isqrt(row.answers)} x {math.isqrt(row.answers)} answers")
        quartiles = f"{seconds.low:.3g} to {seconds.high:.3g}"
        lines.append(
            f"{row.name + mark:16}{seconds.median:>12.3g}{quartiles:>20}{slowest / seconds.median:>15.3g}"
            f"{row.peak / 2**20:>10.0f}"
        )
    if report.bystanders is not None and report.bystanders > machine.BUSY:
        notes.append(f"other processes used {report.bystanders:.0%} of the processors meanwhile")
    head = f"{report.model}, {report.size} x {report.size} answers, {report.threads} thread(s), float32"
    return "\n".join([head, *lines, *notes])


class Status:
    """Says on standard error what is going on, every two seconds at most."""

    def __init__(self) -> None:
        self._spoke = time.monotonic()

    def __call__(self, text: str) -> None:
        """Say it, unless the last word was a moment ago."""
        if time.monotonic() - self._spoke > _SECONDS_BETWEEN_LINES:
            print(text, file=sys.stderr, flush=True)
            self._spoke = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m minifcn.benchmarks.sliding_window", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="ciresan-n3", help="a classifier of windows (default: %(default)s)")
    parser.add_argument("--size", type=int, default=128, help="answers a side (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and image (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write everything there")
    options = parser.parse_args(arguments)
    if min(options.size, options.rounds) < 1:
        parser.error(f"--size and --rounds must be positive, got {options.size} and {options.rounds}")
    try:
        report = measure(options.model, options.size, options.rounds, options.seed, Status())
    except ValueError as error:
        parser.error(str(error))
    print(table(report))
    if options.json:
        write_text(options.json, json.dumps({**machine.facts(), **asdict(report)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
