"""Arithmetic and activations, element by element. Inputs broadcast; the walk back undoes it, so no rule here has to."""

from typing import Any

import numpy as np

from minifcn import functional as F
from minifcn.autograd import Gradients
from minifcn.ops.base import KernelOperation
from minifcn.tensor import Tensor


class Add(KernelOperation):
    """The sum a + b."""

    def forward(self, a: Any, b: Any) -> Any:
        return self.kernels.add(a, b)

    def backward(self, gradient: Tensor) -> Gradients:
        return gradient, gradient


class Subtract(KernelOperation):
    """The difference a − b."""

    def forward(self, a: Any, b: Any) -> Any:
        return self.kernels.subtract(a, b)

    def backward(self, gradient: Tensor) -> Gradients:
        return gradient, -gradient if self.needs[1] else None


class Multiply(KernelOperation):
    """The product a · b: each factor's gradient is the other."""

    def forward(self, a: Any, b: Any) -> Any:
        self.save(a if self.needs[1] else None, b if self.needs[0] else None)
        return self.kernels.multiply(a, b)

    def backward(self, gradient: Tensor) -> Gradients:
        a, b = self.saved
        return gradient * b if self.needs[0] else None, gradient * a if self.needs[1] else None


class Divide(KernelOperation):
    """The quotient a / b: ∂/∂a = 1 / b, ∂/∂b = −a / b²."""

    def forward(self, a: Any, b: Any) -> Any:
        self.save(a if self.needs[1] else None, b)
        return self.kernels.divide(a, b)

    def backward(self, gradient: Tensor) -> Gradients:
        a, b = self.saved
        return gradient / b if self.needs[0] else None, -gradient * a / (b * b) if self.needs[1] else None


class Power(KernelOperation):
    """The power a^b: ∂/∂a = b a^(b−1), ∂/∂b = a^b ln a."""

    def forward(self, a: Any, b: Any) -> Any:
        self.save(a, b)
        return self.kernels.power(a, b)

    def backward(self, gradient: Tensor) -> Gradients:
        a, b = self.saved
        to_a = to_b = None
        if self.needs[0]:
            # a^0 is constant, also at a = 0, where 0 · 0^−1 would be NaN.
            constant = b == 0.0
            to_a = gradient * F.where(constant, 0.0, b * a ** F.where(constant, 1.0, b - 1.0))
        if self.needs[1]:
            # 0^b is constant for b >= 0; ln 0 must not enter the product, where 0 · ∞ would be NaN.
            zero = (a == 0.0) * (b >= 0.0)
            to_b = gradient * F.where(zero, 0.0, a**b * F.log(F.where(zero, 1.0, a)))
        return to_a, to_b


class Negative(KernelOperation):
    """−x."""

    def forward(self, x: Any) -> Any:
        return self.kernels.negative(x)

    def backward(self, gradient: Tensor) -> Gradients:
        return -gradient


class Exp(KernelOperation):
    """e^x is its own derivative."""

    def forward(self, x: Any) -> Any:
        y = self.kernels.exp(x)
        self.save(y)
        return y

    def backward(self, gradient: Tensor) -> Gradients:
        (y,) = self.saved
        return gradient * y


class Log(KernelOperation):
    """The logarithm ln x: derivative 1 / x."""

    def forward(self, x: Any) -> Any:
        self.save(x)
        return self.kernels.log(x)

    def backward(self, gradient: Tensor) -> Gradients:
        (x,) = self.saved
        return gradient / x


class Sqrt(KernelOperation):
    """√x: derivative 1 / (2 √x)."""

    def forward(self, x: Any) -> Any:
        y = self.kernels.sqrt(x)
        self.save(y)
        return y

    def backward(self, gradient: Tensor) -> Gradients:
        (y,) = self.saved
        return gradient * 0.5 / y


class Abs(KernelOperation):
    """|x|: derivative sign x, 0 at 0."""

    def forward(self, x: Any) -> Any:
        self.save(self.kernels.sign(x) if self.needs[0] else None)
        return self.kernels.absolute(x)

    def backward(self, gradient: Tensor) -> Gradients:
        (sign,) = self.saved
        return gradient * sign


