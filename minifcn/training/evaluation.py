"""How good a network is on a labelled dataset."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minifcn.data import IGNORE_INDEX, Dataset, spread
from minifcn.metrics import ConfusionMatrix, IsbiScores, isbi_scores
from minifcn.prediction import Predictor
from minifcn.training.batches import batches
from minifcn.training.regression import ValueEvaluation, evaluate_values


@dataclass(frozen=True)
class Evaluation:
    """Scores on a dataset whose labels are classes of pixels.

    Attributes:
        matrix: the confusion matrix over all pixels, with everything derived from it.
        classes: names of the classes.
        cross_entropy: mean over pixels of −ln P(true class); None where classes are no alternatives (sigmoid).
        isbi: V_Rand and V_Info of P(last class), where that was asked for.
        seconds_an_image: how long prediction took, on this machine, now.
    """

    matrix: ConfusionMatrix
    classes: tuple[str, ...]
    cross_entropy: float | None
    isbi: IsbiScores | None = None
    seconds_an_image: float = 0.0

    @property
    def goodness(self) -> float:
        """What chooses the best checkpoint: the larger, the better."""
        return float(self.matrix.mean_iou)

    def scalars(self) -> dict[str, float]:
        """Every score by name, for tables and files."""
        scores = {} if self.cross_entropy is None else {"cross_entropy": self.cross_entropy}
        scores |= {
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
                "warping_error": self.isbi.warping_error,
            }
        return scores


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    limit: int | None = None,
    membranes: bool = False,
    progress: Callable[[int, int], Any] | None = None,
) -> Evaluation | ValueEvaluation:
    """Predict a dataset's images and compare with its labels, classes or values.

    Args:
        predictor: the network.
        dataset: with one label a pixel, or values.
        limit: look at so many images only, evenly spread.
        membranes: score the partition into cells too (ISBI 2012); the classes must be membrane and interior.
        progress: called with (images done, images in all).
    """
    if dataset.task == "regression":
        return evaluate_values(predictor, dataset, limit, progress)
    return _evaluate_classes(predictor, dataset, limit, membranes, progress)


def _evaluate_classes(
    predictor: Predictor,
    dataset: Dataset,
    limit: int | None,
    membranes: bool,
    progress: Callable[[int, int], Any] | None,
) -> Evaluation:
    chosen = spread(len(dataset), limit)
    matrix = ConfusionMatrix(dataset.num_classes, ignore_index=IGNORE_INDEX)
    surprise, pixels, done, seconds = 0.0, 0, 0, 0.0
    truths: list[np.ndarray] = []
    interiors: list[np.ndarray] = []
    for images, labels in batches(dataset, chosen):
        begin = time.perf_counter()
        probabilities = predictor(images)
        seconds += time.perf_counter() - begin
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
    cross_entropy = surprise / max(1, pixels) if predictor.activation == "softmax" else None
    return Evaluation(matrix, dataset.classes, cross_entropy, isbi, seconds / max(1, done))
