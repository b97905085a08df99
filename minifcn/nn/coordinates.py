"""A layer that tells every pixel where it is, for tasks in which translation equivariance is not welcome."""

from __future__ import annotations

import numpy as np

from minifcn import functional as F
from minifcn.functional.arguments import TensorLike, as_image
from minifcn.nn.module import Module
from minifcn.tensor import Tensor


class CoordinateChannels(Module):
    """Append the coordinates of each pixel as channels: (N, H, W, C) -> (N, H, W, C + 2), or C + 3 with the radius.

    A convolution gives the same answer wherever the same pixels lie; one that also sees where they lie need not. Row
    and column run from −1 at the first pixel to 1 at the last, and are 0 where there is only one. They are numbers, not
    parameters: nothing is learnt here. Liu et al. 2018, "CoordConv"; in the lecture, "position information ... through
    pixel coordinates".

    Args:
        radius: append √(row² + column²) as well, the distance from the centre; 0 there and √2 in the corners.

    Raises:
        TypeError: the images are not floating point.
        ValueError: they are not (N, H, W, C).

    >>> import minifcn as mf
    >>> CoordinateChannels()(mf.zeros(1, 2, 3, 1)).data[0, 0].tolist()
    [[0.0, -1.0, -1.0], [0.0, -1.0, 0.0], [0.0, -1.0, 1.0]]
    """

    def __init__(self, radius: bool = False):
        self.radius = radius

    def forward(self, x: TensorLike) -> Tensor:
        """Append row, column and, if wanted, radius to the channels of images."""
        x = as_image(type(self).__name__, x)
        count, height, width, _ = x.shape
        rows = Tensor(_positions(height).reshape(1, -1, 1, 1)).to(x.device)
        columns = Tensor(_positions(width).reshape(1, 1, -1, 1)).to(x.device)
        maps = [rows, columns, F.sqrt(rows * rows + columns * columns)] if self.radius else [rows, columns]
        return F.concatenate([x, *(F.broadcast_to(m.astype(x.dtype), (count, height, width, 1)) for m in maps)])

    def extra_repr(self) -> str:
        """The option."""
        return f"radius={self.radius}"


def _positions(length: int) -> np.ndarray:
    """−1 to 1 in equal steps; 0 if there is one alone."""
    return np.linspace(-1.0, 1.0, length) if length > 1 else np.zeros(length)
