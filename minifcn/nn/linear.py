"""The dense layer."""

from __future__ import annotations

import numpy as np

from minifcn import functional as F
from minifcn.memory import empty
from minifcn.nn import init
from minifcn.nn.module import Module, Parameter
from minifcn.tensor import Tensor


class Linear(Module):
    """x W + b: (..., in_features) -> (..., out_features).

    The weight is (in_features, out_features), drawn from N(0, 2 / in_features) (He et al. 2015); the bias starts
    at zero.

    >>> import minifcn as mf
    >>> Linear(3, 2)(mf.zeros(5, 3)).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        if min(in_features, out_features) < 1:
            raise ValueError(f"Linear: in_features={in_features} and out_features={out_features} must be positive")
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty((in_features, out_features), np.float32))
        self.bias = Parameter(empty(out_features, np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew; set the bias to zero."""
        init.kaiming_normal_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The matrix product, plus bias."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Features, as PyTorch shows them."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
