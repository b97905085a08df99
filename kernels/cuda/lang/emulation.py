"""What Numba's simulator lacks, in Python: exchanges within a warp, tensor cores, asynchronous copies, exact types.

Every CUDA thread is a Python thread here. An exchange within a warp is: publish a value, wait for the whole block, read
the others' values, wait again. So all threads of a *block* have to take part, where a GPU asks for a warp.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

_LANES = 32


# --- numbers ----------------------------------------------------------------------------------------------------------


class u32:  # noqa: N801  # a number's type to its users, as Numba's is
    """An unsigned 32-bit number: Python's int, cut to 32 bits, because NumPy's warns of what hardware means to do."""

    dtype = np.dtype(np.uint32)

    def __new__(cls, value: Any) -> int:  # type: ignore[misc]
        """``value`` modulo 2^32."""
        return int(value) & 0xFFFFFFFF


class u64:  # noqa: N801
    """An unsigned 64-bit number."""

    dtype = np.dtype(np.uint64)

    def __new__(cls, value: Any) -> int:  # type: ignore[misc]
        """``value`` modulo 2^64."""
        return int(value) & 0xFFFFFFFFFFFFFFFF


class i32:  # noqa: N801
    """A signed 32-bit number."""

    dtype = np.dtype(np.int32)

    def __new__(cls, value: Any) -> int:  # type: ignore[misc]
        """``value`` modulo 2^32, from −2^31 on."""
        return ((int(value) + 0x80000000) & 0xFFFFFFFF) - 0x80000000


f32 = np.float32
f64 = np.float64


def _of_its_kind(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of one real number, in the number's own precision, without Python's exceptions."""

    def called(x: Any) -> Any:
        return function(x if isinstance(x, np.floating) else np.float64(x))

    return called


exp, log, log1p, sqrt, tanh = map(_of_its_kind, (np.exp, np.log, np.log1p, np.sqrt, np.tanh))


def power(a: Any, b: Any) -> Any:
    """a to the power b; NaN where that is not real."""
    return np.power(a, b)


def fma(a: Any, b: Any, c: Any) -> Any:
    """a · b + c, rounded once."""
    return type(c)(np.float64(a) * np.float64(b) + np.float64(c))


class QuietFunction:
    """A kernel's function, whose divisions by zero and overflows warn nobody: hardware gives inf and NaN."""

    def __init__(self, function: Callable[..., Any]):
        self._function = function
        self.__globals__ = function.__globals__  # where the simulator puts its `cuda`
        self.__name__, self.__module__, self.__doc__ = function.__name__, function.__module__, function.__doc__

    def __call__(self, *args: Any) -> None:
        """One thread of the kernel."""
        with np.errstate(all="ignore"):
            self._function(*args)


class Memory:
    """A one-dimensional array in a kernel. An index that is negative or beyond the end is an error, as it should be."""

    __slots__ = ("array", "dtype", "size")

    def __init__(self, array: np.ndarray):
        self.array, self.dtype, self.size = array, array.dtype, array.size

    def __getitem__(self, index: Any) -> Any:
        value = self.array[self._checked(index)]
        return value if self.dtype.kind == "f" else value.item()  # integers as Python's: they do not warn of overflows

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[self._checked(index)] = value

    def _checked(self, index: Any) -> int:
        i = int(index)
        if not 0 <= i < self.size:
            raise IndexError(f"a kernel touches element {i} of an array of {self.size}")
        return i


# --- memory -----------------------------------------------------------------------------------------------------------


def load4(array: Any, index: Any) -> tuple[Any, Any, Any, Any]:
    """Four neighbouring numbers of an array in global memory, in one access; ``index`` is a multiple of 4."""
    i = _aligned(index)
    return array[i], array[i + 1], array[i + 2], array[i + 3]


def store4(array: Any, index: Any, values: tuple[Any, Any, Any, Any]) -> None:
    """Write four neighbouring numbers of an array in global memory, in one access."""
    i = _aligned(index)
    for k in range(4):
        array[i + k] = values[k]


shared_load4 = load4


def _aligned(index: Any) -> int:
    i = int(index)
    if i % 4:
        raise IndexError(f"an access of 16 bytes at element {i}, which is no multiple of 4")
    return i


_C_TYPES = {np.dtype(np.float32): ctypes.c_float, np.dtype(np.float64): ctypes.c_double}


def load_at(address: Any, index: Any, like: Any) -> Any:
    """Element ``index`` of an array that begins at ``address``, of the type that ``like`` has."""
    return type(like)(_pointer(address, index, like).contents.value)


def store_at(address: Any, index: Any, value: Any) -> None:
    """Write element ``index`` of an array that begins at ``address``."""
    _pointer(address, index, value).contents.value = float(value)


