"""From images to vectors."""

from __future__ import annotations

from minifcn import functional as F
from minifcn.functional.arguments import as_image
from minifcn.nn.module import Module
from minifcn.tensor import Tensor


class Flatten(Module):
    """Each image as one vector: (N, H, W, C) -> (N, H · W · C), row by row, and in a row pixel by pixel.

    >>> import minifcn as mf
    >>> Flatten()(mf.zeros(5, 2, 3, 4)).shape
    (5, 24)
    """

    def forward(self, x: Tensor) -> Tensor:
        """The same numbers in the same order."""
        n, h, w, c = as_image("Flatten", x).shape
        return F.reshape(x, (n, h * w * c))
