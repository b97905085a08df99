"""Arithmetic and activations. Two tensors of different shapes are broadcast against each other, as in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn.autograd import common_device
from minifcn.functional.arguments import (
    TensorLike,
    as_tensor,
    as_tensors,
    check_broadcast,
    floating,
    for_kernels,
    one_kind,
)
from minifcn.kernels import load
from minifcn.ops import elementwise as ops
from minifcn.tensor import Tensor


def add(a: TensorLike, b: TensorLike) -> Tensor:
    """``a + b``."""
    return _binary("add", ops.Add(), a, b)


def subtract(a: TensorLike, b: TensorLike) -> Tensor:
    """``a − b``."""
    return _binary("subtract", ops.Subtract(), a, b)


def multiply(a: TensorLike, b: TensorLike) -> Tensor:
    """``a · b``."""
    return _binary("multiply", ops.Multiply(), a, b)


def divide(a: TensorLike, b: TensorLike) -> Tensor:
    """``a / b``; floating point, also for integers. x / 0 is ±inf or NaN."""
    return _binary("divide", ops.Divide(), a, b, to_float=True)


def pow(a: TensorLike, b: TensorLike) -> Tensor:
    """``a`` to the power ``b``; NaN where that is not real.

    >>> pow(Tensor(np.array([2.0, 3.0])), 2).tolist()
    [4.0, 9.0]
    """
    return _binary("pow", ops.Power(), a, b, to_float=True)


def maximum(a: TensorLike, b: TensorLike) -> Tensor:
    """The larger of two; NaN if either is NaN. A tie shares the gradient equally."""
    return _binary("maximum", ops.Maximum(), a, b)


def minimum(a: TensorLike, b: TensorLike) -> Tensor:
    """The smaller of two; NaN if either is NaN. A tie shares the gradient equally."""
    return _binary("minimum", ops.Minimum(), a, b)


def negative(x: TensorLike) -> Tensor:
    """``−x``."""
    return ops.Negative()(as_tensor(x))


def exp(x: TensorLike) -> Tensor:
    """e^x."""
    return _unary(ops.Exp(), x)


def log(x: TensorLike) -> Tensor:
    """Natural logarithm; −inf at 0, NaN below."""
    return _unary(ops.Log(), x)


def sqrt(x: TensorLike) -> Tensor:
    """Square root; NaN below 0. The gradient at 0 is infinite."""
    return _unary(ops.Sqrt(), x)


def abs(x: TensorLike) -> Tensor:
    """|x|; the gradient at 0 is 0."""
    return ops.Abs()(as_tensor(x))


def where(condition: TensorLike, a: TensorLike, b: TensorLike) -> Tensor:
    """``a`` where ``condition`` holds, else ``b``; the three are broadcast.

    >>> where(Tensor(np.array([True, False])), 1.0, 2.0).tolist()
    [1.0, 2.0]
    """
    x, y = as_tensors(a, b)
    mask = as_tensor(condition if isinstance(condition, Tensor) else np.asarray(condition), like=x)
    if mask.dtype != bool:
        raise TypeError(
            f"where: the condition must be boolean, got {mask.dtype} of shape {mask.shape}; compare first, as in x > 0"
        )
    check_broadcast("where", mask, x, y)
    if mask.device != x.device and x.ndim == y.ndim == 0:
        x, y = x.to(mask.device), y.to(mask.device)
    return ops.Where()(mask, *one_kind(x, y))


def clip(x: TensorLike, min: float | None = None, max: float | None = None) -> Tensor:
    """Each element limited to [``min``, ``max``]; the gradient passes inside, bounds included.

    Raises:
        ValueError: neither bound is given, or ``min`` is above ``max``.

    >>> clip(Tensor(np.array([-1.0, 0.5, 2.0])), 0, 1).tolist()
    [0.0, 0.5, 1.0]
    """
    if min is None and max is None:
        raise ValueError("clip: neither min nor max is given; give at least one")
    if min is not None and max is not None and min > max:
        raise ValueError(f"clip: min {min} is above max {max}; exchange them")
    x = as_tensor(x)
    whole = all(bound is None or float(bound).is_integer() for bound in (min, max))
    return ops.Clip(min, max)(x if whole else floating(x))


def relu(x: TensorLike) -> Tensor:
    """max(x, 0): the lecture's activation for all layers but the last. The gradient at 0 is 0.

    >>> relu(Tensor(np.array([-1.0, 2.0]))).tolist()
    [0.0, 2.0]
    """
    return ops.ReLU()(for_kernels("relu", as_tensor(x)))


def leaky_relu(x: TensorLike, negative_slope: float = 0.01) -> Tensor:
    """Positive x stay x, others become ``negative_slope`` · x. Maas et al. 2013."""
    return _unary(ops.LeakyReLU(float(negative_slope)), x)


def sigmoid(x: TensorLike) -> Tensor:
    """1 / (1 + e^−x), without overflow."""
    return _unary(ops.Sigmoid(), x)


def tanh(x: TensorLike) -> Tensor:
    """Hyperbolic tangent."""
    return _unary(ops.Tanh(), x)


def softplus(x: TensorLike) -> Tensor:
    """ln(1 + e^x), without overflow: a smooth ReLU, and the negative logarithm of 1 − σ(x)."""
    return _unary(ops.Softplus(), x)


def greater(a: TensorLike, b: TensorLike) -> Tensor:
    """``a > b``, boolean; not differentiable."""
    return _comparison("greater", a, b)


def greater_equal(a: TensorLike, b: TensorLike) -> Tensor:
    """``a ≥ b``, boolean; not differentiable."""
    return _comparison("greater_equal", a, b)


def equal(a: TensorLike, b: Any) -> Tensor:
    """``a = b``, boolean; not differentiable. Nothing equals None, as in NumPy."""
    if b is None:
        x = as_tensor(a)
        return Tensor(np.zeros(x.shape, bool), device=x.device)
    return _comparison("equal", a, b)


def _unary(operation: Any, x: TensorLike) -> Tensor:
    return operation(floating(as_tensor(x)))


def _binary(name: str, operation: Any, a: TensorLike, b: TensorLike, to_float: bool = False) -> Tensor:
    x, y = as_tensors(a, b)
    check_broadcast(name, x, y)
    x, y = one_kind(x, y)
    return operation(floating(x), floating(y)) if to_float else operation(x, y)


def _comparison(name: str, a: TensorLike, b: TensorLike) -> Tensor:
    x, y = as_tensors(a, b)
    check_broadcast(name, x, y)
    device = common_device(name, (x, y))
    return Tensor(getattr(load(device), name)(x._data, y._data), device=device)
