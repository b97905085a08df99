"""Convolution and its adjoint in the image on the tensor cores, for float32 and channels that are multiples of four.

The matrix product of `geometry` once more, in tiles of BM pixels x BN channels. What differs from `ffma`:

- Rows of the image are copied to shared memory asynchronously, 16 bytes at a time, a few slabs ahead; a copy of no
  bytes writes the zeros beyond the image.
- A warp multiplies its part of the tile with `mma`, 16 x 8 x 8 at a time. `ldmatrix` brings what lies along the
  contraction from shared memory to the lanes; four more numbers a row keep its eight rows in different banks.

`fragments` says how float32 is multiplied on tensor cores that multiply TF32.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda.conv.fragments import PRECISIONS, Tile, multiplier
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
from minifcn.kernels.cuda.lang import (
    SIMULATED,
    array_type,
    cp_async16,
    cp_async_commit,
    cp_async_wait,
    cuda,
    device_function,
    f32,
    ldmatrix_x4,
    shfl_xor,
    store4,
    tuple_type,
    u32,
)
from minifcn.kernels.cuda.launching import Kernel, jit

#: By precision, from the widest to the narrowest. A warp's part is as large as registers allow without spilling: each
#: number that is read from shared memory is then multiplied more often. The fastest of twelve on an H200.
TILES: dict[str, tuple[Tile, ...]] = {
    "float32": (
        Tile(128, 64, 2, 2, 3, 3),
        Tile(64, 64, 1, 2, 3, 5),
        Tile(128, 32, 2, 1, 3, 4),
        Tile(128, 16, 2, 1, 3, 6),
    ),
    "tf32": (
        Tile(128, 128, 2, 2, 2, 2),
        Tile(128, 64, 2, 1, 3, 4),
        Tile(64, 64, 1, 2, 3, 6),
        Tile(128, 32, 4, 1, 3, 4),
        Tile(128, 16, 2, 1, 3, 8),
    ),
}
if SIMULATED:
    TILES = dict.fromkeys(TILES, (Tile(32, 16, 1, 1, 2, 1),))
_BK = 16


@functools.cache
def variant(tile: Tile, precision: str, transposed: bool) -> Variant:
    """The kernel for a tile. ``transposed``: the weight of a transposed convolution, channels of the input last."""
    BM, BN, WARPS_M, WARPS_N, STAGES, blocks = tile
    T = 32 * WARPS_M * WARPS_N
    WM, WN = BM // WARPS_M, BN // WARPS_N
    MT, NT = WM // 16, WN // 8  # mma's rows and columns of a warp
    BK = _BK
    LA = BK + 4
    LB = LA if transposed else BN + 8
    SA = BM * LA
    SB = BN * LA if transposed else BK * LB
    ALL_A, ALL_B = STAGES * SA, STAGES * SB
    STEP = T // 4  # four threads copy a row of 16 numbers
    ROWS = BM // STEP
    B_CHUNKS = BK * BN // 4
    B_COUNT = -(-B_CHUNKS // T)
    WAIT = STAGES - 2
    ACC, FA, FB = MT * NT * 4, MT * 4, NT * 2
    precise = precision == "float32"
    FA_LOW, FB_LOW = (FA, FB) if precise else (1, 1)

    @device_function
    def copy(sa, sb, stage, x, weight, k, last, where, bases, tops, lefts, t, n0, group, rows, columns, sizes):  # type: ignore[no-untyped-def]
        """Start to copy the slab from term k on (of this thread's quarter of it: at ``where``) into a stage."""
        a, b, c = where
        inside = k < last
        down, across = u32(a * rows[4]), u32(b * columns[4])
        delta = u32(u32(u32(u32(down * sizes[W]) + across) * sizes[C]) + c)
        place = u32(u32(stage * u32(SA)) + u32(u32(u32(t >> u32(2)) * u32(LA)) + u32(u32(t & u32(3)) << u32(2))))
        for l in range(ROWS):
            index, count = u32(0), u32(0)
            if inside and u32(tops[l] + down) < sizes[H] and u32(lefts[l] + across) < sizes[W]:
                index, count = u32(bases[l] + delta), u32(4)
            cp_async16(sa, u32(place + u32(l * STEP * LA)), x, index, count)
        if transposed:
            tap = u32(u32(u32(rows[1] + u32(a * rows[2])) * sizes[KW]) + u32(columns[1] + u32(b * columns[2])))
            start = u32(u32(u32(tap * sizes[KG]) * sizes[C]) + u32(u32(group * sizes[CG]) + c))
            place = u32(u32(stage * u32(SB)) + u32(u32(u32(t >> u32(2)) * u32(LA)) + u32(u32(t & u32(3)) << u32(2))))
            for l in range(B_COUNT):
                n = u32(u32(t >> u32(2)) + u32(l * STEP))
                index, count = u32(0), u32(0)
                if inside and u32(n0 + n) < sizes[KG]:
                    index, count = u32(start + u32(u32(n0 + n) * sizes[C])), u32(4)
                if B_CHUNKS % T == 0 or n < u32(BN):
                    cp_async16(sb, u32(place + u32(l * STEP * LA)), weight, index, count)
        else:
            first = u32(k - u32(u32(t & u32(3)) << u32(2)))
            for l in range(B_COUNT):
                chunk = u32(t + u32(l * T))
                row, n = u32(chunk // u32(BN // 4)), u32(u32(chunk % u32(BN // 4)) << u32(2))
                index, count = u32(0), u32(0)
                if u32(first + row) < last and u32(n0 + n) < sizes[KG]:
                    index = u32(u32(u32(first + row) * sizes[K]) + u32(u32(group * sizes[KG]) + u32(n0 + n)))
                    count = u32(4)
                if B_CHUNKS % T == 0 or row < u32(BK):
                    cp_async16(sb, u32(u32(stage * u32(SB)) + u32(u32(row * u32(LB)) + n)), weight, index, count)

    @device_function
    def store(out, bias, acc, m0, n0, M, height, width, rows, columns, group, share, t, sizes):  # type: ignore[no-untyped-def]
        """Add the bias, rectify, and write the sums of this lane.

        A lane has two neighbouring sums of rows g and g + 8, the next lane the two after. They swap, so that each has
        four in a row: even lanes of row g, odd ones of row g + 8.
        """
        warp, lane = u32(t >> u32(5)), u32(t & u32(31))
        wm, wn = u32(u32(warp % u32(WARPS_M)) * u32(WM)), u32(u32(warp // u32(WARPS_M)) * u32(WN))
        odd = u32(lane & u32(1))
        n0 = u32(n0 + u32(wn + u32(u32(u32(lane >> u32(1)) & u32(1)) << u32(2))))
        for i in range(MT):
            m = u32(m0 + u32(u32(wm + u32(i * 16)) + u32(u32(lane >> u32(2)) + u32(odd << u32(3)))))
            n, y, z = pixel(m, height, width)
            line = u32(u32(n * sizes[P]) + u32(rows[6] + u32(y * rows[7])))
            line = u32(u32(line * sizes[Q]) + u32(columns[6] + u32(z * columns[7])))
            image = u32(u32(sizes[IMAGES] * sizes[P]) * u32(sizes[Q] * sizes[K]))
            place = u32(u32(share * image) + u32(line * sizes[K]))
            for j in range(NT):
                p = (i * NT + j) * 4
                d0, d1, d2, d3 = acc[p], acc[p + 1], acc[p + 2], acc[p + 3]
                first = shfl_xor(d0 if odd else d2, u32(1))
                second = shfl_xor(d1 if odd else d3, u32(1))
                v0, v1 = first if odd else d0, second if odd else d1
                v2, v3 = d2 if odd else first, d3 if odd else second
                channel = u32(n0 + u32(j * 8))
                if m < M and channel < sizes[KG]:
                    channel = u32(channel + u32(group * sizes[KG]))
                    b0, b1, b2, b3 = f32(0), f32(0), f32(0), f32(0)
                    if sizes[BIAS] != u32(0):
                        b0, b1 = bias[channel], bias[u32(channel + u32(1))]
                        b2, b3 = bias[u32(channel + u32(2))], bias[u32(channel + u32(3))]
                    four = (
                        finished(v0, b0, sizes[RELU], f32(0)),
                        finished(v1, b1, sizes[RELU], f32(0)),
                        finished(v2, b2, sizes[RELU], f32(0)),
                        finished(v3, b3, sizes[RELU], f32(0)),
                    )
                    store4(out, u32(place + channel), four)

    multiply = multiplier(MT, NT, precision)
    room = min(blocks, 2) if transposed and precise and MT * NT == 16 else blocks  # a third would spill

    @jit(launch_bounds=(T, room))
    def convolve_mma(x, weight, bias, out, table, sizes):  # type: ignore[no-untyped-def]
        sa = cuda.shared.array(ALL_A, f32)
        sb = cuda.shared.array(ALL_B, f32)
        acc = cuda.local.array(ACC, f32)
        fa = cuda.local.array(FA, f32)
        fb = cuda.local.array(FB, f32)
        fa_low = cuda.local.array(FA_LOW, f32)
        fb_low = cuda.local.array(FB_LOW, f32)
        bases = cuda.local.array(ROWS, u32)
        tops = cuda.local.array(ROWS, u32)
        lefts = cuda.local.array(ROWS, u32)

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

        for l in range(ROWS):
            m = u32(m0 + u32(u32(t >> u32(2)) + u32(l * STEP)))
            n, i, j = pixel(m, height, width)
            top = u32(u32(i * rows[5]) + rows[3])
            tops[l] = top if m < M else u32(0x80000000)  # a row that is in no image
            lefts[l] = u32(u32(j * columns[5]) + columns[3])
            base = u32(u32(u32(u32(n * sizes[H]) + top) * sizes[W]) + lefts[l])
            bases[l] = u32(u32(base * sizes[C]) + u32(group * sizes[CG]))
        for i in range(ACC):
            acc[i] = f32(0)

        k = u32(u32(share * sizes[SLABS]) * u32(BK))
        last = min(terms, u32(k + u32(sizes[SLABS] * u32(BK))))
        slabs = u32(u32(u32(last - k) + u32(BK - 1)) // u32(BK)) if k < last else u32(0)
        k = u32(k + u32(u32(t & u32(3)) << u32(2)))
        a, b, c = tap_of(k, sizes[CG], max(columns[0], u32(1)))
        for stage in range(STAGES - 1):
            copy(
                sa,
                sb,
                u32(stage),
                x,
                weight,
                k,
                last,
                (a, b, c),
                bases,
                tops,
                lefts,
                t,
                n0,
                group,
                rows,
                columns,
                sizes,
            )
            cp_async_commit()
            k = u32(k + u32(BK))
            if columns[0] != u32(0):
                a, b, c = advanced(a, b, c, u32(BK), sizes[CG], columns[0])

        # Where this lane's parts of the matrices begin in a stage.
        warp, lane = u32(t >> u32(5)), u32(t & u32(31))
        wm, wn = u32(u32(warp % u32(WARPS_M)) * u32(WM)), u32(u32(warp // u32(WARPS_M)) * u32(WN))
        g, q = u32(lane >> u32(2)), u32(lane & u32(3))
        # A: matrices 0 and 1 are rows 0 to 7 and 8 to 15, 2 and 3 the same four terms further on.
        from_a = u32(u32(u32(wm + u32(lane & u32(15))) * u32(LA)) + u32(u32(lane >> u32(4)) << u32(2)))
        if transposed:  # B: matrices 0 and 1 are terms 0 to 3 and 4 to 7 of eight columns, 2 and 3 of the next eight
            column = u32(u32(wn + u32(lane & u32(7))) + u32(u32(lane >> u32(4)) << u32(3)))
            from_b = u32(u32(column * u32(LA)) + u32(u32(u32(lane >> u32(3)) & u32(1)) << u32(2)))
        else:
            from_b = u32(u32(q * u32(LB)) + u32(wn + g))
        read = u32(0)
        end = u32(k + u32(slabs * u32(BK)))
        while k != end:
            write = u32(u32(STAGES - 1) if read == u32(0) else u32(read - u32(1)))
            cp_async_wait(WAIT)
            cuda.syncthreads()
            copy(sa, sb, write, x, weight, k, last, (a, b, c), bases, tops, lefts, t, n0, group, rows, columns, sizes)
            cp_async_commit()
            k = u32(k + u32(BK))
            a, b, c = advanced(a, b, c, u32(BK), sizes[CG], columns[0])
            place_a, place_b = u32(u32(read * u32(SA)) + from_a), u32(u32(read * u32(SB)) + from_b)
            for kk in range(BK // 8):
                for i in range(MT):
                    four = ldmatrix_x4(sa, u32(place_a + u32(i * 16 * LA + kk * 8)))
                    fa[4 * i], fa[4 * i + 1], fa[4 * i + 2], fa[4 * i + 3] = four[0], four[1], four[2], four[3]
                if transposed:
                    for j in range(NT // 2):
                        four = ldmatrix_x4(sb, u32(place_b + u32(j * 16 * LA + kk * 8)))
                        fb[4 * j], fb[4 * j + 1], fb[4 * j + 2], fb[4 * j + 3] = four[0], four[1], four[2], four[3]
                else:
                    for j in range(NT):
                        fb[2 * j] = sb[place_b + u32(kk * 8 * LB + j * 8)]
                        fb[2 * j + 1] = sb[place_b + u32((kk * 8 + 4) * LB + j * 8)]
                multiply(acc, fa, fb, fa_low, fb_low)
            read = u32(0) if read == u32(STAGES - 1) else u32(read + u32(1))

        store(out, bias, acc, m0, n0, M, height, width, rows, columns, group, share, t, sizes)

    convolve_mma.name = f"convolve_mma_{precision}_{BM}x{BN}{'_transposed' * transposed}"
    return Variant(convolve_mma, BM, BN, BK, T)


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Every kernel of this file with the types it is compiled for: (label, kernel, types)."""
    array = array_type(np.dtype(np.float32))
    for precision in PRECISIONS:
        for tile in TILES[precision]:
            for transposed in (False, True):
                made = variant(tile, precision, transposed).kernel
                yield made.name, made, (array, array, array, array, array_type(np.dtype("u4")), tuple_type(19))
