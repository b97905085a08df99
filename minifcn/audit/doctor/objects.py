"""Objects, as connected regions of one class: how large they are, and how wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Objects(NamedTuple):
    """The objects of an image, (n,) each.

    Attributes:
        classes: the number of the class.
        extents: the longer side of the bounding box, in pixels.
        widths: the side of the largest square that fits in, in pixels, odd: of a line its thickness.
        areas: in pixels.
    """

    classes: NDArray[np.int64]
    extents: NDArray[np.int64]
    widths: NDArray[np.int64]
    areas: NDArray[np.int64]


def find_objects(labels: NDArray, classes: Sequence[int]) -> Objects:
    """Return the 4-connected regions of each of ``classes`` in labels (H, W).

    >>> labels = np.zeros((7, 9), int)
    >>> labels[1:4, 1:4] = labels[5, :] = 1
    >>> objects = find_objects(labels, (1,))
    >>> objects.extents.tolist(), objects.widths.tolist(), objects.areas.tolist()
    ([3, 9], [3, 1], [9, 9])
    """
    return joined([_of_class(labels == number, number) for number in classes])


def joined(objects: Sequence[Objects]) -> Objects:
    """All objects of several images."""
    empty = Objects(*(np.zeros(0, np.int64) for _ in range(4)))
    return Objects(*(np.concatenate(each) for each in zip(empty, *objects, strict=True)))


def _of_class(inside: NDArray[np.bool_], number: int) -> Objects:
    from scipy import ndimage

    regions, count = ndimage.label(inside)
    if not count:
        return joined([])
    # Beyond the image is outside: an object cut by the border is as wide as can be seen.
    distances = ndimage.distance_transform_cdt(np.pad(inside, 1), metric="chessboard")[1:-1, 1:-1]
    numbers = np.arange(1, count + 1)
    boxes = ndimage.find_objects(regions)
    return Objects(
        np.full(count, number, np.int64),
        np.array([max(side.stop - side.start for side in box) for box in boxes], np.int64),
        2 * ndimage.maximum(distances, regions, numbers).astype(np.int64) - 1,
        np.bincount(regions.ravel(), minlength=count + 1)[1:],
    )
