"""What the files of masks hold, before anybody interprets it: most trainings that end black went wrong here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.sets.label_table import Colour, read_mask
from minifcn.io import ImageError

_MOST_COLOURS = 64  # kept of one file


@dataclass(frozen=True, eq=False)
class MaskFile:
    """What one file holds.

    Attributes:
        path: the file.
        values: value -> pixels; empty for a file in colour.
        colours: colour -> pixels, the commonest; of files in colour.
        error: why it could not be read.
        flat: of the pixels that hold neither of the two commonest values: the share that has its value among its
            neighbours to the left or right, and among those above or below.
        regions: number of 4-connected regions of one value, 0 not counted; -1 where they were not counted.
    """

    path: Path
    values: dict[int, int] = field(default_factory=dict)
    colours: dict[Colour, int] = field(default_factory=dict)
    error: str = ""
    flat: float = 1.0
    regions: int = -1

    @property
    def lossy(self) -> bool:
        """Whether the format changes values."""
        return self.path.suffix.lower() in (".jpg", ".jpeg")

    @property
    def soft(self) -> bool:
        """Whether it is black and white with greys along the edges, as after a JPEG or a smooth resize.

        In a map of classes or of numbered objects, the other values fill regions; along soft edges they change from
        pixel to pixel.
        """
        if len(self.values) < 4 or max(self.values) < 16:
            return False
        commonest = sorted(self.values, key=lambda value: self.values[value])[-2:]
        share = sum(self.values[value] for value in commonest) / sum(self.values.values())
        return self.flat < 0.5 and share > 0.5


def read_mask_file(path: Path, colour: bool = False) -> MaskFile:
    """Look into one file; `colour` resolves palettes, as a table of colours does."""
    try:
        pixels = _read(path, colour)
    except (ImageError, OSError) as error:
        return MaskFile(path, error=str(error))
    if pixels.ndim == 3:
        return MaskFile(path, colours=_colours(pixels))
    values, counts = np.unique(pixels, return_counts=True)
    histogram = dict(zip(values.astype(np.int64).tolist(), counts.tolist(), strict=True))
    regions = _regions(pixels) if 2 < len(histogram) < 5000 else -1
    return MaskFile(path, histogram, flat=_flat(pixels, values, counts), regions=regions)


def _read(path: Path, colour: bool) -> NDArray:
    """Read values, or colours where the file has some."""
    if colour:
        return read_mask(path, colour=True)
    try:
        return read_mask(path, colour=False)
    except ImageError:
        return read_mask(path, colour=True)  # a damaged file raises again


def _colours(pixels: NDArray) -> dict[Colour, int]:
    found, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_COLOURS]
    return {(int(r), int(g), int(b)): int(count) for (r, g, b), count in zip(found[order], counts[order], strict=True)}


def _flat(pixels: NDArray, values: NDArray, counts: NDArray) -> float:
    if len(values) < 3:
        return 1.0
    other = ~np.isin(pixels, values[np.argsort(counts)[-2:]])
    padded = np.pad(pixels, 1, mode="edge")
    beside = (padded[1:-1, :-2] == pixels) | (padded[1:-1, 2:] == pixels)
    above = (padded[:-2, 1:-1] == pixels) | (padded[2:, 1:-1] == pixels)
    return float((beside & above)[other].mean())


def _regions(pixels: NDArray) -> int:
    from skimage import measure

    return int(measure.label(pixels.astype(np.int64), background=0, connectivity=1).max())
