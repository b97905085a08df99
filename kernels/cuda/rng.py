"""Random numbers made where they are needed: a counter, scrambled by a key. Nothing is kept from call to call."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda import lang
from minifcn.kernels.cuda.array import CudaArray, empty
from minifcn.kernels.cuda.bodies import philox as bodies
from minifcn.kernels.cuda.lang import cuda, device_function, f32, u32, u64
from minifcn.kernels.cuda.launching import Kernel, jit, threads_and_blocks

_scrambled = device_function(bodies.scrambled)
_unit = device_function(bodies.unit)


def uniform(shape: tuple[int, ...], key: int | CudaArray) -> CudaArray:
    """Random float32 in [0, 1), multiples of 2^−24: element e is number e of the sequence that ``key`` selects.

    The key is a number of 64 bits, or a uint64 array (1,), which is read when the kernel runs: so a recorded graph
    gives new numbers each time, once its key is changed.

    Philox4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3
    (SC 2011).
    """
    y = empty(shape, np.float32)
    fours = -(-math.prod(y.shape) // 4)
    given = key if isinstance(key, CudaArray) else np.uint64(key % 2**64)
    kernel = _uniform_of_array if isinstance(key, CudaArray) else _uniform_of_number
    kernel.launch(*threads_and_blocks(fours), y, y.size, given)
    return y


# --- kernels ----------------------------------------------------------------------------------------------------------

# mypy: disable-error-code="no-untyped-def, no-untyped-call"


@device_function
def _write_four(y, count, four, key):
    """The four numbers that one counter gives."""
    a, b, c, d = _scrambled(u32, u64, u32(four), u32(key), u32(u64(key) >> u64(32)))
    first = u32(u32(four) * u32(4))
    if u32(first + u32(3)) < count:
        y[first] = _unit(u32, f32, a)
        y[u32(first + u32(1))] = _unit(u32, f32, b)
        y[u32(first + u32(2))] = _unit(u32, f32, c)
        y[u32(first + u32(3))] = _unit(u32, f32, d)
    elif first < count:
        y[first] = _unit(u32, f32, a)
        if u32(first + u32(1)) < count:
            y[u32(first + u32(1))] = _unit(u32, f32, b)
        if u32(first + u32(2)) < count:
            y[u32(first + u32(2))] = _unit(u32, f32, c)


@jit()
def _uniform_of_number(y, count, key):
    _write_four(y, count, u32(u32(cuda.blockIdx.x * cuda.blockDim.x) + cuda.threadIdx.x), key)


@jit()
def _uniform_of_array(y, count, keys):
    _write_four(y, count, u32(u32(cuda.blockIdx.x * cuda.blockDim.x) + cuda.threadIdx.x), keys[0])


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    y, number = lang.array_type(np.dtype(np.float32)), lang.scalar_type(np.dtype(np.uint32))
    yield "uniform", _uniform_of_number, (y, number, lang.scalar_type(np.dtype(np.uint64)))
    yield "uniform, key in memory", _uniform_of_array, (y, number, lang.array_type(np.dtype(np.uint64)))
