"""The gradient to the weight as its definition says: any geometry, on the one micro-kernel.

For one row of the kernel, its columns and the input channels (which lie side by side in memory) are rows of the
product, output channels its columns, rows of the image its batch and their pixels its depth:

    w[r, (t, c), k] = Σ_(n,i) Σ_j  x[n, i·s + r·d, j·s + t·d, c] · y[n, i, j, k]

*Cost.* One multiplication a tap, pair of channels and pixel of y. Image rows fall into as many parts as there are
threads, whose sums are added in order; so the number of threads decides the last bits.
"""

import functools

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.brgemm import brgemm1, brgemm2, brgemm_part
from minifcn.kernels.cpu.conv.blocks import pixelwise
from minifcn.kernels.cpu.conv.direct import with_border
from minifcn.kernels.cpu.copying import memory_of
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty
from minifcn.kernels.cpu.simd import lanes
from minifcn.kernels.cpu.threads import get_num_threads
from minifcn.kernels.shapes import Window

_BLOCK_PIXELS = 192  # of y: as many as, two vectors of channels each, stay in the first-level cache for all rows of w


def direct_weight(x: Array, y: Array, window: Window, groups: int) -> Array:
    """(N, H, W, C) and (N, P, Q, K) -> (kh, kw, C / groups, K)."""
    N, P, Q, K = y.shape
    (kh, kw), stride, padding, dilation = window
    channels = x.shape[3] // groups
    x, y = with_border(x, padding, read_size(window, P, Q)), pixelwise(y)
    strides_x, strides_y = (tuple(s // a.itemsize for s in a.strides[:3]) for a in (x, y))
    merged = dilation[1] == 1 and groups == 1 and strides_x[2] == channels  # a row of the kernel reads one run
    taps, rows_x, rows_y = _offsets(N, P, strides_x, strides_y, window, merged)
    parts = min(get_num_threads(), len(rows_y))
    sums = empty((parts, len(taps), kw * channels if merged else channels, K), x.dtype)
    _correlate_weight(
        memory_of(x), rows_x, taps, strides_x[2] * stride[1], memory_of(y), rows_y, strides_y[2], Q, groups,
        max(1, _BLOCK_PIXELS // Q), lanes(x.itemsize), sums.reshape(-1), sums,
    )  # fmt: skip
    total = sums[0] if parts == 1 else np.add.reduce(sums, axis=0, out=empty(sums.shape[1:], sums.dtype))
    return total.reshape(kh, kw, channels, K)


@functools.lru_cache(maxsize=1024)
def _offsets(
    N: int, P: int, strides_x: tuple[int, ...], strides_y: tuple[int, ...], window: Window, merged: bool
) -> tuple[Array, Array, Array]:
    """Where each tap reads, relative to a pixel; where each row of pixels begins in x, and in y."""
    places = [(r, 0) for r in range(window.kernel_size[0])] if merged else list(np.ndindex(*window.kernel_size))
    taps = [r * window.dilation[0] * strides_x[1] + t * window.dilation[1] * strides_x[2] for r, t in places]
    n, i = (grid.ravel() for grid in np.mgrid[:N, :P])
    return (
        np.array(taps, np.int64),
        n * strides_x[0] + i * window.stride[0] * strides_x[1],
        n * strides_y[0] + i * strides_y[1],
    )


def read_size(window: Window, P: int, Q: int) -> tuple[int, int]:
    """The part of the padded image that the convolution reads."""
    rows, columns = ((n - 1) * s + e for n, s, e in zip((P, Q), window.stride, window.extent, strict=True))
    return rows, columns


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
    groups: int,
    block: int,  # rows at a time
    vector: int,
    flat: Array,  # the same memory as sums
    sums: Array,  # (parts, taps, length, K)
) -> None:
    parts, count, length, K = sums.shape
    rows = row_x.size
    for part in prange(parts):
        first, last = rows * part // parts, rows * (part + 1) // parts
        for begin in range(first, last, block):
            a, b = row_x[begin : min(begin + block, last)], row_y[begin : min(begin + block, last)]
            for t in range(count):
                for g in range(groups):
                    columns = K // groups
                    _tap(
                        length, pixels, image, taps[t] + g * length, a, step_x, y, g * columns, b, step_y,
                        flat, (part * count + t) * length * K + g * columns, K, columns, begin > first, vector,
                    )  # fmt: skip


@helper
def _tap(
    length: int, pixels: int, image: Array, start_a: int, a: Array, step_x: int, y: Array, start_b: int, b: Array,
    step_y: int, sums: Array, to: int, K: int, columns: int, add: bool, vector: int,
) -> None:  # fmt: skip
    """Add to the gradient of one tap of one group what some rows give."""
    j = 0
    while j < columns:
        if columns - j >= 2 * vector:
            brgemm2(
                length, pixels, image, start_a, a, 1, step_x, y, start_b + j, b, step_y,
                sums, to + j, K, sums, to + j, K, add, False, 0,
            )  # fmt: skip
            j += 2 * vector
        elif columns - j >= vector:
            brgemm1(
                length, pixels, image, start_a, a, 1, step_x, y, start_b + j, b, step_y,
                sums, to + j, K, sums, to + j, K, add, False, 0,
            )  # fmt: skip
            j += vector
        else:
            brgemm_part(
                length, pixels, image, start_a, a, 1, step_x, y, start_b + j, b, step_y,
                sums, to + j, K, sums, to + j, K, add, False, columns - j,
            )  # fmt: skip
            j = columns
