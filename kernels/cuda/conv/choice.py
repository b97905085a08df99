"""Which kernel computes a convolution, and with what precision."""

from __future__ import annotations

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
    terms = taps * channels
    how = precision(dtype, channels, N)
    if how is not None:
        return divided(mma.variant(_mma_tile(M, N, parts), how, transposed), M, N, terms, parts)
    tiles = ffma.TILES if dtype == np.float32 else ffma.DOUBLE_TILES
    narrowest = min((tile for tile in tiles if tile[1] >= N), key=lambda tile: tile[1], default=tiles[0])
    return divided(ffma.variant(narrowest, dtype, transposed), M, N, terms, parts)


def _mma_tile(M: int, N: int, parts: int) -> Tile:
    """The widest tile that is not wider than the product and leaves every multiprocessor work."""
    multiprocessors = driver.info().multiprocessors
    fitting = [tile for tile in mma.TILES if tile.columns < 2 * N or tile.columns == mma.TILES[-1].columns]
    for tile in fitting:
        if -(-M // tile.rows) * -(-N // tile.columns) * parts >= 2 * multiprocessors:
            return tile
    square = [tile for tile in fitting if tile.rows == 64]
    return square[0] if square else fitting[0]


def weight_plan(M: int, N: int, channels: int, pixels: int, parts: int, dtype: np.dtype) -> Plan:
    """For ``parts`` products of (M, pixels) and (pixels, N), M being taps · channels."""
    how = precision(dtype, channels, N)
    if how is not None:
        fitting = [tile for tile in weight.MMA_TILES if tile.columns < 2 * N] or [weight.MMA_TILES[-1]]
        tile = min(fitting, key=lambda tile: (-tile.columns, -(-M // tile.rows) * tile.rows, -tile.rows))
        return divided(weight.mma_variant(tile, how), M, N, pixels, parts, least=4, waves=tile.precise_blocks)
    smallest = weight.TILES[-1]
    narrowest = min((t for t in weight.TILES if t[0] >= M or t[1] >= N), key=lambda t: t[0], default=weight.TILES[0])
    chosen = weight.variant(smallest if max(M, N) <= smallest[1] else narrowest, dtype)
    return divided(chosen, M, N, pixels, parts, least=4, waves=4)


def divided(chosen: Variant, M: int, N: int, terms: int, parts: int, least: int = 8, waves: int = 2) -> Plan:
    """As many shares of the contraction as fill the GPU; ``least`` slabs a share are worth its sum's way to memory."""
    blocks = -(-M // chosen.rows) * -(-N // chosen.columns) * parts
    slabs = max(1, -(-terms // chosen.slab))
    wanted = waves * driver.info().multiprocessors
    shares = 1 if 2 * blocks > wanted else max(1, min(wanted // blocks, slabs // least))
    each = -(-slabs // shares)
    return Plan(chosen, -(-slabs // each), each)
