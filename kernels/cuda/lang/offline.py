"""Compiling without a GPU, to see what a kernel will need of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from minifcn.kernels.cuda.lang import SIMULATED, cuda


def compile_ptx(kernel: Any, types: tuple[Any, ...], capability: tuple[int, int]) -> str:
    """PTX of a `minifcn.kernels.cuda.launching.Kernel` for Numba's ``types`` and a compute capability, such as (9, 0).

    Raises:
        RuntimeError: in the simulator, which compiles nothing.
    """
    if SIMULATED:
        raise RuntimeError("compile_ptx: the simulator compiles nothing; unset NUMBA_ENABLE_CUDASIM")
    from numba.cuda import types as numba_types

    known = ("launch_bounds", "max_registers", "fastmath", "opt", "lineinfo")
    options = {key: value for key, value in kernel.options.items() if key in known}
    with _pretending(capability):
        ptx, _ = cuda.compile(
            kernel.function,
            numba_types.void(*types),
            device=False,
            abi="numba",
            cc=capability,
            **options,
        )
    return str(ptx)


@contextmanager
def _pretending(capability: tuple[int, int]) -> Iterator[None]:
    """Let Numba, which compiles device functions for the GPU that it finds, find one of this capability."""
    from numba.cuda import dispatcher

    before = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    try:
        yield
    finally:
        dispatcher.get_current_device = before
