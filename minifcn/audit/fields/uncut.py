"""Which answers of a window are those of a larger image: the ones whose receptive fields the window's edges do not cut.

Away from borders, a network's output moves with its image: by r rows where that moves by its total stride of p. So the
field of output row r k + f is that of row f, moved by p k rows, and r fields say where all fields would lie if there
were no border.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minifcn.audit.fields.receptive_field import AxisField
from minifcn.kernels.shapes import Pair


@dataclass(frozen=True)
class AxisGeometry:
    """The fields of output rows, were there no border.

    Attributes:
        first: input row at which the field of output row f begins, for each phase f = 0..r - 1; before 0 where there
            is padding.
        stop: one after the field's last row.
        period: p, the total stride: windows whose beginnings differ by a multiple of it are pooled on one grid.
    """

    first: tuple[int, ...]
    stop: tuple[int, ...]
    period: int

    @property
    def rows(self) -> int:
        """r, by which the output moves with the image."""
        return len(self.first)

    @staticmethod
    def of(field: AxisField) -> AxisGeometry:
        """Read from fields of which every phase was seen without a border.

        Raises:
            ValueError: there are none.
        """
        if not field.complete or field.period is None:
            raise ValueError("its output does not move with the image, or each of its pixels depends on all of it")
        pixels, rows = field.period
        # Middle rows: far from both borders, where a cut field may look like a moved one, its taps being far apart.
        inside = np.flatnonzero(field.inside)
        middle = (len(field.first) - 1) / 2
        nearest = [min(inside[inside % rows == phase], key=lambda row: abs(row - middle)) for phase in range(rows)]
        first = tuple(int(field.first[row]) - int(row // rows) * pixels for row in nearest)
        stop = tuple(int(field.last[row]) + 1 - int(row // rows) * pixels for row in nearest)
        return AxisGeometry(first, stop, pixels)

    def exact(self, length: int, output: int) -> Pair:
        """[begin, stop) of a window's output rows, ``output`` of ``length``, that its edges have no part in.

        >>> AxisGeometry((-1,), (2,), period=1).exact(8, 8)  # a 3 x 3 convolution that keeps the size
        (1, 7)
        """
        phases, moved = np.arange(output) % self.rows, np.arange(output) // self.rows * self.period
        before = np.flatnonzero(np.asarray(self.first)[phases] + moved < 0)
        beyond = np.flatnonzero(np.asarray(self.stop)[phases] + moved > length)
        begin = int(before[-1]) + 1 if len(before) else 0
        stop = int(beyond[0]) if len(beyond) else output
        return begin, max(begin, stop)
