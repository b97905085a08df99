"""Convolution, its adjoint in the image (transposed convolution) and its adjoint in the weight.

Three views of one trilinear form  L(x, w, y) = Σ y[n, i, j, k] · x[n, i·s + r·d − p, j·s + t·d − p, c] · w[r, t, c, k]:
each operation below is the gradient of L with respect to one of x, w and y. Differentiating an operation again
yields the other two, so the three close under differentiation, to any order.

The first two rectify what they return if asked (ReLU): the gradient then passes only where the output is positive.
"""

from typing import Any

from minifcn import functional as F
from minifcn.autograd import Gradients
from minifcn.kernels.shapes import Pair, Window
from minifcn.ops.base import KernelOperation
from minifcn.ops.elementwise import ScaleBySign
from minifcn.tensor import Tensor


class Conv2d(KernelOperation):
    """∂L/∂y: (N, H, W, C) and (kh, kw, C/groups, K) -> (N, P, Q, K)."""

    def __init__(self, window: Window, groups: int, output_size: Pair, relu: bool = False):
        self.window, self.groups, self.output_size, self.relu = window, groups, output_size, relu

    def forward(self, x: Any, weight: Any, bias: Any = None) -> Any:
        result = self.kernels.conv2d(x, weight, bias, self.window, self.groups, self.output_size, self.relu)
        self.save(x if self.needs[1] else None, weight if self.needs[0] else None, result if self.relu else None)
        return result

    def backward(self, gradient: Tensor) -> Gradients:
        x, weight, result = self.saved
        gradient = _before_relu(gradient, result)
        to_weight = Conv2dWeight(self.window, self.groups)(x, gradient) if self.needs[1] else None
        del x  # which may have been computed again: its memory serves the next gradient
        to_x = (
            ConvTranspose2d(self.window, self.groups, self.image_size(0))(gradient, weight) if self.needs[0] else None
        )
        return (to_x, to_weight, *_to_bias(self.needs, gradient))


class ConvTranspose2d(KernelOperation):
    """∂L/∂x: (N, P, Q, K) and (kh, kw, C/groups, K) -> (N, H, W, C)."""

    def __init__(self, window: Window, groups: int, output_size: Pair, relu: bool = False):
        self.window, self.groups, self.output_size, self.relu = window, groups, output_size, relu

    def forward(self, y: Any, weight: Any, bias: Any = None) -> Any:
        result = self.kernels.conv_transpose2d(y, weight, bias, self.window, self.groups, self.output_size, self.relu)
        self.save(y if self.needs[1] else None, weight if self.needs[0] else None, result if self.relu else None)
        return result

    def backward(self, gradient: Tensor) -> Gradients:
        y, weight, result = self.saved
        gradient = _before_relu(gradient, result)
        to_weight = Conv2dWeight(self.window, self.groups)(gradient, y) if self.needs[1] else None
        del y
        to_y = Conv2d(self.window, self.groups, self.image_size(0))(gradient, weight) if self.needs[0] else None
        return (to_y, to_weight, *_to_bias(self.needs, gradient))


class Conv2dWeight(KernelOperation):
    """∂L/∂w: (N, H, W, C) and (N, P, Q, K) -> (kh, kw, C/groups, K)."""

    def __init__(self, window: Window, groups: int):
        self.window, self.groups = window, groups

    def forward(self, x: Any, y: Any) -> Any:
        self.save(x if self.needs[1] else None, y if self.needs[0] else None)
        return self.kernels.conv2d_weight(x, y, self.window, self.groups)

    def backward(self, gradient: Tensor) -> Gradients:
        x, y = self.saved
        to_x = ConvTranspose2d(self.window, self.groups, self.image_size(0))(y, gradient) if self.needs[0] else None
        to_y = Conv2d(self.window, self.groups, self.image_size(1))(x, gradient) if self.needs[1] else None
        return to_x, to_y


def _before_relu(gradient: Tensor, result: Tensor | None) -> Tensor:
    """The gradient of what ReLU was applied to; ``result`` is None where it was not."""
    return gradient if result is None else ScaleBySign(0.0)(gradient, result)


def _to_bias(needs: tuple[bool, ...], gradient: Tensor) -> tuple[Tensor | None, ...]:
    """The bias was added to every pixel, so its gradient is the sum over pixels."""
    return tuple(F.sum(gradient, (0, 1, 2)) if need else None for need in needs[2:])
