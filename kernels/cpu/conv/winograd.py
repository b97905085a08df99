"""Convolution by Winograd's algorithm, F(4×4, 3×3): 3 × 3 kernels of stride 1, and their adjoint in the image.

The padded image is cut into tiles of 6 × 6 that overlap by two rows and columns; each gives a 4 × 4 tile of the result.
With the matrices of `transforms`, for every tile and each of its 36 places p,

    V_p[tile, c] = (Bᵀ d B)_p,   U_p[c, k] = (G w Gᵀ)_p,   M_p = V_p U_p  (a product of matrices),   Y = Aᵀ M A.

*Cost.* 36 multiplications for a tile, a pair of channels and 16 results: a quarter of the direct sum's 144. Beside the
36 K / 32 cycles that the products of a tile and an input channel take (two vectors of 16 numbers a cycle), its
transform takes some 12 to 20, mostly to move 36 numbers through the caches; an output channel likewise.

*Order.* A block of U (up to 128 input channels times 64 outputs) stays in the second-level cache while tiles stream
past, 28 at a time (24 with AVX2): V and M never leave that cache. More input channels come in further rounds, which
add to Y. So the image is read K / 64 times and the weight once. A thread takes a block of outputs, or of tiles if
outputs are few.

*Accuracy.* The matrices' entries reach 8 and their sums cancel: errors are two to six times those of the direct sum
(figures by depth in ARCHITECTURE.md, bounds in tests/kernels/test_winograd.py). An infinity or NaN makes NaN of all
sixteen results of a tile, where the direct sum spoils the nine that read it.

*Adjoint in the image.* It is the same convolution with the kernel turned by 180°, its channels exchanged, and 2 − p
pixels of padding.

Lavin & Gray 2016 (doi 10.1109/CVPR.2016.435); one micro-kernel below everything as in Georganas et al. 2020.
"""

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.brgemm import brgemm1, brgemm2
from minifcn.kernels.cpu.conv.blocks import even_block, pixelwise, whole_vectors
from minifcn.kernels.cpu.conv.tiles import GAP, TILES, Tiling, count_tiles, place, read_input
from minifcn.kernels.cpu.conv.transforms import transform_output, transform_weight
from minifcn.kernels.cpu.copying import contiguous, copy_numbers, memory_of
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty
from minifcn.kernels.cpu.simd import lanes, load, load_first, prefetch
from minifcn.kernels.cpu.threads import get_num_threads
from minifcn.kernels.shapes import Pair

#: Channels of a block of U: with the V and M of 28 tiles, 2 MB in float32.
_MOST_INPUTS, _MOST_OUTPUTS = 128, 64


