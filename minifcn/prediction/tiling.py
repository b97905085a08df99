"""Tiles: how an image that is too large for one pass is cut up so that no seam can be seen.

An image is mirrored at its outside until the network takes it: the canvas, which is what padding, too, predicts from. Tiles
are windows of the canvas.
"""

from __future__ import annotations

from typing import NamedTuple

from minifcn.kernels.shapes import Pair


class Tile(NamedTuple):
    """One window: what the network reads, and which of its answers are used.

    Rows and columns are [begin, end) in the image's own coordinates; those before 0 and beyond its size are mirrored.
    """

    read: tuple[Pair, Pair]  # rows and columns that the network gets
    keep: tuple[Pair, Pair]  # rows and columns of the image that it answers
    crop: Pair  # row and column of the tile's output at which `keep` begins
