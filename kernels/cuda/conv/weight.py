"""conv2d_weight: the adjoint of a convolution in its weight, as a matrix product.

    w[(r, t, c), k] = Σ_m x[n, i·s + r·d − padding, j·s' + t·d' − padding', c] · y[m, k],   m = (n, i, j)

Rows are the weight's taps and channels, columns its output channels; the contraction runs over all pixels of y, usually
thousands of times as many as there are rows. So it is divided: each share of the pixels gives a weight of its own, and
`shares` adds them in a fixed order. A thread's row of the left operand, hence its tap, never changes; its pixel does.

Both operands lie in memory with the contraction as the slow axis. Ordinary multiplications take any geometry, float32
and float64; tensor cores (see `mma` for the precisions) float32 and channels in quadruples.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda.conv.mma import PRECISIONS, Tile
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
    high_tf32,
    mma_tf32,
    to_tf32,
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
MMA_TILES = (
    (Tile(32, 16, 1, 1, 2, 1),)
    if SIMULATED
    else (Tile(128, 64, 2, 2, 3, 3), Tile(64, 64, 2, 2, 3, 3), Tile(64, 32, 4, 1, 4, 4), Tile(64, 16, 4, 1, 4, 4))
)
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
                for kk in range(BK):
                    for i in range(TM):
                        left[i] = sa[place_a + u32(kk * LA + i)]
                    for j in range(TN):
                        right[j] = sb[place_b + u32(kk * LB + j)]
                    for i in range(TM):
                        for j in range(TN):
                            acc[i * TN + j] += left[i] * right[j]
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
    A_THREADS, B_THREADS = BM // 4, BN // 4  # to a pixel
    A_STEP, B_STEP = T // A_THREADS, T // B_THREADS
    A_COUNT, B_COUNT = BK // A_STEP, -(-BK // B_STEP)
    WAIT = STAGES - 2
    ACC, FA, FB = MT * NT * 4, MT * 4, NT * 2
    precise = precision == "float32"
    rounded = high_tf32 if precise else to_tf32
    FA_LOW, FB_LOW = (FA, FB) if precise else (1, 1)

    @device_function
    def copy(sa, sb, stage, x, y, k0, last, ns, rows, columns, top, start, channel, in_m, column, in_n, t, sizes):  # type: ignore[no-untyped-def]
        """Start to copy the slab from pixel k0 on into a stage, and move this thread's pixels."""
        place = u32(u32(stage * u32(SA)) + u32(u32(t % u32(A_THREADS)) << u32(2)))
        for l in range(A_COUNT):
            row = u32(u32(t // u32(A_THREADS)) + u32(l * A_STEP))
            p = u32(u32(rows[l] * sizes[SR]) + top)
            q = u32(u32(columns[l] * sizes[SC]) + start)
            index, count = u32(0), u32(0)
            if in_m and u32(k0 + row) < last and p < sizes[H] and q < sizes[W]:
                line = u32(u32(u32(u32(ns[l] * sizes[H]) + p) * sizes[W]) + q)
                index, count = u32(u32(line * sizes[C]) + channel), u32(4)
            cp_async16(sa, u32(place + u32(row * u32(LA))), x, index, count)
            ns[l], rows[l], columns[l] = moved(ns[l], rows[l], columns[l], u32(BK), sizes)
        place = u32(u32(stage * u32(SB)) + u32(u32(t % u32(B_THREADS)) << u32(2)))
        for l in range(B_COUNT):
            row = u32(u32(t // u32(B_THREADS)) + u32(l * B_STEP))
            index, count = u32(0), u32(0)
            if in_n and u32(k0 + row) < last:
                index, count = u32(u32(u32(k0 + row) * sizes[K]) + column), u32(4)
            if B_STEP <= BK or row < u32(BK):
                cp_async16(sb, u32(place + u32(row * u32(LB))), y, index, count)

    @jit(launch_bounds=(T, blocks))
    def convolve_weight_mma(x, y, out, sizes):  # type: ignore[no-untyped-def]
        sa = cuda.shared.array(ALL_A, f32)
        sb = cuda.shared.array(ALL_B, f32)
        acc = cuda.local.array(ACC, f32)
        fa = cuda.local.array(FA, f32)
        fb = cuda.local.array(FB, f32)
        fa_low = cuda.local.array(FA_LOW, f32)
        fb_low = cuda.local.array(FB_LOW, f32)
        ns = cuda.local.array(A_COUNT, u32)
        rows = cuda.local.array(A_COUNT, u32)
        columns = cuda.local.array(A_COUNT, u32)

        t = u32(cuda.threadIdx.x)
        n_tile, m_tile, group, share = task(u32(cuda.blockIdx.x), sizes)
        m0, n0 = u32(m_tile * u32(BM)), u32(n_tile * u32(BN))
        m = u32(m0 + u32(u32(t % u32(A_THREADS)) << u32(2)))
        column = u32(n0 + u32(u32(t % u32(B_THREADS)) << u32(2)))
        in_m, in_n = m < sizes[M], column < sizes[KG]
        top, start, channel = origin(m, sizes)
        channel = u32(channel + u32(group * sizes[CG]))
        column = u32(column + u32(group * sizes[KG]))
        k0 = u32(u32(share * sizes[SLABS]) * u32(BK))
        last = min(sizes[PIXELS], u32(k0 + u32(sizes[SLABS] * u32(BK))))
        slabs = u32(u32(u32(last - k0) + u32(BK - 1)) // u32(BK)) if k0 < last else u32(0)
        for l in range(A_COUNT):
            ns[l], rows[l], columns[l] = pixel_of(u32(k0 + u32(u32(t // u32(A_THREADS)) + u32(l * A_STEP))), sizes)
        for i in range(ACC):
            acc[i] = f32(0)
        for stage in range(STAGES - 1):
            copy(
                *(sa, sb, u32(stage), x, y, k0, last, ns, rows, columns),
                *(top, start, channel, in_m, column, in_n, t, sizes),
            )
            cp_async_commit()
            k0 = u32(k0 + u32(BK))

        warp, lane = u32(t >> u32(5)), u32(t & u32(31))
        wm, wn = u32(u32(warp % u32(WARPS_M)) * u32(WM)), u32(u32(warp // u32(WARPS_M)) * u32(WN))
        g, q = u32(lane >> u32(2)), u32(lane & u32(3))
        from_a, from_b = u32(u32(q * u32(LA)) + u32(wm + g)), u32(u32(q * u32(LB)) + u32(wn + g))
        read, write = u32(0), u32(STAGES - 1)
        for _ in range(slabs):
            cp_async_wait(WAIT)
            cuda.syncthreads()
            copy(sa, sb, write, x, y, k0, last, ns, rows, columns, top, start, channel, in_m, column, in_n, t, sizes)
            cp_async_commit()
            k0 = u32(k0 + u32(BK))
            place_a, place_b = u32(u32(read * u32(SA)) + from_a), u32(u32(read * u32(SB)) + from_b)
            for kk in range(BK // 8):
                for i in range(MT):
                    fa[4 * i] = sa[u32(place_a + u32(kk * 8 * LA + i * 16))]
                    fa[4 * i + 1] = sa[u32(place_a + u32(kk * 8 * LA + i * 16 + 8))]
                    fa[4 * i + 2] = sa[u32(place_a + u32((kk * 8 + 4) * LA + i * 16))]
                    fa[4 * i + 3] = sa[u32(place_a + u32((kk * 8 + 4) * LA + i * 16 + 8))]
                for j in range(NT):
                    fb[2 * j] = sb[u32(place_b + u32(kk * 8 * LB + j * 8))]
                    fb[2 * j + 1] = sb[u32(place_b + u32((kk * 8 + 4) * LB + j * 8))]
                for i in range(FA):
                    number = fa[i]
                    fa[i] = rounded(number)
                    if precise:
                        fa_low[i] = number - fa[i]
                for j in range(FB):
                    number = fb[j]
                    fb[j] = rounded(number)
                    if precise:
                        fb_low[j] = number - fb[j]
                for i in range(MT):
                    high = (fa[4 * i], fa[4 * i + 1], fa[4 * i + 2], fa[4 * i + 3])
                    for j in range(NT):
                        p = (i * NT + j) * 4
                        other = (fb[2 * j], fb[2 * j + 1])
                        if precise:
                            low = (fa_low[4 * i], fa_low[4 * i + 1], fa_low[4 * i + 2], fa_low[4 * i + 3])
                            d = mma_tf32((f32(0), f32(0), f32(0), f32(0)), low, other)
                            d = mma_tf32(d, high, (fb_low[2 * j], fb_low[2 * j + 1]))
                            d = mma_tf32(d, high, other)
                            acc[p] += d[0]
                            acc[p + 1] += d[1]
                            acc[p + 2] += d[2]
                            acc[p + 3] += d[3]
                        else:
                            d = mma_tf32((acc[p], acc[p + 1], acc[p + 2], acc[p + 3]), high, other)
                            acc[p], acc[p + 1], acc[p + 2], acc[p + 3] = d[0], d[1], d[2], d[3]
            read = u32(0) if read == u32(STAGES - 1) else u32(read + u32(1))
            write = u32(0) if write == u32(STAGES - 1) else u32(write + u32(1))

        for i in range(MT):
            for j in range(NT):
                p = (i * NT + j) * 4
                m = u32(m0 + u32(u32(wm + u32(i * 16)) + g))
                n = u32(n0 + u32(u32(wn + u32(j * 8)) + u32(q << u32(1))))
                place = u32(u32(u32(share * sizes[M]) + m) * sizes[K]) + u32(u32(group * sizes[KG]) + n)
                place = u32(place)
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
    for wide in MMA_TILES:
        for precision in PRECISIONS:
            made = mma_variant(wide, precision).kernel
            yield made.name, made, (array, array, array, tuple_type(21))
