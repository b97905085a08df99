"""The machine that measures: what it is, what it can do at most, and how busy others keep it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minifcn.benchmarks import peers, probe

#: Share of the processors from which on other processes disturb.
BUSY = 0.1


@dataclass
class Bystanders:
    """How much of the processors other processes used during a block: 0.5 is half of every core."""

    share: float | None = None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Watch a block; ``share`` is known after it, or stays None where there is no /proc."""
        begin, all_before, own_before = time.perf_counter(), _all_seconds(), _own_seconds()
        yield
        seconds = time.perf_counter() - begin
        all_after = _all_seconds()
        if all_before is not None and all_after is not None and seconds > 0.1:  # the system counts in 10 ms
            others = all_after - all_before - (_own_seconds() - own_before)
            self.share = min(1.0, max(0.0, others / (seconds * (os.cpu_count() or 1))))

    @property
    def disturbed(self) -> bool:
        """Whether times were taken in vain."""
        return self.share is not None and self.share > BUSY


def wait_until_quiet(deadline: float, window: float = 1.0) -> None:
    """Sleep until other processes leave the processors alone, or until ``deadline`` (of `time.monotonic`)."""
    while time.monotonic() < deadline:
        bystanders = Bystanders()
        with bystanders.watched():
            time.sleep(window)
        if not bystanders.disturbed:
            return


def _all_seconds() -> float | None:
    """Seconds that the processors have worked since the system started: proc(5)."""
    try:
        user, nice, system, _idle, _wait, irq, softirq, steal, *_ = map(
            int, Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
        )
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def limits(threads: int) -> dict[str, float]:
    """GFLOP/s of each library's matrix product, GB/s of copying; the roof of everything else."""
    libraries = ["numpy"] + (["torch"] if peers.load("pytorch") is not None else [])
    return {
        **{f"GFLOP/s, {name}": probe.run("blas", name, threads=threads) for name in libraries},
        "GB/s": probe.run("bandwidth", str(threads), threads=threads),
    }


def facts() -> dict[str, object]:
    """Date, machine and versions."""
    from minifcn.cli.info import facts as machine

    chosen = ("system", "processor", "features", "SIMD vectors", "Python", "NumPy", "Numba")
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        **{name: value for name, value in machine().items() if name in chosen},
        "cores": os.cpu_count(),
        **{name: version or "not installed" for name, version in peers.versions().items()},
    }
