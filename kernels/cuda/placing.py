"""Where arrays come from, and random numbers: a key from NumPy's generator, everything else on the GPU.

A recorded graph repeats its launches as they were, so a key that is a Python number would give the same numbers each
time. While a graph is recorded, keys are therefore read from memory, which is filled anew before each replay.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from minifcn.kernels.cuda import rng
from minifcn.kernels.cuda.array import CudaArray, full
from minifcn.kernels.cuda.array import from_host as _copied

__all__ = ["Keys", "from_host", "full", "keys_from", "to_host", "uniform"]


def from_host(array: Any) -> CudaArray:
    """A copy of a NumPy array on the GPU; what is there already stays."""
    return array if isinstance(array, CudaArray) else _copied(array)


def to_host(array: Any) -> Any:
    """A copy as a NumPy array; waits for the GPU."""
    return array.to_host() if isinstance(array, CudaArray) else np.asarray(array)


def uniform(shape: tuple[int, ...], generator: Any) -> CudaArray:
    """Random float32 in [0, 1), from a key that ``generator`` gives."""
    keys = _keys.get()
    return rng.uniform(shape, _drawn(generator) if keys is None else keys.next())


class Keys:
    """Keys in the GPU's memory, one for each call of `uniform` in a recorded graph."""

    def __init__(self, most: int = 256):
        self._array = full((most,), 0, np.uint64)
        self._count = 0

    def next(self) -> CudaArray:
        """The place of another key."""
        if self._count == self._array.size:
            raise RuntimeError(f"a graph draws random numbers at most {self._array.size} times (dropout layers)")
        self._count += 1
        return self._array.view(slice(self._count - 1, self._count))

    def restart(self) -> None:
        """Give the same places again: the function is run once more."""
        self._count = 0

    def draw(self, generator: Any) -> None:
        """Fill all places with new keys."""
        if self._count:
            keys = np.array([_drawn(generator) for _ in range(self._count)], np.uint64)
            self._array.view(slice(0, self._count))[...] = keys


_keys: ContextVar[Keys | None] = ContextVar("minifcn_cuda_keys", default=None)


@contextlib.contextmanager
def keys_from(keys: Keys) -> Iterator[None]:
    """Inside the block, in this thread alone, `uniform` takes its keys from memory."""
    token = _keys.set(keys)
    try:
        yield
    finally:
        _keys.reset(token)


def _drawn(generator: Any) -> int:
    return int(generator.integers(0, 2**63))
