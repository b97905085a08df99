"""Which kernel computes a convolution, and with what precision."""

from __future__ import annotations

import functools
import os
from typing import NamedTuple

import numpy as np

from minifcn.kernels.cpu.choice import forced
from minifcn.kernels.cuda import driver
from minifcn.kernels.cuda.conv import ffma, mma, weight
from minifcn.kernels.cuda.conv.fragments import Tile
from minifcn.kernels.cuda.conv.variant import Variant
from minifcn.kernels.cuda.lang import SIMULATED

VARIABLE = "MINIFCN_ALLOW_TF32"
#: Whether the simulator uses tensor cores as well, which takes it ten times as long: for tests of them.
simulated_tensor_cores = False
_allowed = os.environ.get(VARIABLE, "0") not in ("", "0")


def allow_tf32() -> bool:
    """Whether float32 numbers may be rounded to TF32, 10 bits of mantissa, before they are multiplied."""
    return _allowed


def set_allow_tf32(allowed: bool) -> None:
    """Allow TF32 in the whole process, or forbid it."""
    global _allowed
    _allowed = bool(allowed)


def precision(dtype: np.dtype, channels: int, outputs: int) -> str | None:
    """How tensor cores multiply ("float32", "tf32"); None: they do not.

    They take float32 and rows of whole quadruples, and are Ampere's or later; ``conv="direct"`` asks for none of them.
    """
    if SIMULATED and not simulated_tensor_cores:
        return None
    if dtype != np.float32 or channels % 4 or outputs % 4 or forced() == "direct":
        return None
    if driver.info().compute_capability < (8, 0):
        return None
    return "tf32" if allow_tf32() else "float32"


class Plan(NamedTuple):
    """A kernel, and how many parts the contraction is divided into, of how many slabs each."""

    variant: Variant
    shares: int
    slabs: int


def plan(M: int, N: int, channels: int, taps: int, parts: int, dtype: np.dtype, transposed: bool) -> Plan:
    """For ``parts`` products of (M, taps · channels) and (taps · channels, N)."""
    how = precision(dtype, channels, N)
    if how is None:
        return _plan_ffma(M, N, taps * channels, parts, dtype, transposed)
    return _plan_mma(M, N, taps * channels, parts, how, transposed)


def weight_plan(M: int, N: int, channels: int, pixels: int, parts: int, dtype: np.dtype) -> Plan:
    """For ``parts`` products of (M, pixels) and (pixels, N), M being taps · channels."""
    how = precision(dtype, channels, N)
    return _weight_ffma(M, N, pixels, parts, dtype) if how is None else _weight_mma(M, N, pixels, parts, how)


@functools.cache
def _plan_ffma(M: int, N: int, terms: int, parts: int, dtype: np.dtype, transposed: bool) -> Plan:
    tiles = ffma.TILES if dtype == np.float32 else ffma.DOUBLE_TILES
    narrowest = min((tile for tile in tiles if tile[1] >= N), key=lambda tile: tile[1], default=tiles[0])
    return divided(ffma.variant(narrowest, dtype, transposed), M, N, terms, parts, least=8, waves=2)


@functools.cache
def _plan_mma(M: int, N: int, terms: int, parts: int, how: str, transposed: bool) -> Plan:
    tile, shares = _fastest(mma.TILES[how], M, N, terms, parts, how)
    return _in_shares(mma.variant(tile, how, transposed), terms, shares)


@functools.cache
def _weight_ffma(M: int, N: int, pixels: int, parts: int, dtype: np.dtype) -> Plan:
    tiles = weight.TILES
    narrowest = min((tile for tile in tiles if min(M, N) <= tile[0]), key=lambda tile: tile[0], default=tiles[0])
    return divided(weight.variant(narrowest, dtype), M, N, pixels, parts, least=4, waves=4)


