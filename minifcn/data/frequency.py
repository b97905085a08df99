"""Weights that let rare classes count: median frequency balancing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minifcn.data.dataset import Dataset, spread
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.targets import without_weights


def median_frequency_weights(data: Dataset | ArrayLike, samples: int | None = None) -> NDArray[np.float32]:
    """Weight of each class in the loss, (K,): median(f) / f_c, for `cross_entropy(..., weight=)`.

    f_c is the number of pixels of class c, over the number of pixels of the images that contain c. So a class that is
    rare, or small where it occurs, weighs more than 1; the median is over the classes that occur, and one that
    does not gets 0. Pixels labelled IGNORE_INDEX count nowhere. Eigen & Fergus 2015; SegNet trains with it.

    Args:
        data: a dataset with one class a pixel; or how many pixels of each class each image has, integers (images, K).
        samples: how many images of a dataset to look at, evenly spread; None is all of them.

    Raises:
        ValueError: labels are not one class a pixel, or there is no labelled pixel at all.

    >>> median_frequency_weights([[6, 2, 0, 0], [8, 0, 0, 0], [4, 0, 4, 0]])
    array([0.6666667, 2.       , 1.       , 0.       ], dtype=float32)
    """
    counts = _pixels_by_class(data, samples) if isinstance(data, Dataset) else np.asarray(data)
    if counts.ndim != 2 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError(
            f"median_frequency_weights: expected numbers of pixels, integers (images, classes) from 0 up, got "
            f"{counts.dtype} of shape {counts.shape}"
        )
    pixels = counts.sum(axis=0)  # (images, K) -> (K,)
    around = (counts.sum(axis=1, keepdims=True) * (counts > 0)).sum(axis=0)  # of the images that contain the class
    occurs = pixels > 0
    if not occurs.any():
        raise ValueError("median_frequency_weights: no pixel has a class; are all of them ignored?")
    frequency = pixels[occurs] / around[occurs]
    weights = np.zeros(len(pixels), np.float32)
    weights[occurs] = np.median(frequency) / frequency
    return weights


def _pixels_by_class(dataset: Dataset, samples: int | None) -> NDArray[np.int64]:
    """How many pixels of each class each image has, (images, K)."""
    rows = [np.zeros((0, dataset.num_classes), np.int64)]
    for index in spread(len(dataset), samples):
        labels = without_weights(dataset[index][1])
        where = f"median_frequency_weights: label {index} of {dataset.name}"
        if labels.ndim != 2 or labels.dtype.kind != "i":
            raise ValueError(f"{where} is {labels.dtype} of shape {labels.shape}, expected one class a pixel")
        counted = labels[labels != IGNORE_INDEX]
        if counted.size and not 0 <= counted.min() <= counted.max() < dataset.num_classes:
            raise ValueError(
                f"{where} goes from {counted.min()} to {counted.max()}, but classes from 0 to "
                f"{dataset.num_classes - 1}; `minifcn.data.check` says more"
            )
        rows.append(np.bincount(counted, minlength=dataset.num_classes)[None])
    return np.concatenate(rows)
