"""NumPy's array interface of an array that somebody else's object holds, safe for as long as it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds


def interface_of(array: np.ndarray) -> dict[str, Any]:
    """An ``__array_interface__`` that keeps ``array`` alive, where NumPy's own is an address.

    Whoever reads an address keeps the object alive that it asked; but a Tensor may be given another array meanwhile,
    and the first one's memory would be used for something else. So instead of an address there is a buffer: all bytes
    from the first to the last, of which the elements are some.

    >>> class Holder:
    ...     __array_interface__ = interface_of(np.arange(6).reshape(2, 3).T)
    >>> np.asarray(Holder()).tolist()
    [[0, 3], [1, 4], [2, 5]]
    """
    first, end = byte_bounds(array)
    return {
        "version": 3,
        "shape": array.shape,
        "typestr": array.dtype.str,
        "strides": array.strides,
        "data": np.asarray(_Bytes(array, first, end - first)).data,
        "offset": array.__array_interface__["data"][0] - first,
    }


class _Bytes:
    """Memory of an array, which it keeps alive, as plain bytes; read-only if the array is."""

    def __init__(self, array: np.ndarray, first: int, size: int):
        self._array = array
        self.__array_interface__ = {
            "version": 3,
            "shape": (size,),
            "typestr": "|u1",
            "data": (first, not array.flags.writeable),
        }
