"""The language that kernels are written in: everything minifcn takes from numba.cuda. Nothing else imports that.

    from minifcn.kernels.cuda.lang import cuda, f32, u32
    from minifcn.kernels.cuda.launching import jit

    @jit()
    def _double(x, y, n):
        i = u32(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x)
        if i < n:
            y[i] = f32(2) * x[i]

Arrays are one-dimensional and contiguous, indices unsigned 32-bit numbers: 64 multiplications of a matrix product cost
185 instructions with NumPy's way of indexing, 83 with this one. ``u32`` around every sum or product keeps it so, since
Numba makes 64-bit numbers of two 32-bit ones. Plain literals with a point are float64, and take float32 with them:
write ``f32(0.5)``, or ``x.dtype.type(0.5)`` where a kernel serves both.

With ``NUMBA_ENABLE_CUDASIM=1`` in the environment *before Numba is imported*, kernels are interpreted by Numba's
simulator, a Python thread for every CUDA thread: slow, but a proof on any machine. What the simulator lacks (exchanges
within a warp, tensor cores, asynchronous copies) is emulated in `emulation`.

To move to another compiler means to rewrite this package.
"""

# mypy: disable-error-code="no-redef,assignment,unused-ignore"
# Each name has two definitions, of which one is chosen.

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from minifcn.kernels.errors import DeviceUnavailableError

try:
    from numba import cuda
    from numba.cuda import config as _config
except ImportError as error:
    raise DeviceUnavailableError(
        f"device 'cuda' needs numba-cuda, which cannot be imported ({error}); install it with pip install "
        "'minifcn[cuda13]' (or minifcn[cuda12], if nvidia-smi shows a CUDA version below 13)"
    ) from error

#: Whether kernels are interpreted by the simulator instead of compiled for a GPU.
SIMULATED = bool(_config.ENABLE_CUDASIM)

Function = TypeVar("Function", bound=Callable[..., Any])

#: Options of the compiler that the simulator does not know.
_COMPILED_ONLY = ("launch_bounds", "max_registers", "forceinline", "lto", "cache", "fastmath")

if SIMULATED:
    from minifcn.kernels.cuda.lang.emulation import (
        Memory,
        QuietFunction,
        cp_async4,
        cp_async16,
        cp_async_commit,
        cp_async_wait,
        exp,
        f32,
        f64,
        fma,
        high_tf32,
        i32,
        ldmatrix_x4,
        load4,
        load_at,
        log,
        log1p,
        mma_tf32,
        power,
        shared_load4,
        shfl_down,
        shfl_xor,
        sqrt,
        store4,
        store_at,
        tanh,
        to_tf32,
        u32,
        u64,
    )
else:
    from cuda import core
    from numba import float32 as f32
    from numba import float64 as f64
    from numba import int32 as i32
    from numba import uint32 as u32
    from numba import uint64 as u64
    from numba.cuda import types
    from numba.cuda.np.numpy_support import from_dtype

    from minifcn.kernels.cuda.lang.ptx import (
        cp_async4,
        cp_async16,
        cp_async_commit,
        cp_async_wait,
        high_tf32,
        ldmatrix_x4,
        load4,
        load_at,
        mma_tf32,
        shared_load4,
        shfl_down,
        shfl_xor,
        store4,
        store_at,
        to_tf32,
    )

    exp, log, log1p, sqrt, tanh, power, fma = (
        math.exp,
        math.log,
        math.log1p,
        math.sqrt,
        math.tanh,
        math.pow,
        cuda.fma,
    )


def device_function(function: Function) -> Function:
    """A function that kernels call, compiled into them."""
    if SIMULATED:
        # Without a barrier or an index of its own, it is an ordinary function.
        return cuda.jit(device=True)(function) if "cuda" in function.__code__.co_names else function
    return cuda.jit(device=True, forceinline=True)(function)  # type: ignore[no-any-return]


def _restore_row_stack() -> None:
    """Give NumPy a name back that it has lost in 2.5, and that numba-cuda 0.30 looks up when it first compiles."""
    if "row_stack" not in vars(np):
        vars(np)["row_stack"] = np.vstack


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Numba's object for a kernel, which compiles on first use; `minifcn.kernels.cuda.launching.jit` makes kernels."""
    _restore_row_stack()
    if SIMULATED:
        options = {key: value for key, value in options.items() if key not in _COMPILED_ONLY}
        return cuda.jit(**options)(QuietFunction(function))
    return cuda.jit(**options)(function)


# --- types and launches, for `minifcn.kernels.cuda.launching` --------------------------------------------------------


def scalar_type(dtype: np.dtype) -> Any:
    """Numba's type for a number."""
    return from_dtype(dtype)


def array_type(dtype: np.dtype) -> Any:
    """Numba's type for a one-dimensional contiguous array."""
    return types.Array(from_dtype(dtype), 1, "C")


def tuple_type(length: int) -> Any:
    """Numba's type for a tuple of u32."""
    return types.UniTuple(types.uint32, length)


def loaded(kernel: Any, signature: tuple[Any, ...]) -> Any:
    """A kernel's machine code for these types, on the GPU."""
    _restore_row_stack()
    return kernel.compile(signature)._codelibrary.get_cufunc().kernel


_configurations: dict[Any, Any] = {}
_streams: dict[int, Any] = {}


def launch(code: Any, stream: int, grid: Any, block: Any, arguments: list[Any]) -> None:
    """Start machine code on a stream."""
    configuration = _configurations.get((grid, block))
    if configuration is None:
        configuration = _configurations[grid, block] = core.LaunchConfig(grid=grid, block=block)
    on = _streams.get(stream)
    if on is None:
        on = _streams[stream] = core.Stream.from_handle(stream)
    core.launch(on, configuration, code, *arguments)


def simulated_memory(array: np.ndarray) -> Any:
    """A one-dimensional array as the simulator's kernels see it."""
    return Memory(array)


def simulator_was_asked_for_too_late() -> bool:
    """Whether the environment asks for the simulator, but Numba was imported before."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0") and not SIMULATED


__all__ = [
    "SIMULATED",
    "array_type",
    "compiled",
    "cp_async4",
    "cp_async16",
    "cp_async_commit",
    "cp_async_wait",
    "cuda",
    "device_function",
    "exp",
    "f32",
    "f64",
    "fma",
    "high_tf32",
    "i32",
    "launch",
    "ldmatrix_x4",
    "load4",
    "load_at",
    "loaded",
    "log",
    "log1p",
    "mma_tf32",
    "power",
    "scalar_type",
    "shared_load4",
    "shfl_down",
    "shfl_xor",
    "simulated_memory",
    "simulator_was_asked_for_too_late",
    "sqrt",
    "store4",
    "store_at",
    "tanh",
    "to_tf32",
    "tuple_type",
    "u32",
    "u64",
]
