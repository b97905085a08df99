"""A kernel made for one size of tile."""

from __future__ import annotations

from typing import NamedTuple

from minifcn.kernels.cuda.launching import Kernel


class Variant(NamedTuple):
    """Each block of ``threads`` threads computes ``rows`` x ``columns`` sums, ``slab`` terms of them at a time."""

    kernel: Kernel
    rows: int
    columns: int
    slab: int
    threads: int
