"""How a kernel becomes machine code and gets to the GPU: compiled once for each combination of types, then launched.

Numba's own way from a call to the launch takes 6 to 10 µs, most of it to find out the types of the arguments. Here a
kernel finds its machine code by the dtypes of its arguments, and hands addresses and numbers straight to the driver.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minifcn.kernels.cuda import driver, lang
from minifcn.kernels.cuda.array import CudaArray

#: Called with (kernel, grid, block, arguments) around each launch, if set: the profiler.
observer: Callable[..., Any] | None = None

Grid = int | tuple[int, ...]


class Kernel:
    """A function that runs once for each of many threads.

    ``kernel.launch(grid, block, *arguments)`` starts ``grid`` blocks of ``block`` threads. Of the arguments,
    `CudaArray` become one-dimensional arrays (they have to be contiguous), Python's integers u32, Python's floats f32,
    NumPy's numbers their own type, tuples of integers tuples of u32.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]):
        self.function, self.options = function, options
        self.name = function.__name__.lstrip("_")
        self.__doc__ = function.__doc__
        self._numba: Any = None
        self._machine_code: dict[tuple[Any, ...], Any] = {}

    def launch(self, grid: Grid, block: Grid, *arguments: Any) -> None:
        """Start the kernel; it runs when the work before it is done. An empty grid does nothing."""
        if 0 in (grid if isinstance(grid, tuple) else (grid,)):
            return
        if observer is not None:
            observer(self, grid, block, arguments, self._launch)
        else:
            self._launch(grid, block, arguments)

    def _launch(self, grid: Grid, block: Grid, arguments: tuple[Any, ...]) -> None:
        if lang.SIMULATED:
            self.numba[grid, block](*[_simulated(argument) for argument in arguments])
            return
        flat, kinds = _flattened(arguments)
        code = self._machine_code.get(kinds)
        if code is None:
            code = self._machine_code[kinds] = lang.loaded(self.numba, tuple(map(_type_of, kinds)))
        lang.launch(code, driver.stream(), grid, block, flat)

    @property
    def numba(self) -> Any:
        """Numba's object for the kernel, made on first use."""
        if self._numba is None:
            self._numba = lang.compiled(self.function, **self.options)
        return self._numba

    def signature(self, *arguments: Any) -> tuple[Any, ...]:
        """The types that the kernel is compiled for if called with these arguments."""
        return tuple(_type_of(_kind(argument)) for argument in arguments)

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"


def jit(**options: Any) -> Callable[[Callable[..., Any]], Kernel]:
    """Make a kernel of a function; ``launch_bounds=(threads, blocks)`` and other options are the compiler's."""

    def decorated(function: Callable[..., Any]) -> Kernel:
        return Kernel(function, options)

    return decorated


def threads_and_blocks(count: int, per_thread: int = 1, threads: int = 256) -> tuple[int, int]:
    """Blocks, and threads of each, for ``count`` elements: (grid, block).

    >>> threads_and_blocks(1000, per_thread=2, threads=32)
    (16, 32)
    """
    if lang.SIMULATED:  # where every thread costs a Python thread
        threads = min(threads, 32)
    return -(-count // (threads * per_thread)), threads


def _kind(argument: Any) -> Any:
    """What decides how an argument is compiled."""
    if isinstance(argument, CudaArray):
        return argument.dtype.char
    if isinstance(argument, np.generic):
        return type(argument)
    if isinstance(argument, tuple):
        return len(argument)
    return type(argument)


def _type_of(kind: Any) -> Any:
    """Numba's type for a kind of argument."""
    if isinstance(kind, str):
        return lang.array_type(np.dtype(kind))
    if isinstance(kind, int):
        return lang.tuple_type(kind)
    if kind in (int, float):
        return lang.scalar_type(np.dtype(np.uint32 if kind is int else np.float32))
    return lang.scalar_type(np.dtype(kind))


def _flattened(arguments: tuple[Any, ...]) -> tuple[list[Any], tuple[Any, ...]]:
    """What the driver is given, an array being seven numbers; and the kinds of the arguments, as `_kind` has them.

    One loop, on exact types: this runs hundreds of times a step.
    """
    flat: list[Any] = []
    kinds: list[Any] = []
    for argument in arguments:
        kind = type(argument)
        if kind is CudaArray:
            dtype, size = argument.dtype, argument.size
            kinds.append(dtype.char)
            flat += (0, 0, size, dtype.itemsize, argument.pointer, size, dtype.itemsize)
        elif kind is tuple:
            kinds.append(len(argument))
            flat += _unsigned(argument)
        elif kind is int:
            kinds.append(int)
            flat += _unsigned((argument,))
        else:
            kinds.append(kind)
            flat.append(_NUMBERS[kind](argument))
    return flat, tuple(kinds)


@functools.lru_cache(maxsize=4096)
def _unsigned(numbers: tuple[int, ...]) -> tuple[Any, ...]:
    """Numbers as the driver takes them. The same sizes come back in each step."""
    return tuple(map(ctypes.c_uint32, numbers))


_NUMBERS: dict[type, Any] = {
    float: ctypes.c_float,
    np.float64: ctypes.c_double,
    np.float32: ctypes.c_float,
    np.int32: ctypes.c_int32,
    np.uint32: ctypes.c_uint32,
    np.int64: ctypes.c_int64,
    np.uint64: ctypes.c_uint64,
}


def _simulated(argument: Any) -> Any:
    """An argument as the simulator's threads see it."""
    if isinstance(argument, CudaArray):
        return lang.simulated_memory(argument.flat_layout())
    if isinstance(argument, tuple):
        return tuple(lang.u32(number) for number in argument)
    if type(argument) is int:
        return lang.u32(argument)
    if type(argument) is float:
        return np.float32(argument)
    return argument.item() if isinstance(argument, np.integer) else argument
