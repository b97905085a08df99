"""``minifcn audit cost``."""

from __future__ import annotations

from typing import Annotated

import typer

from minifcn.cli.audit import arguments
from minifcn.cli.audit.arguments import OUT, AsJson, Channels, Model, Options, Out


def cost(
    model: Model,
    size: Annotated[
        str | None,
        typer.Option(
            help="HEIGHTxWIDTH of the images, or one number (default: a legal one near 256).", show_default=False
        ),
    ] = None,
    batch: Annotated[int, typer.Option(help="Images at a time.", min=1)] = 1,
    training: Annotated[
        bool, typer.Option("--training", help="A forward and the walk back, not only a forward.")
    ] = False,
    measure: Annotated[bool, typer.Option(help="Run it, and compare with the forecast.")] = True,
    option: Options = None,
    channels: Channels = None,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Count multiplications and bytes by layer, and forecast seconds from what this machine can do at most."""
    from rich.console import Console

    from minifcn.audit.costs.cost import cost as audit
    from minifcn.audit.sizing.fitting import for_images
    from minifcn.cli.audit.sizes import parse_size

    sides = parse_size("--size", size)
    subject = arguments.open_subject(model, option, channels, drawn=measure)
    height, width = sides or 2 * (for_images(subject)[0].legal_size(256),)
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("measuring the machine" + " and the network" * measure):
            report = audit(subject, (batch, height, width), training, measure)
    else:
        report = audit(subject, (batch, height, width), training, measure)
    arguments.show(report, subject.name, out, as_json)
