"""Copies between arrays that lie in memory in different ways, and fills. Values are bits here: no type is looked at.

Where both arrays have runs of neighbouring bytes, such as slices of the channels, they are moved in pieces as large as
lengths and addresses allow, up to 16 bytes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda import driver, lang
from minifcn.kernels.cuda.array import CudaArray, empty
from minifcn.kernels.cuda.lang import cuda, load4, store4, u32
from minifcn.kernels.cuda.launching import Kernel, jit, threads_and_blocks
from minifcn.kernels.cuda.striding import advance_of, collapsed, elements, span, walk_of

_EACH = 4  # pieces that a thread moves, all read before the first is written

#: What stands for a piece of so many bytes; 16 are four float32.
_PIECES: dict[int, np.dtype] = {
    1: np.dtype(np.uint8),
    2: np.dtype(np.uint16),
    4: np.dtype(np.uint32),
    8: np.dtype(np.uint64),
}
_FOUR = np.dtype(np.float32)


def copy(source: CudaArray, target: CudaArray) -> None:
    """target[...] = source, arrays of one shape and dtype that share no memory."""
    if target.size == 0:
        return
    if source.is_contiguous and target.is_contiguous:
        driver.copy_on_device(target.pointer, source.pointer, source.nbytes)
        return
    shape, steps = collapsed(target.shape, source.strides, target.strides)
    piece = _piece(target.itemsize, shape, steps, (source.pointer, target.pointer))
    if piece > target.itemsize:
        shape = (*shape[:-1], shape[-1] * target.itemsize // piece)
        steps = [(*strides[:-1], piece) for strides in steps]
    kind = _PIECES.get(piece, _FOUR)
    (read, first), (written, second) = span(source, kind), span(target, kind)
    if piece == 16:
        first, second = first // 4, second // 4
    geometry = shape, (*elements(steps[0], piece), first), (*elements(steps[1], piece), second)
    count = math.prod(shape)
    kernel = _copy_kernel(len(shape), piece)
    grid, block = threads_and_blocks(count, _EACH)
    kernel.launch(grid, block, read, written, count, *geometry, advance_of(shape, block))


def _piece(itemsize: int, shape: tuple[int, ...], steps: list[tuple[int, ...]], addresses: tuple[int, int]) -> int:
    """Bytes to move at once: an element, or, of runs of neighbours, as many as divide all lengths and distances."""
    if any(strides[-1] != itemsize for strides in steps):
        return itemsize
    return math.gcd(16, shape[-1] * itemsize, *addresses, *steps[0][:-1], *steps[1][:-1])


def fill(x: CudaArray, value: Any) -> None:
    """x[...] = value, a number."""
    if x.size == 0:
        return
    if not x.is_contiguous:
        one = empty((), x.dtype)
        fill(one, value)
        copy(one.broadcast_view(x.shape), x)
        return
    bits = np.asarray(value).astype(x.dtype).reshape(1).view(_PIECES[x.itemsize])[0]
    if bits == 0:
        driver.fill_zero(x.pointer, x.nbytes)
        return
    number = bits if x.itemsize == 8 else np.uint32(bits)
    memory, _ = span(x, _PIECES[x.itemsize])
    _fill.launch(*threads_and_blocks(x.size, _EACH), memory, x.size, number)


# --- kernels ----------------------------------------------------------------------------------------------------------

# mypy: disable-error-code="no-untyped-def"


@functools.cache
def _copy_kernel(rank: int, piece: int) -> Kernel:
    """The copy for a number of axes and a size of pieces. A thread takes pieces a block apart: warps touch runs."""
    start, move, _, places = walk_of(rank)
    kind = _PIECES.get(piece, _FOUR).type

    @jit()
    def _copy_pieces(source, target, count, shape, source_steps, target_steps, advance):
        first = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
        values = cuda.local.array(_EACH, kind)
        at = cuda.local.array(_EACH, np.uint32)
        where = start(first, shape)
        for k in range(_EACH):
            read, at[k] = places(where, shape, source_steps, target_steps, count)
            values[k] = source[read]
            where = move(where, shape, advance)
        for k in range(_EACH):
            if u32(first + u32(u32(k) * cuda.blockDim.x)) < count:
                target[u32(at[k])] = values[k]

    @jit()
    def _copy_fours(source, target, count, shape, source_steps, target_steps, advance):
        first = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
        values = cuda.local.array((_EACH, 4), np.float32)
        at = cuda.local.array(_EACH, np.uint32)
        where = start(first, shape)
        for k in range(_EACH):
            read, at[k] = places(where, shape, source_steps, target_steps, count)
            four = load4(source, u32(read * u32(4)))
            values[k, 0], values[k, 1], values[k, 2], values[k, 3] = four
            where = move(where, shape, advance)
        for k in range(_EACH):
            if u32(first + u32(u32(k) * cuda.blockDim.x)) < count:
                four = (values[k, 0], values[k, 1], values[k, 2], values[k, 3])
                store4(target, u32(u32(at[k]) * u32(4)), four)

    return _copy_fours if piece == 16 else _copy_pieces


@jit()
def _fill(x, count, value):
    first = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
    for k in range(_EACH):
        e = u32(first + u32(u32(k) * cuda.blockDim.x))
        if e < count:
            x[e] = value


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    number = lang.scalar_type(np.dtype(np.uint32))
    for piece in (1, 2, 4, 8, 16):
        x = lang.array_type(_PIECES.get(piece, _FOUR))
        for rank in (1, 2, 3, 4):
            steps = lang.tuple_type(rank + 1)
            types = (x, x, number, lang.tuple_type(rank), steps, steps, lang.tuple_type(2))
            yield f"copy of {rank} axes in pieces of {piece} bytes", _copy_kernel(rank, piece), types
        if piece < 16:
            bits = lang.scalar_type(np.dtype(np.uint64 if piece == 8 else np.uint32))
            yield f"fill of {piece} bytes", _fill, (x, number, bits)
