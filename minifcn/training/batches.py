"""The images of a dataset in batches of one shape, in order, for evaluation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minifcn.data import Dataset, without_weights

_BATCH = 64  # images of one shape that are predicted together, if the predictor's memory bound allows


def batches(dataset: Dataset, indices: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Neighbouring images of one shape, stacked: (N, H, W, C), and their labels without weights, (N, H, W, ...)."""
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for index in indices:
        image, label = dataset[index]
        if images and (len(images) == _BATCH or image.shape != images[0].shape):
            yield np.stack(images), np.stack(labels)
            images, labels = [], []
        images.append(image)
        labels.append(without_weights(label))
    if images:
        yield np.stack(images), np.stack(labels)
