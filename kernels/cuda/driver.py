"""The GPU's driver: memory, copies, streams and events; and what stands for them in the simulator.

Everything here that minifcn takes from NVIDIA's driver comes through cuda.bindings, whose calls return a status first.
All work of a process goes to one stream, in order, so memory that is given back may be handed out again at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from minifcn.kernels.cuda.lang import SIMULATED, simulator_was_asked_for_too_late
from minifcn.kernels.errors import DeviceUnavailableError

if not SIMULATED:
    try:
        from cuda.bindings import driver as _api
    except ImportError as error:
        raise DeviceUnavailableError(
            f"device 'cuda' needs cuda-bindings, which cannot be imported ({error}); pip install 'minifcn[cuda13]'"
        ) from error


class DriverError(RuntimeError):
    """A call of the driver failed."""


class DeviceInfo(NamedTuple):
    """The GPU that is used."""

    name: str
    compute_capability: tuple[int, int]
    multiprocessors: int
    l2_bytes: int
    shared_bytes_per_block: int
    driver_version: str  # of CUDA, that the driver supports


@functools.cache
def start() -> None:
    """Make the first GPU this thread's, once.

    Raises:
        DeviceUnavailableError: there is no driver or no GPU.
    """
    if SIMULATED:
        return
    late = "; NUMBA_ENABLE_CUDASIM was set after Numba had been imported" if simulator_was_asked_for_too_late() else ""
    try:
        _call(_api.cuInit, 0)
        count = _call(_api.cuDeviceGetCount)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise DeviceUnavailableError(
            f"device 'cuda' needs an NVIDIA GPU and its driver, and none was found ({reason}){late}; check with "
            "nvidia-smi, or use device='cpu'. NUMBA_ENABLE_CUDASIM=1 runs the kernels in a simulator: for tests"
        ) from error
    if count == 0:
        raise DeviceUnavailableError(f"device 'cuda' needs an NVIDIA GPU; the driver sees none{late}; use device='cpu'")


def context() -> Any:
    """The context of the first GPU that Numba, CuPy and PyTorch share, made this thread's."""
    if not hasattr(_thread, "context"):
        _thread.context = _shared_context()
        _call(_api.cuCtxSetCurrent, _thread.context)
    return _thread.context


_thread = threading.local()


@functools.cache
def _shared_context() -> Any:
    start()
    return _call(_api.cuDevicePrimaryCtxRetain, _call(_api.cuDeviceGet, 0))


def enter() -> None:
    """Make the context this thread's."""
    if not SIMULATED:
        _call(_api.cuCtxSetCurrent, context())


@functools.cache
def info() -> DeviceInfo:
    """What the GPU is."""
    if SIMULATED:
        return DeviceInfo("Numba's simulator", (9, 0), 1, 0, 48 * 1024, "none")
    context()
    device = _call(_api.cuDeviceGet, 0)
    name = _call(_api.cuDeviceGetName, 128, device).split(b"\0")[0].decode()
    attributes = _api.CUdevice_attribute

    def attribute(which: str) -> int:
        return int(_call(_api.cuDeviceGetAttribute, getattr(attributes, f"CU_DEVICE_ATTRIBUTE_{which}"), device))

    version = int(_call(_api.cuDriverGetVersion))
    return DeviceInfo(
        name,
        (attribute("COMPUTE_CAPABILITY_MAJOR"), attribute("COMPUTE_CAPABILITY_MINOR")),
        attribute("MULTIPROCESSOR_COUNT"),
        attribute("L2_CACHE_SIZE"),
        attribute("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"),
        f"{version // 1000}.{version % 1000 // 10}",
    )


def stream() -> int:
    """The stream of all work, as the driver knows it. It waits for, and is waited for by, the default stream."""
    if SIMULATED:
        return 0
    context()
    return _only_stream()


@functools.cache
def _only_stream() -> int:
    return int(_call(_api.cuStreamCreate, 0))


