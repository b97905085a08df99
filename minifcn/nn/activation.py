"""Activations as layers; any shape, kept."""

from __future__ import annotations

from minifcn import functional as F
from minifcn.nn.module import Module
from minifcn.tensor import Tensor


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        """Of each element."""
        return F.relu(x)


class LeakyReLU(Module):
    """The input where positive, else ``negative_slope`` times it."""

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Of each element."""
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class Sigmoid(Module):
    """1 / (1 + e^−x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Of each element."""
        return F.sigmoid(x)


class Tanh(Module):
    """Hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """Of each element."""
        return F.tanh(x)


class Softplus(Module):
    """ln(1 + e^x): a smooth ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """Of each element."""
        return F.softplus(x)


class Softmax(Module):
    """e^x / Σ e^x along ``axis``: by default over the channels, so that each pixel's sum to 1."""

    def __init__(self, axis: int = -1):
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """Along the axis."""
        return F.softmax(x, self.axis)

    def extra_repr(self) -> str:
        """The axis."""
        return f"axis={self.axis}"


class LogSoftmax(Softmax):
    """The logarithm of `Softmax`, without overflow or loss of digits."""

    def forward(self, x: Tensor) -> Tensor:
        """Along the axis."""
        return F.log_softmax(x, self.axis)


class Identity(Module):
    """The input itself: a layer's place, left empty."""

    def forward(self, x: Tensor) -> Tensor:
        """Nothing."""
        return x
