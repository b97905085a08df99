"""Arrays of other libraries, and ours in theirs, without a copy: DLPack, and Numba's CUDA array interface.

DLPack (dlpack.h) hands over a capsule with address, device, shape, strides, and a function that ends the loan. NumPy
makes and reads such capsules for arrays of the host, in C, and takes care of the end of the process too. As a
`CudaArray` is a NumPy array whose address lies on the GPU, only one thing in the capsule is wrong: the device. It is
changed in the capsule itself: on the way out from host to GPU, on the way in from GPU to host.

Whoever hands over data makes the other's stream wait for its own, so results are there before they are read. What the
receiver still computes when it drops an array, the giver cannot know: work of receivers on the default stream is waited
for by itself, work on other streams has to be finished before the array is dropped.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from minifcn.kernels.cuda import driver
from minifcn.kernels.cuda.array import CudaArray
from minifcn.kernels.cuda.events import Event
from minifcn.kernels.cuda.lang import SIMULATED

#: Codes of dlpack.h.
HOST, GPU, MANAGED = 1, 2, 13
_LEGACY_STREAM = 1  # as the driver, DLPack and the array interface all call the default stream

# Where the device is in a capsule of the old kind and of that with versions, after the address of the data.
_PLACE_OF_DEVICE = {b"dltensor": 8, b"dltensor_versioned": 40}

_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


def device() -> tuple[int, int]:
    """The GPU in DLPack's words: its kind and number. In the simulator it is the host, whose memory it uses."""
    return (HOST, 0) if SIMULATED else (GPU, 0)


def exported(
    array: CudaArray,
    stream: int | None = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule; the block stays in use until whoever takes it lets go.

    Args:
        array: of any strides.
        stream: in which the data will be used: it waits for ours. None and 1 are the default stream, 2 that of the
            thread, −1 asks for no waiting.
        max_version: of DLPack, that the caller understands; from (1, 0) on, read-only arrays can be handed out.
        dl_device: where the data is wanted: here, or on the host, which takes a copy.
        copy: whether a copy is wanted, None if it does not matter.

    Raises:
        BufferError: it would take a copy, and there must be none; or the data is wanted on a third device.
    """
    wanted = device() if dl_device is None else (int(dl_device[0]), int(dl_device[1]))
    if wanted == (HOST, 0) and wanted != device():
        if copy is False:
            raise BufferError("a tensor on the GPU gets to the host by a copy only, and copy=False forbids one")
        return array.to_host().__dlpack__(max_version=max_version)
    if wanted != device():
        raise BufferError(f"a tensor on DLPack's device {device()} cannot be handed out on {wanted}; copy it there")
    source = array.astype(array.dtype) if copy else array
    if stream != -1 and not SIMULATED:
        Event().record().hold_back(_LEGACY_STREAM if stream is None else int(stream))
    return _moved(source._layout.__dlpack__(max_version=max_version), device())


def imported(other: Any) -> CudaArray:
    """An array of another library on the GPU as a `CudaArray`, which shares its memory and keeps its owner alive.

    Args:
        other: has ``__dlpack__`` or ``__cuda_array_interface__``, and may have any strides.

    Raises:
        BufferError: its memory is not on the first GPU.
        TypeError: its dtype is one that NumPy lacks, or it has a mask.
    """
    if hasattr(other, "__dlpack__"):
        kind, number = (int(part) for part in other.__dlpack_device__())
        if (kind, number) not in {device(), (GPU, 0), (MANAGED, 0)}:
            raise BufferError(
                f"from_dlpack: the data is on DLPack's device {(kind, number)}, and minifcn uses {device()}"
            )
        driver.enter()
        return CudaArray(np.from_dlpack(_OnHost(other)))
    return _from_interface(other)


def _from_interface(other: Any) -> CudaArray:
    """Of Numba's protocol: https://nvidia.github.io/numba-cuda/user/cuda_array_interface.html."""
    interface = other.__cuda_array_interface__
    if interface.get("mask") is not None:
        raise TypeError("from_dlpack: an array with a mask cannot be a tensor")
    driver.enter()
    stream = interface.get("stream")
    if stream is not None and not SIMULATED:
        Event().record(int(stream)).hold_back()
    return CudaArray(np.asarray(_Borrowed(other, interface)))


class _Borrowed:
    """What an array's geometry has as its base: it keeps the owner of the memory alive."""

    __slots__ = ("__array_interface__", "_owner")

    def __init__(self, owner: Any, interface: dict[str, Any]):
        self._owner = owner
        self.__array_interface__ = {
            key: interface.get(key) for key in ("data", "shape", "typestr", "strides") if interface.get(key) is not None
        } | {"version": 3}


class _OnHost:
    """Another library's array, which says that it is on the host, so that NumPy reads its capsule."""

    def __init__(self, other: Any):
        self._other = other

    def __dlpack_device__(self) -> tuple[int, int]:
        return HOST, 0

    def __dlpack__(self, **options: Any) -> Any:
        stream = None if SIMULATED else driver.stream()
        try:  # libraries from before DLPack 1.0 do not know the argument
            capsule = self._other.__dlpack__(stream=stream, max_version=(1, 0))
        except TypeError:
            capsule = self._other.__dlpack__(stream=stream)
        return _moved(capsule, (HOST, 0))


def _moved(capsule: Any, where: tuple[int, int]) -> Any:
    """The capsule, which now says that its data is on another device."""
    for name, place in _PLACE_OF_DEVICE.items():  # where the device stands, as two numbers of 32 bits
        if _is_valid(capsule, name):
            numbers = (ctypes.c_int32 * 2).from_address(_pointer(capsule, name) + place)
            numbers[0], numbers[1] = where
            return capsule
    raise BufferError("not a DLPack capsule, or one that was used before")
