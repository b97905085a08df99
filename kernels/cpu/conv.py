"""Convolution and its two adjoints, all on the one micro-kernel of `brgemm`, channels last, no im2col.

*Forward.* For one output row, neighbouring pixels are rows of the product, the taps of the kernel its batch, the input
channels its depth, a panel of output channels its columns:

    y[n, i, j, k] = Σ_(r,t) Σ_c  x[n, i·s + r·d, j·s + t·d, c] · w[r, t, c, k]

*Adjoint in x* (transposed convolution). Output pixel (i, j) receives from the taps for which i + p − r·d is a
multiple of s, and likewise in j. Those are the same for all pixels with the same (i mod s, j mod s): s² *phases*,
each a convolution of stride 1 with some of the taps, whose results interlace. No zeros are multiplied, and nothing is
scattered.

*Adjoint in w.* For one tap, input channels are the rows, output channels the columns, image rows the batch and the
pixels of a row the depth. Image rows fall into as many parts as there are threads; the parts' sums are added in order.

The first two copy their input into a zero border and the weight into panels: both are small beside the arithmetic.
"""

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.brgemm import brgemm1, brgemm2
from minifcn.kernels.cpu.jit import kernel
from minifcn.kernels.cpu.simd import lanes
from minifcn.kernels.cpu.threads import get_num_threads
from minifcn.kernels.shapes import Pair, Window

_ROW_BLOCK_BYTES = 2**18  # input rows that one task keeps in the second-level cache while it goes through the panels


def conv2d(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
) -> Array:
    """(N, H, W, C) -> (N, *output_size, K)."""
    y = np.empty((x.shape[0], *output_size, weight.shape[3]), x.dtype)
    if y.size == 0:
        return y
    extent, stride = window.extent, window.stride
    padded = _with_border(
        x, window.padding, [(n - 1) * s + e for n, s, e in zip(output_size, stride, extent, strict=True)]
    )
    panels = _pack(weight.reshape(-1, *weight.shape[2:]), groups, transposed=False)
    taps = np.array([(r * window.dilation[0], t * window.dilation[1]) for r, t in np.ndindex(*window.kernel_size)])
    _correlate(padded, panels, taps, np.arange(len(taps)), stride, y, (0, 0), (1, 1), _bias_or_none(bias))
    return np.maximum(y, 0.0, out=y) if relu else y


