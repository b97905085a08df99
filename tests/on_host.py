"""A device with memory of its own behind a face that takes and gives NumPy arrays, so that one table tests all."""

import ctypes
from contextlib import contextmanager

import numpy as np
import pytest

from minifcn.kernels.cuda import driver, lang
from minifcn.kernels.cuda.array import CudaArray, from_host
from minifcn.kernels.cuda.pool import Pool

SIMULATED = lang.SIMULATED


class OnHost:
    """The kernels of ``module``; arrays are copied there and back, also those that a kernel changes in place.

    Arrays keep their strides on the device, so that what is not contiguous here is not contiguous there either.
    """

    def __init__(self, module):
        self._module = module

    def __getattr__(self, name):
        kernel = getattr(self._module, name)

        def called(*arguments):
            moved = [there(argument) for argument in arguments]
            result = back(kernel(*moved))
            for given, array in zip(arguments, moved, strict=True):
                update(given, array)
            return result

        return called


def there(value):
    """A copy with the device's arrays for NumPy's."""
    if isinstance(value, np.ndarray):
        return placed(value)
    return type(value)(map(there, value)) if type(value) in (tuple, list) else value


def back(value):
    """A copy with NumPy's arrays for the device's."""
    if isinstance(value, CudaArray):
        return value.to_host()
    return type(value)(map(back, value)) if type(value) in (tuple, list) else value


def update(given, moved):
    """Bring what became of an argument's arrays back into them."""
    if isinstance(given, np.ndarray):
        if given.flags.writeable:
            given[...] = moved.to_host()
    elif type(given) in (tuple, list):
        for array, other in zip(given, moved, strict=True):
            update(array, other)


def placed(array):
    """The array on the device, with the same strides."""
    if array.flags.c_contiguous or array.size == 0:
        return from_host(array)
    lowest = array[tuple(slice(None, None, -1 if s < 0 else 1) for s in array.strides)]
    length = 1 + sum((n - 1) * s for n, s in zip(lowest.shape, lowest.strides, strict=True)) // array.itemsize
    memory = from_host(np.lib.stride_tricks.as_strided(lowest, (length,), (array.itemsize,)))
    first = sum((n - 1) * -s for n, s in zip(array.shape, array.strides, strict=True) if s < 0) // array.itemsize
    return CudaArray(np.lib.stride_tricks.as_strided(memory._layout[first:], array.shape, array.strides))


@contextmanager
def poisoned_memory():
    """New arrays hold NaN (or −1), so that a forgotten element shows."""
    make = Pool.empty

    def empty(self, shape, dtype, size):
        layout = make(self, shape, dtype, size)
        address = layout.__array_interface__["data"][0]
        if SIMULATED:
            ctypes.memset(address, 0xFF, size)
        elif size:
            driver.call("cuMemsetD8Async", address, 0xFF, size, driver.stream())
        return layout

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "empty", empty)
        yield
