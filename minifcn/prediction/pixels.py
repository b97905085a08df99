"""The pixels of an image file as a network takes them, part by part."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minifcn.io.errors import ImageError
from minifcn.io.images import to_float
from minifcn.io.regions import Regions
from minifcn.kernels.shapes import Pair
from minifcn.prediction.canvas import mirrored

_BAND = 2**20  # numbers that are looked at together for the statistics of an image
#: Bytes that this takes: as in the file, in float32, and three times in float64.
STATISTICS = _BAND * (8 + 4 + 3 * 8)


class Statistics(NamedTuple):
    """Of one page, by channel: (C,) float64."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]


class Pixels:
    """An image file as float32 (h, w, C) with the network's number of channels.

    Integers are scaled by the range of their type; floating point stays as it is: training had no other range for it.
    Transparency is left out, and colour becomes grey, or grey colour, if that is what the network was trained on.

    Raises:
        ImageError: the number of channels does not fit, or integers of that type have no range that images use.
    """

    def __init__(self, image: Regions, channels: int) -> None:
        self.image, self.channels = image, channels
        self.convert(np.zeros((1, 1, image.shape[3]), image.dtype))

    def convert(self, part: NDArray) -> NDArray[np.float32]:
        """The file's values (h, w, c) as the network takes them."""
        from minifcn.data.sets.pairs import converted

        given = part.shape[-1]
        # Transparency is stored with each pixel; planes of their own are other colours or stains.
        if given in (2, 4) and given != self.channels and "C" not in self.image.axes:
            part = part[..., :-1]
        try:
            floats = part.astype(np.float32) if part.dtype.kind == "f" else to_float(part)
        except ImageError as error:
            raise ImageError(f"{self.image.path}: {error}") from None
        try:
            return converted(floats, self.channels)
        except ValueError:
            raise ImageError(
                f"{self.image.path}: has {given} channels, but the network was trained on {self.channels}"
            ) from None

    def strip(self, page: int, rows: Pair) -> NDArray:
        """Whole rows [begin, end), mirrored beyond the image, in the file's own type: (h, W, c)."""
        _, height, width, _ = self.image.shape
        wanted = mirrored(*rows, height)
        first, last = int(wanted.min()), int(wanted.max())
        part = self.image.read(page, (first, last + 1), (0, width))
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            raise ImageError(
                f"{self.image.path}: holds NaN or infinite values in rows {first} to {last}"
                f"{f' of page {page}' if self.image.lead else ''}; give them a value, such as the mean of the others"
            )
        return part if len(part) == len(wanted) and wanted[0] == first else part[wanted - first]

    def statistics(self, page: int) -> Statistics:
        """Mean and standard deviation of a page, by channel, read in bands (Chan, Golub and LeVeque 1983).

        Two sets of n and m numbers, of means a and b, have together the mean a + (b - a) m / (n + m), and their sums of
        squared deviations add up, plus (b - a)² n m / (n + m).
        """
        _, height, width, _ = self.image.shape
        step = max(1, _BAND // (width * max(self.channels, self.image.shape[3])))
        count, mean, squares = 0, np.zeros(self.channels), np.zeros(self.channels)
        for begin in range(0, height, step):
            part = self.convert(self.strip(page, (begin, min(begin + step, height)))).astype(np.float64)
            size, own = part.shape[0] * width, part.mean(axis=(0, 1))
            delta = own - mean
            squares += ((part - own) ** 2).sum(axis=(0, 1)) + delta**2 * (count * size / (count + size))
            mean += delta * (size / (count + size))
            count += size
        return Statistics(mean, np.sqrt(squares / count))
