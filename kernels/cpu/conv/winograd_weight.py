"""The gradient to the weight by Winograd's algorithm: the adjoint of `winograd` in w.

Forward, Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A, summed over input channels. Its adjoint in w, summed over tiles:

    V_p[tile, c] = (Bᵀ d B)_p,   Z_p[tile, k] = (A y Aᵀ)_p,   S_p = V_pᵀ Z_p  (a product of matrices),   w = Gᵀ S G.

*Cost.* Again 36 multiplications for a tile and a pair of channels, where the direct sum takes 144.

*Order.* A thread keeps the S of a block of channels (64 times 64) in its second-level cache and lets all tiles stream
past, 28 at a time (24 with AVX2). Few channels make few blocks: then each thread takes a part of the tiles, and the
parts' sums are added in order. So the number of threads decides the order of additions, and with it the last bits.

Sources: see `winograd`.
"""

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.brgemm import brgemm1, brgemm2
from minifcn.kernels.cpu.conv.blocks import even_block, pixelwise, whole_vectors
from minifcn.kernels.cpu.conv.tiles import GAP, TILES, Tiling, count_tiles, read_gradient, read_input
from minifcn.kernels.cpu.conv.transforms import transform_sums
from minifcn.kernels.cpu.copying import memory_of
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty
from minifcn.kernels.cpu.simd import lanes
from minifcn.kernels.cpu.threads import get_num_threads
from minifcn.kernels.shapes import Pair

_MOST = 64  # channels of either kind in a block of S


def winograd_weight(x: Array, y: Array, padding: Pair) -> Array:
    """(N, H, W, C) and (N, P, Q, K) -> (3, 3, C, K)."""
    C, K = x.shape[3], y.shape[3]
    x, y = pixelwise(x), pixelwise(y)
    vector, threads = lanes(x.itemsize), get_num_threads()
    tiling = Tiling.of(x, y, padding, even_block(C, _MOST), even_block(K, _MOST), vector)
    sizes, parts = workspace(C, K, vector, threads)
    room = empty((threads, sum(sizes)), x.dtype)
    sums = empty((parts, 3, 3, C, K), x.dtype)
    _winograd_weight(memory_of(x), memory_of(y), sums.reshape(parts, -1), tiling, room, sizes)
    return sums[0] if parts == 1 else np.add.reduce(sums, axis=0, out=empty(sums.shape[1:], sums.dtype))


def workspace(C: int, K: int, vector: int, threads: int) -> tuple[tuple[int, int, int, int], int]:
    """Numbers that a thread needs, for S, V, Z and a patch; and into how many parts the tiles are cut."""
    block_c, block_k = even_block(C, _MOST), even_block(K, _MOST)
    blocks = -(C // -block_c) * -(K // -block_k)
    c, k = (-(n // -vector) * vector for n in (block_c, block_k))
    sizes = (36 * (c * k + GAP), 36 * (TILES * c + GAP), 36 * (TILES * k + GAP), 36 * max(c, k))
    return sizes, 1 if blocks % threads == 0 else threads


@kernel
def _winograd_weight(
    x: Array, y: Array, w: Array, tiling: Tiling, room: Array, sizes: tuple[int, int, int, int]
) -> None:
    threads, parts = len(room), len(w)
    c_blocks = (tiling.channels + tiling.block_c - 1) // tiling.block_c
    k_blocks = (tiling.outputs + tiling.block_k - 1) // tiling.block_k
    tiles = count_tiles(tiling)
    for thread in prange(threads):
        size_s, size_v, size_z, _ = sizes
        s, room_v = room[thread, :size_s], room[thread, size_s:]
        v, z, patch = room_v[:size_v], room_v[size_v : size_v + size_z], room_v[size_v + size_z :]
        for task in range(thread, c_blocks * k_blocks * parts, threads):
            part = task // (c_blocks * k_blocks)
            c, k = task // k_blocks % c_blocks * tiling.block_c, task % k_blocks * tiling.block_k
            cs, ks = min(tiling.block_c, tiling.channels - c), min(tiling.block_k, tiling.outputs - k)
            wide_c, wide_k = whole_vectors(cs, tiling.vector), whole_vectors(ks, tiling.vector)
            begin, end = tiles * part // parts, tiles * (part + 1) // parts
            s[:] = 0.0
            for tile in range(begin, end, TILES):
                count = min(TILES, end - tile)
                for t in range(count):
                    read_input(x, tiling, tile + t, c, cs, patch, v, t * wide_c, TILES * wide_c + GAP)
                    read_gradient(y, tiling, tile + t, k, ks, patch, z, t * wide_k, TILES * wide_k + GAP)
                _accumulate(v, z, s, count, cs, ks, tiling.vector)
            _write_weight(s, w[part], tiling, c, cs, k, ks)


@helper
def _accumulate(v: Array, z: Array, s: Array, count: int, cs: int, ks: int, vector: int) -> None:
    """S_p += V_pᵀ Z_p for the 36 places: (cs, count) times (count, ks)."""
    wide_c, wide_k = whole_vectors(cs, vector), whole_vectors(ks, vector)
    step_v, step_z, step_s = TILES * wide_c + GAP, TILES * wide_k + GAP, cs * wide_k + GAP
    zero = np.zeros(1, np.int64)
    for p in range(36):
        for j in range(0, wide_k, 2 * vector):
            at = p * step_s + j
            if wide_k - j >= 2 * vector:
                brgemm2(
                    cs, count, v, p * step_v, zero, 1, wide_c, z, p * step_z + j, zero, wide_k,
                    s, at, wide_k, s, at, wide_k, True, False, 0,
                )  # fmt: skip
            else:
                brgemm1(
                    cs, count, v, p * step_v, zero, 1, wide_c, z, p * step_z + j, zero, wide_k,
                    s, at, wide_k, s, at, wide_k, True, False, 0,
                )  # fmt: skip


@helper
def _write_weight(s: Array, w: Array, tiling: Tiling, c: int, cs: int, k: int, ks: int) -> None:
    """w = Gᵀ S G for a block of channels."""
    wide, rest = whole_vectors(ks, tiling.vector), ks % tiling.vector
    tap = tiling.channels * tiling.outputs
    for i in range(cs):
        to = (c + i) * tiling.outputs + k
        for q in range(0, ks - rest, tiling.vector):
            transform_sums(s, i * wide + q, cs * wide + GAP, w, to + q, tap, None)
        if rest:
            q = ks - rest
            transform_sums(s, i * wide + q, cs * wide + GAP, w, to + q, tap, rest)
