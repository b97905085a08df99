"""Layers of borders: (N, H, W, C) -> (N, top + H + bottom, left + W + right, C)."""

from __future__ import annotations

import operator
from typing import Literal

from minifcn import functional as F
from minifcn.nn.module import Module
from minifcn.tensor import Tensor

Sides = tuple[int, int, int, int]


class _Border(Module):
    """A border of one kind; see `minifcn.functional.pad`."""

    mode: Literal["constant", "reflect", "replicate"]

    def __init__(self, padding: int | Sides):
        try:
            left, right, top, bottom = padding if isinstance(padding, (tuple, list)) else (padding,) * 4
            self.padding = tuple(operator.index(side) for side in (left, right, top, bottom))
        except (TypeError, ValueError):
            raise ValueError(
                f"{type(self).__name__}: padding must be an int or (left, right, top, bottom), got {padding!r}"
            ) from None

    def forward(self, x: Tensor) -> Tensor:
        """Pad images."""
        return F.pad(x, self.padding, self.mode)

    def extra_repr(self) -> str:
        """The widths."""
        return f"padding={self.padding}"


class ZeroPad2d(_Border):
    """Zeros around images.

    Args:
        padding: (left, right, top, bottom), or one number for all four sides. Negative numbers crop.

    >>> import minifcn as mf
    >>> ZeroPad2d((1, 0, 2, 0))(mf.zeros(1, 3, 5, 2)).shape
    (1, 5, 6, 2)
    """

    mode = "constant"


class ReflectionPad2d(_Border):
    """Images mirrored about their outermost pixels, which are not repeated; ``padding`` as in `ZeroPad2d`."""

    mode = "reflect"


class ReplicationPad2d(_Border):
    """The outermost pixels, repeated; ``padding`` as in `ZeroPad2d`."""

    mode = "replicate"
