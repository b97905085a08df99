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

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.brgemm import brgemm1, brgemm2, brgemm_part
from minifcn.kernels.cpu.conv.blocks import pixelwise
from minifcn.kernels.cpu.conv.geometry import Job, Plan, prepare
from minifcn.kernels.cpu.copying import contiguous, copy_numbers, memory_of
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty
from minifcn.kernels.cpu.threads import get_num_threads
from minifcn.kernels.shapes import Pair, Window

_LEAST_PIXELS = 56  # in a row of the product; shorter rows are joined where geometry allows


def direct(x: Array, weight: Array, bias: Array | None, window: Window, groups: int, size: Pair, relu: bool) -> Array:
    """(N, H, W, C) and (kh, kw, C / groups, K) -> (N, *size, K)."""
    y = empty((x.shape[0], *size, weight.shape[3]), x.dtype)
    _correlate(x, weight, bias, window, groups, False, relu, y)
    return y


def direct_transposed(
    y: Array, weight: Array, bias: Array | None, window: Window, groups: int, size: Pair, relu: bool
) -> Array:
    """(N, P, Q, K) and (kh, kw, C / groups, K) -> (N, *size, C)."""
    x = empty((y.shape[0], *size, weight.shape[2] * groups), y.dtype)
    _correlate(y, weight, bias, window, groups, True, relu, x)
    return x


# --- what is prepared in Python --------------------------------------------------------------------------------------


def _correlate(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, transposed: bool, relu: bool, out: Array
) -> None:
    """Fill ``out`` with the convolution of x, or with its adjoint."""
    if window == Window((1, 1), dilation=window.dilation) and x.shape[1:3] == out.shape[1:3]:
        x, out = _joined(x), _joined(out)
    x = pixelwise(x)
    job = job_of(x, weight, out.shape[1:3], window, groups, transposed)
    plan = job.plan
    in_panels, in_room = workspace(job, weight, groups, transposed)
    panels = _pack(weight.reshape(-1, *weight.shape[2:]), job.order, groups, transposed, empty(in_panels, weight.dtype))
    room = empty(in_room, x.dtype)
    bias = np.empty(0, out.dtype) if bias is None else contiguous(bias)
    _correlate_rows(memory_of(x), x.shape, job.taps, job.pieces, panels, bias, relu, out.reshape(-1), out, plan, room)


def job_of(x: Array, weight: Array, size: Pair, window: Window, groups: int, transposed: bool) -> Job:
    """What is to be done for images x, of which nothing but shape and strides is looked at."""
    strides = tuple(s // x.itemsize for s in x.strides[:3])
    columns = weight.shape[2] if transposed else weight.shape[3] // groups
    return prepare(x.shape, strides, size, columns, window, groups, transposed, x.itemsize, get_num_threads())


def workspace(job: Job, weight: Array, groups: int, transposed: bool) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Shapes of what it takes meanwhile: the weight in panels, and rows of the image with a border for each thread."""
    plan, columns = job.plan, weight.shape[2] if transposed else weight.shape[3] // groups
    rows = (plan.lines - 1) * plan.row_stride + plan.span if plan.has_border else 0
    panels = (groups, -(columns // -plan.panel), len(job.order), plan.depth, plan.panel)
    return panels, (get_num_threads(), rows * plan.row)


def _joined(x: Array) -> Array:
    """Rows of a contiguous image joined, two or more to one, until they are long enough for the micro-kernel."""
    N, H, W, C = x.shape
    many = next((m for m in range(1, H + 1) if H % m == 0 and m * W >= _LEAST_PIXELS), H)
    return x if many == 1 else contiguous(x).reshape(N, H // many, many * W, C)


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


def _pack(weight: Array, order: Array, groups: int, transposed: bool, panels: Array) -> Array:
    """(taps, C / groups, K) -> (groups, panels, taps in ``order`` · depth · width): whole panels, the last one padded.

    Columns are the output channels of a group and the depth its input channels; ``transposed``, the other way round.
    """
    taps, channels, K = weight.shape
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
