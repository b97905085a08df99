"""conv2d_weight: the adjoint of a convolution in its weight, as a matrix product.

    w[(r, t, c), k] = Σ_m x[n, i·s + r·d − padding, j·s' + t·d' − padding', c] · y[m, k],   m = (n, i, j)

Rows are the weight's taps and channels, columns its output channels; the contraction runs over all pixels of y, usually
thousands of times as many as there are rows. So it is divided: each share of the pixels gives a weight of its own, and
`shares` adds them in a fixed order. A thread's row of the left operand, hence its tap, never changes; its pixel does.

Both operands lie in memory with the contraction as the slow axis. Ordinary multiplications take any geometry, float32
and float64; tensor cores (see `fragments` for the precisions) float32 and channels in quadruples.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda.conv import ffma
from minifcn.kernels.cuda.conv.fragments import PRECISIONS, Tile, multiplier
from minifcn.kernels.cuda.conv.variant import Variant
from minifcn.kernels.cuda.lang import (
    SIMULATED,
    array_type,
    cp_async16,
    cp_async_commit,
    cp_async_wait,
    cuda,
    device_function,
    f32,
    tuple_type,
    u32,
)
from minifcn.kernels.cuda.launching import Kernel, jit

#: Numbers of a launch: the image's rows, columns, channels, channels of a group; rows and columns of y, its channels,
#: channels of a group; columns of the kernel, strides, padding, dilation; rows of the weight as a matrix, pixels of y;
#: groups, tiles of columns and of rows; slabs to a share.
H, W, C, CG, P, Q, K, KG, KW, SR, SC, PR, PC, DR, DC, M, PIXELS, GROUPS, N_TILES, M_TILES, SLABS = range(21)

#: (BM, BN, BK, TM, TN).
TILES = ((16, 16, 8, 4, 4),) if SIMULATED else ((64, 64, 16, 4, 4), (32, 32, 16, 2, 2), (16, 16, 32, 2, 2))
MMA_TILES: dict[str, tuple[Tile, ...]] = {
    precision: (
        Tile(128, 64, 2, 2, 3, blocks),
        Tile(64, 64, 2, 2, 3, 4),
        Tile(64, 32, 4, 1, 4, 4),
        Tile(64, 16, 4, 1, 4, 4),
    )
    for precision, blocks in (("float32", 2), ("tf32", 3))
}
if SIMULATED:
    MMA_TILES = dict.fromkeys(MMA_TILES, (Tile(32, 16, 1, 1, 2, 1),))
_BK = 16


@device_function
def task(block, sizes):  # type: ignore[no-untyped-def]
    """(tile of columns, tile of rows, group, share) of a block: blocks that start together have the same pixels."""
    rest = u32(block // sizes[N_TILES])
    n_tile = u32(block - u32(rest * sizes[N_TILES]))
    above = u32(rest // sizes[M_TILES])
    m_tile = u32(rest - u32(above * sizes[M_TILES]))
    share = u32(above // sizes[GROUPS])
    return n_tile, m_tile, u32(above - u32(share * sizes[GROUPS])), share


@device_function
def pixel_of(m, sizes):  # type: ignore[no-untyped-def]
    """(image, row, column) of pixel m of y."""
    line = u32(m // sizes[Q])
    n = u32(line // sizes[P])
    return n, u32(line - u32(n * sizes[P])), u32(m - u32(line * sizes[Q]))


@device_function
def moved(n, i, j, step, sizes):  # type: ignore[no-untyped-def]
    """The pixel ``step`` further on."""
    j = u32(j + step)
    while j >= sizes[Q]:
        j = u32(j - sizes[Q])
        i = u32(i + u32(1))
        if i == sizes[P]:
            i = u32(0)
            n = u32(n + u32(1))
    return n, i, j


@device_function
def origin(m, sizes):  # type: ignore[no-untyped-def]
    """(row, column, channel) that row m of the weight reads for pixel (0, 0) of y."""
    tap = u32(m // sizes[CG])
    r = u32(tap // sizes[KW])
    t = u32(tap - u32(r * sizes[KW]))
    row = u32(u32(r * sizes[DR]) - sizes[PR])
    return row, u32(u32(t * sizes[DC]) - sizes[PC]), u32(m - u32(tap * sizes[CG]))


@functools.cache
def variant(tile: tuple[int, int, int, int, int], dtype: np.dtype) -> Variant:
    """The kernel of ordinary multiplications for a tile."""
    BM, BN, BK, TM, TN = tile
    COLUMNS = BN // TN
    T = BM // TM * COLUMNS
    LA, LB = BM + 4, BN + 4
    HALF_A, HALF_B = BK * LA, BK * LB
    SA, SB = 2 * HALF_A, 2 * HALF_B
    A_STEP, B_STEP = max(1, T // BM), max(1, T // BN)
    A_COUNT, B_COUNT = BK // A_STEP, BK // B_STEP
    ACC = TM * TN
    number = dtype.type if SIMULATED else array_type(dtype).dtype

    add_products = ffma.multiplier(tile, dtype)

    @jit(launch_bounds=(T, 2))
    def convolve_weight(x, y, out, sizes):  # type: ignore[no-untyped-def]
        sa = cuda.shared.array(SA, number)
        sb = cuda.shared.array(SB, number)
        acc = cuda.local.array(ACC, number)
        left = cuda.local.array(TM, number)
        right = cuda.local.array(TN, number)
        fetched_a = cuda.local.array(A_COUNT, number)
        fetched_b = cuda.local.array(B_COUNT, number)
        ns = cuda.local.array(A_COUNT, u32)
        rows = cuda.local.array(A_COUNT, u32)
        columns = cuda.local.array(A_COUNT, u32)
        zero = number(0)

        t = u32(cuda.threadIdx.x)
        n_tile, m_tile, group, share = task(u32(cuda.blockIdx.x), sizes)
        m_lane, n_lane = u32(t % u32(BM)), u32(t % u32(BN))
        m = u32(u32(m_tile * u32(BM)) + m_lane)
        n = u32(u32(n_tile * u32(BN)) + n_lane)
        top, start, channel = origin(m, sizes)
        channel = u32(channel + u32(group * sizes[CG]))
        column = u32(n + u32(group * sizes[KG]))
        first = u32(u32(share * sizes[SLABS]) * u32(BK))
        last = min(sizes[PIXELS], u32(first + u32(sizes[SLABS] * u32(BK))))
        for l in range(A_COUNT):
            ns[l], rows[l], columns[l] = pixel_of(u32(first + u32(u32(t // u32(BM)) + u32(l * A_STEP))), sizes)
        for i in range(ACC):
            acc[i] = zero
        half = u32(0)
        for step in range(first, u32(last + u32(BK)), u32(BK)):
            k0 = u32(step)
            if k0 < last:
                for l in range(A_COUNT):
                    p = u32(u32(rows[l] * sizes[SR]) + top)
                    q = u32(u32(columns[l] * sizes[SC]) + start)
                    value = zero
                    inside = m < sizes[M] and u32(k0 + u32(u32(t // u32(BM)) + u32(l * A_STEP))) < last
                    if inside and p < sizes[H] and q < sizes[W]:
                        line = u32(u32(u32(u32(ns[l] * sizes[H]) + p) * sizes[W]) + q)
                        value = x[u32(u32(line * sizes[C]) + channel)]
                    fetched_a[l] = value
                    ns[l], rows[l], columns[l] = moved(ns[l], rows[l], columns[l], u32(BK), sizes)
                for l in range(B_COUNT):
                    k = u32(k0 + u32(u32(t // u32(BN)) + u32(l * B_STEP)))
                    value = zero
                    if k < last and n < sizes[KG]:
                        value = y[u32(u32(k * sizes[K]) + column)]
                    fetched_b[l] = value
            if k0 > first:
                place_a = u32(u32(half * u32(HALF_A)) + u32(u32(t // u32(COLUMNS)) * u32(TM)))
                place_b = u32(u32(half * u32(HALF_B)) + u32(u32(t % u32(COLUMNS)) * u32(TN)))
                add_products(acc, sa, place_a, sb, place_b, left, right)
                half = u32(half ^ u32(1))
            if k0 < last:
                for l in range(A_COUNT):
                    row = u32(u32(t // u32(BM)) + u32(l * A_STEP))
                    sa[u32(u32(half * u32(HALF_A)) + u32(u32(row * u32(LA)) + m_lane))] = fetched_a[l]
                for l in range(B_COUNT):
                    row = u32(u32(t // u32(BN)) + u32(l * B_STEP))
                    sb[u32(u32(half * u32(HALF_B)) + u32(u32(row * u32(LB)) + n_lane))] = fetched_b[l]
            cuda.syncthreads()

        for i in range(TM):
            m = u32(u32(m_tile * u32(BM)) + u32(u32(u32(t // u32(COLUMNS)) * u32(TM)) + u32(i)))
            for j in range(TN):
                n = u32(u32(n_tile * u32(BN)) + u32(u32(u32(t % u32(COLUMNS)) * u32(TN)) + u32(j)))
                if m < sizes[M] and n < sizes[KG]:
                    line = u32(u32(share * sizes[M]) + m)
                    out[u32(u32(line * sizes[K]) + u32(u32(group * sizes[KG]) + n))] = acc[i * TN + j]

    convolve_weight.name = f"convolve_weight_{BM}x{BN}x{BK}"
    return Variant(convolve_weight, BM, BN, BK, T)


@functools.cache
def mma_variant(tile: Tile, precision: str) -> Variant:
    """The kernel on tensor cores for a tile."""
    BM, BN, WARPS_M, WARPS_N, STAGES, blocks = tile
    T = 32 * WARPS_M * WARPS_N
    WM, WN = BM // WARPS_M, BN // WARPS_N
    MT, NT = WM // 16, WN // 8
    BK = _BK
    LA, LB = BM + 8, BN + 8  # the four rows that a warp reads together lie in different banks
    SA, SB = BK * LA, BK * LB
    ALL_A, ALL_B = STAGES * SA, STAGES * SB
    THREADS = T // BK  # to a pixel: each thread has one, and several taps and channels of it
    STEP = 4 * THREADS
    A_COUNT, B_COUNT = BM // STEP, -(-BN // STEP)
    WAIT = STAGES - 2
    ACC, FA, FB = MT * NT * 4, MT * 4, NT * 2
    precise = precision == "float32"
    multiply = multiplier(MT, NT, precision)
    FA_LOW, FB_LOW = (FA, FB) if precise else (1, 1)

    @device_function
    def copy(sa, sb, stage, x, y, k, last, where, tops, starts, offsets, column, n, t, sizes):  # type: ignore[no-untyped-def]
        """Start to copy pixel k, which is at ``where``, into its row of a stage."""
        row, lane = u32(t // u32(THREADS)), u32(u32(t % u32(THREADS)) << u32(2))
        top, start = u32(where[1] * sizes[SR]), u32(where[2] * sizes[SC])
        line = u32(u32(u32(u32(where[0] * sizes[H]) + top) * sizes[W]) + start)
        base = u32(line * sizes[C])
        place = u32(u32(stage * u32(SA)) + u32(u32(row * u32(LA)) + lane))
        for l in range(A_COUNT):
            index, count = u32(0), u32(0)
            if k < last and u32(top + tops[l]) < sizes[H] and u32(start + starts[l]) < sizes[W]:
                index, count = u32(base + offsets[l]), u32(4)
            cp_async16(sa, u32(place + u32(l * STEP)), x, index, count)
        base = u32(u32(k * sizes[K]) + column)
        place = u32(u32(stage * u32(SB)) + u32(u32(row * u32(LB)) + lane))
        for l in range(B_COUNT):
            index, count = u32(0), u32(0)
            if k < last and u32(n + u32(l * STEP)) < sizes[KG]:
                index, count = u32(base + u32(l * STEP)), u32(4)
            if B_COUNT * STEP == BN or lane < u32(BN):
                cp_async16(sb, u32(place + u32(l * STEP)), y, index, count)

    @jit(launch_bounds=(T, blocks))
    def convolve_weight_mma(x, y, out, sizes):  # type: ignore[no-untyped-def]
        sa = cuda.shared.array(ALL_A, f32)
        sb = cuda.shared.array(ALL_B, f32)
        acc = cuda.local.array(ACC, f32)
        fa = cuda.local.array(FA, f32)
        fb = cuda.local.array(FB, f32)
        fa_low = cuda.local.array(FA_LOW, f32)
        fb_low = cuda.local.array(FB_LOW, f32)
        tops = cuda.local.array(A_COUNT, u32)
        starts = cuda.local.array(A_COUNT, u32)
        offsets = cuda.local.array(A_COUNT, u32)

        t = u32(cuda.threadIdx.x)
        n_tile, m_tile, group, share = task(u32(cuda.blockIdx.x), sizes)
        m0, n0 = u32(m_tile * u32(BM)), u32(n_tile * u32(BN))
        lane = u32(u32(t % u32(THREADS)) << u32(2))
        for l in range(A_COUNT):
            m = u32(u32(m0 + lane) + u32(l * STEP))
            top, start, channel = origin(m, sizes)
            tops[l] = top if m < sizes[M] else u32(0x80000000)  # a row that is in no image
            starts[l] = start
            line = u32(u32(top * sizes[W]) + start)
            offsets[l] = u32(u32(line * sizes[C]) + u32(channel + u32(group * sizes[CG])))
        n = u32(n0 + lane)
        column = u32(n + u32(group * sizes[KG]))
        k0 = u32(u32(share * sizes[SLABS]) * u32(BK))
        last = min(sizes[PIXELS], u32(k0 + u32(sizes[SLABS] * u32(BK))))
        slabs = u32(u32(u32(last - k0) + u32(BK - 1)) // u32(BK)) if k0 < last else u32(0)
        for i in range(ACC):
            acc[i] = f32(0)
        k = u32(k0 + u32(t // u32(THREADS)))
        image, row, across = pixel_of(k, sizes)
        for stage in range(STAGES - 1):
            copy(sa, sb, u32(stage), x, y, k, last, (image, row, across), tops, starts, offsets, column, n, t, sizes)
            cp_async_commit()
            k = u32(k + u32(BK))
            image, row, across = moved(image, row, across, u32(BK), sizes)

        warp, lane = u32(t >> u32(5)), u32(t & u32(31))
        wm, wn = u32(u32(warp % u32(WARPS_M)) * u32(WM)), u32(u32(warp // u32(WARPS_M)) * u32(WN))
        g, q = u32(lane >> u32(2)), u32(lane & u32(3))
        from_a, from_b = u32(u32(q * u32(LA)) + u32(wm + g)), u32(u32(q * u32(LB)) + u32(wn + g))
        read = u32(0)
        end = u32(k + u32(slabs * u32(BK)))
        while k != end:
            write = u32(u32(STAGES - 1) if read == u32(0) else u32(read - u32(1)))
            cp_async_wait(WAIT)
            cuda.syncthreads()
            copy(sa, sb, write, x, y, k, last, (image, row, across), tops, starts, offsets, column, n, t, sizes)
            cp_async_commit()
            k = u32(k + u32(BK))
            image, row, across = moved(image, row, across, u32(BK), sizes)
            place_a, place_b = u32(u32(read * u32(SA)) + from_a), u32(u32(read * u32(SB)) + from_b)
            for kk in range(BK // 8):
                for i in range(MT):
                    fa[4 * i] = sa[place_a + u32(kk * 8 * LA + i * 16)]
                    fa[4 * i + 1] = sa[place_a + u32(kk * 8 * LA + i * 16 + 8)]
                    fa[4 * i + 2] = sa[place_a + u32((kk * 8 + 4) * LA + i * 16)]
                    fa[4 * i + 3] = sa[place_a + u32((kk * 8 + 4) * LA + i * 16 + 8)]
                for j in range(NT):
                    fb[2 * j] = sb[place_b + u32(kk * 8 * LB + j * 8)]
                    fb[2 * j + 1] = sb[place_b + u32((kk * 8 + 4) * LB + j * 8)]
                multiply(acc, fa, fb, fa_low, fb_low)
            read = u32(0) if read == u32(STAGES - 1) else u32(read + u32(1))

        for i in range(MT):
            for j in range(NT):
                p = (i * NT + j) * 4
                m = u32(m0 + u32(u32(wm + u32(i * 16)) + g))
                n = u32(n0 + u32(u32(wn + u32(j * 8)) + u32(q << u32(1))))
                line = u32(u32(share * sizes[M]) + m)
                place = u32(u32(line * sizes[K]) + u32(u32(group * sizes[KG]) + n))
                if n < sizes[KG]:
                    if m < sizes[M]:
                        out[place] = acc[p]
                        out[u32(place + u32(1))] = acc[p + 1]
                    if u32(m + u32(8)) < sizes[M]:
                        place = u32(place + u32(u32(8) * sizes[K]))
                        out[place] = acc[p + 2]
                        out[u32(place + u32(1))] = acc[p + 3]

    convolve_weight_mma.name = f"convolve_weight_mma_{precision}_{BM}x{BN}"
    return Variant(convolve_weight_mma, BM, BN, BK, T)


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Every kernel of this file with the types it is compiled for: (label, kernel, types)."""
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        for tile in TILES:
            made = variant(tile, dtype).kernel
            array = array_type(dtype)
            yield f"{made.name} {dtype}", made, (array, array, array, tuple_type(21))
    array = array_type(np.dtype(np.float32))
    for precision in PRECISIONS:
        for wide in MMA_TILES[precision]:
            made = mma_variant(wide, precision).kernel
            yield made.name, made, (array, array, array, tuple_type(21))
