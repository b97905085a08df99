"""How much memory a prediction from file to file is going to take."""

from __future__ import annotations

import resource
from collections.abc import Sequence

import numpy as np

from minifcn.io.outputs import Output
from minifcn.prediction.bands import Tiles
from minifcn.prediction.pixels import STATISTICS

_OTHER = 2**24  # bytes: what the libraries that read and write files take, about


def expected_peak(tiles: Tiles, outputs: Sequence[Output]) -> int:
    """How many bytes of memory the process takes at the most, about: what it has after a tile of zeros, and the bands.

    Kernels keep the memory that they used for a tile (`minifcn.memory`), so the second tile takes no more of it.
    """
    image, tiling = tiles.pixels.image, tiles.tiling
    (rows, columns), (_, _, width, channels) = tiling.window, image.shape
    answers = tiles.network(np.zeros((1, rows, columns, tiles.pixels.channels), np.float32))
    kept = max(end - begin for begin, end in tiling.rows.keep)
    strip = 2 * rows * width * channels * image.dtype.itemsize  # as read, and mirrored or decoded
    window = rows * columns * tiles.pixels.channels * (4 + 8 + 8 + 4)  # as float32, and normalised in float64
    results = sum(kept * width * output.dtype.itemsize for output in outputs)
    sums = 0 if tiling.parted else 3 * kept * width * answers.shape[-1] * answers.itemsize
    return _resident() + _OTHER + max(STATISTICS, strip + window + results + sums)


def _resident() -> int:
    """Bytes of memory that the process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
