"""Runs and blocks: how loops over (M, C) pixels stay fast for few channels, and sums stay exact for many pixels.

A loop over the channels of one pixel vectorises only if there are many. Vectors that belong to channels (means, scales)
are therefore repeated until they fill a *run* of about 1,000 numbers, and pixels are processed a run at a time, in one
long inner loop whatever C is:

    x:      p0c0 p0c1 p0c2 | p1c0 p1c1 p1c2 | p2c0 ...        (flat, C = 3)
    scale:    s0   s1   s2 |   s0   s1   s2 |   s0 ...

A sum over pixels adds whole runs in float64. Threads share the work by *blocks* of a fixed number of runs, each with
its own partial sum, added up in order at the end: no atomics, and the same bits for any number of threads.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.jit import helper, kernel, sum_helper

# Numbers in a run: long enough to hide what a vectorised loop costs before it starts (at 256, the sums of batch
# normalisation's gradient took 1.5 times as long), short enough for ten such vectors to stay in the L1 cache.
_RUN = 1024
_SMALLEST, _LARGEST = 2**13, 2**17  # numbers in a block: enough to hide what starting and adding up blocks costs
_SHARES = 16  # blocks that a small array is cut into, so that threads finish together


class Split(NamedTuple):
    """How (M, C) pixels, laid flat, are cut up. All are numbers, not pixels."""

    channels: int
    run: int
    block: int


def split(size: int, channels: int) -> Split:
    """Cut ``size`` numbers into runs and blocks; each but the last block is the same number of whole runs.

    >>> split(3_000_000, 3)
    Split(channels=3, run=1536, block=130560)
    >>> split(15, 3)
    Split(channels=3, run=12, block=8184)
    """
    most = max(1, min(3 * _RUN // (2 * channels), size // channels))
    run = 2 ** (most.bit_length() - 1) * channels  # a power of two of pixels, which `fold` can halve
    about = min(max(size // _SHARES, _SMALLEST), _LARGEST)
    return Split(channels, run, max(1, about // run) * run)


def sum_pixels(x: Array) -> Array:
    """(outer, M, C) contiguous -> (outer, C) float64: the sum over M."""
    outer, pixels, channels = x.shape
    total = np.empty((outer, channels))
    _sum_pixels(x.reshape(outer, pixels * channels), split(pixels * channels, channels), total)
    return total


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
def _sum_pixels(x: Array, cut: Split, total: Array) -> None:
    outer, channels = total.shape
    blocks = block_count(x.shape[1], cut.block)
    partial = np.empty((outer * blocks, channels))
    for task in prange(outer * blocks):
        piece = block_of(x[task // blocks], task % blocks, cut.block)
        runs = np.zeros(cut.run)
        add_runs(piece, runs)
        fold(runs, partial[task])
    for n in range(outer):
        fold(partial[n * blocks : (n + 1) * blocks].ravel(), total[n])


# --- what such kernels are made of ----------------------------------------------------------------------------------


@helper
def block_count(size: int, block: int) -> int:
    """Number of blocks that cover ``size`` numbers."""
    return (size + block - 1) // block


@helper
def block_of(x: Array, b: int, block: int) -> Array:
    """The b-th block of a flat array; the last one may be shorter."""
    return x[b * block : min((b + 1) * block, x.size)]


@helper
def spread(vector: Array, run: int) -> Array:
    """Repeat a vector (C,) until it fills a run."""
    result = np.empty(run, vector.dtype)
    channels = vector.size
    for begin in range(0, run, channels):
        for c in range(channels):
            result[begin + c] = vector[c]
    return result


@helper
def fold(runs: Array, total: Array) -> None:
    """Sums over a run, or over several rows of C (whole, flat) -> (C,): halve while that is even, then add pixels.

    Halves are long loops, pixels may be short ones. ``runs`` is used up.
    """
    size, channels = runs.size, total.size
    while size > 0 and size % (2 * channels) == 0:
        size //= 2
        for k in range(size):
            runs[k] += runs[size + k]
    total[:] = 0.0
    for begin in range(0, size, channels):
        for c in range(channels):
            total[c] += runs[begin + c]


@helper
def add_runs(x: Array, total: Array) -> None:
    """total[k] += Σ x[k + i · run]."""
    run = total.size
    for begin in range(0, x.size, run):
        piece = x[begin : begin + run]  # the last one may be shorter
        for k in range(piece.size):
            total[k] += piece[k]
