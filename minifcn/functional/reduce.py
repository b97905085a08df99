"""Reductions over axes: ``axis`` is None (all), an int, or several; ``keepdims`` keeps reduced axes with length 1."""

from __future__ import annotations

import math

from minifcn.functional.arguments import Reduction, TensorLike, as_tensor, axes_of, axis_of, floating
from minifcn.functional.arrange import reshape
from minifcn.functional.elementwise import sqrt
from minifcn.kernels import load
from minifcn.operators import Axis
from minifcn.ops import reduce as ops
from minifcn.tensor import Tensor


def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over axes.

    >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist()
    [4.0, 6.0]
    """
    x = as_tensor(x)
    return ops.Sum(axes_of("sum", axis, x.ndim), keepdims)(x)


def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Mean over axes; a ValueError where there is nothing to average.

    >>> mean([[1.0, 2.0], [3.0, 6.0]], axis=1).tolist()
    [1.5, 4.5]
    """
    x = floating(as_tensor(x))
    return sum(x, axis, keepdims) * (1.0 / _count("mean", x, axis))


def var(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """Variance over axes: Σ (x − mean)² / (n − ``ddof``); ``ddof=1`` is the unbiased estimate.

    >>> var([1.0, 3.0]).item(), var([1.0, 3.0], ddof=1).item()
    (1.0, 2.0)
    """
    x = floating(as_tensor(x))
    count = _count("var", x, axis) - ddof
    if count <= 0:
        raise ValueError(
            f"var: ddof={ddof} leaves nothing to divide by, over axis {axis} of shape {x.shape}; it must be less than "
            f"{count + ddof}"
        )
    deviation = x - mean(x, axis, keepdims=True)
    return sum(deviation * deviation, axis, keepdims) * (1.0 / count)


def std(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """Standard deviation over axes: the root of `var`. Its gradient is NaN where the variance is 0, as PyTorch's.

    >>> std([1.0, 3.0]).item()
    1.0
    """
    return sqrt(var(x, axis, ddof, keepdims))


def reduced(loss: Tensor, reduction: Reduction) -> Tensor:
    """The mean or sum of a loss's elements, or these themselves."""
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def max(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest over axes; NaN if any is NaN. Equal maxima share the gradient equally (as PyTorch's ``amax``)."""
    x = as_tensor(x)
    _count("max", x, axis)
    return ops.Max(axes_of("max", axis, x.ndim), keepdims)(x)


def min(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest over axes; NaN if any is NaN. Equal minima share the gradient equally (as PyTorch's ``amin``)."""
    x = as_tensor(x)
    _count("min", x, axis)
    return ops.Min(axes_of("min", axis, x.ndim), keepdims)(x)


def argmax(x: TensorLike, axis: int | None = None) -> Tensor:
    """Index (int64) of the first largest element along an axis, or in the flattened tensor; not differentiable.

    >>> argmax([[1.0, 5.0], [7.0, 2.0]], axis=-1).tolist()
    [1, 0]
    """
    x = as_tensor(x)
    _count("argmax", x, axis)
    if axis is None:
        x, axis = reshape(x.detach(), (x.size,)), 0
    return Tensor(load(x.device).argmax(x.data, axis_of("argmax", axis, x.ndim)), device=x.device)


def sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum over the axes along which ``shape`` would be broadcast to ``x.shape``: the adjoint of `broadcast_to`.

    >>> sum_to(Tensor(np.ones((2, 3))), (3,)).tolist()
    [2.0, 2.0, 2.0]
    """
    if x.shape == shape:
        return x
    leading = x.ndim - len(shape)
    if leading < 0 or any(small not in (1, large) for small, large in zip(shape, x.shape[leading:], strict=True)):
        raise ValueError(f"sum_to: shape {shape} does not broadcast to shape {x.shape}, so that cannot be summed to it")
    stretched = tuple(
        axis for axis, length in enumerate(x.shape) if axis < leading or shape[axis - leading] == 1 != length
    )
    return reshape(sum(x, stretched), shape)


def _count(name: str, x: Tensor, axis: Axis) -> int:
    count = math.prod(x.shape[a] for a in axes_of(name, axis, x.ndim))
    if count == 0:
        raise ValueError(
            f"{name}: nothing to reduce over axis {axis} of an empty tensor of shape {x.shape}; it needs an element"
        )
    return count
