"""Convolution and its adjoint in the image by ordinary multiplications, of any geometry, in float32 and float64.

The matrix product of `geometry`, tile by tile (Volkov and Demmel 2008): a block computes BM pixels x BN channels, each
of its threads TM x TN of them, in registers. A slab of BK terms of both operands is fetched into registers while the
one before, in shared memory, is multiplied; two slabs of shared memory take turns, so one barrier a slab is enough.

The rows of the left operand exist nowhere: they are gathered from the image ("implicit" im2col). Where a thread's
pixels are is computed once, before the loop; in the loop only the tap moves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda.conv.variant import Variant
from minifcn.kernels.cuda.conv.walk import (
    BIAS,
    CG,
    IMAGES,
    KG,
    KW,
    RELU,
    ROW_PHASES,
    SLABS,
    C,
    H,
    K,
    P,
    Q,
    W,
    advanced,
    finished,
    pixel,
    positions,
    read_phase,
    tap_of,
    task,
)
from minifcn.kernels.cuda.lang import SIMULATED, array_type, cuda, device_function, shared_load4, tuple_type, u32
from minifcn.kernels.cuda.launching import Kernel, jit

#: (BM, BN, BK, TM, TN), the widest first.
TILES = (
    ((16, 16, 8, 4, 4),)
    if SIMULATED
    else ((128, 128, 8, 8, 8), (128, 64, 8, 8, 4), (128, 32, 8, 4, 4), (128, 16, 8, 4, 2), (256, 8, 8, 4, 2))
)
DOUBLE_TILES = TILES if SIMULATED else ((64, 64, 8, 4, 4),)


def multiplier(tile: tuple[int, int, int, int, int], dtype: np.dtype) -> Callable[..., Any]:
    """A function that adds the products of a slab to a thread's sums: acc[i, j] += Σ_k a[k, i] · b[k, j].

    Rows of the slab are BM + 4 and BN + 4 numbers long, and the thread's own begin at ``place_a`` and ``place_b``. Four
    float32 come from shared memory at once.
    """
    BM, BN, BK, TM, TN = tile
    LA, LB = BM + 4, BN + 4
    A_FOURS, B_FOURS = (TM // 4, TN // 4) if dtype == np.float32 else (0, 0)

    @device_function
    def add_products(acc, sa, place_a, sb, place_b, left, right):  # type: ignore[no-untyped-def]
        for kk in range(BK):
            for i in range(A_FOURS):
                four = shared_load4(sa, u32(place_a + u32(kk * LA + 4 * i)))
                left[4 * i], left[4 * i + 1], left[4 * i + 2], left[4 * i + 3] = four[0], four[1], four[2], four[3]
            for i in range(4 * A_FOURS, TM):
                left[i] = sa[place_a + u32(kk * LA + i)]
            for j in range(B_FOURS):
                four = shared_load4(sb, u32(place_b + u32(kk * LB + 4 * j)))
                right[4 * j], right[4 * j + 1], right[4 * j + 2], right[4 * j + 3] = four[0], four[1], four[2], four[3]
            for j in range(4 * B_FOURS, TN):
                right[j] = sb[place_b + u32(kk * LB + j)]
            for i in range(TM):
                for j in range(TN):
                    acc[i * TN + j] += left[i] * right[j]

    return add_products


@functools.cache
def variant(tile: tuple[int, int, int, int, int], dtype: np.dtype, transposed: bool) -> Variant:
    """The kernel for a tile. ``transposed``: the weight of a transposed convolution, channels of the input last."""
    BM, BN, BK, TM, TN = tile
    COLUMNS = BN // TN
    T = BM // TM * COLUMNS
    # A row of shared memory is one term; four more keep the threads' writes in different banks.
    LA, LB = BM + 4, BN + 4
    SA, SB = 2 * BK * LA, 2 * BK * LB
    ROWS, A_STEP = BM * BK // T, T // BK
    # Of the weight, neighbouring threads read what lies side by side.
    B_STEP = T // BK if transposed else T // BN
    B_COUNT = -(-BN // B_STEP) if transposed else -(-BK // B_STEP)
    ACC = TM * TN
    number = dtype.type if SIMULATED else array_type(dtype).dtype

    add_products = multiplier(tile, dtype)

    @jit(launch_bounds=(T, 65536 // (T * 128) if T <= 512 else 1))
    def convolve(x, weight, bias, out, table, sizes):  # type: ignore[no-untyped-def]
        sa = cuda.shared.array(SA, number)
        sb = cuda.shared.array(SB, number)
        acc = cuda.local.array(ACC, number)
        left = cuda.local.array(TM, number)
        right = cuda.local.array(TN, number)
        fetched_a = cuda.local.array(ROWS, number)
        fetched_b = cuda.local.array(B_COUNT, number)
        bases = cuda.local.array(ROWS, u32)
        tops = cuda.local.array(ROWS, u32)
        lefts = cuda.local.array(ROWS, u32)
        zero = number(0)

        t = u32(cuda.threadIdx.x)
        n_tile, m_tile, group, row_phase, column_phase, share = task(u32(cuda.blockIdx.x), sizes)
        rows = read_phase(table, row_phase)
        columns = read_phase(table, u32(sizes[ROW_PHASES] + column_phase))
        height, width = positions(rows, sizes[P]), positions(columns, sizes[Q])
        M = u32(sizes[IMAGES] * u32(height * width))
        n0 = u32(n_tile * u32(BN))
        m0 = u32(m_tile * u32(BM))
        if m0 >= M:  # phases differ in size
            return
        terms = u32(u32(rows[0] * columns[0]) * sizes[CG])

        # This thread's pixels, BK threads to a pixel.
        k_lane = u32(t % u32(BK))
        m_lane = u32(t // u32(BK))
        for l in range(ROWS):
            m = u32(m0 + u32(m_lane + u32(l * A_STEP)))
            n, i, j = pixel(m, height, width)
            top = u32(u32(i * rows[5]) + rows[3])
            tops[l] = top if m < M else u32(0x80000000)  # a row that is in no image
            lefts[l] = u32(u32(j * columns[5]) + columns[3])
            base = u32(u32(u32(u32(n * sizes[H]) + top) * sizes[W]) + lefts[l])
            bases[l] = u32(u32(base * sizes[C]) + u32(group * sizes[CG]))

        first = u32(u32(share * sizes[SLABS]) * u32(BK))
        last = min(terms, u32(first + u32(sizes[SLABS] * u32(BK))))
        a, b, c = tap_of(u32(first + k_lane), sizes[CG], max(columns[0], u32(1)))
        for i in range(ACC):
            acc[i] = zero

        half = u32(0)
        for step in range(first, u32(last + u32(BK)), u32(BK)):
            k0 = u32(step)
            # Fetch slab k0 ...
            if k0 < last:
                inside = u32(k0 + k_lane) < last
                down, across = u32(a * rows[4]), u32(b * columns[4])
                delta = u32(u32(u32(u32(down * sizes[W]) + across) * sizes[C]) + c)
                for l in range(ROWS):
                    value = zero
                    if inside and u32(tops[l] + down) < sizes[H] and u32(lefts[l] + across) < sizes[W]:
                        value = x[u32(bases[l] + delta)]
                    fetched_a[l] = value
                if transposed:
                    tap = u32(u32(u32(rows[1] + u32(a * rows[2])) * sizes[KW]) + u32(columns[1] + u32(b * columns[2])))
                    place = u32(u32(u32(tap * sizes[KG]) * sizes[C]) + u32(u32(group * sizes[CG]) + c))
                    for l in range(B_COUNT):
                        n = u32(m_lane + u32(l * B_STEP))
                        value = zero
                        if inside and n < u32(BN) and u32(n0 + n) < sizes[KG]:
                            value = weight[u32(place + u32(u32(n0 + n) * sizes[C]))]
                        fetched_b[l] = value
                else:
                    n = u32(n0 + u32(t % u32(BN)))
                    for l in range(B_COUNT):
                        row = u32(u32(t // u32(BN)) + u32(l * B_STEP))
                        k = u32(k0 + row)
                        value = zero
                        if row < u32(BK) and k < last and n < sizes[KG]:
                            value = weight[u32(u32(k * sizes[K]) + u32(u32(group * sizes[KG]) + n))]
                        fetched_b[l] = value
                a, b, c = advanced(a, b, c, u32(BK), sizes[CG], columns[0])
            # ... while the one before is multiplied ...
            if k0 > first:
                place_a = u32(u32(half * u32(BK * LA)) + u32(u32(t // u32(COLUMNS)) * u32(TM)))
                place_b = u32(u32(half * u32(BK * LB)) + u32(u32(t % u32(COLUMNS)) * u32(TN)))
                add_products(acc, sa, place_a, sb, place_b, left, right)
                half = u32(half ^ u32(1))
            # ... and put it into the other half.
            if k0 < last:
                place_a = u32(u32(half * u32(BK * LA)) + u32(u32(k_lane * u32(LA)) + m_lane))
                for l in range(ROWS):
                    sa[u32(place_a + u32(l * A_STEP))] = fetched_a[l]
                for l in range(B_COUNT):
                    if transposed:
                        n = u32(m_lane + u32(l * B_STEP))
                        if n < u32(BN):
                            sb[u32(u32(half * u32(BK * LB)) + u32(u32(k_lane * u32(LB)) + n))] = fetched_b[l]
                    else:
                        row = u32(u32(t // u32(BN)) + u32(l * B_STEP))
                        if row < u32(BK):
                            sb[u32(u32(half * u32(BK * LB)) + u32(u32(row * u32(LB)) + u32(t % u32(BN))))] = fetched_b[
                                l
                            ]
            cuda.syncthreads()

        n0 = u32(n0 + u32(u32(t % u32(COLUMNS)) * u32(TN)))
        for i in range(TM):
            m = u32(m0 + u32(u32(u32(t // u32(COLUMNS)) * u32(TM)) + u32(i)))
            if m < M:
                n, y, z = pixel(m, height, width)
                line = u32(u32(n * sizes[P]) + u32(rows[6] + u32(y * rows[7])))
                line = u32(u32(line * sizes[Q]) + u32(columns[6] + u32(z * columns[7])))
                image = u32(u32(sizes[IMAGES] * sizes[P]) * u32(sizes[Q] * sizes[K]))
                place = u32(u32(share * image) + u32(line * sizes[K]))
                for j in range(TN):
                    channel = u32(n0 + u32(j))
                    if channel < sizes[KG]:
                        channel = u32(channel + u32(group * sizes[KG]))
                        offset = bias[channel] if sizes[BIAS] != u32(0) else zero
                        out[u32(place + channel)] = finished(acc[i * TN + j], offset, sizes[RELU], zero)

    convolve.name = f"convolve_{BM}x{BN}x{BK}{'_transposed' * transposed}"
    return Variant(convolve, BM, BN, BK, T)


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Every kernel of this file with the types it is compiled for: (label, kernel, types)."""
    for dtype, tiles in ((np.dtype(np.float32), TILES), (np.dtype(np.float64), DOUBLE_TILES)):
        for tile in tiles:
            for transposed in (False, True):
                made = variant(tile, dtype, transposed).kernel
                array = array_type(dtype)
                yield (
                    f"{made.name} {dtype}",
                    made,
                    (array, array, array, array, array_type(np.dtype("u4")), tuple_type(19)),
                )
