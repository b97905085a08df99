"""Which kernel computes a convolution, and with what precision."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from minifcn.kernels.cpu.choice import forced
from minifcn.kernels.cuda import driver
from minifcn.kernels.cuda.conv import ffma
from minifcn.kernels.cuda.conv.variant import Variant

VARIABLE = "MINIFCN_ALLOW_TF32"
_allowed = os.environ.get(VARIABLE, "0") not in ("", "0")


def allow_tf32() -> bool:
    """Whether float32 numbers may be rounded to TF32, 10 bits of mantissa, before they are multiplied."""
    return _allowed


def set_allow_tf32(allowed: bool) -> None:
    """Allow TF32 in the whole process, or forbid it."""
    global _allowed
    _allowed = bool(allowed)


class Plan(NamedTuple):
    """A kernel, and how many parts the contraction is divided into, of how many slabs each."""

    variant: Variant
    shares: int
    slabs: int


def _narrowest(tiles: tuple[tuple[int, int, int, int, int], ...], N: int) -> tuple[int, int, int, int, int]:
    """The tile of the fewest columns that takes all N of them, else the widest."""
    return min((tile for tile in tiles if tile[1] >= N), key=lambda tile: tile[1], default=tiles[0])


def plan(M: int, N: int, terms: int, parts: int, dtype: np.dtype, transposed: bool) -> Plan:
    """For ``parts`` products of (M, terms) and (terms, N)."""
    tiles = ffma.TILES if dtype == np.float32 else ffma.DOUBLE_TILES
    chosen = ffma.variant(_narrowest(tiles, N), dtype, transposed)
    return divided(chosen, M, N, terms, parts)


def divided(chosen: Variant, M: int, N: int, terms: int, parts: int, least: int = 8, waves: int = 2) -> Plan:
    """As many shares of the contraction as fill the GPU; ``least`` slabs a share are worth its sum's way to memory."""
    blocks = -(-M // chosen.rows) * -(-N // chosen.columns) * parts
    slabs = max(1, -(-terms // chosen.slab))
    wanted = waves * driver.info().multiprocessors
    shares = 1 if 2 * blocks > wanted else max(1, min(wanted // blocks, slabs // least))
    each = -(-slabs // shares)
    return Plan(chosen, -(-slabs // each), each)