class Maximum(KernelOperation):
    """max(a, b): the gradient goes to the larger; a tie shares it."""

    def forward(self, a: Any, b: Any) -> Any:
        self.save(self._share(a, b) if any(self.needs) else None)
        return self.kernels.maximum(a, b)

    def backward(self, gradient: Tensor) -> Gradients:
        (share,) = self.saved
        return gradient * share, gradient * (1.0 - share)

    def _share(self, a: Any, b: Any) -> Any:
        kernels = self.kernels
        one, half = (np.asarray(number, np.result_type(a.dtype, b.dtype)) for number in (1.0, 0.5))
        share = kernels.multiply(half, kernels.add(one, kernels.sign(kernels.subtract(a, b))))  # 1, ½ or 0
        return kernels.where(kernels.equal(a, b), half, share)  # ∞ − ∞ is NaN, but a tie


class Minimum(Maximum):
    """min(a, b): the gradient goes to the smaller; a tie shares it."""

    def forward(self, a: Any, b: Any) -> Any:
        self.save(self._share(b, a) if any(self.needs) else None)
        return self.kernels.minimum(a, b)


class Where(KernelOperation):
    """One of two: a where the condition holds, else b; no gradient flows to the condition."""

    def forward(self, condition: Any, a: Any, b: Any) -> Any:
        self.save(condition)
        return self.kernels.where(condition, a, b)

    def backward(self, gradient: Tensor) -> Gradients:
        (condition,) = self.saved
        to_a = F.where(condition, gradient, 0.0) if self.needs[1] else None
        to_b = F.where(condition, 0.0, gradient) if self.needs[2] else None
        return None, to_a, to_b


class Clip(KernelOperation):
    """min(max(x, low), high): the gradient passes inside, bounds included."""

    def __init__(self, low: float | None, high: float | None):
        self.low, self.high = low, high

    def forward(self, x: Any) -> Any:
        self.save(x)
        y = x if self.low is None else self.kernels.maximum(x, np.asarray(self.low, x.dtype))
        return y if self.high is None else self.kernels.minimum(y, np.asarray(self.high, x.dtype))

    def backward(self, gradient: Tensor) -> Gradients:
        (x,) = self.saved
        if self.low is not None:
            gradient = F.where(x >= self.low, gradient, 0.0)
        if self.high is not None:
            gradient = F.where(x <= self.high, gradient, 0.0)
        return gradient


class ReLU(KernelOperation):
    """max(x, 0): derivative 1 where the output is positive, else 0 (at 0 too)."""

    def forward(self, x: Any) -> Any:
        y = self.kernels.relu(x)
        self.save(y)
        return y

    def backward(self, gradient: Tensor) -> Gradients:
        (y,) = self.saved
        return ScaleBySign(0.0)(gradient, y)


class LeakyReLU(KernelOperation):
    """The identity where x is positive, else slope · x."""

    def __init__(self, negative_slope: float):
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        self.save(x)
        return self.kernels.leaky_relu(x, self.negative_slope)

    def backward(self, gradient: Tensor) -> Gradients:
        (x,) = self.saved
        return ScaleBySign(self.negative_slope)(gradient, x)


class ScaleBySign(KernelOperation):
    """The identity where ``sign`` is positive, else slope · x: the derivative of (leaky) ReLU; its own adjoint."""

    def __init__(self, negative_slope: float):
        self.negative_slope = negative_slope

    def forward(self, x: Any, sign: Any) -> Any:
        self.save(sign)
        return self.kernels.scale_by_sign(x, sign, self.negative_slope)

    def backward(self, gradient: Tensor) -> Gradients:
        (sign,) = self.saved
        return ScaleBySign(self.negative_slope)(gradient, sign) if self.needs[0] else None, None


class Sigmoid(KernelOperation):
    """σ(x) = 1 / (1 + e^−x): derivative σ (1 − σ)."""

    def forward(self, x: Any) -> Any:
        y = self.kernels.sigmoid(x)
        self.save(y)
        return y

    def backward(self, gradient: Tensor) -> Gradients:
        (y,) = self.saved
        return gradient * y * (1.0 - y)


class Tanh(KernelOperation):
    """tanh x: derivative 1 − tanh²."""

    def forward(self, x: Any) -> Any:
        y = self.kernels.tanh(x)
        self.save(y)
        return y

    def backward(self, gradient: Tensor) -> Gradients:
        (y,) = self.saved
        return gradient * (1.0 - y * y)


class Softplus(KernelOperation):
    """ln(1 + e^x): derivative σ(x)."""

    def forward(self, x: Any) -> Any:
        self.save(x)
        return self.kernels.softplus(x)

    def backward(self, gradient: Tensor) -> Gradients:
        (x,) = self.saved
        return gradient * F.sigmoid(x)
