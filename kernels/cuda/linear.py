"""Matrix products.

A product with one matrix is a convolution, 1 x 1, of an image that is one row high. Products of many pairs of matrices,
which networks of convolutions have no use for, are multiplied tile by tile and no faster than that.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda.array import CudaArray, empty, full
from minifcn.kernels.cuda.conv.launch import conv2d, operand
from minifcn.kernels.cuda.lang import SIMULATED, array_type, cuda, scalar_type, u32
from minifcn.kernels.cuda.launching import Kernel, jit
from minifcn.kernels.shapes import Window

#: A tile is _TILE x _TILE, of _THREADS² threads with _EACH² sums, _SLAB terms at a time.
_TILE, _SLAB, _EACH = (16, 8, 4) if SIMULATED else (64, 16, 4)
_THREADS = _TILE // _EACH
_BLOCK = _THREADS * _THREADS
_PITCH = _TILE + 4  # keeps the threads' writes to shared memory in different banks
_SHARED = _SLAB * _PITCH
_COUNT = _TILE * _SLAB // _BLOCK


def matmul(a: CudaArray, b: CudaArray) -> CudaArray:
    """(..., M, K) times (..., K, N) -> (..., M, N); leading axes broadcast."""
    dtype = np.result_type(a.dtype, b.dtype)
    (M, K), N = a.shape[-2:], b.shape[-1]
    leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if math.prod(leading) * M * N == 0 or K == 0:
        return full((*leading, M, N), 0, dtype)
    a, b = operand(a, dtype), operand(b, dtype)
    if math.prod(b.shape[:-2]) == 1:  # one matrix on the right: all rows on the left at once
        rows = a.size // K
        result = conv2d(a.reshape(1, 1, rows, K), b.reshape(1, 1, K, N), None, Window((1, 1)), 1, (1, rows), relu=False)
        return result.reshape(*leading, M, N)
    a = operand(a.broadcast_view((*leading, M, K)), dtype)
    b = operand(b.broadcast_view((*leading, K, N)), dtype)
    out = empty((*leading, M, N), dtype)
    m_tiles, n_tiles = -(-M // _TILE), -(-N // _TILE)
    _multiply(dtype).launch(math.prod(leading) * m_tiles * n_tiles, _BLOCK, a, b, out, M, N, K, m_tiles, n_tiles)
    return out


@functools.cache
def _multiply(dtype: np.dtype) -> Kernel:
    """The product of every matrix of a with that of b, for numbers of this type."""
    number = dtype.type if SIMULATED else array_type(dtype).dtype

    @jit(launch_bounds=(_BLOCK, 2))
    def multiply(a, b, out, M, N, K, m_tiles, n_tiles):  # type: ignore[no-untyped-def]
        sa = cuda.shared.array(_SHARED, number)
        sb = cuda.shared.array(_SHARED, number)
        acc = cuda.local.array((_EACH, _EACH), number)
        t = u32(cuda.threadIdx.x)
        rest = u32(u32(cuda.blockIdx.x) // n_tiles)
        n0 = u32(u32(u32(cuda.blockIdx.x) - u32(rest * n_tiles)) * u32(_TILE))
        which = u32(rest // m_tiles)
        m0 = u32(u32(rest - u32(which * m_tiles)) * u32(_TILE))
        ty, tx = u32(u32(t // u32(_THREADS)) * u32(_EACH)), u32(u32(t % u32(_THREADS)) * u32(_EACH))
        for i in range(_EACH):
            for j in range(_EACH):
                acc[i, j] = number(0)
        for step in range(u32(0), K, u32(_SLAB)):
            for l in range(_COUNT):
                e = u32(t + u32(l * _BLOCK))
                k, m = u32(e % u32(_SLAB)), u32(e // u32(_SLAB))
                value = number(0)
                if u32(step + k) < K and u32(m0 + m) < M:
                    value = a[u32(u32(u32(u32(which * M) + u32(m0 + m)) * K) + u32(step + k))]
                sa[u32(u32(k * u32(_PITCH)) + m)] = value
                k, n = u32(e // u32(_TILE)), u32(e % u32(_TILE))
                value = number(0)
                if u32(step + k) < K and u32(n0 + n) < N:
                    value = b[u32(u32(u32(u32(which * K) + u32(step + k)) * N) + u32(n0 + n))]
                sb[u32(u32(k * u32(_PITCH)) + n)] = value
            cuda.syncthreads()
            for kk in range(_SLAB):
                for i in range(_EACH):
                    for j in range(_EACH):
                        acc[i, j] += sa[ty + u32(kk * _PITCH + i)] * sb[tx + u32(kk * _PITCH + j)]
            cuda.syncthreads()
        for i in range(_EACH):
            for j in range(_EACH):
                m, n = u32(m0 + u32(ty + u32(i))), u32(n0 + u32(tx + u32(j)))
                if m < M and n < N:
                    out[u32(u32(u32(u32(which * M) + m) * N) + n)] = acc[i, j]

    return multiply


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Every kernel of this file with the types it is compiled for: (label, kernel, types)."""
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        array = array_type(dtype)
        yield f"multiply {dtype}", _multiply(dtype), (array, array, array, *[scalar_type(np.dtype(np.uint32))] * 5)
