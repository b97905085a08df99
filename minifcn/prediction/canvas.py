"""The canvas: an image, mirrored at its outside until the network takes it and answers every pixel."""

from __future__ import annotations

import numpy as np

from minifcn.kernels.shapes import Pair


def mirrored(begin: int, end: int, length: int) -> np.ndarray:
    """Which rows of an image of ``length`` stand at [begin, end), where it is mirrored as often as needed.

    The outermost rows are not repeated, as with ``np.pad(..., mode="reflect")``.

    >>> mirrored(-2, 6, 4).tolist(), mirrored(-1, 2, 1).tolist()
    ([2, 1, 0, 1, 2, 3, 2, 1], [0, 0, 0])
    """
    rows = np.arange(begin, end) % max(1, 2 * (length - 1))
    return np.where(rows < length, rows, 2 * (length - 1) - rows)


def window(images: np.ndarray, read: tuple[Pair, Pair]) -> np.ndarray:
    """Rows and columns [begin, end) of images (N, H, W, C), mirrored beyond them."""
    _, height, width, _ = images.shape
    rows, columns = mirrored(*read[0], height), mirrored(*read[1], width)
    return np.ascontiguousarray(images[:, rows[:, None], columns])
