"""Images with further channels: what is known about each pixel besides its colour, such as a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minifcn.data.dataset import Dataset, Derived, Sample, as_image, normalise_index


class WithChannels(Derived):
    """A dataset whose images have maps of their own appended as channels: the lecture's position "through masks".

    A mask of the eye's field of view, of an organ that another network found, a distance to something: the network gets
    it as (H, W, C + K) beside the C channels of the image, and can answer differently where it differs.

    Args:
        dataset: whose images are given more channels; labels stay as they are.
        maps: for every image an array (H, W) or (H, W, K) of its size. Booleans and unsigned integers are scaled to
            [0, 1] as images are, so a mask of 0 and 255 holds 0 and 1; floats are kept. Anything indexable will do.

    Raises:
        ValueError: there are more or fewer maps than images; later, when an image is asked for, that its map has
            another size or number of channels than it should.

    >>> from minifcn.data import ArrayDataset
    >>> plain = ArrayDataset(np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 2), int), ("background", "cell"))
    >>> image, label = WithChannels(plain, [np.array([[True, False], [False, True]])])[0]
    >>> image.tolist()
    [[[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]
    """

    def __init__(self, dataset: Dataset, maps: Sequence[ArrayLike] | NDArray) -> None:
        super().__init__(dataset)
        if len(maps) != len(dataset):
            raise ValueError(f"{self.name}: {len(dataset)} images, but {len(maps)} maps; give one for each image")
        self.maps = maps
        self.added = as_image(maps[0]).shape[2] if len(maps) else 0
        self.channels = dataset.channels + self.added

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        image, label = self.dataset[index]
        appended = as_image(self.maps[index])
        if appended.shape != (*image.shape[:2], self.added):
            raise ValueError(
                f"{self.name}: the map of image {index} is {appended.shape}, expected "
                f"{(*image.shape[:2], self.added)}: the image's height and width, and the first map's channels"
            )
        return np.concatenate([image, appended], axis=2), label
