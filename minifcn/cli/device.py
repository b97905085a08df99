"""``--device`` of train, predict and evaluate: where networks are made, and so where they compute."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

_Device = Annotated[str, typer.Option("--device", help="Where to compute: cpu, or cuda for an NVIDIA GPU.")]


def with_device(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the option ``--device``; inside, it is the default device."""

    @functools.wraps(command)
    def on_device(*arguments: Any, device: str, **options: Any) -> None:
        from minifcn import settings

        with settings.device(device):  # an error now, if there is no such device or no GPU
            command(*arguments, **options)

    own = inspect.Parameter("device", inspect.Parameter.KEYWORD_ONLY, default="cpu", annotation=_Device)
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
    ]
    on_device.__annotations__ = {**get_type_hints(command, include_extras=True), "device": _Device}
    on_device.__dict__["__signature__"] = inspect.Signature([*parameters, own])
    del on_device.__dict__["__wrapped__"]
    return on_device
