"""Where arrays come from and random numbers: the CPU's memory is the host's."""

from typing import Any

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.memory import empty, full

__all__ = ["from_host", "full", "to_host", "uniform"]


def from_host(array: Any) -> Array:
    """The array itself."""
    return np.asarray(array)


def to_host(array: Array) -> Array:
    """The array itself."""
    return array


def uniform(shape: tuple[int, ...], generator: Any) -> Array:
    """Random float32 in [0, 1)."""
    drawn = empty(shape, np.float32)
    generator.random(out=drawn, dtype=np.float32)
    return drawn
