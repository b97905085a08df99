"""The image that an audit looks at, where a file is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

if TYPE_CHECKING:
    from minifcn.audit.subject import Subject

Image = Annotated[
    Path | None,
    typer.Option(help="An image file, or the first of a stack, to measure on (default: noise).", show_default=False),
]
RandomWeights = Annotated[
    bool | None,
    typer.Option(
        "--random-weights/--own-weights",
        help="Draw weights (default: for a network's name, of which many are zero at first; not for a run or a file).",
        show_default=False,
    ),
]


def prepared_image(path: Path | None, subject: Subject, model: str) -> np.ndarray | None:
    """The image of a file as the network is used to see it, (H, W, C); None without a file.

    It is normalised as in the training of a run, or else by its own mean and standard deviation.

    Raises:
        ImageError: the file cannot be read, or has other channels than the network takes.
        FileNotFoundError: there is none.
    """
    if path is None:
        return None
    from minifcn.data import Normalisation
    from minifcn.data.sets.pairs import converted
    from minifcn.io import ImageError, read_image, to_float

    array = read_image(path)
    if array.ndim == 4 or (array.ndim == 3 and array.shape[-1] > 4 and array.shape[-1] != subject.channels):
        array = array[0]  # a stack: its first image
    array = array[..., None] if array.ndim == 2 else array
    floats = array.astype(np.float32) if array.dtype.kind == "f" else to_float(array)
    try:
        image = converted(floats[None], subject.channels)[0]
    except ValueError:
        raise ImageError(
            f"{path}: has {array.shape[-1]} channels, and {subject.name} takes {subject.channels}"
        ) from None
    normalise: Callable[[np.ndarray], np.ndarray] = Normalisation()
    if (Path(model) / "config.toml").is_file():
        from minifcn.training.run import Run

        run = Run.open(model)
        normalise = run.predictor("best" if run.has("best") else "last").normalise
    return np.asarray(normalise(image))


def draws_weights(asked: bool | None, model: str) -> bool:
    """Whether weights are drawn: as was asked for, or where MODEL is a network's name."""
    from minifcn.models import REGISTRY

    return model in REGISTRY if asked is None else asked
