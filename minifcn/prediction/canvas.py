"""The canvas: an image, mirrored at its outside until the network takes it and answers every pixel."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from minifcn.kernels.shapes import Pair
from minifcn.tensor import Tensor


class SizedNetwork(Protocol):
    """A network that knows which images it takes, and what size each becomes."""

    in_channels: int

    def __call__(self, x: Tensor) -> Tensor:
        """Images (N, H, W, C) -> logits (N, H', W', K)."""

    def eval(self) -> Any:
        """Switch to evaluation."""

    def output_length(self, length: int) -> int:
        """How many output rows (or columns) that many input rows give; 0 if that many are not legal."""


def margins(model: SizedNetwork, height: int, width: int) -> tuple[Pair, Pair]:
    """How far to pad an image (above, below) and (left, right) so that the network takes it and answers every pixel.

    What a network without padding loses at the border is added on both sides; what the next legal size needs beyond
    that, below and to the right. So output row i belongs to row i of the image.
    """
    return margin(model, height), margin(model, width)


def margin(model: SizedNetwork, length: int) -> Pair:
    """Along one axis.

    Raises:
        ValueError: the network takes no size near.
    """
    for target in range(length, 2 * length + 4096):
        output = model.output_length(target)
        if output >= length:
            lost = target - output
            return lost // 2, target - length - lost // 2
    raise ValueError(f"predict: found no size that the network takes for {length} pixels")


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
