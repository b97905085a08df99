"""Weights of tiles that overlap: where several answer a pixel, their weighted mean is taken.

Weights are products of one for the row and one for the column, and they are normalised along each axis beforehand, so
that the answer is just Σ weight · answer, in whatever order tiles come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from minifcn.kernels.shapes import Pair

Blend = Literal["constant", "gaussian"]
#: Standard deviation of the Gaussian, as a part of the tile: one half of it is four of them.
_SIGMA = 1 / 8


def weights(kind: Blend | None, kept: Sequence[Pair], centres: Sequence[float], length: int) -> list[np.ndarray]:
    """One array for each tile along an axis: float64 weights of the rows that it answers; at each row they add up to 1.

    Args:
        kind: "constant", every tile the same; "gaussian", those whose middle is nearer more; None, where rows are kept
            from one tile each.
        kept: [begin, end) of the rows that each tile answers.
        centres: the row in the middle of each tile's output.
        length: rows of a tile's output.

    >>> [part.tolist() for part in weights("constant", [(0, 3), (2, 4)], [1.0, 3.0], 3)]
    [[1.0, 1.0, 0.5], [0.5, 1.0]]
    """
    parts = []
    for (begin, end), centre in zip(kept, centres, strict=True):
        rows = np.arange(begin, end)
        sigma = _SIGMA * length
        parts.append(np.exp(-(((rows - centre) / sigma) ** 2) / 2) if kind == "gaussian" else np.ones(len(rows)))
    total = np.zeros(max(end for _, end in kept))
    for (begin, end), part in zip(kept, parts, strict=True):
        total[begin:end] += part
    return [part / total[begin:end] for (begin, end), part in zip(kept, parts, strict=True)]
