"""Convolution as its definition says, and its adjoint in the image: any geometry, no im2col, on the one micro-kernel.

For one row of the result, neighbouring pixels are rows of the product, the rows of the kernel its batch, their columns
and the input channels its depth (they lie side by side in memory), a panel of output channels its columns:

    y[n, i, j, k] = Σ_r Σ_(t,c)  x[n, i·s + r·d, j·s + t·d, c] · w[r, t, c, k]

*Adjoint in x* (transposed convolution). Pixel (i, j) of the image receives from the taps for which i + p − r·d is a
multiple of s, and likewise in j. Those are the same for all pixels with the same (i mod s, j mod s): s² *phases*, each
a convolution of stride 1 with some of the taps, whose results interlace. No zeros are multiplied, nothing is scattered.

*Cost.* One multiplication a tap, pair of channels and result. A few rows of the image stay in the second-level cache
while all panels pass; the image is copied into a zero border if there is padding, the weight into panels.
"""

import itertools
from typing import NamedTuple

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.brgemm import brgemm1, brgemm2, brgemm_part
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import contiguous, empty
from minifcn.kernels.cpu.simd import lanes
from minifcn.kernels.cpu.threads import get_num_threads
from minifcn.kernels.shapes import Pair, Window

_BLOCK_BYTES = 2**18  # input rows that one task keeps in the second-level cache while it goes through the panels
_LEAST_PIXELS = 56  # in a row of the product; shorter rows are joined where geometry allows