def winograd(
    x: Array, weight: Array, bias: Array | None, padding: Pair, size: Pair, relu: bool, transposed: bool = False
) -> Array:
    """(N, H, W, C) and (3, 3, C, K) -> (N, *size, K); ``transposed``, (N, P, Q, K) -> (N, *size, C)."""
    C, K = (weight.shape[3], weight.shape[2]) if transposed else weight.shape[2:]
    x, y = pixelwise(x), empty((x.shape[0], *size, K), x.dtype)
    vector = lanes(x.itemsize)
    tiling = Tiling.of(x, y, padding, even_block(C, _MOST_INPUTS), even_block(K, _MOST_OUTPUTS), vector)
    threads, blocks = get_num_threads(), -(K // -tiling.block_k)
    parts = 1 if blocks % threads == 0 else threads
    sizes = workspace(C, K, vector)
    room = empty((threads, sum(sizes)), x.dtype)
    bias = np.zeros(K, x.dtype) if bias is None else contiguous(bias)
    _winograd(
        memory_of(x), contiguous(weight).reshape(-1), bias, memory_of(y), tiling, relu, transposed, parts, room, sizes
    )
    return y


def workspace(C: int, K: int, vector: int) -> tuple[int, int, int, int, int]:
    """Numbers that a thread needs: for U, V, M, a patch and a block of weights."""
    c, k = (-(even_block(n, most) // -vector) * vector for n, most in ((C, _MOST_INPUTS), (K, _MOST_OUTPUTS)))
    return 36 * (c * k + GAP), 36 * (TILES * c + GAP), 36 * (TILES * k + GAP), 36 * max(c, k), 9 * c * k


@kernel
def _winograd(
    x: Array, weight: Array, bias: Array, y: Array, tiling: Tiling, relu: bool, transposed: bool, parts: int,
    room: Array, sizes: tuple[int, int, int, int, int],
) -> None:  # fmt: skip
    threads = len(room)
    k_blocks = (tiling.outputs + tiling.block_k - 1) // tiling.block_k
    tiles = count_tiles(tiling)
    for thread in prange(threads):
        size_u, size_v, size_m, size_patch, _ = sizes
        u, room_v = room[thread, :size_u], room[thread, size_u:]
        v, room_m = room_v[:size_v], room_v[size_v:]
        m, patch, turned = room_m[:size_m], room_m[size_m : size_m + size_patch], room_m[size_m + size_patch :]
        for task in range(thread, k_blocks * parts, threads):
            part, k = task // k_blocks, task % k_blocks * tiling.block_k
            ks = min(tiling.block_k, tiling.outputs - k)
            begin, end = tiles * part // parts, tiles * (part + 1) // parts
            for c in range(0, tiling.channels, tiling.block_c):
                cs = min(tiling.block_c, tiling.channels - c)
                if transposed:
                    _turn(weight, tiling, c, cs, k, ks, turned)
                    _transform_block(turned, 0, cs * ks, ks, cs, ks, tiling.vector, u)
                else:
                    size = tiling.channels * tiling.outputs
                    _transform_block(weight, c * tiling.outputs + k, size, tiling.outputs, cs, ks, tiling.vector, u)
                wide = whole_vectors(cs, tiling.vector)
                for tile in range(begin, end, TILES):
                    count = min(TILES, end - tile)
                    for t in range(count):
                        read_input(x, tiling, tile + t, c, cs, patch, v, t * wide, TILES * wide + GAP)
                    _multiply(v, u, m, count, cs, ks, tiling.vector)
                    for t in range(count):
                        last = c + cs == tiling.channels
                        _write_output(m, t, bias, tiling, tile + t, k, ks, c == 0, relu and last, patch, y)


@helper
def _turn(weight: Array, tiling: Tiling, c: int, cs: int, k: int, ks: int, turned: Array) -> None:
    """A block of the weight (3, 3, K, C) as (3, 3, C, K), its taps in the other order."""
    for tap in range(9):
        for j in range(ks):
            at, to = (tap * tiling.outputs + k + j) * tiling.channels + c, (8 - tap) * cs * ks + j
            for i in range(cs):
                turned[to + i * ks] = weight[at + i]


@helper
def _transform_block(weight: Array, first: int, tap: int, row: int, cs: int, ks: int, vector: int, u: Array) -> None:
    """U for a block of the weight, from ``first``, with ``tap`` numbers from tap to tap and ``row`` from row to row.

    A place of U falls into panels, as wide as the micro-kernel: (36, panels, cs, two vectors; one in the last, if odd).
    """
    wide = whole_vectors(ks, vector)
    step = wide * cs + GAP
    for i in range(cs):
        at = first + i * row
        for t in range(9):  # rows lie too far apart for the processor to see them coming
            for j in range(0, ks, vector):
                prefetch(weight, at + 4 * row + t * tap + j)
        for j in range(0, ks, vector):
            panel = j // (2 * vector) * 2 * vector
            to = panel * cs + i * min(2 * vector, wide - panel) + j - panel
            if ks - j >= vector:
                transform_weight(weight, at + j, tap, None, u, to, step)
            else:
                transform_weight(weight, at + j, tap, ks - j, u, to, step)


@helper
def _multiply(v: Array, u: Array, m: Array, count: int, cs: int, ks: int, vector: int) -> None:
    """M_p = V_p U_p for the 36 places: (count, cs) times (cs, ks)."""
    wide_c, wide_k = whole_vectors(cs, vector), whole_vectors(ks, vector)
    step_v, step_u, step_m = TILES * wide_c + GAP, wide_k * cs + GAP, TILES * wide_k + GAP
    zero = np.zeros(1, np.int64)
    for p in range(36):
        for j in range(0, wide_k, 2 * vector):
            if wide_k - j >= 2 * vector:
                brgemm2(
                    count, cs, v, p * step_v, zero, wide_c, 1, u, p * step_u + j * cs, zero, 2 * vector,
                    m, p * step_m + j, wide_k, m, 0, 0, False, False, 0,
                )  # fmt: skip
            else:
                brgemm1(
                    count, cs, v, p * step_v, zero, wide_c, 1, u, p * step_u + j * cs, zero, vector,
                    m, p * step_m + j, wide_k, m, 0, 0, False, False, 0,
                )  # fmt: skip


@helper
def _write_output(
    m: Array, t: int, bias: Array, tiling: Tiling, tile: int, k: int, ks: int, first: bool, relu: bool, patch: Array,
    y: Array,
) -> None:  # fmt: skip
    """Y for one tile; what lies beyond the result stays in the patch."""
    n, i, j = place(tiling, tile)
    wide, rest = whole_vectors(ks, tiling.vector), ks % tiling.vector
    step, row, pixel = TILES * wide + GAP, tiling.row_y, tiling.pixel_y
    at = n * tiling.image_y + i * row + j * pixel + k
    rows, columns = min(4, tiling.rows - i), min(4, tiling.columns - j)
    partial = rows < 4 or columns < 4
    target, to, row_t, pixel_t = y, at, row, pixel
    if partial:
        target, to, row_t, pixel_t = patch, 0, 4 * wide, wide
        if not first:
            for r in range(rows):
                for s in range(columns):
                    copy_numbers(y, at + r * row + s * pixel, ks, tiling.vector, patch, (4 * r + s) * wide)
    for q in range(0, ks - rest, tiling.vector):
        add = load(bias, k + q)
        transform_output(m, t * wide + q, step, target, to + q, row_t, pixel_t, None, add, first, relu)
    if rest:
        q = ks - rest
        add = load_first(bias, k + q, rest)
        transform_output(m, t * wide + q, step, target, to + q, row_t, pixel_t, rest, add, first, relu)
    if partial:
        for r in range(rows):
            for s in range(columns):
                copy_numbers(patch, (4 * r + s) * wide, ks, tiling.vector, y, at + r * row + s * pixel)
