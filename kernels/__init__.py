"""Kernels: arrays in, arrays out. They know no Tensor, and every device offers the same ones.

``load("cpu")`` is the module whose functions are the CPU's kernels; `contract.Kernels` says what each of them computes.

>>> import numpy as np
>>> from minifcn import kernels
>>> kernels.load("reference").relu(np.array([-1.0, 2.0]))
array([0., 2.])
"""

if __name__ != "minifcn.kernels":
    raise ImportError(
        f"this folder is minifcn.kernels, but it was imported as {__name__!r}; "
        "write `from minifcn import kernels` (after `pip install -e .` in the folder above)"
    )

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import numpy as np

from minifcn.kernels.errors import DeviceUnavailableError, OutOfDeviceMemoryError

__all__ = ["DEVICES", "HOST", "DeviceUnavailableError", "OutOfDeviceMemoryError", "load", "place", "replaced"]

#: Every device's name and the module that holds its kernels.
DEVICES = {
    "reference": "minifcn.kernels.reference",
    "cpu": "minifcn.kernels.cpu",
    "cuda": "minifcn.kernels.cuda",
}

#: The devices whose arrays are NumPy's.
HOST = frozenset({"reference", "cpu"})

_loaded: dict[str, ModuleType] = {}
_replacement: ContextVar[tuple[str, Any] | None] = ContextVar("minifcn_kernels", default=None)


def load(device: str) -> ModuleType:
    """The module that holds ``device``'s kernels; it is imported on first use.

    Raises:
        ValueError: if no device has that name.
        DeviceUnavailableError: the device lacks hardware, a driver or a package; the message says which.
    """
    replacement = _replacement.get()
    if replacement is not None and replacement[0] == device:
        return cast(ModuleType, replacement[1])  # or anything with a module's functions
    module = _loaded.get(device)
    if module is None:
        if device not in DEVICES:
            raise ValueError(f"unknown device {device!r}; devices: {', '.join(DEVICES)}")
        module = import_module(DEVICES[device])
        if hasattr(module, "start"):
            module.start()  # what is missing is said here, not at the first kernel
        _loaded[device] = module
    return module


def place(data: Any, device: str) -> Any:
    """``data`` as an array of ``device``: NumPy's are copied to devices with memory of their own."""
    if device in HOST:
        return np.asarray(data)
    return load(device).from_host(data)


@contextmanager
def replaced(device: str, kernels: Any) -> Iterator[None]:
    """Inside the block, in this thread alone, ``kernels`` are what `load` gives for ``device``.

    >>> from minifcn.kernels import reference
    >>> with replaced("cpu", reference):
    ...     load("cpu") is reference
    True
    """
    token = _replacement.set((device, kernels))
    try:
        yield
    finally:
        _replacement.reset(token)


def __dir__() -> list[str]:
    return ["DEVICES", "HOST", "DeviceUnavailableError", "OutOfDeviceMemoryError", "load", "place", "replaced"]
