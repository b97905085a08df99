"""How far counts are from the truth, and what guessing the mean would cost: the row to print beside every network."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Counts = Sequence[float] | np.ndarray


class CountingScores(NamedTuple):
    """Errors of counts over a set of images, in objects: ``mae`` = mean |p − t|, ``rmse`` = √(mean (p − t)²)."""

    mae: float
    rmse: float


def counting_scores(truth: Counts, prediction: Counts) -> CountingScores:
    """Mean absolute error and root mean square error of predicted counts.

    Args:
        truth: (N,) objects in each image.
        prediction: (N,) what was predicted; fractions are fine, as the integral of a density map has them.

    Raises:
        ValueError: not two sequences of one length, at least 1, of finite numbers.

    >>> counting_scores([10, 20], [13, 16])
    CountingScores(mae=3.5, rmse=3.5355339059327378)
    """
    counts = _as_counts("counting_scores", "truth", truth)
    predicted = _as_counts("counting_scores", "prediction", prediction)
    if len(counts) != len(predicted):
        raise ValueError(f"counting_scores: {len(counts)} true counts, but {len(predicted)} predicted ones")
    error = predicted - counts
    return CountingScores(float(np.mean(np.abs(error))), float(np.sqrt(np.mean(error**2))))


def mean_count_baseline(truth: Counts, training: Counts) -> CountingScores:
    """What `counting_scores` gives whoever predicts the mean count of the ``training`` images for every image.

    Arguments and errors are as there; the two may differ in length.

    >>> mean_count_baseline([10, 20], training=[14, 16, 15])
    CountingScores(mae=5.0, rmse=5.0)
    """
    counts = _as_counts("mean_count_baseline", "truth", truth)
    mean = _as_counts("mean_count_baseline", "training", training).mean()
    return counting_scores(counts, np.full(len(counts), mean))


def _as_counts(name: str, which: str, counts: Counts) -> np.ndarray:
    values = np.asarray(counts, np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"{name}: {which} must be one finite number for each of at least one image, got {values.shape} "
            f"{np.asarray(counts).dtype}"
        )
    return values
