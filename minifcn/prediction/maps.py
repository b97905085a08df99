"""What is written of a network's answers: labels, probabilities or values, as one map or one for each class."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minifcn.io import write_image
from minifcn.io.images import write_palette
from minifcn.models.sized import margins
from minifcn.prediction.predictor import Predictor

Kind = Literal["mask", "labels", "probabilities", "values"]


@dataclass(frozen=True)
class Maps:
    """K answers at a pixel, as they are written.

    - "mask", of one or two classes: 255 where the second (or only) one is the more probable, 0 elsewhere;
    - "labels": the number of the most probable class, as a palette image in png;
    - "probabilities": float32, of the second of two classes, or a map for each;
    - "values": float32, of regression.
    """

    kind: Kind
    classes: tuple[str, ...]

    @staticmethod
    def asked(predictor: Predictor, probabilities: bool) -> Maps:
        """Those of a predictor's answers."""
        classes = predictor.classes or tuple(str(k) for k in range(_answers(predictor)))
        if predictor.activation == "identity":
            return Maps("values", classes)
        if probabilities:
            return Maps("probabilities", classes)
        return Maps("mask" if len(classes) <= 2 else "labels", classes)

    @property
    def dtype(self) -> np.dtype:
        """Of a map's pixels."""
        if self.kind in ("probabilities", "values"):
            return np.dtype(np.float32)
        return np.dtype(np.uint8 if len(self.classes) <= 256 else np.uint16)

    def paths(self, target: Path) -> list[Path]:
        """A file for each map: digits.png, or digits_background.png, digits_0.png, ..."""
        if len(self.classes) == 1 or self.kind in ("mask", "labels"):
            return [target]
        if self.kind == "probabilities" and len(self.classes) == 2:
            return [target]
        labels = [re.sub(r"[^\w.-]+", "_", label) for label in self.classes]  # as file names know no slashes
        if len(set(labels)) < len(labels):
            labels = [f"{k}_{label}" for k, label in enumerate(labels)]
        return [target.with_name(f"{target.stem}_{label}{target.suffix}") for label in labels]

    def of(self, answers: NDArray) -> list[NDArray]:
        """(h, w, K) -> arrays (h, w), one for each of `paths`."""
        count = answers.shape[-1]
        if self.kind == "labels":
            return [answers.argmax(axis=-1).astype(self.dtype)]
        if self.kind == "mask":
            second = answers[..., 0] >= 0.5 if count == 1 else answers.argmax(axis=-1) == 1
            return [np.where(second, np.uint8(255), np.uint8(0))]
        if self.kind == "probabilities" and count == 2:
            return [answers[..., 1]]
        return [answers[..., k] for k in range(count)]

    def save(self, path: Path, array: NDArray) -> None:
        """Write a complete map (H, W), or a stack (N, H, W), in a format that is only written whole."""
        if self.kind != "labels" or path.suffix.lower() != ".png" or self.dtype != np.uint8:
            write_image(path, array, stack=array.ndim == 3)  # maps have no channels
            return
        from minifcn.training.figures import class_colours

        write_palette(path, array, class_colours(len(self.classes)))


def _answers(predictor: Predictor) -> int:
    """K, of a network whose classes have no names: asked with the smallest image."""
    network = predictor.prepared()
    (top, bottom), (left, right) = margins(network.network, 1, 1)
    zeros = np.zeros((1, top + 1 + bottom, left + 1 + right, predictor.channels), np.float32)
    return int(network(zeros).shape[-1])
