"""How an image is made to fit a network: the margins around it, with which each of its pixels gets an answer."""

from __future__ import annotations

from typing import Any, Protocol

from minifcn.kernels.shapes import Pair
from minifcn.tensor import Tensor


class SizedAxis(Protocol):
    """What knows how many rows (or columns) become how many."""

    def output_length(self, length: int) -> int:
        """How many output rows (or columns) that many input rows give; 0 if that many are not legal."""


class SizedNetwork(SizedAxis, Protocol):
    """A network that knows which images it takes, and what size each becomes."""

    in_channels: int

    def __call__(self, x: Tensor) -> Tensor:
        """Images (N, H, W, C) -> logits (N, H', W', K)."""

    def eval(self) -> Any:
        """Switch to evaluation."""


def margins(model: SizedAxis, height: int, width: int) -> tuple[Pair, Pair]:
    """How far to pad an image (above, below) and (left, right) so that the network takes it and answers every pixel.

    What a network without padding loses at the border is added on both sides; what the next legal size needs beyond
    that, below and to the right. So output row i belongs to row i of the image.
    """
    return margin(model, height), margin(model, width)


def margin(model: SizedAxis, length: int) -> Pair:
    """Along one axis; neither part is negative.

    Output rows beyond those of the image, as where 5 rows are pooled to 3 and these become 6, are taken to lie below.

    Raises:
        ValueError: the network takes no size near.
    """
    for target in range(length, 2 * length + 4096):
        output = model.output_length(target)
        if output >= length:
            before = max(target - output, 0) // 2
            return before, target - length - before
    raise ValueError(f"predict: found no size that the network takes for {length} pixels")
