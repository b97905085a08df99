"""Convolution as its definition says, and its adjoint in the image: any geometry, no im2col, on the one micro-kernel.

For one row of the result, neighbouring pixels are rows of the product, the rows of the kernel its batch, their columns
and the input channels its depth (they lie side by side in memory), a panel of output channels its columns:

    y[n, i, j, k] = Σ_r Σ_(t,c)  x[n, i·s + r·d, j·s + t·d, c] · w[r, t, c, k]

*Adjoint in x* (transposed convolution). Pixel (i, j) of the image receives from the taps for which i + p − r·d is a
multiple of s, and likewise in j. Those are the same for all pixels with the same (i mod s, j mod s): s² *phases*, each
a convolution of stride 1 with some of the taps, whose results interlace. No zeros are multiplied, nothing is scattered.

*Cost.* One multiplication a tap, pair of channels and result. A thread takes a few rows of the result. If the image has
a border, it copies the rows that those read into memory of its own, with zeros around; they stay in the second-level
cache while all panels pass. A panel passes in *pieces* that stay in the first-level cache while all the rows use them.
"""

import itertools
from typing import NamedTuple

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.brgemm import brgemm1, brgemm2, brgemm_part
from minifcn.kernels.cpu.conv.blocks import pixelwise
from minifcn.kernels.cpu.copying import contiguous, copy_numbers, memory_of
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty
from minifcn.kernels.cpu.simd import lanes
from minifcn.kernels.cpu.threads import get_num_threads
from minifcn.kernels.shapes import Pair, Window

_BLOCK_BYTES = 2**18  # input rows that one task keeps in the second-level cache while it goes through the panels
_PIECE_BYTES = 24 * 2**10  # of a panel: half of a first-level cache
_LEAST_PIXELS = 56  # in a row of the product; shorter rows are joined where geometry allows


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


def direct(x: Array, weight: Array, bias: Array | None, window: Window, groups: int, size: Pair, relu: bool) -> Array:
    """(N, H, W, C) and (kh, kw, C / groups, K) -> (N, *size, K)."""
    phases = [
        [Phase(0, list(range(k)), [r * d - p for r in range(k)])]
        for k, d, p in zip(window.kernel_size, window.dilation, window.padding, strict=True)
    ]
    y = empty((x.shape[0], *size, weight.shape[3]), x.dtype)
    x, out = (_joined(x), _joined(y)) if _is_pointwise(window) else (x, y)
    _correlate(x, weight, bias, phases, window.stride, (1, 1), groups, False, relu, out)
    return y


def direct_transposed(
    y: Array, weight: Array, bias: Array | None, window: Window, groups: int, size: Pair, relu: bool
) -> Array:
    """(N, P, Q, K) and (kh, kw, C / groups, K) -> (N, *size, C)."""
    x = empty((y.shape[0], *size, weight.shape[2] * groups), y.dtype)
    phases = [_phases(window, axis, size[axis]) for axis in (0, 1)]
    y, out = (_joined(y), _joined(x)) if _is_pointwise(window) else (y, x)
    _correlate(y, weight, bias, phases, (1, 1), window.stride, groups, True, relu, out)
    return x


# --- what is prepared in Python --------------------------------------------------------------------------------------


def _is_pointwise(window: Window) -> bool:
    return window == Window((1, 1), dilation=window.dilation)


