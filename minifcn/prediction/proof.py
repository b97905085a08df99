"""The proof that tiles leave no seam: tiles and the whole, both in float64, subtracted.

Convolutions are summed directly there, tap by tap in one order wherever a pixel lies, and so there is nothing to round
differently: tiles without a seam differ by 0.0. Also shown is what a stride does that is no multiple of the network's
total stride: every tile is pooled on another grid, and errs however wide its halo is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minifcn.audit.report import Report
from minifcn.kernels.shapes import Pair
from minifcn.tables import Table

_BLUE, _ORANGE = "#0072b2", "#d55e00"  # Okabe and Ito's: told apart with any colour vision


@dataclass(frozen=True, eq=False)
class Proof(Report):
    """Tiles compared with the whole, on a sample of an image.

    Attributes:
        network: its name.
        sample: height and width of what was predicted in both ways.
        tiles: how many it took.
        window: rows and columns that the network read at a time.
        stride: from a tile to the next.
        period: the network's total stride.
        usable: [begin, end) of the rows of a tile's output that were used at its inner edges.
        largest: max |tile − whole| over all pixels and channels of the network's output, before softmax.
        where: row and column of it.
        scale: max |whole|.
        profile: (D,) the same at a distance of 0, 1, ... pixels from the nearest inner edge of a tile's output,
            whether used or not.
        wrong_stride: one that is no multiple of the total stride; None if there is none.
        wrong: max |tile − whole| of the pixels used, of a tile that begins there; 0 if there is none.
        wrong_profile: as ``profile``, of that tile; empty if there is none.
    """

    name: ClassVar[str] = "tiles"
    figure_size: ClassVar[tuple[float, float]] = (8, 4.5)

    network: str
    sample: Pair
    tiles: int
    window: Pair
    stride: Pair
    period: Pair
    usable: Pair
    largest: float
    where: Pair
    scale: float
    profile: np.ndarray
    wrong_stride: Pair | None
    wrong: float
    wrong_profile: np.ndarray

    @property
    def seamless(self) -> bool:
        """Whether nothing but roundings is between tiles and whole."""
        return self.largest <= 1e-12 * self.scale

    def headline(self) -> str:
        """Whether there is a seam."""
        how = f"tiles of {_times(self.window)} pixels, {_times(self.stride)} apart"
        if self.seamless:
            return f"{self.network}: {how}, leave no seam: max |tile − whole| = {self.largest:.3g} in float64"
        return (
            f"{self.network}: {how}, leave seams: max |tile − whole| = {self.largest:.3g}, "
            f"{self._percent(self.largest)} of the largest output, at {self.where}"
        )

    def table(self) -> Table:
        """The figures."""
        rows = [
            ("sample, predicted in tiles and as a whole", f"{_times(self.sample)} px, {self.tiles} tiles"),
            ("total stride of the network", f"{_times(self.period)} px"),
            ("a tile reads", f"{_times(self.window)} px"),
            ("at inner edges it keeps, of its answers,", f"rows {self.usable[0]} to {self.usable[1] - 1}"),
            ("a tile's edge is felt", self._felt()),
            ("largest output", f"{self.scale:.4g}"),
            (f"largest error at stride {_times(self.stride)}", f"{self.largest:.4g} ({self._percent(self.largest)})"),
        ]
        if self.wrong_stride is not None:
            rows.append(
                (
                    f"largest error at stride {_times(self.wrong_stride)}",
                    f"{self.wrong:.4g} ({self._percent(self.wrong)})",
                )
            )
        return Table(("quantity", "value"), rows)

    def notes(self) -> list[str]:
        """What the wrong stride shows."""
        if self.wrong_stride is None:
            return ["The total stride is 1: tiles may begin anywhere."]
        return [
            f"A stride of {_times(self.wrong_stride)} is no multiple of {_times(self.period)}: tiles would be pooled "
            "on other grids than the whole, and a wider halo does not mend that."
        ]

    @property
    def reach(self) -> int:
        """How many rows at the inner edge of a tile's output differ from the whole at all."""
        differing = np.flatnonzero(self.profile > 1e-12 * self.scale)
        return int(differing[-1]) + 1 if len(differing) else 0

    def _felt(self) -> str:
        if self.reach and self.reach == len(self.profile):
            return f"in all {self.reach} px that were compared, and maybe further"
        return f"as far as {self.reach} px inside its output"

    def facts(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {
            "network": self.network,
            "sample_pixels": self.sample,
            "tiles": self.tiles,
            "tile_pixels": self.window,
            "stride_pixels": self.stride,
            "total_stride_pixels": self.period,
            "used_rows_of_a_tile": self.usable,
            "seamless": self.seamless,
            "largest_error": self.largest,
            "largest_error_at_pixel": self.where,
            "largest_output": self.scale,
            "edge_felt_pixels": self.reach,
            "error_by_distance_from_edge": self.profile,
            "wrong_stride_pixels": self.wrong_stride,
            "wrong_stride_largest_error": self.wrong,
            "wrong_stride_error_by_distance_from_edge": self.wrong_profile,
        }

    def draw(self, figure: Any) -> None:
        """Errors against the distance from a tile's edge."""
        axes = figure.subplots()
        scale = max(self.scale, np.finfo(np.float64).tiny) / 100
        axes.plot(self.profile / scale, color=_BLUE, label=f"stride {_times(self.stride)}")
        if self.wrong_stride is not None:
            label = f"stride {_times(self.wrong_stride)}, pooled on another grid"
            axes.plot(self.wrong_profile / scale, color=_ORANGE, linestyle="--", label=label)
        axes.axvline(self.usable[0], color="0.4", linestyle=":", label=f"used from {self.usable[0]} px on")
        axes.set_yscale("symlog", linthresh=1e-14)
        axes.set_yticks([0, 1e-12, 1e-9, 1e-6, 1e-3, 1, 100])
        axes.set_ylim(-2e-15, 1000)
        axes.set_xlim(left=-1)
        axes.set_xlabel("distance from the nearest inner edge of the tile's output, px")
        axes.set_ylabel("max |tile − whole|, % of the largest output")
        axes.set_title(f"{self.network}: how far a tile's edge is felt (float64)")
        axes.legend(loc="center right")
        axes.grid(alpha=0.3)

    def _percent(self, error: float) -> str:
        return f"{100 * error / self.scale if self.scale else 0.0:.3g} %"


def _times(sides: Pair) -> str:
    return f"{sides[0]}" if sides[0] == sides[1] else f"{sides[0]} x {sides[1]}"
