"""``minifcn audit receptive-field``."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from minifcn.cli.audit.arguments import OUT, AsJson, Channels, Model, Options, Out, open_subject, show


def receptive_field(
    model: Model,
    option: Options = None,
    channels: Channels = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Size of the image: 256, or height x width, 256x128 (default: looked for).", show_default=False
        ),
    ] = None,
    check: Annotated[bool, typer.Option(help="Carry gradients back, and say which pixels they reach.")] = True,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """From which pixels each output pixel is computed: exactly, for every phase, and layer by layer.

    Spans of rows and columns are carried through the recorded operations: strides, dilation, transposed convolutions,
    unpooling, skips and crops. Gradients of a copy with random positive weights, in float64, are held against that.
    """
    from rich.console import Console

    from minifcn.audit import receptive_field_report

    sides = None if size is None else parse_size(size)
    subject = open_subject(model, option, channels, narrow=True)
    with Console(stderr=True).status("following rows and columns through the network"):
        report = receptive_field_report(subject, sides, check)
    show(report, subject.name, out, as_json)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width.

    >>> parse_size("256"), parse_size("256x128")
    ((256, 256), (256, 128))

    Raises:
        ValueError: it is no size.
    """
    found = re.fullmatch(r"([1-9]\d*)(?:[xX×]([1-9]\d*))?", text.strip())
    if not found:
        raise ValueError(f"--size {text}: give a number of pixels, such as 256, or height x width, such as 256x128")
    return int(found[1]), int(found[2] or found[1])
