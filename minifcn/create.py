"""Functions that make tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn import random, settings
from minifcn.kernels import load
from minifcn.tensor import Tensor


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, device: str | None = None) -> Tensor:
    """A Tensor with a copy of ``data``; Python floats become float32, arrays keep their dtype.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    array = np.array(load(data.device).to_host(data._data) if isinstance(data, Tensor) else data)
    if dtype is None and not isinstance(data, (np.ndarray, np.generic, Tensor)) and array.dtype == np.float64:
        dtype = np.float32
    return Tensor(array.astype(dtype or array.dtype, copy=False), requires_grad, device or settings.device())


def zeros(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Zeros."""
    return full(_shape(shape), 0.0, dtype, requires_grad)


def ones(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones."""
    return full(_shape(shape), 1.0, dtype, requires_grad)


def full(shape: Any, value: float, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """One value everywhere."""
    device = settings.device()
    return Tensor(load(device).full(shape, value, dtype), requires_grad, device)


def zeros_like(x: Tensor) -> Tensor:
    """Zeros, in shape, dtype and device like ``x``."""
    return Tensor(load(x.device).full(x.shape, 0, x.dtype), device=x.device)


def ones_like(x: Tensor) -> Tensor:
    """Ones, in shape, dtype and device like ``x``."""
    return Tensor(load(x.device).full(x.shape, 1, x.dtype), device=x.device)


def arange(*bounds: int, dtype: Any = np.int64) -> Tensor:
    """``range(*bounds)`` as a tensor."""
    return Tensor(np.arange(*bounds, dtype=dtype), device=settings.device())


def rand(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in [0, 1), from `minifcn.random`."""
    return Tensor(random.generator().random(_shape(shape)).astype(dtype), requires_grad, settings.device())


def randn(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Normal numbers of mean 0 and variance 1, from `minifcn.random`."""
    return Tensor(random.generator().standard_normal(_shape(shape)).astype(dtype), requires_grad, settings.device())


def _shape(shape: tuple[Any, ...]) -> Any:
    return shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
