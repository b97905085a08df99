"""How good a network is that answers with values: their error, and the counts that densities add up to.

Lempitsky & Zisserman 2010, "Learning to count objects in images": an object is a blob of density whose integral is 1
(or another number, the dataset's `scale`), so the number of objects in an image is the sum of its pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minifcn.data import Dataset, spread, without_weights
from minifcn.metrics import counting_scores
from minifcn.prediction import Predictor
from minifcn.training.batches import batches


@dataclass(frozen=True)
class ValueEvaluation:
    """Scores on a dataset whose labels are values.

    Attributes:
        counts: (n,) objects in each image, by the labels: their sum over the dataset's `scale`.
        predicted_counts: (n,) the same by the network.
        mse: mean squared error of the values, over all pixels.
        seconds_an_image: how long prediction took, on this machine, now.
    """

    counts: NDArray[np.float64]
    predicted_counts: NDArray[np.float64]
    mse: float
    seconds_an_image: float = 0.0

    @property
    def goodness(self) -> float:
        """What chooses the best checkpoint: the larger, the better."""
        return -self.scalars()["count_mae"]

    def scalars(self) -> dict[str, float]:
        """Every score by name, for tables and files."""
        scores = counting_scores(self.counts, self.predicted_counts)
        return {
            "mse": self.mse,
            "count_mae": scores.mae,
            "count_rmse": scores.rmse,
            "mean_count": float(self.counts.mean()),
        }


def evaluate_values(
    predictor: Predictor,
    dataset: Dataset,
    limit: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> ValueEvaluation:
    """Predict a dataset's images and compare with its values; arguments as for `minifcn.training.evaluate`."""
    chosen = spread(len(dataset), limit)
    counts: list[float] = []
    predicted_counts: list[float] = []
    squares, values, seconds = 0.0, 0, 0.0
    for images, labels in batches(dataset, chosen):
        begin = time.perf_counter()
        predicted = predictor(images)
        seconds += time.perf_counter() - begin
        squares += float(np.square(predicted - labels, dtype=np.float64).sum())
        values += labels.size
        for total, array in ((counts, labels), (predicted_counts, predicted)):
            total.extend(array.sum(axis=(1, 2, 3), dtype=np.float64) / dataset.scale)
        if progress:
            progress(len(counts), len(chosen))
    mse, seconds_an_image = squares / max(1, values), seconds / max(1, len(counts))
    return ValueEvaluation(np.array(counts), np.array(predicted_counts), mse, seconds_an_image)


def true_counts(dataset: Dataset) -> NDArray[np.float64]:
    """(n,) objects in each image, by the labels."""
    totals = [without_weights(dataset[index][1]).sum(dtype=np.float64) for index in range(len(dataset))]
    return np.array(totals) / dataset.scale
