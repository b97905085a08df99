"""Arguments of kernels to the GPU, and results back."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn.kernels import load
from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.cuda.array import CudaArray


def to_device(argument: Any, transposed: bool = False) -> Any:
    """NumPy arrays, also in lists and tuples, as arrays of the GPU; with ``transposed``, as views of transposes."""
    if isinstance(argument, np.ndarray):
        if transposed and argument.ndim > 1:
            return load("cuda").from_host(np.ascontiguousarray(argument.T)).transpose()
        return load("cuda").from_host(argument)
    if isinstance(argument, AxisMap):
        return argument
    if isinstance(argument, list):
        return [to_device(value) for value in argument]  # of an optimiser, which wants them contiguous
    if isinstance(argument, tuple) and any(isinstance(value, np.ndarray) for value in argument):
        return tuple(to_device(value, transposed) for value in argument)
    return argument


def to_float64(argument: Any) -> Any:
    """Copies, floating-point arrays in float64."""
    if isinstance(argument, np.ndarray):
        return argument.astype(np.float64) if argument.dtype.kind == "f" else argument.copy()
    if isinstance(argument, AxisMap):
        return argument
    if isinstance(argument, list):
        return [to_float64(value) for value in argument]
    if isinstance(argument, tuple) and any(isinstance(value, np.ndarray) for value in argument):
        return tuple(to_float64(value) for value in argument)
    return argument


def results(returned: Any, arguments: tuple[Any, ...], updated: tuple[int, ...]) -> list[np.ndarray]:
    """All arrays that a call computed, on the host: what it returned, and what it changed in place."""
    found = list(returned) if isinstance(returned, tuple) else [returned]
    for position in updated:
        argument = arguments[position]
        found += argument if isinstance(argument, list) else [argument]
    return [_on_host(array) for array in found if array is not None]


def _on_host(array: Any) -> np.ndarray:
    return array.to_host() if isinstance(array, CudaArray) else np.asarray(array)


def error(actual: np.ndarray, wanted: np.ndarray) -> float:
    """‖actual − wanted‖ / ‖wanted‖; infinite where shapes differ or only one is NaN."""
    if actual.shape != wanted.shape:
        return float("inf")
    a, b = actual.astype(np.float64).ravel(), wanted.astype(np.float64).ravel()
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    a, b = a[~same], b[~same]
    if not a.size:
        return 0.0
    with np.errstate(all="ignore"):
        distance = float(np.sqrt(np.sum((a - b) ** 2)))
        size = float(np.sqrt(np.nansum(np.where(np.isfinite(wanted), wanted.astype(np.float64), 0) ** 2)))
    return distance / size if size and np.isfinite(distance) else float("inf")
