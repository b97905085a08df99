"""``minifcn audit sizes``."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from minifcn.cli.audit import arguments
from minifcn.cli.audit.arguments import OUT, AsJson, Channels, Model, Options, Out


def sizes(
    model: Model,
    image: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH of an image to be made to fit, or one number.", show_default=False)
    ] = None,
    trained: Annotated[
        str | None,
        typer.Option(
            help="HEIGHTxWIDTH of the images in training: compare resizing, cropping and padding.", show_default=False
        ),
    ] = None,
    option: Options = None,
    channels: Channels = None,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Say which sizes a network takes, and how an image is padded and cropped.

    The lecture's question, what to do with an image of 1000 x 1000 after training on 512 x 512, is asked by
    --image 1000 --trained 512.
    """
    from minifcn.audit.sizing.sizes import sizes as audit

    sides = parse_size("--image", image), parse_size("--trained", trained)
    subject = arguments.open_subject(model, option, channels, narrow=True)
    arguments.show(audit(subject, *sides), subject.name, out, as_json)


def parse_size(option: str, text: str | None) -> tuple[int, int] | None:
    """HEIGHTxWIDTH, or one number for both.

    >>> parse_size("--image", "480x360"), parse_size("--image", "1000"), parse_size("--image", None)
    ((480, 360), (1000, 1000), None)

    Raises:
        ValueError: it is neither.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?:[xX×](\d+))?", text.strip())
    if not found or not all(int(side) for side in found.groups() if side):
        raise ValueError(f"{option} {text}: is no size; give HEIGHTxWIDTH, such as 480x360, or one number for a square")
    return int(found[1]), int(found[2] or found[1])
