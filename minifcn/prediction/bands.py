"""Answers for one page, band by band from above: bands are the rows that one row of tiles answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minifcn.kernels.shapes import Pair
from minifcn.prediction.canvas import mirrored
from minifcn.prediction.gluing import kept, weighted
from minifcn.prediction.pixels import Pixels
from minifcn.prediction.prepared import Prepared
from minifcn.prediction.tiling import Tile, Tiling

Normalise = Callable[[NDArray], NDArray]


class Band(NamedTuple):
    """Rows that are written together."""

    rows: Pair
    #: Columns and their answers (h, w, K), from left to right, computed when asked.
    parts: Iterable[tuple[Pair, NDArray]]


class Tiles:
    """A page that is answered tile by tile.

    Args:
        network: answers normalised windows.
        tiling: the tiles; with overlapping ones, a band's answers are complete when the next tiles begin below it.
        pixels: what tiles are cut from: one strip of the file for a row of tiles.
    """

    def __init__(self, network: Prepared, tiling: Tiling, pixels: Pixels) -> None:
        self.network, self.tiling, self.pixels = network, tiling, pixels
        self.rows = [tuple(tiles) for _, tiles in itertools.groupby(tiling, lambda tile: tile.keep[0])]

    def __len__(self) -> int:
        return len(self.rows)

    def bands(self, page: int, normalise: Normalise, first: int = 0) -> Iterator[Band]:
        """Those from number ``first`` on."""
        return (self._each_once if self.tiling.parted else self._summed)(page, normalise, first)

    def _each_once(self, page: int, normalise: Normalise, first: int) -> Iterator[Band]:
        for tiles in self.rows[first:]:
            yield Band(tiles[0].keep[0], self._answers(page, normalise, tiles))

    def _summed(self, page: int, normalise: Normalise, first: int) -> Iterator[Band]:
        """Sums of weighted answers, of which those rows are complete that lie above the next tiles."""
        begins = [tiles[0].keep[0][0] for tiles in self.rows] + [self.tiling.size[0]]
        # Where it goes on, tiles are needed again that reach from the bands above into this one.
        earlier = next(k for k, tiles in enumerate(self.rows) if tiles[0].keep[0][1] > begins[first])
        sums, top = np.zeros((0, 0, 0), np.float32), begins[earlier]
        for number in range(earlier, len(self.rows)):
            bottom = self.rows[number][0].keep[0][1]
            for tile, (columns, answers) in zip(
                self.rows[number], self._answers(page, normalise, self.rows[number]), strict=True
            ):
                if len(sums) < bottom - top:
                    grown = np.zeros((bottom - top, self.tiling.size[1], answers.shape[-1]), np.float32)
                    if len(sums):
                        grown[: len(sums)] = sums
                    sums = grown
                begin = tile.keep[0][0] - top
                sums[begin : begin + len(answers), slice(*columns)] += weighted(self.tiling, tile, answers)
            end = begins[number + 1]
            if number >= first:
                yield Band((begins[number], end), [((0, self.tiling.size[1]), sums[: end - top])])
            sums, top = sums[end - top :].copy(), end

    def _answers(self, page: int, normalise: Normalise, tiles: Iterable[Tile]) -> Iterator[tuple[Pair, NDArray]]:
        """Columns and answers of one row of tiles."""
        strip = None
        for tile in tiles:
            if strip is None:
                strip = self.pixels.strip(page, tile.read[0])
            window = strip[:, mirrored(*tile.read[1], self.tiling.size[1])]
            answer = self.network(normalise(self.pixels.convert(window))[None])[0]
            yield tile.keep[1], kept(tile, answer)
