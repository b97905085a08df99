"""What a training says while it runs: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS_BETWEEN_LINES = 15.0


class Reporter:
    """What a training tells; this one says nothing."""

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop reporting."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def begin(self, step: int, steps: int) -> None:
        """Training starts after ``step`` of ``steps``."""

    def step(self, step: int, loss: float, images_a_second: float) -> None:
        """A step is done."""

    def validating(self, done: int, total: int) -> None:
        """So many of the validation images are done."""

    def validated(self, step: int, scores: dict[str, float]) -> None:
        """A validation is done."""


class ConsoleReporter(Reporter):
    """Reports on a console: a progress bar if it is a terminal, otherwise a line every 15 seconds."""

    def __init__(self, console: Console | None = None):
        from rich import console as rich_console

        self.console = console or rich_console.Console(stderr=True)
        self._bar: Any = None
        self._task: Any = None
        self._steps = 0
        self._spoke = time.monotonic()

    def __enter__(self) -> ConsoleReporter:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def note(self, text: str) -> None:  # noqa: D102  # as documented above, and so the others
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def begin(self, step: int, steps: int) -> None:  # noqa: D102
        from rich import progress

        self._steps = steps
        if not self.console.is_terminal:
            self.note(f"training: {steps - step} steps (the first one compiles kernels, once on a machine)")
            return
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[detail]}"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("left"),
            console=self.console,
        )
        self._task = self._bar.add_task("compiling kernels (once)", total=steps, completed=step, detail="")
        self._bar.start()

    def step(self, step: int, loss: float, images_a_second: float) -> None:  # noqa: D102
        detail = f"loss {loss:.4f}  {images_a_second:.1f} images/s"
        if self._bar is not None:
            self._bar.update(self._task, description="training", completed=step, detail=detail)
        elif time.monotonic() - self._spoke > _SECONDS_BETWEEN_LINES:
            self.note(f"step {step}/{self._steps}  {detail}")
            self._spoke = time.monotonic()

    def validating(self, done: int, total: int) -> None:  # noqa: D102
        if self._bar is not None:
            self._bar.update(self._task, description=f"validating {done}/{total}")

    def validated(self, step: int, scores: dict[str, float]) -> None:  # noqa: D102
        chosen = [f"{name.replace('_', ' ')} {scores[name]:.4f}" for name in _SHOWN if name in scores]
        self.note(f"step {step}: validation {', '.join(chosen)}")
        self._spoke = time.monotonic()


_SHOWN = ("cross_entropy", "mean_iou", "pixel_error", "mse", "count_mae")
