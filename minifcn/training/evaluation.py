"""How good a network is on a labelled dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minifcn.data import IGNORE_INDEX, Dataset, classes_of, spread
from minifcn.metrics import ConfusionMatrix, IsbiScores, isbi_scores
from minifcn.predict import Predictor

_BATCH = 64  # images of one shape that are predicted together, if the predictor's memory bound allows


@dataclass(frozen=True)
class Evaluation:
    """Scores on a dataset.

    Attributes:
        matrix: the confusion matrix over all pixels, with everything derived from it.
        classes: names of the classes.
        cross_entropy: mean over pixels of −ln P(true class).
        isbi: V_Rand and V_Info of P(last class), where that was asked for.
    """

    matrix: ConfusionMatrix
    classes: tuple[str, ...]
    cross_entropy: float
    isbi: IsbiScores | None = None

    def scalars(self) -> dict[str, float]:
        """Every score by name, for tables and files."""
        scores = {
            "cross_entropy": self.cross_entropy,
            "mean_iou": float(self.matrix.mean_iou),
            "mean_dice": float(self.matrix.mean_dice),
            "pixel_error": float(self.matrix.pixel_error),
        }
        scores |= {f"iou_{name}": float(iou) for name, iou in zip(self.classes, self.matrix.iou, strict=True)}
        if self.isbi is not None:
            scores |= {
                "v_rand": self.isbi.v_rand.f,
                "v_info": self.isbi.v_info.f,
                "pixel_error_best_threshold": self.isbi.misclassified,
            }
        return scores


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    limit: int | None = None,
    membranes: bool = False,
    progress: Callable[[int, int], Any] | None = None,
) -> Evaluation:
    """Predict a dataset's images and compare with its labels.

    Args:
        predictor: the network.
        dataset: with one label a pixel.
        limit: look at so many images only, evenly spread.
        membranes: score the partition into cells too (ISBI 2012); the classes must be membrane and interior.
        progress: called with (images done, images in all).
    """
    chosen = spread(len(dataset), limit)
    matrix = ConfusionMatrix(dataset.num_classes, ignore_index=IGNORE_INDEX)
    surprise, pixels, done = 0.0, 0, 0
    truths: list[np.ndarray] = []
    interiors: list[np.ndarray] = []
    for images, labels in _batches(dataset, chosen):
        probabilities = predictor(images)
        matrix.update(labels, probabilities.argmax(axis=-1))
        counted = labels != IGNORE_INDEX
        true = np.take_along_axis(probabilities, np.where(counted, labels, 0)[..., None], axis=-1)[..., 0][counted]
        surprise -= float(np.log(np.maximum(true, 1e-12), dtype=np.float64).sum())
        pixels += true.size
        if membranes:
            truths.extend(labels == 1)
            interiors.extend(probabilities[..., 1])
        done += len(images)
        if progress:
            progress(done, len(chosen))
    isbi = isbi_scores(np.stack(truths), np.stack(interiors)) if membranes else None
    return Evaluation(matrix, dataset.classes, surprise / max(1, pixels), isbi)


def _batches(dataset: Dataset, indices: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Neighbouring images of one shape, stacked."""
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for index in indices:
        image, label = dataset[index]
        if images and (len(images) == _BATCH or image.shape != images[0].shape):
            yield np.stack(images), np.stack(labels)
            images, labels = [], []
        images.append(image)
        labels.append(classes_of(label))
    if images:
        yield np.stack(images), np.stack(labels)
