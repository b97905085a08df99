"""Max-pooling, and the pair of adjoints that its indices define: reading pixels, and adding to them.

Channels lie side by side, so neighbouring threads take neighbouring channels, and every access is one run of memory.
A block belongs to one row of the image: the batch and the row are divided once, by all threads alike.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda import lang
from minifcn.kernels.cuda.arrange import contiguous
from minifcn.kernels.cuda.array import CudaArray, empty, full
from minifcn.kernels.cuda.bodies import pooling as bodies
from minifcn.kernels.cuda.lang import cuda, device_function, i32, load4, store4, u32
from minifcn.kernels.cuda.launching import Kernel, jit, threads_and_blocks
from minifcn.kernels.shapes import Pair, Window

_first_largest = device_function(bodies.first_largest)
_UNROLLED = 9  # taps of a window that are read before the first is compared
_EACH = 4  # elements that a thread of `_gather` takes


def max_pool2d(x: CudaArray, window: Window, output_size: Pair) -> tuple[CudaArray, CudaArray]:
    """(N, H, W, C) -> (N, *output_size, C): the first largest in each window, and its int32 index h·W + w."""
    x = contiguous(x)
    N, H, W, C = x.shape
    P, Q = output_size
    shape = (N, P, Q, C)
    if x.size == 0 and N * P * Q * C:
        return full(shape, -np.inf, x.dtype), full(shape, -1, np.int32)
    y, indices = empty(shape, x.dtype), empty(shape, np.int32)
    if y.size:
        blocks, threads = _row_blocks(Q * C)
        kernel = _pool_kernel(window.kernel_size, _is_inside(window, (H, W), output_size))
        geometry = (*window.stride, *window.padding, *window.dilation, *window.kernel_size)
        kernel.launch((N * P, blocks), threads, x, y, indices, (H, W, C, P, Q), geometry)
    return y, indices


def gather2d(x: CudaArray, indices: CudaArray) -> CudaArray:
    """(N, H, W, C) -> (N, P, Q, C): the value of each pixel that an index points at; 0 for −1."""
    x, indices = contiguous(x), contiguous(indices)
    _, H, W, C = x.shape
    if x.size == 0:
        return full(indices.shape, 0, x.dtype)
    y = empty(indices.shape, x.dtype)
    if y.size:
        grid, block = threads_and_blocks(y.size, _EACH)
        plane = indices.shape[1] * indices.shape[2] * C
        _gather.launch(grid, block, x, indices, y, y.size, plane, H * W, C)
    return y


def max_unpool2d(y: CudaArray, indices: CudaArray, output_size: Pair, tile: Pair | None) -> CudaArray:
    """(N, P, Q, C) -> (N, *output_size, C): zeros, plus each value where its index points; −1 is nowhere.

    Windows that do not overlap (a ``tile``) are written one by one. Without, values may meet at a pixel: those of each
    pixel are chained, whoever comes first, and then added up in the order of their places, so that the bits of the sum
    are the same each time.
    """
    y, indices = contiguous(y), contiguous(indices)
    N, P, Q, C = y.shape
    H, W = output_size
    if y.size == 0:
        return full((N, H, W, C), 0, y.dtype)
    x = empty((N, H, W, C), y.dtype)
    if x.size == 0:
        return x
    if tile is not None:
        by_four = tile == (2, 2) and (H, W) == (2 * P, 2 * Q) and C % 4 == 0 and _are_quads(y, indices, x)
        kernel = _unpool_quads if by_four else _unpool_tiles
        blocks, threads = _row_blocks(Q * C // 4 if by_four else Q * C)
        kernel.launch((N * P, blocks), threads, y, indices, x, (H, W, C, P, Q), tile)
        return x
    heads, following = full(x.shape, 0, np.int32), empty(y.shape, np.int32)
    grid, block = threads_and_blocks(y.size)
    _chain.launch(grid, block, indices, heads, following, y.size, P * Q * C, H * W, C)
    grid, block = threads_and_blocks(x.size)
    _add_chains.launch(grid, block, y, heads, following, x, x.size)
    return x


def _row_blocks(width: int) -> tuple[int, int]:
    """Blocks for a row of ``width`` elements, and threads of each: as few idle ones as whole warps allow."""
    most = 32 if lang.SIMULATED else 256
    blocks = -(-width // most)
    return blocks, 32 * -(-width // (32 * blocks))


def _are_quads(y: CudaArray, *others: CudaArray) -> bool:
    """Whether four neighbouring numbers are one access of 16 bytes; a view can begin anywhere."""
    return y.dtype == np.float32 and all(array.pointer % 16 == 0 for array in (y, *others))


def _is_inside(window: Window, size: Pair, output_size: Pair) -> bool:
    """Whether no window reaches beyond the image."""
    ends = ((o - 1) * s + e for o, s, e in zip(output_size, window.stride, window.extent, strict=True))
    return window.padding == (0, 0) and all(end <= n for end, n in zip(ends, size, strict=True))


# --- kernels; shapes are (H, W, C, P, Q) -----------------------------------------------------------------------------

# mypy: disable-error-code="no-untyped-def,no-untyped-call"


def _pool_kernel(kernel_size: Pair, inside: bool) -> Kernel:
    """The kernel for a window: small ones have their own, whose taps are read at once; then come all others."""
    if kernel_size[0] * kernel_size[1] > _UNROLLED:
        return _small_pool_kernel(0, 0, False)
    return _small_pool_kernel(*kernel_size, inside)


@functools.cache
def _small_pool_kernel(rows: int, columns: int, inside: bool) -> Kernel:
    """Max-pooling for a window of ``rows`` x ``columns`` taps, or, if they are 0, of as many as ``geometry`` says."""
    taps = rows * columns

    @jit()
    def _max_pool(x, y, indices, shape, geometry):
        """A thread is an output (n, i, j, c). Taps beyond the image are read inside it, and not compared."""
        H, W, C, P, Q = shape
        e = u32(u32(cuda.blockIdx.y * cuda.blockDim.x) + cuda.threadIdx.x)
        if e < u32(Q * C):
            n = u32(u32(cuda.blockIdx.x) // P)
            i = u32(cuda.blockIdx.x - u32(n * P))
            j = u32(e // C)
            plane = u32(u32(u32(u32(n * H) * W) * C) + u32(e - u32(j * C)))
            top = i32(i32(u32(i * geometry[0])) - i32(geometry[2]))
            left = i32(i32(u32(j * geometry[1])) - i32(geometry[3]))
            best, where = x.dtype.type(-np.inf), i32(-1)
            if taps:
                for tap in range(taps):
                    p = i32(top + i32(u32(u32(tap // columns) * geometry[4])))
                    q = i32(left + i32(u32(u32(tap % columns) * geometry[5])))
                    if inside:
                        value = x[u32(plane + u32(u32(u32(u32(p) * W) + u32(q)) * C))]
                        best, where = _first_largest(best, where, value, i32(i32(p * i32(W)) + q))
                    else:
                        near_p, near_q = min(max(p, i32(0)), i32(H - 1)), min(max(q, i32(0)), i32(W - 1))
                        place = i32(i32(i32(near_p) * i32(W)) + i32(near_q))
                        value = x[u32(plane + u32(u32(place) * C))]
                        next_best, next_where = _first_largest(best, where, value, place)
                        real = (p == near_p) & (q == near_q)
                        best, where = (next_best if real else best), (next_where if real else where)
            else:
                for r in range(geometry[6]):
                    for t in range(geometry[7]):
                        p = i32(top + i32(u32(u32(r) * geometry[4])))
                        q = i32(left + i32(u32(u32(t) * geometry[5])))
                        if p >= 0 and p < i32(H) and q >= 0 and q < i32(W):
                            place = i32(i32(p * i32(W)) + q)
                            value = x[u32(plane + u32(u32(place) * C))]
                            best, where = _first_largest(best, where, value, place)
            o = u32(u32(u32(cuda.blockIdx.x * Q) * C) + e)
            y[o] = best
            indices[o] = where

    return _max_pool


@device_function
def _pixel(x, index, e, plane, pixels, C):
    """The value that an index points at, for element e of the result; 0 if that is nowhere."""
    inside = (index >= 0) & (index < pixels)
    place = u32(u32(u32(u32(u32(e // plane) * pixels) + u32(index)) * C) + u32(e % C))
    value = x[place if inside else u32(0)]  # read in any case: so the reads of four elements are under way at once
    return value if inside else x.dtype.type(0)


@jit()
def _gather(x, indices, y, count, plane, pixels, C):
    """``plane`` is P · Q · C, ``pixels`` H · W. A thread takes four elements, a block apart; see `_EACH`."""
    e0 = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
    e1, last = u32(e0 + u32(cuda.blockDim.x)), u32(count - u32(1))
    e2 = u32(e1 + u32(cuda.blockDim.x))
    e3 = u32(e2 + u32(cuda.blockDim.x))
    n0, n1, n2, n3 = min(e0, last), min(e1, last), min(e2, last), min(e3, last)
    i0, i1, i2, i3 = indices[n0], indices[n1], indices[n2], indices[n3]
    a0, a1 = _pixel(x, i0, n0, plane, pixels, C), _pixel(x, i1, n1, plane, pixels, C)
    a2, a3 = _pixel(x, i2, n2, plane, pixels, C), _pixel(x, i3, n3, plane, pixels, C)
    if e0 < count:
        y[e0] = a0
    if e1 < count:
        y[e1] = a1
    if e2 < count:
        y[e2] = a2
    if e3 < count:
        y[e3] = a3


@jit()
def _unpool_tiles(y, indices, x, shape, tile):
    """A thread is a window: it writes all its pixels. The last ones reach to the image's end."""
    H, W, C, P, Q = shape
    e = u32(u32(cuda.blockIdx.y * cuda.blockDim.x) + cuda.threadIdx.x)
    if e < u32(Q * C):
        n = u32(u32(cuda.blockIdx.x) // P)
        i = u32(cuda.blockIdx.x - u32(n * P))
        j = u32(e // C)
        c = u32(e - u32(j * C))
        o = u32(u32(u32(cuda.blockIdx.x * Q) * C) + e)
        value, index = y[o], indices[o]
        below = H if u32(i + u32(1)) == P else u32(u32(i + u32(1)) * tile[0])
        beyond = W if u32(j + u32(1)) == Q else u32(u32(j + u32(1)) * tile[1])
        for p in range(u32(i * tile[0]), below):
            for q in range(u32(j * tile[1]), beyond):
                place = u32(u32(u32(p) * W) + u32(q))
                here = i32(place) == index
                x[u32(u32(u32(u32(u32(n * H) * W) + place) * C) + c)] = value if here else x.dtype.type(0)


@jit()
def _unpool_quads(y, indices, x, shape, tile):
    """Tiles of 2 x 2 that cover the image: a thread is four channels of a window, and writes its four pixels."""
    _, W, C, P, Q = shape
    quads = u32(C >> u32(2))
    e = u32(u32(cuda.blockIdx.y * cuda.blockDim.x) + cuda.threadIdx.x)
    if e < u32(Q * quads):
        o = u32(u32(u32(u32(cuda.blockIdx.x * Q) * quads) + e) << u32(2))
        v0, v1, v2, v3 = load4(y, o)
        i0, i1, i2, i3 = load4(indices, o)
        i = u32(u32(cuda.blockIdx.x) % P)
        j = u32(e // quads)
        c = u32(u32(e - u32(j * quads)) << u32(2))
        corner = u32(u32(u32(i * u32(2)) * W) + u32(j * u32(2)))  # in the image; below, in the batch: N·H is N·2P
        pixel = u32(u32(u32(u32(cuda.blockIdx.x * u32(2)) * W) + u32(j * u32(2))) * C)
        zero = x.dtype.type(0)
        for r in range(2):
            for k in range(2):
                step = u32(u32(u32(r) * W) + u32(k))
                here = i32(u32(corner + step))
                four = (
                    v0 if i0 == here else zero,
                    v1 if i1 == here else zero,
                    v2 if i2 == here else zero,
                    v3 if i3 == here else zero,
                )
                store4(x, u32(u32(pixel + u32(step * C)) + c), four)


@jit()
def _chain(indices, heads, following, count, plane, pixels, C):
    """Put each position e in the chain of the pixel that it points at; e + 1 stands for it, 0 ends a chain."""
    e = u32(u32(cuda.blockIdx.x * cuda.blockDim.x) + cuda.threadIdx.x)
    if e < count:
        index = indices[e]
        if index >= 0 and index < pixels:
            n = u32(e // plane)
            pixel = u32(u32(u32(u32(n * pixels) + u32(index)) * C) + u32(e % C))
            following[e] = cuda.atomic.exch(heads, pixel, i32(u32(e + u32(1))))


@jit()
def _add_chains(y, heads, following, x, count):
    """Add up each pixel's chain, the smallest position first, whatever order it was chained in."""
    e = u32(u32(cuda.blockIdx.x * cuda.blockDim.x) + cuda.threadIdx.x)
    if e < count:
        head = u32(heads[e])
        total = lang.f64(0)
        done = u32(0)
        more = head != u32(0)
        while more:
            smallest = u32(0xFFFFFFFF)
            link = head
            while link != u32(0):
                if link > done and link < smallest:
                    smallest = link
                link = u32(following[u32(link - u32(1))])
            more = smallest != u32(0xFFFFFFFF)
            if more:
                total += y[u32(smallest - u32(1))]
                done = smallest
        x[e] = x.dtype.type(total)


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    array, number = lang.array_type, lang.scalar_type(np.dtype(np.uint32))
    shape, pair = lang.tuple_type(5), lang.tuple_type(2)
    integers = array(np.dtype(np.int32))
    for dtype in map(np.dtype, (np.float32, np.float64)):
        x = array(dtype)
        for rows, columns, inside in ((2, 2, True), (3, 3, False), (0, 0, False)):
            kernel = _small_pool_kernel(rows, columns, inside)
            yield f"max_pool2d {rows}x{columns} {dtype}", kernel, (x, x, integers, shape, lang.tuple_type(8))
        yield f"gather2d {dtype}", _gather, (x, integers, x, *[number] * 4)
        yield f"max_unpool2d, tiles {dtype}", _unpool_tiles, (x, integers, x, shape, pair)
        yield f"max_unpool2d, sums {dtype}", _add_chains, (x, integers, integers, x, number)
    single = array(np.dtype(np.float32))
    yield "max_unpool2d, tiles of 2x2, 4 channels", _unpool_quads, (single, integers, single, shape, pair)
    yield "max_unpool2d, chains", _chain, (integers, integers, integers, *[number] * 4)
