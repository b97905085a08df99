"""Apply a trained network to images of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np

from minifcn import functional as F
from minifcn.autograd import no_grad
from minifcn.data import Normalisation
from minifcn.models.network import Network
from minifcn.nn import Module
from minifcn.tensor import Tensor

Pair = tuple[int, int]
Activation = Literal["softmax", "sigmoid", "identity"]


class SizedNetwork(Protocol):
    """A network that knows which images it takes, and what size each becomes."""

    in_channels: int

    def __call__(self, x: Tensor) -> Tensor:
        """Images (N, H, W, C) -> logits (N, H', W', K)."""

    def eval(self) -> Any:
        """Switch to evaluation."""

    def output_length(self, length: int) -> int:
        """How many output rows (or columns) that many input rows give; 0 if that many are not legal."""


class Predictor:
    """A network together with how its images are prepared.

    Its batch normalisation is folded into the convolutions (`Module.fold_batch_norm`), in a copy.

    Args:
        model: maps images (N, H, W, C) to logits (N, H', W', K).
        normalise: applied to each whole image, (N, H, W, C) -> the same.
        classes: the names of the K classes.
        batch_pixels: how many pixels go through the network at a time, at least one image: bounds the memory.
        activation: what makes an answer of the network's last maps: "softmax", one class a pixel; "sigmoid", each
            channel by itself; "identity", values as they are.
        scale: where the answer is a density, what one object adds up to.
    """

    def __init__(
        self,
        model: SizedNetwork,
        normalise: Callable[[np.ndarray], np.ndarray] = Normalisation(),
        classes: tuple[str, ...] = (),
        batch_pixels: int = 2**18,
        activation: Activation = "softmax",
        scale: float = 1.0,
    ):
        self.model, self.normalise, self.classes, self.batch_pixels = model, normalise, classes, batch_pixels
        self.activation, self.scale = activation, scale

    @property
    def channels(self) -> int:
        """C, the channels of the images it takes."""
        return self.model.in_channels

    @property
    def parameters(self) -> int:
        """How many numbers the network learnt; 0 if it is none of ours."""
        return sum(p.size for p in self.model.parameters()) if isinstance(self.model, Module) else 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of every class, or values, at every pixel: (N, H, W, C) in [0, 1] -> float32 (N, H, W, K).

        Images are padded by reflection to the next size that the network takes, and the result is cropped back, so
        every pixel gets an answer, with real or mirrored surroundings.

        Raises:
            ValueError: the images have another number of channels than the network takes, or hold NaN.
        """
        images = np.asarray(images, np.float32)
        if images.ndim != 4 or images.shape[3] != self.channels:
            raise ValueError(
                f"predict: expected images (N, H, W, {self.channels}), got shape {images.shape}; the network was "
                f"trained on {self.channels} channel(s)"
            )
        if images.size == 0:
            raise ValueError(f"predict: the images have no pixels: shape {images.shape}")
        if not np.isfinite(images).all():
            raise ValueError("predict: the image holds NaN or infinite values")
        height, width = images.shape[1:3]
        model = self._prepared()
        (top, bottom), (left, right) = margins(model, height, width)
        step = max(1, self.batch_pixels // ((height + top + bottom) * (width + left + right)))
        parts = []
        with no_grad():
            for begin in range(0, len(images), step):
                batch = self.normalise(images[begin : begin + step])
                padded = np.pad(batch, ((0, 0), (top, bottom), (left, right), (0, 0)), mode="reflect")
                logits = model(Tensor(padded))
                # The output is the centre of the input: where it begins, the image begins (see `margins`).
                parts.append(_activate(logits[:, :height, :width], self.activation).data)
        return np.concatenate(parts)

    def _prepared(self) -> SizedNetwork:
        """The network for whole images, folded; anew at every call, because it may be in training."""
        model = self.model.for_images() if isinstance(self.model, Network) else self.model
        model = model.fold_batch_norm() if isinstance(model, Module) else model
        model.eval()
        return model


def _activate(logits: Tensor, activation: Activation) -> Tensor:
    if activation == "softmax":
        return F.softmax(logits)
    return F.sigmoid(logits) if activation == "sigmoid" else logits


def margins(model: SizedNetwork, height: int, width: int) -> tuple[Pair, Pair]:
    """How far to pad an image (above, below) and (left, right) so that the network takes it and answers every pixel.

    What a network without padding loses at the border is added on both sides; what the next legal size needs beyond
    that, below and to the right.
    """
    return _margin(model, height), _margin(model, width)


def _margin(model: SizedNetwork, length: int) -> Pair:
    for target in range(length, 2 * length + 4096):
        output = model.output_length(target)
        if output >= length:
            lost = target - output
            return lost // 2, target - length - lost // 2
    raise ValueError(f"predict: found no size that the network takes for {length} pixels")
