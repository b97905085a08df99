"""Tiles: how an image that is too large for one pass is cut up so that no seam can be seen.

An image is mirrored at its outside until the network takes it: the canvas, which is what padding, too, predicts from.
Tiles are windows of the canvas (Ronneberger et al. 2015 call it the overlap-tile strategy). There is no seam if

- windows begin multiples of the total stride apart, or each is pooled on another grid;
- of the answers at a window's inner edges those are dropped whose receptive field the edge cuts;
- windows at the edge of the canvas end there, so that the network's own padding acts where it acts for the canvas.

Then a tile's answers are those for the whole, up to roundings, and bit for bit where sums have one order
(`minifcn.prediction.prove`). Along the other axis the same holds independently: tiles are the product of both.

>>> from minifcn.models import UNet
>>> tiling = Tiling(UNet(1, 2, base=1, padding="valid"), 1000, 1000, tile=572)
>>> tiling.window, tiling.stride, len(tiling)
((572, 572), (384, 384), 9)
>>> next(iter(tiling))
Tile(read=((-92, 480), (-92, 480)), keep=((0, 386), (0, 386)), crop=(0, 0))
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minifcn.audit.fields.uncut import AxisGeometry
from minifcn.kernels.shapes import Pair
from minifcn.models.sized import SizedNetwork, margin
from minifcn.prediction.blending import Blend, weights
from minifcn.prediction.geometry import Geometry

#: Rows of a tile, unless told; more if less than half of them would be kept.
DEFAULT_TILE = 1024
#: Where the search for a tile ends that is large enough for a network.
_LARGEST = 2**15


class Tile(NamedTuple):
    """One window: what the network reads, and which of its answers are used.

    Rows and columns are [begin, end) in the image's own coordinates; those before 0 and beyond its size are mirrored.
    """

    read: tuple[Pair, Pair]  # rows and columns that the network gets
    keep: tuple[Pair, Pair]  # rows and columns of the image that it answers
    crop: Pair  # row and column of the tile's output at which `keep` begins


@dataclass(frozen=True)
class TileOptions:
    """How to cut tiles; one number means both axes.

    Args:
        tile: rows and columns that the network reads at a time, at most; the next smaller size that fits is taken.
            None takes 1024, or as many as the network needs so that half of them are kept along each axis.
        halo: rows of a tile's output that are dropped at its inner edges. None drops those that the edge has a part in:
            then there is no seam. Fewer is quicker, and approximate.
        stride: rows from a tile to the next: a multiple of the network's total stride. None takes the largest, or with
            ``blend`` about half a tile.
        blend: "constant" or "gaussian" averages the answers of tiles that overlap; None takes each from one tile.
    """

    tile: int | Pair | None = None
    halo: int | Pair | None = None
    stride: int | Pair | None = None
    blend: Blend | None = None

    def __post_init__(self) -> None:
        for name, least in (("tile", 1), ("halo", 0), ("stride", 1)):
            value = getattr(self, name)
            sides = value if isinstance(value, tuple) else (value, value)
            if value is not None and (len(sides) != 2 or any(not _whole(side) or side < least for side in sides)):
                raise ValueError(f"predict: {name} must be a whole number or a pair, at least {least}, got {value!r}")
        if self.blend not in (None, "constant", "gaussian"):
            raise ValueError(f"predict: blend must be 'constant', 'gaussian' or None, got {self.blend!r}")

    def along(self, axis: int) -> AxisOptions:
        """Those of rows (0) or columns (1)."""
        tile, halo, stride = (
            value[axis] if isinstance(value, tuple) else value for value in (self.tile, self.halo, self.stride)
        )
        return AxisOptions(tile, halo, stride, self.blend)


class AxisOptions(NamedTuple):
    """`TileOptions` along one axis."""

    tile: int | None = None
    halo: int | None = None
    stride: int | None = None
    blend: Blend | None = None


class AxisTiling(NamedTuple):
    """Windows along one axis, and the rows of the image that each answers."""

    period: int  # the network's total stride
    window: int  # rows of a window
    stride: int  # from a window to the next, but the last, which ends where the canvas ends
    usable: Pair  # [begin, end) of the rows of a window's output that are used at its inner edges
    exact: bool  # whether no edge has a part in them
    canvas: int  # rows of the mirrored image
    read: list[Pair]
    keep: list[Pair]
    weights: list[np.ndarray]


class Tiling:
    """The tiles of an image, row by row: `len` of them, each a `Tile`.

    Without ``blend``, `Tile.keep` parts the image: every pixel is kept once. With it they overlap, and the answer is
    the sum of `weights` times answers.

    Args:
        model: a network that answers pixel for pixel.
        height: of the image.
        width: of the image.
        options: of tiles; if there are none, further arguments make them: tile, halo, stride, blend (see
            `TileOptions`).
        geometry: the network's, if known already.

    Raises:
        ValueError: the network has no tiles without a seam; the stride is none that keeps the grid of its poolings; or
            the tile is too small to keep anything.
    """

    def __init__(
        self,
        model: SizedNetwork,
        height: int,
        width: int,
        options: TileOptions | None = None,
        geometry: Geometry | None = None,
        **more: int | Pair | Blend | None,
    ):
        if options is not None and more:
            raise ValueError(f"predict: tiles take options or {', '.join(more)}, not both; put them into the options")
        options = TileOptions(**more) if options is None else options  # type: ignore[arg-type]
        geometry = Geometry.of(model) if geometry is None else geometry
        self.size = height, width
        self.rows = along_axis(model, geometry.rows, height, options.along(0))
        self.columns = along_axis(model, geometry.columns, width, options.along(1))

    @property
    def window(self) -> Pair:
        """Rows and columns that the network reads at a time."""
        return self.rows.window, self.columns.window

    @property
    def stride(self) -> Pair:
        """Rows and columns from a tile to the next."""
        return self.rows.stride, self.columns.stride

    @property
    def exact(self) -> bool:
        """Whether tiles give what the whole gives, up to roundings."""
        return self.rows.exact and self.columns.exact

    @property
    def parted(self) -> bool:
        """Whether every pixel is answered by one tile; where tiles overlap, `weights` say how much of each."""
        keeps = self.rows.keep, self.columns.keep
        return all(before[1] == after[0] for keep in keeps for before, after in itertools.pairwise(keep))

    def __len__(self) -> int:
        return len(self.rows.read) * len(self.columns.read)

    def __iter__(self) -> Iterator[Tile]:
        for row in range(len(self.rows.read)):
            for column in range(len(self.columns.read)):
                yield self._tile(row, column)

    def weights(self, tile: Tile) -> tuple[np.ndarray, np.ndarray]:
        """Of the rows and the columns that a tile keeps, float64; at each pixel, products over tiles add up to 1."""
        row, column = self.rows.keep.index(tile.keep[0]), self.columns.keep.index(tile.keep[1])
        return self.rows.weights[row], self.columns.weights[column]

    def _tile(self, row: int, column: int) -> Tile:
        read = self.rows.read[row], self.columns.read[column]
        keep = self.rows.keep[row], self.columns.keep[column]
        before = self.rows.read[0][0], self.columns.read[0][0]
        # Output row i of the canvas belongs to row i of the image (see `margin`), so a window's first one does to the
        # row at which the window begins in the canvas.
        crop = keep[0][0] - (read[0][0] - before[0]), keep[1][0] - (read[1][0] - before[1])
        return Tile(read, keep, crop)


def along_axis(model: SizedNetwork, geometry: AxisGeometry, length: int, options: AxisOptions) -> AxisTiling:
    """Windows along one axis of an image of ``length`` rows."""
    above, below = margin(model, length)
    canvas = above + length + below
    _check_stride(options.stride, geometry.period)
    window = _window(model, geometry, canvas, options)
    usable = _usable(geometry, window, model.output_length(window), options.halo)
    stride = canvas if window == canvas else _stride(usable, geometry.period, options)
    begins = [*range(0, canvas - window, stride), canvas - window]
    keep = [(begin + usable[0] if begin else 0, min(begin + usable[1], length)) for begin in begins]
    keep[-1] = keep[-1][0], length
    while len(keep) > 1 and keep[-2][1] == length:  # the rest of the canvas holds nothing but its mirrored border
        del keep[-1], begins[-1]
    if options.blend is None:
        cuts = [0, *((after[0] + before[1]) // 2 for before, after in itertools.pairwise(keep)), length]
        keep = list(itertools.pairwise(cuts))
    output = model.output_length(window)
    return AxisTiling(
        period=geometry.period,
        window=window,
        stride=stride,
        usable=usable,
        exact=len(begins) == 1 or _within(usable, geometry.exact(window, output)),
        canvas=canvas,
        read=[(begin - above, begin - above + window) for begin in begins],
        keep=keep,
        weights=weights(options.blend, keep, [begin + (output - 1) / 2 for begin in begins], output),
    )


def _check_stride(stride: int | None, period: int) -> None:
    if stride is not None and stride % period:
        raise ValueError(
            f"predict: tile stride {stride} is no multiple of the network's total stride {period}, so tiles would be "
            f"pooled on other grids: take {max(stride // period, 1) * period}"
        )


def _window(model: SizedNetwork, geometry: AxisGeometry, canvas: int, options: AxisOptions) -> int:
    """The largest window within the wanted tile that can end where the canvas ends, and keeps something."""
    period, wanted = geometry.period, options.tile
    if wanted is None:
        wanted = max(DEFAULT_TILE, enough(model, geometry, options))
    if canvas <= wanted:
        return canvas
    for window in range(wanted - (wanted - canvas) % period, 0, -period):
        if largest_stride(model, geometry, window, options.halo):
            return window
    larger = range(wanted + (canvas - wanted) % period, canvas, period)
    least = next((window for window in larger if largest_stride(model, geometry, window, options.halo)), canvas)
    raise ValueError(
        f"predict: tiles of {wanted} pixels are too small: all of their answers would depend on their edges; take "
        f"tile={least} at least, or a smaller halo with blend='gaussian'"
    )


def enough(model: SizedNetwork, geometry: AxisGeometry, options: AxisOptions) -> int:
    """The smallest window of which half is kept, and half of those up to a period smaller.

    One of these is taken in the end: the one that can end where the canvas ends.
    """

    @functools.cache
    def keeps_half(window: int) -> bool | None:
        legal = window > 0 and model.output_length(window)
        return 2 * largest_stride(model, geometry, window, options.halo) >= window if legal else None

    for window in range(1, _LARGEST):
        nearby = {keeps_half(smaller) for smaller in range(window, window - geometry.period, -1)}
        if True in nearby and False not in nearby:
            return window
    raise ValueError(f"predict: tiles would have to be larger than {_LARGEST} pixels; take strategy='pad'")


def largest_stride(model: SizedNetwork, geometry: AxisGeometry, window: int, halo: int | None) -> int:
    """The largest stride at which windows leave no gap; 0 if there is none."""
    output = model.output_length(window)
    begin, end = _usable(geometry, window, output, halo) if output else (0, 0)
    return (end - begin) // geometry.period * geometry.period


def _usable(geometry: AxisGeometry, window: int, output: int, halo: int | None) -> Pair:
    return geometry.exact(window, output) if halo is None else (halo, max(halo, output - halo))


def _stride(usable: Pair, period: int, options: AxisOptions) -> int:
    largest = (usable[1] - usable[0]) // period * period
    if options.stride is None:
        return largest if options.blend is None else max(period, largest // 2 // period * period)
    if options.stride > largest:
        raise ValueError(
            f"predict: tile stride {options.stride} would leave gaps, as only {usable[1] - usable[0]} rows of a tile "
            f"can be used: take {largest}, or larger tiles"
        )
    return options.stride


def _within(part: Pair, whole: Pair) -> bool:
    return whole[0] <= part[0] and part[1] <= whole[1]


def _whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
