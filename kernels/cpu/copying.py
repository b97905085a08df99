"""Copies and sums on all threads: joins, splits and slices of channels, where NumPy would use one.

An array whose pixels lie at one distance from each other, such as a slice of the channels of a contiguous one, is a
matrix: M pixels of n numbers each, ``step`` apart. So it is copied pixel by pixel, in vectors.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty_like
from minifcn.kernels.cpu.simd import lanes, load, load_first, store, store_first

_MANY = 2**15  # numbers: below, to wake the threads costs more than they save
_BLOCK = 2**14  # numbers that a thread copies at a time
_CHUNK = 64  # numbers that stand for a pixel where all lie side by side


def contiguous(x: Array) -> Array:
    """``x`` itself if it is C-contiguous, else a copy that is."""
    x = np.asarray(x)
    if x.flags.c_contiguous:
        return x
    y = empty_like(x)
    copy(x, y)
    return y


def copy(source: Array, target: Array) -> None:
    """target[...] = source, arrays of one shape."""
    pixels = _pixels(source, target)
    if pixels is None:
        target[...] = source
    else:
        _copy(memory_of(source), memory_of(target), pixels, lanes(source.itemsize))


def add(a: Array, b: Array) -> Array | None:
    """a + b for arrays that are worth it: large, of one shape and floating dtype, laid out by pixels; else None."""
    pixels = _pixels(a, b) if a.shape == b.shape else None
    if pixels is None:
        return None
    y = empty_like(a)
    _add(memory_of(a), memory_of(b), y.reshape(-1), pixels, lanes(a.itemsize))
    return y


def memory_of(x: Array) -> Array:
    """The memory from the first number of x, whose strides are not negative, to the last, as one row."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    length = 1 + sum((n - 1) * (s // x.itemsize) for n, s in zip(x.shape, x.strides, strict=True))
    return np.lib.stride_tricks.as_strided(x, (length,), (x.itemsize,))


class _Pixels(NamedTuple):
    """Two arrays as matrices: ``total`` pixels of ``length`` numbers, so many numbers apart."""

    total: int
    length: int
    step_a: int
    step_b: int


def _pixels(a: Array, b: Array) -> _Pixels | None:
    """Two arrays of one shape as pixels, if they are large and lie so."""
    if a.size < _MANY or a.dtype != b.dtype or a.dtype.kind != "f":
        return None
    if a.flags.c_contiguous and b.flags.c_contiguous and a.size % _CHUNK == 0:
        return _Pixels(a.size // _CHUNK, _CHUNK, _CHUNK, _CHUNK)
    step_a, step_b = _step(a), _step(b)
    return None if step_a is None or step_b is None else _Pixels(a.size // a.shape[-1], a.shape[-1], step_a, step_b)


def _step(x: Array) -> int | None:
    """How far the pixels of (..., n) lie apart, in numbers; None if that is not one distance."""
    if x.ndim < 2 or x.strides[-1] != x.itemsize or x.strides[-2] < 0 or x.strides[-2] % x.itemsize:
        return None
    for axis in range(x.ndim - 2):
        if x.shape[axis] > 1 and x.strides[axis] != x.strides[axis + 1] * x.shape[axis + 1]:
            return None
    return int(x.strides[-2] // x.itemsize)


@kernel
def _copy(source: Array, target: Array, pixels: _Pixels, vector: int) -> None:
    block = max(1, _BLOCK // pixels.length)
    for b in prange((pixels.total + block - 1) // block):
        for m in range(b * block, min((b + 1) * block, pixels.total)):
            copy_numbers(source, m * pixels.step_a, pixels.length, vector, target, m * pixels.step_b)


@kernel
def _add(a: Array, b: Array, y: Array, pixels: _Pixels, vector: int) -> None:
    block, rest = max(1, _BLOCK // pixels.length), pixels.length % vector
    for task in prange((pixels.total + block - 1) // block):
        for m in range(task * block, min((task + 1) * block, pixels.total)):
            at_a, at_b, to = m * pixels.step_a, m * pixels.step_b, m * pixels.length
            for k in range(0, pixels.length - rest, vector):
                store(y, to + k, load(a, at_a + k) + load(b, at_b + k))
            if rest:
                k = pixels.length - rest
                store_first(y, to + k, load_first(a, at_a + k, rest) + load_first(b, at_b + k, rest), rest)


@helper
def copy_numbers(source: Array, at: int, count: int, vector: int, target: Array, to: int) -> None:
    """target[to :] = source[at :], ``count`` numbers."""
    rest = count % vector
    for k in range(0, count - rest, vector):
        store(target, to + k, load(source, at + k))
    if rest:
        store_first(target, to + count - rest, load_first(source, at + count - rest, rest), rest)