_recording = ContextVar("minifcn_cuda_recording", default=False)


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """Inside the block, in this thread, work is recorded: what copies from or to the host, or waits, is an error."""
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)


def _check_not_recording(what: str) -> None:
    if _recording.get():
        raise RuntimeError(
            f"an operation {what}, which a graph cannot record; in a graphed step, give labels as Tensors on the GPU "
            "and leave out class and pixel weights, array keys and reading of values"
        )


def synchronize() -> None:
    """Wait until the GPU has done all that it was given; errors of kernels that ran meanwhile appear here."""
    _check_not_recording("waits for the GPU")
    if not SIMULATED:
        _call(_api.cuStreamSynchronize, stream())


# --- memory -----------------------------------------------------------------------------------------------------------

_simulated_blocks: dict[int, np.ndarray] = {}


def allocate(size: int) -> int | None:
    """The address of ``size`` fresh bytes; None if there are none left."""
    if SIMULATED:
        block = np.empty(size + 256, np.uint8)
        address = -(-int(block.ctypes.data) // 256) * 256
        _simulated_blocks[address] = block
        return address
    context()
    status, pointer = _api.cuMemAlloc(size)
    if status == _api.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
        return None
    _check(_api.cuMemAlloc, status)
    return int(pointer)


def free(address: int) -> None:
    """Give a block back to the driver; waits for the work that uses it."""
    if SIMULATED:
        del _simulated_blocks[address]
    else:
        _call(_api.cuMemFree, address)


def memory_info() -> tuple[int, int]:
    """Bytes of the GPU's memory that are free, and in all."""
    if SIMULATED:
        return 2**30, 2**30
    context()
    free_bytes, total = _call(_api.cuMemGetInfo)
    return int(free_bytes), int(total)


def copy_to_device(address: int, source: int, size: int, on: int | None = None) -> None:
    """Copy bytes from the host. Pageable memory may be changed at once, pinned memory once the copy is done."""
    _check_not_recording("copies from the host")
    if SIMULATED:
        ctypes.memmove(address, source, size)
    elif size:
        _call(_api.cuMemcpyHtoDAsync, address, source, size, stream() if on is None else on)


def copy_to_host(target: int, address: int, size: int) -> None:
    """Copy bytes to the host, once the work before is done; waits for them, unless the target is pinned memory."""
    _check_not_recording("copies to the host")
    if SIMULATED:
        ctypes.memmove(target, address, size)
    elif size:
        _call(_api.cuMemcpyDtoHAsync, target, address, size, stream())


def copy_on_device(target: int, source: int, size: int) -> None:
    """Copy bytes within the GPU's memory."""
    if SIMULATED:
        ctypes.memmove(target, source, size)
    elif size:
        _call(_api.cuMemcpyDtoDAsync, target, source, size, stream())


def fill_zero(address: int, size: int) -> None:
    """Write zeros."""
    if SIMULATED:
        ctypes.memset(address, 0, size)
    elif size:
        _call(_api.cuMemsetD8Async, address, 0, size, stream())


# --- the driver's way of telling errors -------------------------------------------------------------------------------


def _call(function: Any, *arguments: Any) -> Any:
    """The result of a call of the driver (several as a tuple), which must succeed."""
    status, *results = function(*arguments)
    _check(function, status)
    return results[0] if len(results) == 1 else tuple(results)


def _check(function: Any, status: Any) -> None:
    if int(status) != 0:
        _, text = _api.cuGetErrorString(status)
        said = text.decode() if text else "unknown error"
        raise DriverError(f"{function.__name__}: {status.name} ({said})")


def call(name: str, *arguments: Any) -> Any:
    """A call of the driver by name, for what only one module needs, such as graphs and events."""
    context()
    return _call(getattr(_api, name), *arguments)


def enum(name: str) -> Any:
    """One of the driver's enumerations."""
    return getattr(_api, name)
