"""Running cases: prepare the contestants, compare their results, and only then take times."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from minifcn.benchmarks import peers, probe, truth
from minifcn.benchmarks.cases import GROUPS, Case, ConvCase, Group, MemoryCase, NetworkCase, StartupCase
from minifcn.benchmarks.machine import Bystanders, wait_until_quiet
from minifcn.benchmarks.measure import Effort, Timing, alternate
from minifcn.benchmarks.peers import Contestant, Task
from minifcn.benchmarks.tasks import conv_task, network_task

OURS = "minifcn"
#: Of training: losses of this many steps are compared. Adam divides small gradients by their size, so that roundings
#: come back as steps; the first loss is compared as other results are, the later ones to _LATER.
_STEPS = 3
_LATER = 2e-3


@dataclass(frozen=True)
class Options:
    """How a run measures."""

    threads: int
    effort: Effort = field(default_factory=Effort)
    compiled: bool = True
    seed: int = 0
    patience: float = 0.0  #: seconds to wait, a case, for other processes to leave the machine alone


@dataclass
class Result:
    """What was measured of a case: contestants' times in seconds, or their peak memory in MiB."""

    case: Case
    unit: str = "s"
    timings: dict[str, Timing] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    bystanders: float | None = None  #: share of the processors that other processes used meanwhile

    @property
    def ours(self) -> float | None:
        """minifcn's median."""
        timing = self.timings.get(OURS)
        return timing.median if timing else None

    @property
    def best_peer(self) -> str | None:
        """The peer with the least median."""
        others = {name: timing.median for name, timing in self.timings.items() if name != OURS}
        return min(others, key=others.__getitem__) if others else None

    @property
    def ratio(self) -> float | None:
        """The best peer's median over minifcn's."""
        if self.ours is None or self.best_peer is None:
            return None
        return self.timings[self.best_peer].median / self.ours

    @property
    def target(self) -> float | None:
        """The least ratio, or for start-up the most seconds."""
        return self.case.limit if isinstance(self.case, StartupCase) else GROUPS[self.case.group].worst

    @property
    def reached(self) -> bool | None:
        """Whether the target was reached; None where there is nothing to compare."""
        if self.error is not None:
            return False
        if isinstance(self.case, StartupCase):
            return None if self.ours is None else self.ours <= self.case.limit
        return None if self.ratio is None or self.target is None else self.ratio >= self.target


def geometric_mean(results: Sequence[Result]) -> float | None:
    """Of the ratios that there are."""
    ratios = [result.ratio for result in results if result.ratio is not None]
    return statistics.geometric_mean(ratios) if ratios else None


def mean_reached(group: Group, results: Sequence[Result]) -> bool | None:
    """Whether the group's geometric mean reaches its target; None where it has none or nothing was compared."""
    mean = geometric_mean(results)
    return None if mean is None or group.mean is None else mean >= group.mean


def run_case(case: Case, options: Options) -> Result:
    """Measure one case, again if others disturbed it and ``options.patience`` allows; the last figures count.

    Failures end up in the result: the other cases go on.
    """
    if isinstance(case, MemoryCase):
        return _measured(case, options, Bystanders())  # no time is taken
    deadline = time.monotonic() + options.patience
    while True:
        wait_until_quiet(deadline)
        bystanders = Bystanders()
        result = _measured(case, options, bystanders)
        result.bystanders = bystanders.share
        if not bystanders.disturbed or time.monotonic() > deadline:
            return result


def _measured(case: Case, options: Options, bystanders: Bystanders) -> Result:
    result = Result(case)
    try:
        with bystanders.watched():
            if isinstance(case, StartupCase):
                _startup(case, options, result)
            elif isinstance(case, MemoryCase):
                _memory(case, options, result)
            else:
                _contest(case, options, result)
    except Exception as error:  # a peer's own kinds, too
        result.timings.clear()
        result.error = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return result


def _contest(case: ConvCase | NetworkCase, options: Options, result: Result) -> None:
    rng = np.random.default_rng([options.seed, *case.name.encode()])
    task = conv_task(case, rng) if isinstance(case, ConvCase) else network_task(case, rng, options.compiled)
    contestants: list[Contestant] = []
    for peer in peers.PEERS:
        module = peers.load(peer)
        if module is not None:
            contestants += module.prepare(task, options.threads)
    result.notes = task.notes
    contestants = check(task, contestants)
    result.timings = alternate({c.name: c.run for c in contestants}, options.effort)


def check(task: Task, contestants: Sequence[Contestant]) -> list[Contestant]:
    """Compare results with the truth of a convolution, or with PyTorch's of a network; those that ran are returned.

    Raises:
        WrongResultError: somebody computed something else.
    """
    if not isinstance(task.case, ConvCase):
        return _check_network(task, task.case, contestants)
    assert task.inputs is not None
    expected = truth.convolution(task.case, task.inputs)
    for contestant in contestants:
        truth.check(contestant.name, contestant.arrays(contestant.run()), expected, task.case.terms)
    return list(contestants)


def _check_network(task: Task, case: NetworkCase, contestants: Sequence[Contestant]) -> list[Contestant]:
    """One forward pass, or the losses of a few steps."""
    outcomes: dict[str, list[np.ndarray]] = {}
    for contestant in contestants:
        try:
            calls = _STEPS if case.mode == "training" else 1
            outcomes[contestant.name] = [contestant.arrays(contestant.run())[0] for _ in range(calls)]
        except Exception as error:
            if not contestant.may_fail:
                raise
            task.notes.append(f"{contestant.name} failed: {' '.join(str(error).split())[:120]}")
    if len(outcomes) == 1:
        task.notes.append("no peer to compare with: result not checked")
        return list(contestants)
    reference = list(outcomes)[1]  # minifcn is the first
    for name, (first, *later) in outcomes.items():
        truth.check(f"{name} against {reference}", [first], outcomes[reference][:1], [case.terms])
        for step, (a, e) in enumerate(zip(later, outcomes[reference][1:], strict=True), start=2):
            if not math.isclose(float(a), float(e), rel_tol=_LATER):
                found, other = f"loss {float(a):.6g} in step {step}", f"{float(e):.6g}"
                raise truth.WrongResultError(f"{name}: {found}, {reference} has {other}")
    return [contestant for contestant in contestants if contestant.name in outcomes]


def _memory(case: MemoryCase, options: Options, result: Result) -> None:
    result.unit = "MiB"
    names = [OURS]
    if peers.load("pytorch") is not None:
        names += ["PyTorch NCHW", "PyTorch channels last"]
    for name in names:
        result.timings[name] = Timing.of([probe.run("memory", name, case.label, threads=options.threads)])


def _startup(case: StartupCase, options: Options, result: Result) -> None:
    values = []
    if not case.cold:
        probe.run(case.probe, threads=options.threads)  # fills the caches
    for _ in range(case.repeats):
        with tempfile.TemporaryDirectory(prefix="minifcn-bench-") as folder:
            environment = {"NUMBA_CACHE_DIR": folder} if case.cold else {}
            values.append(probe.run(case.probe, threads=options.threads, environment=environment))
            time.sleep(0.05)
    result.timings[OURS] = Timing.of(values)


def fresh_seed() -> int:
    """A seed that nobody knew before."""
    return int(np.random.SeedSequence().generate_state(1)[0])
