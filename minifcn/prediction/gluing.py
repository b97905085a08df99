"""Put tiles together: the one place where it is decided what of a tile's output goes where, and with which weight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from minifcn.prediction.tiling import Tile, Tiling


def kept(tile: Tile, answer: NDArray) -> NDArray:
    """What is used of a tile's output: (..., h', w', K) -> (..., h, w, K); a view."""
    (row, column), ((top, bottom), (left, right)) = tile.crop, tile.keep
    return answer[..., row : row + bottom - top, column : column + right - left, :]


def weighted(tiling: Tiling, tile: Tile, part: NDArray) -> NDArray:
    """What a tile adds where tiles overlap: (..., h, w, K), of what is kept of it."""
    return part * np.multiply.outer(*tiling.weights(tile))[..., None]


def glue(tiling: Tiling, answer: Callable[[Tile], NDArray]) -> NDArray:
    """All tiles' outputs together: (..., H, W, K), in their own dtype.

    Args:
        tiling: the tiles of an image.
        answer: a tile's output, (..., h', w', K).
    """
    whole: NDArray | None = None
    for tile in tiling:
        part = kept(tile, answer(tile))
        if whole is None:
            whole = np.zeros((*part.shape[:-3], *tiling.size, part.shape[-1]), part.dtype)
        place = (..., slice(*tile.keep[0]), slice(*tile.keep[1]), slice(None))
        if tiling.parted:
            whole[place] = part
        else:
            whole[place] += weighted(tiling, tile, part)
    assert whole is not None
    return whole
