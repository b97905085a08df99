"""``minifcn audit effective-receptive-field``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minifcn.cli.audit.arguments import OUT, AsJson, Channels, Options, Out, open_subject, show
from minifcn.cli.audit.images import RandomWeights, draws_weights, prepared_images

if TYPE_CHECKING:
    from minifcn.audit.subject import Subject


def effective_receptive_field(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A network's name, the folder of a run, or FILE.py:NAME (default: the law).",
            metavar="[MODEL]",
            show_default=False,
        ),
    ] = None,
    option: Options = None,
    channels: Channels = None,
    image: Annotated[
        Path | None, typer.Option(help="Measure on crops of this image (default: noise).", show_default=False)
    ] = None,
    runs: Annotated[
        int | None, typer.Option(help="Images, or draws of weights, to average over (default: 4; law: 20).", min=1)
    ] = None,
    random_weights: RandomWeights = None,
    law: Annotated[bool, typer.Option("--law", help="Measure how it grows with depth, in chains of layers.")] = False,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """How much the pixels around the centre really weigh (Luo et al. 2017): a Gaussian within the field.

    Of a run, before and after training. Without MODEL, the law: the size grows as the root of the number of layers.
    """
    from rich.console import Console
    from rich.progress import Progress

    from minifcn.audit import effective_receptive_field, luo_law
    from minifcn.cli.notice import announce_compilation

    if law and model is not None:
        raise ValueError(f"--law is about chains of layers, and not about {model}; leave out one of them")
    announce_compilation()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        if model is None:
            task = progress.add_task("measuring chains of layers", total=24)
            show(luo_law(runs=runs or 20, advance=lambda: progress.advance(task)), "chains", out, as_json)
            return
        subject = open_subject(model, option, channels)
        images, fresh, runs = prepared_images(image, subject, model), _fresh(model, subject), runs or 4
        task = progress.add_task("carrying gradients back", total=runs * (2 if fresh else 1))
        report = effective_receptive_field(
            subject,
            images,
            fresh,
            runs,
            random_weights=draws_weights(random_weights, model),
            advance=lambda: progress.advance(task),
        )
    show(report, subject.name, out, as_json)


def _run(model: str) -> Any:
    """The run that MODEL names, or None."""
    from minifcn.training.run import Run

    return Run.open(Path(model)) if (Path(model) / "config.toml").is_file() else None


def _fresh(model: str, subject: Subject) -> Callable[[int], Any] | None:
    """Makes the network of a run as it was before training, with other weights each time; None if it is no run."""
    run = _run(model)
    if run is None:
        return None

    from minifcn import random
    from minifcn.training.build import build_model

    def make(number: int) -> Any:
        random.manual_seed(number)
        network: Any = subject.module
        return build_model(run.config, network.in_channels, network.classes)

    return make
