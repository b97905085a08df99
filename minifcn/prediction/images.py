"""One call from an image as it is read from a file to an answer for every pixel."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from minifcn.audit.asked import Asked
from minifcn.kernels.shapes import Pair
from minifcn.models.sized import SizedNetwork
from minifcn.nn import Module
from minifcn.prediction.blending import Blend
from minifcn.prediction.predictor import Predictor
from minifcn.prediction.prepared import Activation
from minifcn.prediction.strategies import Name, by_name
from minifcn.prediction.tiling import TileOptions

#: What can be applied: a network, a predictor, or the folder of a run.
Model = Module | SizedNetwork | Predictor | str | Path


def predict(
    model: Model,
    image: np.ndarray,
    strategy: Name | None = None,
    *,
    tile: int | Pair | None = None,
    halo: int | Pair | None = None,
    stride: int | Pair | None = None,
    blend: Blend | None = None,
    size: int | Pair | None = None,
    symmetries: bool | None = None,
    normalise: Callable[[np.ndarray], np.ndarray] | None = None,
    activation: Activation | None = None,
) -> np.ndarray:
    """What a trained network says of every pixel of an image, or of several.

    The lecture's case study (section 5): a network trained on 512 x 512 pixels is applied to 1000 x 1000.

    Args:
        model: a network; the folder of a run, whose best network is taken; or a `minifcn.prediction.Predictor`.
        image: (H, W), (H, W, C) or (N, H, W, C); whole numbers of 8 or 16 bits are divided by 255 or 65535, others
            taken as they are.
        strategy: "pad", "tile", "resize", "whole" or "auto"; see `minifcn.prediction.strategies`. None takes a
            predictor's, or "auto".
        tile: rows and columns that the network reads at a time; this and the next three are of strategy "tile", see
            `minifcn.prediction.TileOptions`.
        halo: rows of a tile's output that are dropped at its inner edges.
        stride: rows from a tile to the next, a multiple of the network's total stride.
        blend: "constant" or "gaussian" averages where tiles overlap.
        size: of strategy "resize".
        symmetries: average over the eight symmetries of the square; it takes eight times as long. None takes a
            predictor's, or does not.
        normalise: (N, H, W, C) -> the same. None takes a run's or predictor's, or each image's mean 0 and variance 1.
        activation: "softmax", "sigmoid" or "identity". None takes a run's or predictor's, or "softmax".

    Returns:
        Probabilities of K classes (or values), float32: (H, W, K) or (N, H, W, K). Only "whole" may give fewer rows and
        columns.

    Raises:
        ValueError: image, model and options do not fit each other; what to do is said.

    >>> from minifcn.models import UNet
    >>> predict(UNet(1, 2, base=1), np.zeros((50, 31), np.uint8)).shape
    (50, 31, 2)
    """
    options = TileOptions(tile, halo, stride, blend)
    predictor = as_predictor(model, normalise, activation)
    if strategy is not None or options != TileOptions() or size is not None:
        predictor.strategy = by_name(strategy or "auto", options, size)
    predictor.symmetries = predictor.symmetries if symmetries is None else symmetries
    images, stacked = as_images(image, predictor.channels)
    answers = predictor(images)
    return answers if stacked else answers[0]


def as_predictor(
    model: Model,
    normalise: Callable[[np.ndarray], np.ndarray] | None = None,
    activation: Activation | None = None,
) -> Predictor:
    """A predictor of one's own for whatever can be applied; see `predict`."""
    if isinstance(model, (str, Path)):
        from minifcn.training.run import Run

        run = Run.open(model)
        predictor = run.predictor("best" if run.has("best") else "last")
    elif isinstance(model, Predictor):
        predictor = copy.copy(model)
    elif hasattr(model, "output_length"):
        predictor = Predictor(cast("SizedNetwork", model))
    elif isinstance(model, Module):
        predictor = Predictor(Asked(model))
    else:
        raise ValueError(
            f"predict: a {type(model).__name__} cannot be applied to images; give a minifcn.nn.Module, a Predictor or "
            "the folder of a run"
        )
    predictor.normalise = predictor.normalise if normalise is None else normalise
    predictor.activation = predictor.activation if activation is None else activation
    return predictor


def as_images(image: Any, channels: int) -> tuple[np.ndarray, bool]:
    """(H, W), (H, W, C) or (N, H, W, C) as float32 (N, H, W, C), and whether it was a stack.

    >>> images, stacked = as_images(np.full((2, 3), 255, np.uint8), 1)
    >>> images.shape, images.max().item(), stacked
    ((1, 2, 3, 1), 1.0, False)

    Raises:
        ValueError: the axes or channels are not those.
    """
    from minifcn.io import to_float

    array = np.asarray(image)
    floats = array.astype(np.float32, copy=False) if array.dtype.kind == "f" else to_float(array)
    if floats.ndim == 2:
        floats = floats[..., None]
    if floats.ndim not in (3, 4) or floats.shape[-1] != channels:
        given = "(H, W), (H, W, 1) or (N, H, W, 1)" if channels == 1 else f"(H, W, {channels}) or (N, H, W, {channels})"
        raise ValueError(
            f"predict: expected an image {given}, as the network takes {channels} channel(s), got shape {array.shape}"
        )
    return (floats, True) if floats.ndim == 4 else (floats[None], False)
