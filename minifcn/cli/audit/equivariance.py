"""``minifcn audit equivariance``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, TypeVar

import typer

from minifcn.cli.audit.arguments import OUT, AsJson, Channels, Options, Out, open_subject, show
from minifcn.cli.audit.images import Image, RandomWeights, draws_weights, prepared_image

Item = TypeVar("Item")


def equivariance(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A network's name, a run's folder, or FILE.py:NAME (default: the layers of the lecture's table).",
            metavar="[MODEL]",
            show_default=False,
        ),
    ] = None,
    options: Options = None,
    channels: Channels = None,
    image: Image = None,
    blur: Annotated[
        bool, typer.Option("--blur", help="Also with BlurPool in place of the network's max-poolings.")
    ] = False,
    full: Annotated[
        bool | None,
        typer.Option(
            "--full/--axes",
            help="All shifts of rows and columns together, or those along the axes and the diagonal "
            "(default: all, if there are few).",
            show_default=False,
        ),
    ] = None,
    random_weights: RandomWeights = None,
    seed: Annotated[int, typer.Option(help="Of the noise and of weights that are drawn.", min=0)] = 0,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """How far is the output of a shifted image from the shifted output?

    Measured in float64 for every shift within a period of the network, away from borders, in the sense of "the same
    translation" and in the general one. Without MODEL: the lecture's table, and its quiz answered with numbers.
    """
    from minifcn import audit
    from minifcn.cli.notice import announce_compilation

    announce_compilation()
    if model is None:
        given = {"-o": options, "--channels": channels, "--image": image, "--blur": blur or None, "--full": full}
        if any(value is not None for value in given.values()):
            names = ", ".join(name for name, value in given.items() if value is not None)
            raise ValueError(f"audit equivariance: without MODEL, the layers of the lecture are measured; {names} "
                             "need a MODEL")  # fmt: skip
        show(audit.lecture_table(seed, tracked), "lecture", out, as_json)
        return
    subject = open_subject(model, options, channels, narrow=True)
    report = audit.equivariance(
        subject,
        image=prepared_image(image, subject, model),
        seed=seed,
        random_weights=draws_weights(random_weights, model),
        blur=blur,
        full=full,
        track=tracked,
    )
    show(report, subject.name, out, as_json)


def tracked(items: Sequence[Item]) -> Iterable[Item]:
    """A bar on the terminal, gone when all is done."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(list(items), "measuring", console=console, transient=True, disable=not console.is_terminal)