def _pointer(address: Any, index: Any, like: Any) -> Any:
    kind = _C_TYPES[np.dtype(type(like))]
    return ctypes.cast(int(address) + int(index) * ctypes.sizeof(kind), ctypes.POINTER(kind))


def cp_async16(shared: Any, shared_index: Any, array: Any, index: Any, count: Any) -> None:
    """Copy four numbers from global to shared memory, asynchronously; from the ``count``-th on, zeros instead."""
    for k in range(4):
        shared[int(shared_index) + k] = array[int(index) + k] if k < int(count) else 0.0


def cp_async4(shared: Any, shared_index: Any, array: Any, index: Any, count: Any) -> None:
    """Copy one number from global to shared memory, asynchronously; a zero instead if ``count`` is 0."""
    shared[int(shared_index)] = array[int(index)] if int(count) else 0.0


def cp_async_commit() -> None:
    """End a group of asynchronous copies."""


def cp_async_wait(groups: int) -> None:
    """Wait until at most ``groups`` (a literal) groups of copies are still under way."""


# --- a warp -----------------------------------------------------------------------------------------------------------


def _exchanged(value: Any) -> tuple[list[Any], int]:
    """Every lane's value, and the number of this lane."""
    thread: Any = threading.current_thread()
    published = thread._manager.__dict__.setdefault("_minifcn_published", {})
    published[thread.thread_id] = value
    thread.syncthreads()
    lane = thread.thread_id % _LANES
    values = [published.get(thread.thread_id - lane + i) for i in range(_LANES)]
    thread.syncthreads()
    return values, lane


def shfl_down(value: Any, delta: Any) -> Any:
    """The value of the lane ``delta`` further on; of the last lanes, their own."""
    values, lane = _exchanged(value)
    return values[lane + int(delta)] if lane + int(delta) < _LANES else value


def shfl_xor(value: Any, mask: Any) -> Any:
    """The value of the lane whose number differs by the bits of ``mask``."""
    values, lane = _exchanged(value)
    return values[lane ^ int(mask)]


def ldmatrix_x4(shared: Any, index: Any) -> tuple[Any, Any, Any, Any]:
    """Four matrices of 8 rows of 4 numbers. Lane l gives the place of row l % 8 of matrix l // 8, 16-byte aligned.

    Lane l gets element l % 4 of row l // 4 of each.
    """
    places, lane = _exchanged(_aligned(index))
    row, column = lane // 4, lane % 4
    return tuple(shared[places[8 * matrix + row] + column] for matrix in range(4))


# --- tensor cores -----------------------------------------------------------------------------------------------------


def to_tf32(x: Any) -> Any:
    """Rounded to TF32 (8 bits of exponent, 10 of mantissa), to nearest, ties away from zero."""
    if not np.isfinite(x):
        return x
    bits = np.asarray(x, np.float32).view(np.uint32).item()
    return np.asarray((bits + 0x1000) & 0xFFFFE000, np.uint32).view(np.float32)[()]


def high_tf32(x: Any) -> Any:
    """The larger part, of TF32, of a number: rounded as by `to_tf32`, with two instructions less, but NaN may become 0.

    What is left of NaN, x − high_tf32(x), is NaN.
    """
    bits = np.asarray(x, np.float32).view(np.uint32).item()
    return np.asarray((bits + 0x1000) & 0xFFFFE000, np.uint32).view(np.float32)[()]


def _truncated(x: Any) -> float:
    """What a tensor core sees of a number: it leaves out the last 13 bits."""
    bits = np.asarray(x, np.float32).view(np.uint32).item()
    return float(np.asarray(bits & 0xFFFFE000, np.uint32).view(np.float32)[()])


def mma_tf32(d: tuple[Any, ...], a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    """D + A B of a warp, for A (16, 8), B (8, 8) and D (16, 8) spread over the lanes: mma.sync.m16n8k8.

    With g, q = lane // 4, lane % 4, a lane holds of A the elements (g, q), (g + 8, q), (g, q + 4), (g + 8, q + 4); of B
    (q, g) and (q + 4, g); of D (g, 2q), (g, 2q + 1), (g + 8, 2q), (g + 8, 2q + 1).
    """
    lanes, lane = _exchanged((tuple(map(_truncated, a)), tuple(map(_truncated, b))))
    g, q = lane // 4, lane % 4
    places = ((g, 2 * q), (g, 2 * q + 1), (g + 8, 2 * q), (g + 8, 2 * q + 1))
    result = []
    for value, (m, n) in zip(d, places, strict=True):
        row = [lanes[(m % 8) * 4 + k % 4][0][m // 8 + 2 * (k // 4)] for k in range(8)]
        column = [lanes[n * 4 + k % 4][1][k // 4] for k in range(8)]
        result.append(np.float32(float(value) + sum(x * y for x, y in zip(row, column, strict=True))))
    return tuple(result)