@functools.cache
def _weight_mma(M: int, N: int, pixels: int, parts: int, how: str) -> Plan:
    tile, shares = _fastest(weight.MMA_TILES[how], M, N, pixels, parts, how)
    return _in_shares(weight.mma_variant(tile, how), pixels, shares)


def divided(chosen: Variant, M: int, N: int, terms: int, parts: int, least: int, waves: int) -> Plan:
    """As many shares of the contraction as fill the GPU; ``least`` slabs a share are worth its sum's way to memory."""
    blocks = -(-M // chosen.rows) * -(-N // chosen.columns) * parts
    wanted = waves * driver.info().multiprocessors
    most = max(1, -(-terms // chosen.slab) // least)
    return _in_shares(chosen, terms, 1 if 2 * blocks > wanted else max(1, min(wanted // blocks, most)))


def _in_shares(chosen: Variant, terms: int, shares: int) -> Plan:
    """``shares`` of equally many slabs, or fewer if those suffice."""
    slabs = max(1, -(-terms // chosen.slab))
    each = -(-slabs // shares)
    return Plan(chosen, -(-slabs // each), each)


#: Terms of a slab of the tensor cores' kernels.
_SLAB = 16
#: Multiplications a cycle of a multiprocessor in the widest tiles, by precision; and how much of that narrower ones
#: reach, by rows · columns. Measured on an H200, good enough to compare tiles anywhere.
_RATE = {"float32": 106.0, "tf32": 213.0}
_REACHED = {
    "float32": {128 * 64: 0.94, 64 * 64: 0.9, 128 * 32: 0.83, 128 * 16: 0.72, 64 * 32: 0.7, 64 * 16: 0.45},
    "tf32": {128 * 128: 1, 128 * 64: 0.92, 64 * 64: 0.83, 128 * 32: 0.66, 128 * 16: 0.36, 64 * 32: 0.6, 64 * 16: 0.3},
}
if SIMULATED:
    _REACHED = {precision: {32 * 16: 1.0} for precision in _REACHED}
#: Bytes a cycle that a multiprocessor gets from the L2 cache, from which all copies come.
_L2_BYTES = 28
#: Warps that keep a multiprocessor busy, cycles until a block multiplies, cycles of a launch, bytes a cycle of memory.
_BUSY_WARPS, _START, _LAUNCH, _BYTES = 8, 1500, 5000, 1800


def _fastest(tiles: tuple[Tile, ...], M: int, N: int, terms: int, parts: int, how: str) -> tuple[Tile, int]:
    """The tile, and the number of shares, that take fewest cycles."""
    multiprocessors = driver.info().multiprocessors
    slabs = max(1, -(-terms // _SLAB))
    candidates = []
    for tile in tiles:
        blocks = -(-M // tile.rows) * -(-N // tile.columns) * parts
        wanted = {1, *(max(1, full * multiprocessors // blocks) for full in range(1, 5))}
        for shares in sorted(min(number, max(1, slabs // 4)) for number in wanted):
            cycles = _cycles(tile, blocks * shares, -(-slabs // shares), how)
            if shares > 1:
                cycles += _LAUNCH + (shares + 1) * 4 * M * N * parts / _BYTES
            candidates.append((cycles, tile, shares))
    _, tile, shares = min(candidates, key=lambda candidate: candidate[0])
    return tile, shares


def _cycles(tile: Tile, blocks: int, slabs: int, how: str) -> float:
    """Estimated cycles of blocks of so many slabs each."""
    busiest = -(-blocks // driver.info().multiprocessors)  # blocks of a multiprocessor
    room = tile.blocks
    warps = min(busiest, room) * tile.warps_m * tile.warps_n
    rate = _RATE[how] * _REACHED[how][tile.rows * tile.columns] * min(1.0, warps / _BUSY_WARPS)
    slab = max(tile.rows * tile.columns * _SLAB / rate, (tile.rows + tile.columns) * _SLAB * 4 / _L2_BYTES)
    return busiest * slab * slabs + -(-busiest // room) * _START
