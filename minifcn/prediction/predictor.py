"""A trained network together with how images are prepared for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minifcn.data import Normalisation
from minifcn.models.sized import SizedNetwork
from minifcn.nn import Module
from minifcn.prediction.prepared import Activation, Prepared
from minifcn.prediction.strategies import Auto, Strategy
from minifcn.prediction.symmetries import symmetrised

#: How far values may be beyond 0..1: roundings, such as of luminance, or of interpolation.
_SLACK = 1e-3


class Predictor:
    """A network together with how its images are prepared, for images of any size.

    Its batch normalisation is folded into the convolutions (`Module.fold_batch_norm`), in a copy.

    Args:
        model: maps images (N, H, W, C) to logits (N, H', W', K).
        normalise: applied to each whole image, (N, H, W, C) -> the same.
        classes: the names of the K classes.
        batch_pixels: how many pixels go through the network at a time, at least one image or tile: bounds the memory.
        activation: what makes an answer of the network's last maps: "softmax", one class a pixel; "sigmoid", each
            channel by itself; "identity", values as they are.
        scale: where the answer is a density, what one object adds up to.
        strategy: how to answer images of other sizes than the network takes; see `minifcn.prediction.strategies`.
        symmetries: average over the eight symmetries of the square (`minifcn.prediction.symmetries`).
    """

    def __init__(
        self,
        model: SizedNetwork,
        normalise: Callable[[np.ndarray], np.ndarray] = Normalisation(),
        classes: tuple[str, ...] = (),
        batch_pixels: int = 2**18,
        activation: Activation = "softmax",
        scale: float = 1.0,
        strategy: Strategy = Auto(),
        symmetries: bool = False,
    ):
        self.model, self.normalise, self.classes, self.batch_pixels = model, normalise, classes, batch_pixels
        self.activation, self.scale = activation, scale
        self.strategy, self.symmetries = strategy, symmetries

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

        Unless told otherwise, images are padded by reflection to the next size that the network takes, and the result
        is cropped back, so every pixel gets an answer, with real or mirrored surroundings. Large ones are answered in
        tiles, without a seam.

        Raises:
            ValueError: the images have another number of channels than the network takes, hold NaN, or are not within
                0..1 where that matters; or the strategy does not work for them.
        """
        return self.answer(self.prepared(), images)

    def answer(self, network: Prepared, images: np.ndarray) -> np.ndarray:
        """The same by a network that was `prepared` once for many calls."""
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
        refuse_unscaled(self.normalise, images)
        step = max(1, self.batch_pixels // (images.shape[1] * images.shape[2]))
        batches = (self.normalise(images[begin : begin + step]) for begin in range(0, len(images), step))
        return np.concatenate([self._answer(network, batch) for batch in batches])

    def prepared(self) -> Prepared:
        """The network for whole images, which answers normalised windows; anew, because it may be in training."""
        return Prepared(self.model, self.activation, self.batch_pixels)

    def _answer(self, network: Prepared, images: np.ndarray) -> np.ndarray:
        if self.symmetries:
            return symmetrised(lambda turned: self.strategy(network, turned), images)
        return self.strategy(network, images)


def refuse_unscaled(normalise: object, images: np.ndarray) -> None:
    """Raise ValueError if images are not within 0..1, as in training, and their mean and deviation are not taken out.

    Each image's own normalisation makes all scales alike; that of a data set means its scale.
    """
    if not isinstance(normalise, Normalisation) or normalise.kind != "dataset":
        return
    least, most = float(images.min()), float(images.max())
    if least < -_SLACK or most > 1 + _SLACK:
        raise ValueError(
            f"predict: the image's values reach from {least:.4g} to {most:.4g}; the network was trained on 0..1 and "
            "subtracts the training images' mean; scale them to 0..1 first, as in training"
        )