def _joined(x: Array) -> Array:
    """Rows of a contiguous image joined, two or more to one, until they are long enough for the micro-kernel."""
    N, H, W, C = x.shape
    many = next((m for m in range(1, H + 1) if H % m == 0 and m * W >= _LEAST_PIXELS), H)
    return contiguous(x).reshape(N, H // many, many * W, C)


def _phases(window: Window, axis: int, size: int) -> list[Phase]:
    """For each first position below the stride: the taps that reach it, and where in y they read."""
    stride, padding, dilation = window.stride[axis], window.padding[axis], window.dilation[axis]
    phases = []
    for first in range(min(stride, size)):
        reach = [r for r in range(window.kernel_size[axis]) if (first + padding - r * dilation) % stride == 0]
        reach.reverse()  # later taps read earlier pixels
        phases.append(Phase(first, reach, [(first + padding - r * dilation) // stride for r in reach]))
    return phases


def _correlate(
    x: Array,
    weight: Array,
    bias: Array | None,
    phases: list[list[Phase]],
    stride: Pair,
    step: Pair,
    groups: int,
    transposed: bool,
    relu: bool,
    out: Array,
) -> None:
    """out[:, first::step], both axes, for every phase: the correlation of x with the phase's taps, ``stride`` apart."""
    x = pixelwise(x)
    N, H, W, C = x.shape
    depth, vector = C // groups, lanes(x.itemsize)
    before, size = _reach(phases, stride, step, out.shape[1:3])
    span = max((p.source[-1] + before[0] + 1 for p in phases[0] if p.source), default=1)
    has_border = before != (0, 0) or size[0] > H or size[1] > W
    strides = [s // x.itemsize for s in x.strides[:3]]
    row, pixel = (size[1] * C, C) if has_border else strides[1:]
    columns = weight.shape[2] if transposed else weight.shape[3] // groups
    panel = vector * (1 if columns <= vector else 2)
    mergeable = groups == 1 and pixel == C
    taps, order, pieces = _table(phases, before, row, pixel, depth, mergeable, panel, weight.shape[1], x.itemsize)
    panels = _pack(weight.reshape(-1, *weight.shape[2:]), np.array(order, np.int64), groups, panel, transposed)
    threads = get_num_threads()
    count = -(out.shape[1] // -step[0])
    fitting = (_BLOCK_BYTES // (row * x.itemsize) - span) // stride[0] + 1
    lines = max(1, min(fitting, -(N * count // -(4 * threads))))
    plan = Plan(
        *strides, *before, size[1], span, has_border, row, pixel, *stride, *step, lines, depth, panel, vector
    )  # fmt: skip
    room = empty((threads, ((lines - 1) * stride[0] + span) * row if has_border else 0), x.dtype)
    _correlate_rows(
        memory_of(x), x.shape, np.array(taps, np.int64).reshape(-1, 2).T.copy(), np.array(pieces, np.int64), panels,
        np.empty(0, out.dtype) if bias is None else contiguous(bias), relu, out.reshape(-1), out, plan, room,
    )  # fmt: skip


def _table(
    phases: list[list[Phase]],
    before: Pair,
    row: int,
    pixel: int,
    depth: int,
    mergeable: bool,
    panel: int,
    kernel_columns: int,
    itemsize: int,
) -> tuple[list[Pair], list[int], list[Piece]]:
    """Where each tap reads and its weights are; the order of taps in a panel; the pieces of all phases.

    Taps of a row that read neighbouring pixels are one tap of as many times the depth.
    """
    taps: list[Pair] = []
    order: list[int] = []
    pieces: list[Piece] = []
    for rows in phases[0]:
        for columns in phases[1]:
            merged = mergeable and _is_run(columns.source)
            begin, length = len(taps), depth * len(columns.taps) if merged else depth
            for r, i in zip(rows.taps, rows.source, strict=True):
                for t, j in zip(columns.taps, columns.source, strict=True):
                    if not merged or t == columns.taps[0]:
                        at = (i + before[0]) * row + (j + before[1]) * pixel
                        taps.append((at, len(order) * depth * panel))
                    order.append(r * kernel_columns + t)
            pieces += _cut(begin, len(taps), length, panel * itemsize, rows.first, columns.first)
    return taps, order, pieces


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


def _is_run(source: list[int]) -> bool:
    """Whether the taps read neighbouring pixels."""
    return all(b - a == 1 for a, b in itertools.pairwise(source))


def _reach(phases: list[list[Phase]], stride: Pair, step: Pair, out: Pair) -> tuple[Pair, Pair]:
    """Rows and columns that are read before the image begins, and how many in all, from there."""
    before, needed = [], []
    for axis in (0, 1):
        lowest = min((p.source[0] for p in phases[axis] if p.source), default=0)
        last = [p.source[-1] + (out[axis] - 1 - p.first) // step[axis] * stride[axis] for p in phases[axis] if p.source]
        before.append(max(0, -lowest))
        needed.append(max(last, default=0) + 1 + before[axis])
    return (before[0], before[1]), (needed[0], needed[1])


def with_border(x: Array, before: Pair, size: Pair) -> Array:
    """(N, H, W, C) -> (N, *size, C) that begins ``before`` the image, zero outside; x itself if that will do."""
    N, H, W, C = x.shape
    if before == (0, 0) and size[0] <= H and size[1] <= W:
        return pixelwise(x)
    x = contiguous(x)
    padded = empty((N, *size, C), x.dtype)
    # A row's pixels lie side by side: rows are copied as runs of W · C numbers.
    _copy_inside(x.reshape(N, H, W * C), before[0], before[1] * C, padded.reshape(N, size[0], size[1] * C))
    return padded


def _pack(weight: Array, order: Array, groups: int, panel: int, transposed: bool) -> Array:
    """(taps, C / groups, K) -> (groups, panels, taps in ``order`` · depth · width): whole panels, the last one padded.

    Columns are the output channels of a group and the depth its input channels; ``transposed``, the other way round.
    """
    taps, channels, K = weight.shape
    depth, columns = (K // groups, channels) if transposed else (channels, K // groups)
    panels = empty((groups, -(columns // -panel), len(order), depth, panel), weight.dtype)
    _copy_panels(contiguous(weight).reshape(taps, channels, groups, K // groups), order, transposed, panels)
    return panels.reshape(*panels.shape[:2], -1)


# --- what is compiled ------------------------------------------------------------------------------------------------


@kernel
def _copy_inside(x: Array, top: int, left: int, padded: Array) -> None:
    _, height, length = x.shape
    N, rows, padded_length = padded.shape
    begin, end = left, min(left + length, padded_length)
    for task in prange(N * rows):
        n, i = task // rows, task % rows
        row = padded[n, i]
        if i < top or i >= top + height or begin >= end:
            row[:] = 0.0
            continue
        row[:begin] = 0.0
        row[begin:end] = x[n, i - top, : end - begin]
        row[end:] = 0.0


@kernel
def _copy_panels(weight: Array, order: Array, transposed: bool, panels: Array) -> None:
    groups, count, taps, depth, width = panels.shape
    columns = weight.shape[1] if transposed else weight.shape[3]
    for task in prange(groups * count * taps):
        g, p, tap = task // (count * taps), task // taps % count, task % taps
        panel, source = panels[g, p, tap], weight[order[tap]]
        here = min(width, columns - p * width)
        if here < width:
            panel[:] = 0.0
        if transposed:
            for j in range(here):
                for k in range(depth):
                    panel[k, j] = source[p * width + j, g, k]
        else:
            for k in range(depth):
                for j in range(here):
                    panel[k, j] = source[k, g, p * width + j]


@kernel
def _correlate_rows(
    x: Array,  # its memory
    shape: tuple[int, int, int, int],
    taps: Array,  # (2, taps): where each reads, relative to a pixel, and where in a panel its weights are
    pieces: Array,  # (pieces, fields of a Piece)
    panels: Array,  # (groups, panels, numbers)
    bias: Array,  # (channels,) or (0,)
    relu: bool,
    flat: Array,  # the same memory as out
    out: Array,  # (N, P, Q, channels)
    plan: Plan,
    room: Array,  # (threads, numbers)
) -> None:
    N, P, Q, channels = out.shape
    groups, count, _ = panels.shape
    columns, threads = channels // groups, len(room)
    blocks = ((P + plan.row_step - 1) // plan.row_step + plan.lines - 1) // plan.lines
    shares = min(count, max(1, 8 // max(1, N * blocks)))  # few rows would leave threads idle: panels are shared out
    for thread in prange(threads):
        for task in range(thread, N * blocks * shares, threads):
            n, begin, share = task // (blocks * shares), task // shares % blocks * plan.lines, task % shares
            image, start = x, n * plan.image_x + begin * plan.row_stride * plan.row
            if plan.has_border:
                image, start = room[thread], 0
                _copy_rows(x, shape, n, plan, begin * plan.row_stride - plan.before_rows, image)
            for g in range(groups):
                for p in range(share, count, shares):
                    column = g * columns + p * plan.panel
                    for f in range(len(pieces)):
                        first, last, depth, shift, begins, ends, top, left = pieces[f]
                        for i in range(begin, min(begin + plan.lines, (P - top + plan.row_step - 1) // plan.row_step)):
                            at = start + (i - begin) * plan.row_stride * plan.row
                            to = ((n * P + top + i * plan.row_step) * Q + left) * channels + column
                            _multiply(
                                (Q - left + plan.column_step - 1) // plan.column_step, depth, image,
                                at + g * plan.depth + shift, taps[0, first:last], plan.column_stride * plan.pixel,
                                panels[g, p], shift * plan.panel, taps[1, first:last], flat, to,
                                plan.column_step * channels, bias, column, min(plan.panel, columns - p * plan.panel),
                                begins != 0, relu and ends != 0, plan.panel, plan.vector,
                            )  # fmt: skip


@helper
def _copy_rows(x: Array, shape: tuple[int, int, int, int], n: int, plan: Plan, top: int, room: Array) -> None:
    """The rows that a task reads, from row ``top`` of the image on, zero outside."""
    _, height, width, channels = shape
    left = plan.before_columns * channels
    inside = min(width, plan.width - plan.before_columns)
    for i in range((plan.lines - 1) * plan.row_stride + plan.span):
        to = i * plan.row
        if 0 <= top + i < height:
            at = n * plan.image_x + (top + i) * plan.row_x
            room[to : to + left] = 0.0
            if plan.pixel_x == channels:
                copy_numbers(x, at, inside * channels, plan.vector, room, to + left)
            else:
                for j in range(inside):
                    copy_numbers(x, at + j * plan.pixel_x, channels, plan.vector, room, to + left + j * channels)
            room[to + left + inside * channels : to + plan.row] = 0.0
        else:
            room[to : to + plan.row] = 0.0


@helper
def _multiply(
    pixels: int, depth: int, image: Array, start: int, a: Array, pixel: int, panel: Array, start_b: int, b: Array,
    out: Array, to: int, row: int, bias: Array, column: int, here: int, begins: bool, relu: bool, width: int,
    vector: int,
) -> None:  # fmt: skip
    """One row of the result, ``here`` of its channels: two vectors, or one, or a part of one, at a time."""
    # The sums start from the bias, from zero, or from what earlier pieces left.
    add, source, at, step = bias.size > 0, bias, column, 0
    if not begins:
        add, source, at, step = True, out, to, row
    if here == 2 * vector:
        brgemm2(
            pixels, depth, image, start, a, pixel, 1, panel, start_b, b, width,
            out, to, row, source, at, step, add, relu, 0,
        )  # fmt: skip
        return
    for j in range(0, here, vector):
        if here - j >= vector:
            brgemm1(
                pixels, depth, image, start, a, pixel, 1, panel, start_b + j, b, width,
                out, to + j, row, source, at + j, step, add, relu, 0,
            )  # fmt: skip
        else:
            brgemm_part(
                pixels, depth, image, start, a, pixel, 1, panel, start_b + j, b, width,
                out, to + j, row, source, at + j, step, add, relu, here - j,
            )  # fmt: skip