def conv_transpose2d(
    y: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
) -> Array:
    """(N, P, Q, K) -> (N, *output_size, C)."""
    x = np.empty((y.shape[0], *output_size, weight.shape[2] * groups), y.dtype)
    if x.size == 0:
        return x
    panels = _pack(weight.reshape(-1, *weight.shape[2:]), groups, transposed=True)
    phases = [_phase_axis(window, axis, output_size[axis]) for axis in (0, 1)]
    # Input rows and columns that some output pixel asks for: from -before to the last, relative to the image.
    before = [max(0, -min((source.min() for _, _, source in axis if source.size), default=0)) for axis in phases]
    needed = [
        max((source.max() + (size - first - 1) // step for first, _, source in axis if source.size), default=0) + b + 1
        for axis, size, step, b in zip(phases, output_size, window.stride, before, strict=True)
    ]
    padded = _with_border(y, before, needed)
    for top, taps_r, source_r in phases[0]:
        for left, taps_t, source_t in phases[1]:
            taps = np.array([(i + before[0], j + before[1]) for i in source_r for j in source_t], np.int64).reshape(
                -1, 2
            )
            chosen = np.array([r * window.kernel_size[1] + t for r in taps_r for t in taps_t], np.int64)
            _correlate(padded, panels, taps, chosen, (1, 1), x, (top, left), window.stride, _bias_or_none(bias))
    return np.maximum(x, 0.0, out=x) if relu else x


def conv2d_weight(x: Array, y: Array, window: Window, groups: int) -> Array:
    """(N, H, W, C) and (N, P, Q, K) -> (kh, kw, C // groups, K)."""
    N, P, Q, K = y.shape
    channels = x.shape[3] // groups
    shape = (*window.kernel_size, channels, K)
    if x.size == 0 or y.size == 0:
        return np.zeros(shape, x.dtype)
    size = [(n - 1) * s + e for n, s, e in zip((P, Q), window.stride, window.extent, strict=True)]
    padded = _with_border(x, window.padding, size)
    y, K_padded = _with_whole_panels(y, groups)
    _, height, width, C = padded.shape
    taps = np.array([(r * window.dilation[0], t * window.dilation[1]) for r, t in np.ndindex(*window.kernel_size)])
    n, i = (grid.ravel() for grid in np.mgrid[:N, :P])
    row_x = (n * height + i * window.stride[0]) * width * C
    row_y = (n * P + i) * Q * K_padded * groups
    parts = min(get_num_threads(), len(row_x))
    block = max(1, _ROW_BLOCK_BYTES // max(1, Q * (C * window.stride[1] + K_padded * groups) * x.itemsize))
    sums = np.zeros((parts, groups, len(taps), channels, K_padded), x.dtype)
    _correlate_weight(
        padded.reshape(-1), row_x, (taps[:, 0] * width + taps[:, 1]) * C, C * window.stride[1],
        y.reshape(-1), row_y, K_padded * groups, Q, block, lanes(x.itemsize), sums.reshape(-1), sums,
    )  # fmt: skip
    total = sums[0] if parts == 1 else sums.sum(axis=0)  # (groups, taps, channels, K / groups padded)
    total = total[..., : K // groups].transpose(1, 2, 0, 3)  # -> (taps, channels, groups, K / groups)
    return np.ascontiguousarray(total).reshape(shape)


# --- what is prepared in NumPy ---------------------------------------------------------------------------------------


def _with_border(x: Array, before: tuple[int, ...] | list[int], size: list[int]) -> Array:
    """(N, H, W, C) -> contiguous (N, *size, C) that begins ``before`` the image, zero outside; a view if it can be."""
    N, H, W, C = x.shape
    top, left = before
    if top == left == 0 and size[0] <= H and size[1] <= W:
        return np.ascontiguousarray(x)
    padded = np.empty((N, *size, C), x.dtype)
    # A row's pixels lie side by side: rows are copied as runs of W · C numbers.
    _copy_inside(np.ascontiguousarray(x).reshape(N, H, W * C), top, left * C, padded.reshape(N, size[0], size[1] * C))
    return padded


def _pack(weight: Array, groups: int, transposed: bool) -> Array:
    """(taps, C / groups, K) -> (groups, panels, taps, depth, width): columns in whole panels, the last one padded.

    Columns are the output channels of a group and the depth its input channels; ``transposed``, the other way round.
    """
    taps, channels, K = weight.shape
    depth, columns = (K // groups, channels) if transposed else (channels, K // groups)
    width = lanes(weight.itemsize) * (1 if columns <= lanes(weight.itemsize) else 2)
    panels = np.empty((groups, -(columns // -width), taps, depth, width), weight.dtype)
    _copy_panels(weight.reshape(taps, channels, groups, K // groups), transposed, panels)
    return panels


def _with_whole_panels(y: Array, groups: int) -> tuple[Array, int]:
    """(N, P, Q, K) with each group's channels filled up with zeros to whole vectors, and how many a group then has."""
    K = y.shape[3] // groups
    whole = -(K // -lanes(y.itemsize)) * lanes(y.itemsize)
    if whole == K:
        return np.ascontiguousarray(y), K
    filled = np.zeros((*y.shape[:3], groups, whole), y.dtype)
    filled[..., :K] = y.reshape(*y.shape[:3], groups, K)
    return filled, whole


def _phase_axis(window: Window, axis: int, size: int) -> list[tuple[int, list[int], Array]]:
    """For each first output position below the stride: the taps that reach it, and the input that each reads."""
    stride, padding, dilation = window.stride[axis], window.padding[axis], window.dilation[axis]
    phases = []
    for first in range(min(stride, size)):
        taps = [r for r in range(window.kernel_size[axis]) if (first + padding - r * dilation) % stride == 0]
        source = np.array([(first + padding - r * dilation) // stride for r in taps], np.int64)
        phases.append((first, taps, source))
    return phases


def _bias_or_none(bias: Array | None) -> Array | None:
    return None if bias is None else np.ascontiguousarray(bias)


def _correlate(
    padded: Array,
    panels: Array,
    taps: Array,
    chosen: Array,
    stride: Pair,
    out: Array,
    first: Pair,
    step: Pair,
    bias: Array | None,
) -> None:
    """Fill out[:, first::step], both axes, with the correlation of ``padded`` and the ``chosen`` taps of ``panels``.

    ``taps`` are (row, column) positions in the image that corresponds to out[:, first].
    """
    N, height, width, C = padded.shape
    groups, count, _, depth, panel = panels.shape
    rows, columns = (-((out.shape[1 + a] - first[a]) // -step[a]) for a in (0, 1))
    bytes_a_row = max(1, columns * stride[1] * C * stride[0] * padded.itemsize)
    block = max(1, min(_ROW_BLOCK_BYTES // bytes_a_row, -(N * rows // -(4 * get_num_threads()))))
    geometry = np.array(
        [rows, columns, block, height * width * C, stride[0] * width * C, stride[1] * C,
         first[0] * out.shape[2] + first[1], step[0] * out.shape[2], step[1], panel]
    )  # fmt: skip
    _correlate_rows(
        padded.reshape(-1), (taps[:, 0] * width + taps[:, 1]) * C,
        panels.reshape(groups, count, -1), chosen * depth * panel, depth, panel // lanes(out.itemsize),
        out.reshape(N, -1, groups, out.shape[3] // groups), out.reshape(-1),
        np.empty(0, out.dtype) if bias is None else bias, geometry,
    )  # fmt: skip


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
def _copy_panels(weight: Array, transposed: bool, panels: Array) -> None:
    groups, count, taps, depth, width = panels.shape
    columns = weight.shape[1] if transposed else weight.shape[3]
    for task in prange(groups * count * taps):
        g, p, tap = task // (count * taps), task // taps % count, task % taps
        panel = panels[g, p, tap]
        for k in range(depth):
            for j in range(width):
                column = p * width + j
                if column >= columns:
                    panel[k, j] = 0.0
                elif transposed:
                    panel[k, j] = weight[tap, column, g, k]
                else:
                    panel[k, j] = weight[tap, k, g, column]


@kernel
def _correlate_rows(
    image: Array,  # flat, with its border
    offset_a: Array,  # (taps,): where in the image each tap reads, relative to a pixel
    panels: Array,  # (groups, panels, taps · depth · width)
    offset_b: Array,  # (taps,): where in a panel each tap's weights are
    depth: int,
    vectors: int,  # SIMD vectors in a panel's row
    out: Array,  # (N, pixels, groups, columns)
    flat: Array,  # the same memory as out
    bias: Array,  # (groups · columns,) or (0,)
    geometry: Array,
) -> None:
    rows, pixels, block, image_step, row_step, pixel_step, first, out_row, out_pixel, width = geometry
    N, plane, groups, columns = out.shape
    count, channels = panels.shape[1], groups * columns
    # A few rows at a time, panel after panel: the rows stay in the second-level cache, and each panel is read once for
    # all of them. An image of few rows would leave threads idle; then panels are shared out too.
    blocks = -(rows // -block)
    shares = min(count, max(1, 8 // (N * blocks)))
    for task in prange(N * blocks * shares):
        n, begin, share = task // (blocks * shares), task // shares % blocks * block, task % shares
        tile = np.empty(pixels * width, image.dtype)
        for g in range(groups):
            for p in range(share, count, shares):
                column = g * columns + p * width
                here = min(width, columns - p * width)
                for i in range(begin, min(begin + block, rows)):
                    pixel = n * plane + first + i * out_row
                    start_a = n * image_step + i * row_step + g * depth
                    # The last panel may be wider than what is left of the output: it goes to a tile of its own first.
                    direct = here == width
                    c = flat if direct else tile
                    start_c = pixel * channels + column if direct else 0
                    row_c = out_pixel * channels if direct else width
                    if vectors == 1:
                        brgemm1(
                            pixels, depth, image, start_a, offset_a, pixel_step, 1,
                            panels[g, p], 0, offset_b, width, c, start_c, row_c, False,
                        )  # fmt: skip
                    else:
                        brgemm2(
                            pixels, depth, image, start_a, offset_a, pixel_step, 1,
                            panels[g, p], 0, offset_b, width, c, start_c, row_c, False,
                        )  # fmt: skip
                    if not direct:
                        for j in range(pixels):
                            for k in range(here):
                                flat[(pixel + j * out_pixel) * channels + column + k] = tile[j * width + k]
                    if bias.size:
                        for j in range(pixels):
                            for k in range(here):
                                flat[(pixel + j * out_pixel) * channels + column + k] += bias[column + k]


@kernel
def _correlate_weight(
    image: Array,  # flat, with its border
    row_x: Array,  # (rows,): where each image row begins in it
    taps: Array,  # (taps,): where each tap reads, relative to a pixel
    step_x: int,  # between neighbouring pixels
    y: Array,  # flat
    row_y: Array,  # (rows,): where each row begins in it
    step_y: int,
    pixels: int,
    block: int,  # rows at a time, few enough to stay in the second-level cache
    vector: int,  # numbers in a SIMD vector
    flat: Array,  # the same memory as sums
    sums: Array,  # (parts, groups, taps, channels, columns), zeros
) -> None:
    parts, groups, count, channels, columns = sums.shape
    rows = row_x.size
    for part in prange(parts):
        last = rows * (part + 1) // parts
        for begin in range(rows * part // parts, last, block):
            a, b = row_x[begin : min(begin + block, last)], row_y[begin : min(begin + block, last)]
            for task in range(groups * count):
                g, t = task // count, task % count
                start_a, start_c = taps[t] + g * channels, (part * groups * count + task) * channels * columns
                column = 0
                while column < columns:
                    start_b = g * columns + column
                    if columns - column >= 2 * vector:
                        brgemm2(
                            channels, pixels, image, start_a, a, 1, step_x,
                            y, start_b, b, step_y, flat, start_c + column, columns, True,
                        )  # fmt: skip
                        column += 2 * vector
                    else:
                        brgemm1(
                            channels, pixels, image, start_a, a, 1, step_x,
                            y, start_b, b, step_y, flat, start_c + column, columns, True,
                        )  # fmt: skip
                        column += vector
