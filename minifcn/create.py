"""Functions that make tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn import random, settings
from minifcn.kernels import load
from minifcn.tensor import Tensor

_DLPACK_ON_HOST = (1, 3)  # kDLCPU and kDLCUDAHost (pinned) of dlpack.h


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


def from_dlpack(x: Any) -> Tensor:
    """A Tensor that shares the memory of another library's array: NumPy's, PyTorch's, CuPy's, Numba's, ...

    What lies on the host becomes a tensor on "cpu", what lies on the GPU one on "cuda". The memory stays in use for as
    long as the tensor or its owner is; what one writes, the other sees.

    Args:
        x: an object with ``__dlpack__`` (https://dmlc.github.io/dlpack), or on a GPU with ``__cuda_array_interface__``.

    Raises:
        TypeError: it has neither, or no dtype of NumPy's.
        BufferError: its memory is neither the host's nor that of the first GPU.
        DeviceUnavailableError: it is on a GPU that minifcn cannot use here.

    >>> array = np.zeros(2)
    >>> from_dlpack(array)[0] = 5.0
    >>> array
    array([5., 0.])
    """
    if hasattr(x, "__dlpack__"):
        if x.__dlpack_device__()[0] in _DLPACK_ON_HOST:
            return Tensor(np.from_dlpack(x))
    elif not hasattr(x, "__cuda_array_interface__"):
        raise TypeError(
            f"from_dlpack: a {type(x).__name__} has neither __dlpack__ nor __cuda_array_interface__, so its memory "
            "cannot be shared; minifcn.tensor copies"
        )
    load("cuda")
    from minifcn.kernels.cuda.interchange import imported

    return Tensor(imported(x), device="cuda")


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
