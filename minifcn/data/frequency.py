"""Weights that let rare classes count: median frequency balancing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minifcn.data.check import class_counts
from minifcn.data.dataset import Dataset


def median_frequency_weights(data: Dataset | ArrayLike, samples: int | None = None) -> NDArray[np.float32]:
    """Weight of each class in the loss, (K,): median(f) / f_c, for `cross_entropy(..., weight=)`.

    f_c is the number of pixels of class c, over the number of pixels of the images that contain c. So a class that is
    rare, or small where it occurs, weighs more than 1; the median is over the classes that occur, and one that
    does not gets 0. Pixels labelled IGNORE_INDEX count nowhere. Eigen & Fergus 2015; SegNet trains with it.

    Args:
        data: a dataset with one class a pixel; or how many pixels of each class each image has, integers (images, K).
        samples: how many images of a dataset to look at, evenly spread; None is all of them.

    Raises:
        DataError: labels are not one class a pixel.
        ValueError: there is no labelled pixel at all, or the numbers are none of pixels.

    >>> median_frequency_weights([[6, 2, 0, 0], [8, 0, 0, 0], [4, 0, 4, 0]])
    array([0.6666667, 2.       , 1.       , 0.       ], dtype=float32)
    """
    counts = class_counts(data, samples) if isinstance(data, Dataset) else np.asarray(data)
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
