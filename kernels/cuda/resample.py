"""Sparse linear maps along rows and columns: upsampling, average pooling, mirrored borders, and their adjoints.

Where a row of either matrix holds at most four entries, one kernel applies both; its entries are known when it is
compiled, and all pixels are read before the first is used. Else the two matrices are applied one after the other, which
for large windows takes the fewest steps, and adds up in groups what one long sum would lose digits of.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minifcn.kernels.axismap import AxisMap, gather
from minifcn.kernels.cuda import lang
from minifcn.kernels.cuda.arrange import contiguous
from minifcn.kernels.cuda.array import CudaArray, empty, from_host
from minifcn.kernels.cuda.lang import cuda, device_function, f32, load4, store4, u32
from minifcn.kernels.cuda.launching import Kernel, jit

_FEW = 4  # entries of a row
_KEPT = 128  # tables
_TALL, _ALONG = (2, 16) if lang.SIMULATED else (4, 64)  # rows of a block, which share what they read; threads of each


def resample2d(x: CudaArray, rows: AxisMap, columns: AxisMap) -> CudaArray:
    """(N, H, W, C) -> (N, P, Q, C): y[n, i, j, c] = Σ_p Σ_q rows[i, p] · columns[j, q] · x[n, p, q, c]."""
    x = contiguous(x)
    if x.size == 0 or max(_longest(rows), _longest(columns)) <= _FEW:
        return _both(x, rows, columns)
    _, H, W, _ = x.shape
    if rows.output_size * W <= H * columns.output_size:
        return _both(_both(x, rows, _identity(W)), _identity(rows.output_size), columns)
    return _both(_both(x, _identity(H), columns), rows, _identity(columns.output_size))


def _both(x: CudaArray, rows: AxisMap, columns: AxisMap) -> CudaArray:
    N, H, W, C = x.shape
    P, Q = rows.output_size, columns.output_size
    y = empty((N, P, Q, C), x.dtype)
    if y.size:
        down, across = _table(rows, x.dtype), _table(columns, x.dtype)
        aligned = x.pointer % 16 == 0 and y.pointer % 16 == 0  # a view can begin anywhere
        width = 4 if C % 4 == 0 and x.dtype == np.float32 and aligned else 1
        kernel = _kernel(down.unrolled, across.unrolled, down.exact, across.exact, width)
        tables, shape = (*down.arrays, *across.arrays), (H, W, C, P, Q)
        if width == 4 and down.unrolled and across.unrolled:
            tiles, quads = -(-P // _TALL), C // 4
            blocks = -(-Q * quads // (_ALONG * _each(down.unrolled * across.unrolled)))
            kernel.launch((N * tiles, blocks), _TALL * _ALONG, x, *tables, y, shape, (tiles, *divmod(_ALONG, quads)))
        else:
            blocks, threads = _row_blocks(Q * C // width)
            kernel.launch((N * P, blocks), threads, x, *tables, y, shape, (down.pitch, across.pitch))
    return y


def _each(entries: int) -> int:
    """Pixels of a thread that sums up so many: a few reads are to be under way, and none is to wait for registers."""
    return 4 if entries == 1 else 2 if entries <= 4 else 1


def _row_blocks(width: int) -> tuple[int, int]:
    """Blocks for a row of ``width`` threads, and threads of each: as few idle ones as whole warps allow."""
    most = 32 if lang.SIMULATED else 256
    blocks = -(-width // most)
    return blocks, 32 * -(-width // (32 * blocks))


# --- matrices on the GPU ----------------------------------------------------------------------------------------------


class _Table(NamedTuple):
    """A matrix of which every row has room for ``pitch`` entries: row i has its k-th at i · pitch + k."""

    arrays: tuple[CudaArray, CudaArray, CudaArray]  # counts (rows,), sources and weights (rows, pitch)
    pitch: int
    exact: bool  # every row is full

    @property
    def unrolled(self) -> int:
        """Entries that the kernel knows of when it is compiled; 0 for more than a few."""
        return self.pitch if self.pitch <= _FEW else 0


@functools.lru_cache(_KEPT)
def _identity(size: int) -> AxisMap:
    return gather(np.arange(size), size)


def _longest(matrix: AxisMap) -> int:
    return int(np.diff(matrix.start).max(initial=0))


_by_identity: OrderedDict[Any, tuple[AxisMap, _Table]] = OrderedDict()
_by_contents: OrderedDict[Any, _Table] = OrderedDict()


def tables() -> list[Any]:
    """All that is on the GPU now: whoever recorded launches that read it holds on to it."""
    return list(_by_contents.values())


def _table(matrix: AxisMap, dtype: np.dtype) -> _Table:
    """The matrix on the GPU; uploaded once for the same arrays, or for others of the same contents."""
    key = (dtype.char, id(matrix.start), id(matrix.source), id(matrix.weight))
    known = _by_identity.get(key)  # which keeps the arrays, so that nobody else can have their identity
    if known is not None:
        _by_identity.move_to_end(key)
        return known[1]
    contents = (dtype.char, matrix.start.tobytes(), matrix.source.tobytes(), matrix.weight.tobytes())
    table = _by_contents.get(contents)
    if table is None:
        table = _by_contents[contents] = _uploaded(matrix, dtype)
    _by_contents.move_to_end(contents)
    _by_identity[key] = (matrix, table)
    for tables in (_by_identity, _by_contents):
        if len(tables) > _KEPT:
            tables.popitem(last=False)
    return table


def _uploaded(matrix: AxisMap, dtype: np.dtype) -> _Table:
    counts = np.diff(matrix.start)
    pitch = max(1, _longest(matrix))
    source, weight = np.zeros((len(counts), pitch), np.uint32), np.zeros((len(counts), pitch), dtype)
    full = counts > 0
    source[full] = matrix.source[matrix.start[:-1][full], None]  # room that is left over stands for a pixel nearby
    row = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(row)) - np.repeat(matrix.start[:-1], counts)
    source[row, place], weight[row, place] = matrix.source, matrix.weight
    arrays = from_host(counts.astype(np.uint32)), from_host(source), from_host(weight)
    return _Table(arrays, pitch, bool((counts == pitch).all()))


# --- kernels ---------------------------------------------------------------------------------------------------------

# mypy: disable-error-code="no-untyped-def,no-untyped-call"


@functools.cache
def _kernel(rows: int, columns: int, rows_exact: bool, columns_exact: bool, width: int) -> Kernel:
    """The kernel for so many entries, for 4 channels a thread or 1."""
    if rows and columns:
        exact = rows_exact and columns_exact
        return _few_by_four(rows, columns, exact) if width == 4 else _few_by_one(rows, columns, exact)
    return _many_by_four() if width == 4 else _many_by_one()


@functools.cache
def _sums_of_four(rows: int, columns: int) -> tuple[Any, Any, Any]:
    """Functions for the m-th pixel of a thread: read the pixels that it sums up, sum them up; do both with fewer."""

    @device_function
    def read(x, values, m, begins, sources, C, channels):
        for r in range(rows):
            for k in range(columns):
                tap, pixel = (m * rows + r) * columns + k, u32(begins[r] + sources[m * columns + k])
                four = load4(x, u32(u32(pixel * C) + channels[m]))
                values[tap, 0], values[tap, 1], values[tap, 2], values[tap, 3] = four

    @device_function
    def of_whole(values, m, row_weights, weights):
        a0, a1, a2, a3 = f32(0), f32(0), f32(0), f32(0)
        for r in range(rows):
            for k in range(columns):
                tap, w = (m * rows + r) * columns + k, row_weights[r] * weights[m * columns + k]
                a0, a1 = a0 + w * values[tap, 0], a1 + w * values[tap, 1]
                a2, a3 = a2 + w * values[tap, 2], a3 + w * values[tap, 3]
        return a0, a1, a2, a3

    @device_function
    def of_some(x, m, begins, sources, row_weights, weights, C, channels, row_count, counts):
        a0, a1, a2, a3 = f32(0), f32(0), f32(0), f32(0)
        for r in range(rows):
            for k in range(columns):
                if u32(r) < row_count and u32(k) < counts[m]:
                    pixel, w = u32(begins[r] + sources[m * columns + k]), row_weights[r] * weights[m * columns + k]
                    v0, v1, v2, v3 = load4(x, u32(u32(pixel * C) + channels[m]))
                    a0, a1, a2, a3 = a0 + w * v0, a1 + w * v1, a2 + w * v2, a3 + w * v3
        return a0, a1, a2, a3

    return read, of_whole, of_some


@functools.cache
def _few_by_four(rows: int, columns: int, exact: bool) -> Kernel:
    """At most ``rows`` and ``columns`` entries, just as many if ``exact``.

    A thread has 4 channels of `_each` output pixels of a row, as many threads apart as a row of the block has; a block
    has some rows, which read the same pixels. All entries are read first, then all pixels, then comes the arithmetic.
    Only near borders are rows not full; what they lack may not be added with weight 0, as 0 · ∞ is NaN.
    """
    taps, each = rows * columns, _each(rows * columns)
    entries, pixels = each * columns, each * taps  # of a thread
    read, of_whole, of_some = _sums_of_four(rows, columns)

    @jit()
    def _resample2d(x, down_count, down, down_weight, across_count, across, across_weight, y, shape, steps):
        H, W, C, P, Q = shape
        tiles, pixel_step, quad_step = steps
        quads = u32(C >> u32(2))
        above = u32(u32(cuda.threadIdx.x) // u32(_ALONG))
        n = u32(u32(cuda.blockIdx.x) // tiles)
        i = u32(u32(u32(cuda.blockIdx.x - u32(n * tiles)) * u32(_TALL)) + above)
        near_i = min(i, u32(P - u32(1)))
        e = u32(u32(u32(cuda.blockIdx.y * u32(_ALONG * each)) + cuda.threadIdx.x) - u32(above * u32(_ALONG)))
        j = u32(e // quads)
        quad = u32(e - u32(j * quads))
        begins, row_weights = cuda.local.array(rows, np.uint32), cuda.local.array(rows, np.float32)
        for r in range(rows):
            k = u32(u32(near_i * u32(rows)) + u32(r))
            begins[r], row_weights[r] = u32(u32(u32(n * H) + down[k]) * W), down_weight[k]
        row_count = u32(rows) if exact else down_count[near_i]
        places, counts = cuda.local.array(each, np.uint32), cuda.local.array(each, np.uint32)
        channels = cuda.local.array(each, np.uint32)
        sources, weights = cuda.local.array(entries, np.uint32), cuda.local.array(entries, np.float32)
        for m in range(each):
            near_j = min(j, u32(Q - u32(1)))
            channels[m] = u32(quad << u32(2))
            places[m] = u32(u32(u32(u32(u32(n * P) + i) * Q) + j) * C) if i < P and j < Q else u32(0xFFFFFFFF)
            counts[m] = u32(columns) if exact else across_count[near_j]
            for k in range(columns):
                q = u32(u32(near_j * u32(columns)) + u32(k))
                sources[m * columns + k], weights[m * columns + k] = across[q], across_weight[q]
            j, quad = u32(j + pixel_step), u32(quad + quad_step)
            if quad >= quads:
                j, quad = u32(j + u32(1)), u32(quad - quads)
        whole = exact or row_count == u32(rows)
        for m in range(each):
            whole = whole and places[m] != u32(0xFFFFFFFF) and (exact or counts[m] == u32(columns))
        if whole:
            values = cuda.local.array((pixels, 4), np.float32)
            for m in range(each):
                read(x, values, m, begins, sources, C, channels)
            for m in range(each):
                store4(y, u32(u32(places[m]) + u32(channels[m])), of_whole(values, m, row_weights, weights))
        else:
            for m in range(each):
                if places[m] != u32(0xFFFFFFFF):
                    four = of_some(x, m, begins, sources, row_weights, weights, C, channels, row_count, counts)
                    store4(y, u32(u32(places[m]) + u32(channels[m])), four)

    return _resample2d


@functools.cache
def _few_by_one(rows: int, columns: int, exact: bool) -> Kernel:
    """The same for one channel a thread."""

    @jit()
    def _resample2d(x, down_count, down, down_weight, across_count, across, across_weight, y, shape, pitches):
        H, W, C, P, Q = shape
        e = u32(u32(cuda.blockIdx.y * cuda.blockDim.x) + cuda.threadIdx.x)
        if e < u32(Q * C):
            n = u32(u32(cuda.blockIdx.x) // P)
            i = u32(cuda.blockIdx.x - u32(n * P))
            j = u32(e // C)
            c = u32(e - u32(j * C))
            total = x.dtype.type(0)
            for r in range(rows):
                begin = u32(u32(u32(n * H) + down[u32(u32(i * u32(rows)) + u32(r))]) * W)
                row_weight = down_weight[u32(u32(i * u32(rows)) + u32(r))]
                for k in range(columns):
                    q = u32(u32(j * u32(columns)) + u32(k))
                    value = x[u32(u32(u32(begin + across[q]) * C) + c)]
                    w = row_weight * across_weight[q]
                    if exact or (u32(r) < down_count[i] and u32(k) < across_count[j]):
                        total += w * value
            y[u32(u32(u32(cuda.blockIdx.x * Q) * C) + e)] = total

    return _resample2d


@functools.cache
def _many_by_four() -> Kernel:
    """Any number of entries; a thread is an output pixel's 4 channels."""

    @jit()
    def _resample2d(x, down_count, down, down_weight, across_count, across, across_weight, y, shape, pitches):
        H, W, C, P, Q = shape
        quads = u32(C >> u32(2))
        e = u32(u32(cuda.blockIdx.y * cuda.blockDim.x) + cuda.threadIdx.x)
        if e < u32(Q * quads):
            n = u32(u32(cuda.blockIdx.x) // P)
            i = u32(cuda.blockIdx.x - u32(n * P))
            j = u32(e // quads)
            c = u32(u32(e - u32(j * quads)) << u32(2))
            zero = x.dtype.type(0)
            a0, a1, a2, a3 = zero, zero, zero, zero
            for r in range(down_count[i]):
                begin = u32(u32(u32(n * H) + down[u32(u32(i * pitches[0]) + u32(r))]) * W)
                row_weight = down_weight[u32(u32(i * pitches[0]) + u32(r))]
                for k in range(across_count[j]):
                    q = u32(u32(j * pitches[1]) + u32(k))
                    v0, v1, v2, v3 = load4(x, u32(u32(u32(begin + across[q]) * C) + c))
                    w = row_weight * across_weight[q]
                    a0, a1, a2, a3 = a0 + w * v0, a1 + w * v1, a2 + w * v2, a3 + w * v3
            store4(y, u32(u32(u32(u32(cuda.blockIdx.x * Q) + j) * C) + c), (a0, a1, a2, a3))

    return _resample2d


@functools.cache
def _many_by_one() -> Kernel:
    """Any number of entries; a thread is a channel of an output pixel."""

    @jit()
    def _resample2d(x, down_count, down, down_weight, across_count, across, across_weight, y, shape, pitches):
        H, W, C, P, Q = shape
        e = u32(u32(cuda.blockIdx.y * cuda.blockDim.x) + cuda.threadIdx.x)
        if e < u32(Q * C):
            n = u32(u32(cuda.blockIdx.x) // P)
            i = u32(cuda.blockIdx.x - u32(n * P))
            j = u32(e // C)
            c = u32(e - u32(j * C))
            total = x.dtype.type(0)
            for r in range(down_count[i]):
                begin = u32(u32(u32(n * H) + down[u32(u32(i * pitches[0]) + u32(r))]) * W)
                row_weight = down_weight[u32(u32(i * pitches[0]) + u32(r))]
                for k in range(across_count[j]):
                    q = u32(u32(j * pitches[1]) + u32(k))
                    total += row_weight * across_weight[q] * x[u32(u32(u32(begin + across[q]) * C) + c)]
            y[u32(u32(u32(cuda.blockIdx.x * Q) * C) + e)] = total

    return _resample2d


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    whole = lang.array_type(np.dtype(np.uint32))
    for dtype, width in ((np.float32, 4), (np.float32, 1), (np.float64, 1)):
        x = lang.array_type(np.dtype(dtype))
        for entries, exact in ((1, True), (2, True), (4, False), (0, False)):
            last = lang.tuple_type(3 if width == 4 and entries else 2)
            types = (x, *(whole, whole, x) * 2, x, lang.tuple_type(5), last)
            label = f"resample2d, {entries or 'many'} entries, {width} channels {np.dtype(dtype)}"
            yield label, _kernel(entries, entries, exact, exact, width), types
