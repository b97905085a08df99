"""Checks and conversions of arguments that several public functions share."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from minifcn import settings
from minifcn.kernels.shapes import Pair
from minifcn.tensor import Tensor

Number = int | float | bool
TensorLike = Tensor | np.ndarray | Number | Sequence
Reduction = Literal["mean", "sum", "none"]
Activation = Literal["relu"] | None


def as_tensor(value: Any, like: Tensor | None = None) -> Tensor:
    """``value`` as a Tensor; Python numbers take the dtype and device of ``like``, unless they need a wider kind."""
    if isinstance(value, Tensor):
        return value
    device = settings.device() if like is None else like.device
    if isinstance(value, (bool, int, float)):
        dtype = np.dtype(np.float32) if like is None else np.result_type(like.dtype, value)
        if dtype == np.float64 and like is not None and like.dtype != np.float64:
            dtype = np.dtype(np.float32)  # NumPy makes integers and a Python float float64; here floats are float32
        return Tensor.number(value, dtype, device)
    if isinstance(value, (np.ndarray, np.generic)):
        return Tensor(value, device=device)
    array = np.asarray(value)
    if array.dtype == np.float64:  # Python floats
        array = array.astype(like.dtype if like is not None and like.dtype.kind == "f" else np.float32)
    return Tensor(array, device=device)


def on_host(value: Any) -> np.ndarray:
    """``value`` as a NumPy array; of a Tensor on a GPU a copy, which waits for the GPU."""
    tensor = as_tensor(value) if isinstance(value, Tensor) else Tensor(np.asarray(as_float32(value)))
    return tensor.to("cpu").data


def as_float32(value: Any) -> Any:
    """Python's floats, in lists too, as float32; arrays as they are."""
    array = np.asarray(value)
    return array if isinstance(value, (np.ndarray, np.generic)) or array.dtype != np.float64 else np.float32(array)


def as_tensors(*values: Any) -> tuple[Tensor, ...]:
    """All values as Tensors; numbers follow the first Tensor among them."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    if len(tensors) == len(values):
        return values
    like = tensors[0] if tensors else None
    if like is None:
        like = next((as_tensor(value) for value in values if isinstance(value, np.ndarray)), None)
    return tuple(as_tensor(value, like) for value in values)


def as_image(name: str, value: Any) -> Tensor:
    """``value`` as a float32 or float64 Tensor of images (N, H, W, C)."""
    x = as_tensor(value)
    if x.ndim != 4:
        hint = "; add a batch axis with x[None]" if x.ndim == 3 else ""
        raise ValueError(f"{name}: expected images of shape (N, H, W, C), got shape {x.shape}{hint}")
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"{name}: expected float32 or float64 images, got {x.dtype} of shape {x.shape}; convert with "
            "x.astype('float32')"
        )
    return x


def wants_relu(name: str, activation: Any) -> bool:
    """Whether the fused ``activation`` is ReLU; an error if it is neither that nor None."""
    if activation not in (None, "relu"):
        raise ValueError(f"{name}: activation must be None or 'relu', not {activation!r}; apply others to the result")
    return activation == "relu"


def image_size(x: Tensor) -> Pair:
    """Height and width of images (N, H, W, C)."""
    _, height, width, _ = x.shape
    return height, width


def layout_hint(x: Tensor, channels: int) -> str:
    """What to add to an error about the channels of ``x``, if it looks like images (N, C, H, W); else nothing."""
    return "; images are (N, H, W, C): x.transpose(0, 2, 3, 1)" if x.shape[1] == channels else ""


def beside(name: str, argument: str, value: Any, x: Tensor) -> Tensor:
    """``value`` as a Tensor of the dtype that ``x`` has: kernels take one dtype, and guess no other."""
    tensor = as_tensor(value, like=x)
    if tensor.dtype != x.dtype:
        raise TypeError(
            f"{name}: the input {x.shape} is {x.dtype}, but {argument} {tensor.shape} is {tensor.dtype}; "
            "convert one with .astype()"
        )
    return tensor


def pair(name: str, argument: str, value: Any, minimum: int = 0) -> Pair:
    """An int, or a pair of ints, as a (height, width) pair."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    try:
        numbers = tuple(operator.index(v) for v in values)
    except TypeError:
        numbers = ()
    if len(numbers) != 2 or min(numbers) < minimum:
        raise ValueError(f"{name}: {argument} must be an int or a pair of ints >= {minimum}, got {value!r}")
    return numbers


def floating(x: Tensor) -> Tensor:
    """The tensor if it is floating point; integers become float32."""
    return x if x.dtype.kind == "f" else x.astype(np.float32)


def for_kernels(name: str, x: Tensor) -> Tensor:
    """The tensor, unless it is of floats that compiled kernels do not take."""
    if x.dtype.kind == "f" and x.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"{name}: expected float32 or float64, got {x.dtype} of shape {x.shape}; convert with x.astype('float32')"
        )
    return x


def check_reduction(name: str, reduction: Reduction) -> Reduction:
    """How a loss combines its elements, or an error."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    return reduction


def one_kind(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All, integers in the dtype of the floats beside them: int64 with float32 must not become float64."""
    floats = [tensor.dtype for tensor in tensors if tensor.dtype.kind == "f"]
    if not floats or len(floats) == len(tensors):
        return tensors
    dtype = np.result_type(*floats)
    return tuple(tensor if tensor.dtype.kind == "f" else tensor.astype(dtype) for tensor in tensors)


def axes_of(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """``axis`` (None, an int or several) as sorted non-negative axes."""
    if axis is None:
        return tuple(range(ndim))
    axes = []
    for a in axis if isinstance(axis, (tuple, list)) else (axis,):
        axes.append(axis_of(name, a, ndim))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis twice; give each of the {ndim} axes at most once")
    return tuple(sorted(axes))


def axis_of(name: str, axis: int, ndim: int) -> int:
    """One axis as a non-negative number."""
    if not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
        wanted = f"an int from {-ndim} to {ndim - 1}" if ndim else "no axis at all"
        raise ValueError(f"{name}: axis {axis!r} does not exist in a tensor with {ndim} axes; give {wanted}")
    return int(axis) % ndim


def check_broadcast(name: str, *tensors: Tensor) -> tuple[int, ...]:
    """The common shape, or an error that names the shapes."""
    shapes = [tensor.shape for tensor in tensors]
    if shapes.count(shapes[0]) == len(shapes):  # as nearly always; broadcast_shapes takes its time
        return shapes[0]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"{name}: shapes {' and '.join(map(str, shapes))} cannot be broadcast together; lengths must agree or be "
            "1, from the last axis on"
        ) from None


def array_key(key: Any) -> Any:
    """An index whose Tensors have become arrays."""
    if isinstance(key, Tensor):
        return key.data
    if isinstance(key, tuple):
        return tuple(array_key(part) for part in key)
    return np.asarray(key) if isinstance(key, list) else key
