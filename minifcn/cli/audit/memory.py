"""``minifcn audit memory``."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from minifcn.cli.audit.arguments import OUT, AsJson, Channels, Model, Options, Out, open_subject, show

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def memory(
    model: Model,
    options: Options = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="HEIGHTxWIDTH of the images, or one number (default: 512, or the next legal size).",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[int, typer.Option(help="Images at a time.", min=1)] = 1,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Memory for the largest image, such as 8GiB (default: what the machine has available).",
            show_default=False,
        ),
    ] = None,
    measure: Annotated[bool, typer.Option(help="Run it, too, if it fits, and compare.")] = True,
    channels: Channels = None,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """How much memory training and inference take, before they run; and the largest image that fits.

    Forecast from the network's operations, run on shapes alone; measured beside it.
    """
    from rich.console import Console

    from minifcn.audit import memory as audit
    from minifcn.cli.audit.sizes import parse_size

    sides = parse_size("--size", size)
    allowed = None if budget is None else parse_bytes("--budget", budget)
    subject = open_subject(model, options, channels)
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("memory") as status:
            report = audit(
                subject, sides, batch, budget=allowed, measure=measure, progress=lambda words: status.update(words)
            )
    else:
        report = audit(subject, sides, batch, budget=allowed, measure=measure)
    show(report, subject.name, out, as_json)


def parse_bytes(option: str, text: str) -> int:
    """A number of bytes: 8GiB, 512 MiB, 1e9; a unit is a power of 1024, with or without the "i" or "B".

    >>> parse_bytes("--budget", "8GiB") == parse_bytes("--budget", "8g") == 8 * 2**30
    True

    Raises:
        ValueError: it is none, or not positive.
    """
    found = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([kmgt]?)i?b?\s*", text, re.IGNORECASE)
    try:
        size = int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0
    except ValueError:
        size = 0
    if size < 1:
        raise ValueError(f"{option} {text}: is no amount of memory; write it as 8GiB or 512MiB")
    return size
