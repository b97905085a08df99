"""Softmax and cross-entropy over the last axis."""

from typing import Any

import numpy as np

from minifcn import functional as F
from minifcn.autograd import Gradients, is_grad_enabled
from minifcn.ops.base import KernelOperation
from minifcn.tensor import Tensor


class Softmax(KernelOperation):
    """p_k = e^x_k / Σ e^x: the gradient is p (g − Σ g p)."""

    def forward(self, x: Any) -> Any:
        y = self.kernels.softmax(x)
        self.save(y)
        return y

    def backward(self, gradient: Tensor) -> Gradients:
        (y,) = self.saved
        return y * (gradient - F.sum(gradient * y, -1, keepdims=True))


class LogSoftmax(KernelOperation):
    """x_k − ln Σ e^x: the gradient is g − softmax(x) Σ g."""

    def forward(self, x: Any) -> Any:
        y = self.kernels.log_softmax(x)
        self.save(y)
        return y

    def backward(self, gradient: Tensor) -> Gradients:
        (y,) = self.saved
        return gradient - F.exp(y) * F.sum(gradient, -1, keepdims=True)


class CrossEntropy(KernelOperation):
    """Σ_m weight_m · −ln softmax(logits_m)[label_m]: the gradient is weight · (softmax − one-hot label)."""

    def __init__(self, labels: Any, weight: Any):
        self._constants = labels, weight  # (M,) each; rows of weight 0 are not looked at

    def forward(self, logits: Any) -> Any:
        labels, weight = self._constants
        del self._constants  # from here on `saved` holds them, and lets them go
        self.save(logits, labels, weight)
        return self.kernels.cross_entropy(logits, labels, weight)

    def backward(self, gradient: Tensor) -> Gradients:
        logits, labels, weight = self.saved
        if is_grad_enabled():
            return self._recordable(gradient, logits, labels, weight)
        array = self.kernels.cross_entropy_gradient(gradient.data, logits.data, labels.data, weight.data)
        return Tensor(array, device=self.device)

    def _recordable(self, gradient: Tensor, logits: Tensor, labels: Tensor, weight: Tensor) -> Gradients:
        """The kernel's formula in public functions, for gradients of gradients."""
        counts, numbers = self.kernels.to_host(weight.data), self.kernels.to_host(labels.data)
        seen = np.flatnonzero(counts)
        at_label = self.kernels.index_add(self.kernels.from_host(counts[seen]), (seen, numbers[seen]), logits.shape)
        rows = F.reshape(weight, (weight.size, 1))
        return (rows * F.softmax(logits) - Tensor(at_label, device=self.device)) * gradient
