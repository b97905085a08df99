"""``minifcn audit all``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from minifcn.cli.audit.arguments import OUT, AsJson, Channels, Options, Out, open_subject, show
from minifcn.cli.audit.images import draws_weights

if TYPE_CHECKING:
    from minifcn.audit.subject import Subject


def everything(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of networks, folders of runs, FILE.py:NAME (default: every network that minifcn has).",
            metavar="[MODEL]...",
            show_default=False,
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Networks by name in their full width, not with few channels: minutes each.")
    ] = False,
    options: Options = None,
    channels: Channels = None,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Make every audit of several networks, and compare them in one table.

    Each network's reports are written as those of the single commands are. Networks by name have few channels, unless
    --full: what they see, move with and take is the same; what they cost and learn is not.
    """
    from rich.console import Console
    from rich.progress import Progress

    from minifcn.audit.everything import AUDITS, Overview, ask
    from minifcn.audit.report import Report
    from minifcn.models import REGISTRY

    names = models or list(REGISTRY)
    subjects = [open_subject(name, options, channels, narrow=not full) for name in names]
    _tell_apart(subjects)
    answers: dict[str, dict[str, Report | str]] = {}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("auditing", total=len(names) * len(AUDITS))
        for name, subject in zip(names, subjects, strict=True):
            found = answers.setdefault(subject.name, {})
            for audit in AUDITS:
                progress.update(task, description=f"{subject.name}: {audit}")
                answer = found[audit] = ask(subject, audit, draws_weights(None, name))
                if isinstance(answer, Report):
                    answer.save(out, f"{subject.name}-")
                progress.advance(task)
    show(Overview(answers), "all", out, as_json)


def _tell_apart(subjects: list[Subject]) -> None:
    """Number those of one name, as two files may both define a Net."""
    counts: Counter[str] = Counter()
    for subject in subjects:
        counts[subject.name] += 1
        if counts[subject.name] > 1:
            subject.name += f"-{counts[subject.name]}"
