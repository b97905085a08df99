"""Which images show the same, though their pixels differ: saved as JPEG, resized, brightened, flipped or turned.

Two pictures of one kind of thing may look alike when seen small; only copies also share their fine detail. So images
are alike if their thumbnails correlate, and what is left of the thumbnails without their local means does as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDE = 64  # of thumbnails, in pixels
_COARSE = 16  # of those that are compared first, all with all
# Different images of ISBI 2012, CamVid, DSB 2018 and VGG cells do not reach 0.9; of 800 MNIST digits, the two likest
# have 0.977 and 0.874. Copies saved as JPEG of quality 50, or at two thirds of the size, keep 0.99 and 0.95.
_COARSE_LEAST, _LEAST, _DETAIL_LEAST = 0.95, 0.98, 0.92
_ROWS = 64  # compared at a time


class Alike(NamedTuple):
    """Two images that show the same: their positions, and the correlation of their thumbnails."""

    first: int
    second: int
    correlation: float


def thumbnail(grey: NDArray, side: int = SIDE) -> NDArray[np.float32]:
    """Return the mean greys of side x side equal boxes that divide an image (H, W), parts of pixels included.

    So the thumbnail of a flipped image is the flipped thumbnail.

    >>> thumbnail(np.arange(16.0).reshape(4, 4), 2).tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    boxes = grey.astype(np.float64)
    for _ in range(2):
        length = len(boxes)
        sums = np.concatenate([np.zeros((1, boxes.shape[1])), boxes.cumsum(axis=0)])  # of the rows above each edge
        edges = np.arange(side + 1) * length / side
        row = np.minimum(edges.astype(np.int64), length - 1)
        above = sums[row] + (edges - row)[:, None] * boxes[row]
        boxes = (np.diff(above, axis=0) * side / length).T
    return boxes.astype(np.float32)


def find_alike(thumbnails: NDArray[np.float32]) -> list[Alike]:
    """Return the pairs that are alike, first < second, among thumbnails (N, S, S), however they are flipped or turned.

    Those of a single grey are like nothing.
    """
    if len(thumbnails) < 2:
        return []
    small = np.stack([thumbnail(each, _COARSE) for each in thumbnails])
    plain, versions = _unit(small), [_unit(version) for version in _turned(small)]
    found: list[Alike] = []
    for start in range(0, len(plain), _ROWS):
        rows = plain[start : start + _ROWS]
        best = np.max([rows @ version.T for version in versions], axis=0)
        for row, second in np.argwhere(best >= _COARSE_LEAST).tolist():
            if start + row < second:
                correlation = _compare(thumbnails[start + row], thumbnails[second])
                if correlation is not None:
                    found.append(Alike(start + row, second, correlation))
    return found


def _compare(one: NDArray, other: NDArray) -> float | None:
    """The best correlation of two thumbnails, of those turns in which their detail agrees."""
    best = None
    for version in _turned(other[None]):
        coarse = float(_unit(one[None])[0] @ _unit(version)[0])
        detail = float(_unit(_detail(one)[None])[0] @ _unit(_detail(version[0])[None])[0])
        if coarse >= _LEAST and detail >= _DETAIL_LEAST:
            best = max(coarse, best or 0.0)
    return best


def _detail(pixels: NDArray) -> NDArray:
    """Pixels less the mean of the 3 x 3 around them."""
    from scipy import ndimage

    return pixels - ndimage.uniform_filter(pixels, 3, mode="nearest")


def _turned(images: NDArray) -> list[NDArray]:
    """The eight turns and flips of images (N, S, S)."""
    turns = [np.rot90(images, quarter, axes=(1, 2)) for quarter in range(4)]
    return [*turns, *(turn[:, :, ::-1] for turn in turns)]


def _unit(images: NDArray) -> NDArray:
    """(N, S, S) -> (N, S S) of mean 0 and length 1, so that products are correlations; 0 for a single grey."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > 1e-3, flat / np.maximum(length, 1e-3), 0)  # rounding has no detail to compare
