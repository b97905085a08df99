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


def prepared_images(path: Path | None, subject: Subject, model: str) -> np.ndarray | None:
    """The images of a file as the network is used to see them, (N, H, W, C); None without a file.

    They are normalised as in the training of a run, or else each by its own mean and standard deviation.

    Raises:
        ImageError: the file cannot be read, or has other channels than the network takes.
        FileNotFoundError: there is none.
    """
    if path is None:
        return None
    from minifcn.data import Normalisation
    from minifcn.io.opening import open_regions
    from minifcn.prediction.pixels import Pixels

    with open_regions(path, subject.channels) as image:
        pixels, (pages, height, width, _) = Pixels(image, subject.channels), image.shape
        whole = (0, height), (0, width)
        images = np.stack([pixels.convert(image.read(page, *whole)) for page in range(pages)])
    normalise: Callable[[np.ndarray], np.ndarray] = Normalisation()
    if (Path(model) / "config.toml").is_file():
        from minifcn.training.run import Run

        normalise = Run.open(model).config.normalisation
    return np.asarray(normalise(images))


def prepared_image(path: Path | None, subject: Subject, model: str) -> np.ndarray | None:
    """The first of `prepared_images`, (H, W, C)."""
    images = prepared_images(path, subject, model)
    return None if images is None else images[0]


def draws_weights(asked: bool | None, model: str) -> bool:
    """Whether weights are drawn: as was asked for, or where MODEL is a network's name."""
    from minifcn.models import REGISTRY

    return model in REGISTRY if asked is None else asked
