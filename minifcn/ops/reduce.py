"""Reductions over axes. Sum and broadcast are each other's adjoint."""

from typing import Any

from minifcn import functional as F
from minifcn.autograd import Gradients
from minifcn.ops.base import KernelOperation
from minifcn.tensor import Tensor


class Sum(KernelOperation):
    """Sum over axes; its adjoint repeats the gradient along them."""

    def __init__(self, axes: tuple[int, ...], keepdims: bool):
        self.axes, self.keepdims = axes, keepdims

    def forward(self, x: Any) -> Any:
        return self.kernels.sum(x, self.axes, self.keepdims)

    def backward(self, gradient: Tensor) -> Gradients:
        return F.broadcast_to(_with_axes(gradient, self.input_shape(0), self.axes), self.input_shape(0))


class BroadcastTo(KernelOperation):
    """Repeat to fill a shape. The adjoint sums, which the walk back does for every operation that broadcasts."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def forward(self, x: Any) -> Any:
        return self.kernels.broadcast_to(x, self.shape)

    def backward(self, gradient: Tensor) -> Gradients:
        return gradient


class Max(KernelOperation):
    """Largest over axes; equal maxima share the gradient equally."""

    kernel = "max"

    def __init__(self, axes: tuple[int, ...], keepdims: bool):
        self.axes, self.keepdims = axes, keepdims

    def forward(self, x: Any) -> Any:
        y = getattr(self.kernels, self.kernel)(x, self.axes, self.keepdims)
        self.save(x, y)
        return y

    def backward(self, gradient: Tensor) -> Gradients:
        x, y = (saved.detach() for saved in self.saved)
        chosen = (x == _with_axes(y, x.shape, self.axes)).astype(gradient.dtype)
        share = chosen / F.sum(chosen, self.axes, keepdims=True).clip(min=1.0)
        return share * _with_axes(gradient, x.shape, self.axes)


class Min(Max):
    """Smallest over axes; equal minima share the gradient equally."""

    kernel = "min"


def _with_axes(x: Tensor, shape: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Put the reduced axes back, with length 1."""
    return F.reshape(x, tuple(1 if axis in axes else length for axis, length in enumerate(shape)))
