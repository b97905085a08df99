"""How convolutions are one matrix product, whichever of image and output is the larger.

conv2d and conv_transpose2d both compute, for every pixel (n, i, j) of the output and every output channel,

    out[n, o + i·u, o' + j·u', col] = Σ_{a, b} Σ_c in[n, i·s + h + a·d, j·s' + w + b·d', c] · W[tap(a, b)][c, col]

with zero beyond the input. For conv2d there is one set of numbers: u = 1, o = 0, s the stride, h = −padding, d the
dilation, and the taps are the rows of the kernel in order.

conv_transpose2d puts y[n, i] · w[r] at pixel p = i·s + r·d − padding. Seen from the pixel, the rows r that reach it are
those with r·d = p + padding modulo s: they depend on p modulo s alone. So the pixels fall into s *phases* (with one for
each pair of rows' and columns' phases), each of which is a convolution of stride 1 with a part of the kernel: Shi et
al. (2016), sub-pixel convolution. In phase f, with g = gcd(d, s), the rows r₀, r₀ + s/g, r₀ + 2s/g, ... take part, and
pixel f + i·s reads y at i + (f + padding − r·d) / s.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from minifcn.kernels.cuda.array import CudaArray, from_host
from minifcn.kernels.shapes import Window


class Phase(NamedTuple):
    """Along one axis: which rows of the kernel meet which rows of the input, for the output rows o, o + u, ..."""

    taps: int
    first_tap: int
    tap_step: int
    first_row: int  # of the input, for output row o and the first tap
    row_step: int  # of the input, from a tap to the next
    stride: int  # of the input, from an output row of this phase to the next
    first_output: int
    output_step: int


#: Numbers that a phase is to the kernels.
PHASE_SIZE = len(Phase._fields)


def forward_phases(k: int, s: int, padding: int, d: int) -> tuple[Phase, ...]:
    """The one phase of a convolution along an axis.

    >>> forward_phases(3, 2, 1, 1)[0].first_row
    -1
    """
    return (Phase(k, 0, 1, -padding, d, s, 0, 1),)


def transposed_phases(k: int, s: int, padding: int, d: int) -> tuple[Phase, ...]:
    """The s phases of a transposed convolution along an axis; one that no row of the kernel reaches has no taps.

    >>> [(phase.taps, phase.first_tap, phase.first_row) for phase in transposed_phases(3, 2, 1, 1)]
    [(1, 1, 0), (2, 0, 1)]
    """
    g = math.gcd(d, s)
    phases = []
    for f in range(s):
        rows = [r for r in range(k) if (f + padding - r * d) % s == 0]
        first_row = (f + padding - rows[0] * d) // s if rows else 0
        phases.append(Phase(len(rows), rows[0] if rows else 0, s // g, first_row, -(d // g), 1, f, s))
    return tuple(phases)


class Phases(NamedTuple):
    """Of rows, and of columns; and both as the kernels read them, rows first."""

    rows: tuple[Phase, ...]
    columns: tuple[Phase, ...]
    table: CudaArray

    @property
    def count(self) -> int:  # type: ignore[override]  # not a tuple's: nobody asks for that here
        """How many convolutions this is."""
        return len(self.rows) * len(self.columns)

    def pixels(self, images: int, height: int, width: int) -> int:
        """Most output pixels of a phase."""
        return images * -(-height // self.rows[0].output_step) * -(-width // self.columns[0].output_step)


@functools.cache
def phases(window: Window, transposed: bool) -> Phases:
    """The phases of a convolution or of its adjoint; the table is copied to the GPU once."""
    along = transposed_phases if transposed else forward_phases
    rows, columns = (
        along(*numbers)
        for numbers in zip(window.kernel_size, window.stride, window.padding, window.dilation, strict=True)
    )
    table = np.array([*rows, *columns], np.int64).astype(np.uint32)  # negative numbers modulo 2^32
    return Phases(rows, columns, from_host(table.reshape(-1)))
