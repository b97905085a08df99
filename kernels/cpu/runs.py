"""Runs and blocks: how loops over (M, C) pixels stay fast for few channels, and sums stay exact for many pixels.

A loop over the channels of one pixel vectorises only if there are many. Vectors that belong to channels (means, scales)
are therefore repeated until they fill a *run* of at least 256 numbers, and pixels are processed a run at a time, in one
long inner loop whatever C is:

    x:      p0c0 p0c1 p0c2 | p1c0 p1c1 p1c2 | p2c0 ...        (flat, C = 3)
    scale:    s0   s1   s2 |   s0   s1   s2 |   s0 ...

A sum over pixels adds whole runs in float64. Threads share the work by *blocks* of a fixed number of runs, each with
its own partial sum, added up in order at the end: no atomics, and the same bits for any number of threads.
"""

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.jit import kernel, sum_helper

_RUN = 256  # numbers: long enough to hide a loop's overhead, short enough for ten such vectors to stay in the L1 cache
_BLOCK = 2**15  # numbers: large enough to hide a thread's overhead, small enough that two threads finish together


def run_size(pixels: int, channels: int) -> int:
    """Numbers in a run: a multiple of ``channels``, at least 256 if there are as many.

    >>> run_size(1000, 3), run_size(1000, 300), run_size(2, 3)
    (258, 300, 6)
    """
    return max(1, min(-(_RUN // -channels), pixels)) * channels


def block_size(run: int) -> int:
    """Numbers in a block: a multiple of the run."""
    return max(1, _BLOCK // run) * run


def block_count(size: int, block: int) -> int:
    """Number of blocks that cover ``size`` numbers."""
    return -(size // -block)


def spread(vector: Array, run: int) -> Array:
    """Repeat a vector (C,) until it fills a run.

    >>> spread(np.array([1, 2, 3]), 6)
    array([1, 2, 3, 1, 2, 3])
    """
    return np.tile(vector, run // len(vector))


def fold(partial: Array, channels: int) -> Array:
    """Partial sums (..., blocks, run) -> (..., C): add blocks, then the run's pixels, in order."""
    runs = partial.sum(axis=-2)
    return runs.reshape(*runs.shape[:-1], -1, channels).sum(axis=-2)


def sum_pixels(x: Array) -> Array:
    """(outer, M, C) contiguous -> (outer, C) float64: the sum over M."""
    outer, pixels, channels = x.shape
    run = run_size(pixels, channels)
    block = block_size(run)
    partial = np.zeros((outer, block_count(pixels * channels, block), run))
    _sum_blocks(x.reshape(outer, -1), block, partial)
    return fold(partial, channels)


def sum_rows(x: Array) -> Array:
    """(outer, M) contiguous -> (outer,) float64: the sum over M, for an M too small to share."""
    total = np.empty(len(x))
    _sum_rows(x, total)
    return total


@kernel
def _sum_rows(x: Array, total: Array) -> None:
    for m in prange(len(x)):
        total[m] = sum_row(x[m])


@sum_helper
def sum_row(row: Array) -> float:
    """Σ row, in float64."""
    total = 0.0
    for k in range(row.size):
        total += row[k]
    return total


@kernel
def _sum_blocks(x: Array, block: int, partial: Array) -> None:
    outer, blocks, run = partial.shape
    for task in prange(outer * blocks):
        plane, total = x[task // blocks], partial[task // blocks, task % blocks]
        first = task % blocks * block
        for begin in range(first, min(first + block, plane.size), run):
            piece = plane[begin : begin + run]  # the last one may be shorter
            for k in range(piece.size):
                total[k] += piece[k]
