"""The loop over the parts: starts processes, watches their time, and writes the report after each part."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from minifcn.benchmarks.gpu import report
from minifcn.benchmarks.gpu.parts import Part
from minifcn.benchmarks.gpu.record import mark

#: Of the whole time, what the parts about right and wrong may take, side by side.
_TOGETHER = 0.4
#: Beyond its seconds, what a part may take to finish what it has begun.
_GRACE = 30.0
#: A part with less time than this is not worth its start.
_LEAST = 5.0


def run(out: Path, parts: Sequence[Part], budget: float, tiny: bool) -> bool:
    """Run the parts within about ``budget`` seconds; returns whether all went well."""
    out.mkdir(parents=True, exist_ok=True)
    for part in parts:
        for old in (out / f"{part.name}.json", out / f"{part.name}.log"):
            old.unlink(missing_ok=True)
    began = time.monotonic()
    _run_together(out, parts, _TOGETHER * budget, tiny)
    _run_alone(out, parts, began + budget, tiny)
    report.write(out, parts)
    print(report.summary(out, parts), flush=True)
    return report.all_well(out, parts)


def _run_together(out: Path, parts: Sequence[Part], seconds: float, tiny: bool) -> None:
    """Each part in a process, as many at a time as there are processors to feed them."""
    waiting, lock = [part for part in parts if part.together], threading.Lock()
    deadline = time.monotonic() + seconds

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                part = waiting.pop(0)
            left = min(part.limit, deadline - time.monotonic())
            if left < _LEAST:
                mark(out / f"{part.name}.json", part.name, "left out", "no time was left")
            else:
                _Process(out, [(part, left)], tiny).watch()
            with lock:
                report.write(out, parts)
            _say(f"{part.name}: {report.verdict(out, part)}")

    workers = [threading.Thread(target=work) for _ in range(max(1, min(len(waiting), (os.cpu_count() or 1) * 3 // 4)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _run_alone(out: Path, parts: Sequence[Part], deadline: float, tiny: bool) -> None:
    """The parts in one process, which compiles each kernel once; after a part that failed, in another one."""
    waiting = [part for part in parts if not part.together]
    while waiting:
        left, shares = deadline - time.monotonic(), sum(part.share for part in waiting)
        if left < _LEAST:
            for part in waiting:
                mark(out / f"{part.name}.json", part.name, "left out", "no time was left")
            return
        process = _Process(out, [(part, left * part.share / shares) for part in waiting], tiny)
        done = process.watch(lambda: report.write(out, parts))
        for part in waiting[:done]:
            _say(f"{part.name}: {report.verdict(out, part)}")
        waiting = waiting[done:]
        report.write(out, parts)


class _Process:
    """A process that runs parts in order; killed when one takes longer than it may."""

    def __init__(self, out: Path, parts: list[tuple[Part, float]], tiny: bool):
        self._out, self._parts = out, parts
        self._log = (out / f"{parts[0][0].name}.log").open("w", encoding="utf-8")
        words = [f"{part.name}:{seconds:.1f}" for part, seconds in parts]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "minifcn.benchmarks.gpu.child", str(out), "tiny" if tiny else "full", *words],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def watch(self, finished: Callable[[], None] = lambda: None) -> int:
        """Wait for the parts, calling ``finished`` after each.

        Returns how many were dealt with: all, or up to the first that failed.
        """
        done = 0
        while done < len(self._parts):
            part, seconds = self._parts[done]
            said = self._until(f"@end {part.name}", time.monotonic() + seconds + _GRACE)
            done += 1
            if said != "end":
                text = f"killed after {seconds + _GRACE:.0f} s" if said == "late" else "its process died"
                code = self._stop()
                mark(self._out / f"{part.name}.json", part.name, "killed", f"{text} ({code}); see {self._log.name}")
                return done
            finished()
            if report.status(self._out, part) == "crashed":
                break
        self._stop(patience=10.0)
        return done

    def _until(self, wanted: str, deadline: float) -> str:
        """ "end" when the line comes, "late" when it does not in time, "dead" when the process is over."""
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return "late"
            if line is None:
                return "dead"
            if line.strip() == wanted:
                return "end"

    def _stop(self, patience: float = 0.0) -> int:
        """End the process, if it does not by itself."""
        try:
            code = self._process.wait(timeout=patience or 0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(10.0)
        self._log.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)


def _say(text: str) -> None:
    print(f"[gpu check] {text}", flush=True)
