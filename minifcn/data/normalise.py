"""Images as networks like to see them: mean 0 and variance 1, by each image's own statistics or by the dataset's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Derived, Sample, spread

_STATISTICS_IMAGES = 200  # more would not change mean and standard deviation in the third digit


@dataclass(frozen=True)
class Normalisation:
    """Subtracts a mean and divides by a standard deviation, by channel.

    With ``kind="image"``, both are the image's own: sections that differ in brightness and contrast become alike. With
    ``kind="dataset"``, they are those of the training images: right where brightness itself means something. A constant
    image becomes zero.

    >>> Normalisation("image")(np.array([[[0.2], [0.4]]], np.float32)).ravel().round(3).tolist()
    [-1.0, 1.0]
    """

    kind: Literal["image", "dataset"] = "image"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., H, W, C) -> the same shape, float32."""
        if self.kind == "dataset":
            mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
            return ((images - mean) / std).astype(np.float32, copy=False)
        mean = images.mean(axis=(-3, -2), keepdims=True, dtype=np.float64)
        std = images.std(axis=(-3, -2), keepdims=True, dtype=np.float64)
        return self.of_image(images, mean, std)

    @staticmethod
    def of_image(part: NDArray[np.float32], mean: NDArray, std: NDArray) -> NDArray[np.float32]:
        """A part (..., h, w, C) of an image whose own mean and standard deviation, by channel, are known already."""
        scale = np.where(std > 1e-6, 1.0 / np.maximum(std, 1e-6), 0.0)  # below a grey level of 16 bits: constant
        return ((part - mean) * scale).astype(np.float32)


class Normalised(Derived):
    """A dataset whose images are normalised, before anything is cut out of them."""

    def __init__(self, dataset: Dataset, normalise: Normalisation) -> None:
        super().__init__(dataset)
        self.normalise = normalise

    def __getitem__(self, index: int) -> Sample:
        image, label = self.dataset[index]
        return self.normalise(image), label


def statistics(dataset: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of (at most 200 of) the images, by channel; a constant channel has 1."""
    count, total, squares = 0, np.zeros(dataset.channels), np.zeros(dataset.channels)
    for index in spread(len(dataset), _STATISTICS_IMAGES):
        pixels = dataset[index][0].reshape(-1, dataset.channels).astype(np.float64)
        count += len(pixels)
        total += pixels.sum(axis=0)
        squares += (pixels**2).sum(axis=0)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return tuple(np.round(mean, 6).tolist()), tuple(np.round(np.where(std > 1e-6, std, 1.0), 6).tolist())