class Phase(NamedTuple):
    """Pixels first, first + step, ... of the result, on one axis: the taps that reach them, ascending in the image."""

    first: int
    taps: list[int]
    source: list[int]  # where each tap reads for the first pixel, relative to the image; maybe outside


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
    depth = x.shape[3] // groups
    before, after = _reach(phases, stride, step, x.shape[1:3], out.shape[1:3])
    padded = with_border(x, before, after)
    width, C = padded.shape[2:]
    taps: list[Pair] = []
    order: list[int] = []
    table: list[tuple[int, ...]] = []
    for rows in phases[0]:
        for columns in phases[1]:
            begin, merged = len(taps), _is_run(columns.source) and groups == 1
            for r, i in zip(rows.taps, rows.source, strict=True):
                for t, j in zip(columns.taps, columns.source, strict=True):
                    if not merged or t == columns.taps[0]:
                        taps.append((((i + before[0]) * width + j + before[1]) * C, len(order)))
                    order.append(r * weight.shape[1] + t)
            length = depth * len(columns.taps) if merged else depth
            table.append((begin, len(taps), length, rows.first, columns.first))
    panels = _pack(weight.reshape(-1, *weight.shape[2:]), np.array(order, np.int64), groups, transposed)
    offsets = np.array(taps, np.int64).reshape(-1, 2)
    offsets[:, 1] *= depth * panels.shape[3]
    lines = -(out.shape[1] // -step[0])
    block = max(
        1,
        min(_BLOCK_BYTES // max(1, stride[0] * width * C * x.itemsize), -(len(x) * lines // -(4 * get_num_threads()))),
    )
    geometry = (block, stride[0] * width * C, stride[1] * C, step[0], step[1], depth, lanes(x.itemsize))
    _correlate_rows(
        padded.reshape(len(x), -1), offsets[:, 0].copy(), offsets[:, 1].copy(), np.array(table, np.int64),
        panels.reshape(*panels.shape[:2], -1), panels.shape[3],
        np.empty(0, out.dtype) if bias is None else contiguous(bias), relu, out.reshape(-1), out, geometry,
    )  # fmt: skip


def _is_run(source: list[int]) -> bool:
    """Whether the taps read neighbouring pixels."""
    return all(b - a == 1 for a, b in itertools.pairwise(source))


def _reach(
    phases: list[list[Phase]], stride: Pair, step: Pair, size: Pair, out: Pair
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns that are read before the image begins, and the size that is read, from there."""
    before, needed = [], []
    for axis in (0, 1):
        lowest = min((p.source[0] for p in phases[axis] if p.source), default=0)
        last = [p.source[-1] + (out[axis] - 1 - p.first) // step[axis] * stride[axis] for p in phases[axis] if p.source]
        before.append(max(0, -lowest))
        needed.append(max(last, default=0) + 1 + before[axis])
    return (before[0], before[1]), (needed[0], needed[1])


def with_border(x: Array, before: Pair, size: Pair) -> Array:
    """(N, H, W, C) -> contiguous (N, *size, C) that begins ``before`` the image, zero outside; x itself if possible."""
    N, H, W, C = x.shape
    x = contiguous(x)
    if before == (0, 0) and size[0] <= H and size[1] <= W:
        return x
    padded = empty((N, *size, C), x.dtype)
    # A row's pixels lie side by side: rows are copied as runs of W · C numbers.
    _copy_inside(x.reshape(N, H, W * C), before[0], before[1] * C, padded.reshape(N, size[0], size[1] * C))
    return padded


def _pack(weight: Array, order: Array, groups: int, transposed: bool) -> Array:
    """(taps, C / groups, K) -> (groups, panels, taps in ``order`` · depth, width): whole panels, the last one padded.

    Columns are the output channels of a group and the depth its input channels; ``transposed``, the other way round.
    """
    taps, channels, K = weight.shape
    depth, columns = (K // groups, channels) if transposed else (channels, K // groups)
    width = lanes(weight.itemsize) * (1 if columns <= lanes(weight.itemsize) else 2)
    panels = empty((groups, -(columns // -width), len(order), depth, width), weight.dtype)
    _copy_panels(contiguous(weight).reshape(taps, channels, groups, K // groups), order, transposed, panels)
    return panels.reshape(groups, panels.shape[1], -1, width)


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
    image: Array,  # (N, numbers), with its border
    offset_a: Array,  # (taps,): where each tap reads, relative to a pixel
    offset_b: Array,  # (taps,): where in a panel its weights are
    phases: Array,  # (phases, 5): first and last tap, depth, first row, first column
    panels: Array,  # (groups, panels, numbers)
    width: int,  # of a panel
    bias: Array,  # (channels,) or (0,)
    relu: bool,
    flat: Array,  # the same memory as out
    out: Array,  # (N, H, W, channels)
    geometry: tuple[int, ...],
) -> None:
    block, row_step, pixel_step, row_out, pixel_out, depth, vector = geometry
    N, H, W, channels = out.shape
    groups, count, _ = panels.shape
    columns = channels // groups
    lines = (H + row_out - 1) // row_out
    # A few rows at a time, panel after panel: the rows stay in the second-level cache, and each panel is read once for
    # all of them. An image of few rows would leave threads idle; then panels are shared out too.
    blocks = (lines + block - 1) // block
    shares = min(count, max(1, 8 // max(1, N * blocks)))
    for task in prange(N * blocks * shares):
        n, begin, share = task // (blocks * shares), task // shares % blocks * block, task % shares
        for f in range(len(phases)):
            first_tap, last_tap, length, top, left = phases[f]
            a, b = offset_a[first_tap:last_tap], offset_b[first_tap:last_tap]
            pixels = (W - left + pixel_out - 1) // pixel_out
            for g in range(groups):
                for p in range(share, count, shares):
                    column = g * columns + p * width
                    here = min(width, columns - p * width)
                    for i in range(begin, min(begin + block, (H - top + row_out - 1) // row_out)):
                        to = ((n * H + top + i * row_out) * W + left) * channels + column
                        _panel(
                            pixels, length, image[n], i * row_step + g * depth, a, pixel_step, panels[g, p], b, width,
                            flat, to, pixel_out * channels, bias, column, here, relu, vector,
                        )  # fmt: skip


@helper
def _panel(
    pixels: int, depth: int, image: Array, start: int, a: Array, pixel_step: int, panel: Array, b: Array, width: int,
    out: Array, to: int, row: int, bias: Array, column: int, here: int, relu: bool, vector: int,
) -> None:  # fmt: skip
    """One row of the result, ``here`` of its channels: two vectors, or one, or a part of one, at a time."""
    add = bias.size > 0
    if here == 2 * vector:
        brgemm2(
            pixels, depth, image, start, a, pixel_step, 1, panel, 0, b, width,
            out, to, row, bias, column, 0, add, relu, 0,
        )  # fmt: skip
        return
    for j in range(0, here, vector):
        if here - j >= vector:
            brgemm1(
                pixels, depth, image, start, a, pixel_step, 1, panel, j, b, width,
                out, to + j, row, bias, column + j, 0, add, relu, 0,
            )  # fmt: skip
        else:
            brgemm_part(
                pixels, depth, image, start, a, pixel_step, 1, panel, j, b, width,
                out, to + j, row, bias, column + j, 0, add, relu, here - j,
            )  # fmt: skip
