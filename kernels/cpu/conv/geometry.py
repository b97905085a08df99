"""What a direct convolution reads and writes where: worked out once for each geometry, in Python.

*Phases.* Along one axis, the pixels first, first + step, ... of the result are reached by the same taps. A convolution
has one phase, step 1. Its adjoint in the image has as many as the stride s: pixel i receives from the taps r for which
i + p − r·d is a multiple of s, from pixel (i + p − r·d) / s of y.

*Merging.* Taps of one row of the kernel that read neighbouring pixels read one run of numbers: they become one tap of
as many times the depth. Then a panel of weights is cut into *pieces* that fit the first-level cache.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.simd import lanes
from minifcn.kernels.shapes import Pair, Window

_BLOCK_BYTES = 2**18  # input rows that one task keeps in the second-level cache while it goes through the panels
_PIECE_BYTES = 24 * 2**10  # of a panel: half of a first-level cache


class Phase(NamedTuple):
    """Pixels first, first + step, ... of the result, on one axis: the taps that reach them, ascending in the image."""

    first: int
    taps: list[int]
    source: list[int]  # where each tap reads for the first pixel, relative to the image; maybe outside


class Piece(NamedTuple):
    """Some taps of a phase, or some of the depth of one tap."""

    first: int  # of the taps
    last: int  # behind the last
    depth: int
    shift: int  # where in the tap's depth the piece begins
    begins: bool  # the phase: add the bias
    ends: bool  # the phase: rectify
    top: int  # the phase's first row of the result
    left: int


class Plan(NamedTuple):
    """How rows of the image become rows of the result; strides count numbers."""

    image_x: int  # from image to image of x
    row_x: int
    pixel_x: int
    before_rows: int  # that are read before the image begins
    before_columns: int
    width: int  # columns that are read, from there
    span: int  # rows that one row of the result reads
    has_border: bool
    row: int  # between rows of the memory that is read: x, or a copy with a border
    pixel: int
    row_stride: int
    column_stride: int
    row_step: int  # between rows of the result of one phase
    column_step: int
    lines: int  # of a phase that a task computes
    depth: int  # of a tap, in one group
    panel: int  # its width
    vector: int


class Job(NamedTuple):
    """All that the kernel needs to know besides the numbers."""

    plan: Plan
    taps: Array  # (2, taps): where each reads, relative to a pixel, and where in a panel its weights are
    order: Array  # (taps of the weight,): as they follow each other in a panel
    pieces: Array  # (pieces, fields of a Piece)


@functools.lru_cache(maxsize=1024)
def prepare(
    shape: tuple[int, int, int, int],
    strides: tuple[int, int, int],
    size: Pair,
    columns: int,
    window: Window,
    groups: int,
    transposed: bool,
    itemsize: int,
    threads: int,
) -> Job:
    """The job for images of ``shape`` and ``strides`` (in numbers), a result of ``size`` and ``columns`` a group."""
    N, H, W, C = shape
    phases = [_phases(window, axis, size[axis], transposed) for axis in (0, 1)]
    stride, step = ((1, 1), window.stride) if transposed else (window.stride, (1, 1))
    before, read = _reach(phases, stride, step, size)
    has_border = before != (0, 0) or read[0] > H or read[1] > W
    row, pixel = (read[1] * C, C) if has_border else strides[1:]
    depth, vector = C // groups, lanes(itemsize)
    panel = vector * (1 if columns <= vector else 2)
    span = max((p.source[-1] + before[0] + 1 for p in phases[0] if p.source), default=1)
    fitting = (_BLOCK_BYTES // max(1, row * itemsize) - span) // stride[0] + 1
    lines = max(1, min(fitting, -(N * -(size[0] // -step[0]) // -(4 * threads))))
    plan = Plan(
        *strides, *before, read[1], span, has_border, row, pixel, *stride, *step, lines, depth, panel, vector
    )  # fmt: skip
    taps, order, pieces = _table(phases, plan, window.kernel_size[1], groups == 1 and pixel == C, itemsize)
    return Job(
        plan, np.array(taps, np.int64).reshape(-1, 2).T.copy(), np.array(order, np.int64), np.array(pieces, np.int64)
    )


def _phases(window: Window, axis: int, size: int, transposed: bool) -> list[Phase]:
    """The phases of one axis, their taps ascending in the image that is read."""
    kernel, stride, padding, dilation = (pair[axis] for pair in window)
    if not transposed:
        return [Phase(0, list(range(kernel)), [r * dilation - padding for r in range(kernel)])]
    phases = []
    for first in range(min(stride, size)):
        reach = [r for r in range(kernel) if (first + padding - r * dilation) % stride == 0]
        reach.reverse()  # later taps read earlier pixels
        phases.append(Phase(first, reach, [(first + padding - r * dilation) // stride for r in reach]))
    return phases


def _reach(phases: list[list[Phase]], stride: Pair, step: Pair, out: Pair) -> tuple[Pair, Pair]:
    """Rows and columns that are read before the image begins, and how many in all, from there."""
    before, needed = [], []
    for axis in (0, 1):
        lowest = min((p.source[0] for p in phases[axis] if p.source), default=0)
        last = [p.source[-1] + (out[axis] - 1 - p.first) // step[axis] * stride[axis] for p in phases[axis] if p.source]
        before.append(max(0, -lowest))
        # At least all that lies before the image: padding may be so wide that nothing inside is read.
        needed.append(max(max(last, default=0), -1) + 1 + before[axis])
    return (before[0], before[1]), (needed[0], needed[1])


def _table(
    phases: list[list[Phase]], plan: Plan, kernel_columns: int, mergeable: bool, itemsize: int
) -> tuple[list[Pair], list[int], list[Piece]]:
    """Where each tap reads and its weights are; the order of taps in a panel; the pieces of all phases."""
    taps: list[Pair] = []
    order: list[int] = []
    pieces: list[Piece] = []
    for rows in phases[0]:
        for columns in phases[1]:
            merged = mergeable and _is_run(columns.source)
            begin, length = len(taps), plan.depth * (len(columns.taps) if merged else 1)
            for r, i in zip(rows.taps, rows.source, strict=True):
                for t, j in zip(columns.taps, columns.source, strict=True):
                    if not merged or t == columns.taps[0]:
                        at = (i + plan.before_rows) * plan.row + (j + plan.before_columns) * plan.pixel
                        taps.append((at, len(order) * plan.depth * plan.panel))
                    order.append(r * kernel_columns + t)
            pieces += _cut(begin, len(taps), length, plan.panel * itemsize, rows.first, columns.first)
    return taps, order, pieces


def _is_run(source: list[int]) -> bool:
    """Whether the taps read neighbouring pixels."""
    return all(b - a == 1 for a, b in itertools.pairwise(source))


def _cut(begin: int, end: int, depth: int, row_bytes: int, top: int, left: int) -> list[Piece]:
    """A phase's taps in pieces of at most `_PIECE_BYTES`: of several taps, or of one tap's depth."""
    together = max(1, _PIECE_BYTES // max(1, depth * row_bytes))
    shares = -(depth * row_bytes // -_PIECE_BYTES) if together == 1 else 1
    share = -(depth // -max(1, shares))
    cuts = [
        (first, min(first + together, end), min(share, depth - shift), shift)
        for first in range(begin, end, together)
        for shift in range(0, depth, share)
    ] or [(begin, begin, 0, 0)]  # no tap reaches these pixels: they are the bias
    return [Piece(*cut, i == 0, i == len(cuts) - 1, top, left) for i, cut in enumerate(cuts)]
