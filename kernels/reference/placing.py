"""Where arrays come from, and random numbers: NumPy's."""

from typing import Any

import numpy as np

from minifcn.kernels.contract import Array


def from_host(array: Any) -> Array:
    """The array itself."""
    return np.asarray(array)


def to_host(array: Array) -> Array:
    """The array itself."""
    return array


def full(shape: Any, value: float, dtype: Any) -> Array:
    """A new array of one value."""
    return np.full(shape, value, dtype)


def uniform(shape: tuple[int, ...], generator: Any) -> Array:
    """Random float32 in [0, 1)."""
    return generator.random(shape, dtype=np.float32)
