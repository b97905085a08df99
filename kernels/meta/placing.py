"""Where arrays come from, and random numbers that nobody draws."""

from typing import Any

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.memory import SMALL
from minifcn.kernels.meta.space import empty


def from_host(array: Any) -> Array:
    """The array itself."""
    return np.asarray(array)


def to_host(array: Array) -> Array:
    """The array itself."""
    return array


def full(shape: Any, value: float, dtype: Any) -> Array:
    """A new array; only a small one holds ``value``."""
    array = empty(shape, dtype)
    if array.nbytes < SMALL:
        array.fill(value)
    return array


def uniform(shape: tuple[int, ...], generator: Any) -> Array:
    """Room for random numbers."""
    return empty(shape, np.float32)
