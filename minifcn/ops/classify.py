"""Softmax and cross-entropy over the last axis."""

from typing import Any

import numpy as np

from minifcn import functional as F
from minifcn.autograd import Gradients
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
        self.labels, self.weight = labels, weight  # (M,) each; rows of weight 0 are not looked at

    def forward(self, logits: Any) -> Any:
        self.save(logits)
        return self.kernels.cross_entropy(logits, self.labels, self.weight)

    def backward(self, gradient: Tensor) -> Gradients:
        (logits,) = self.saved
        seen = np.flatnonzero(self.weight)
        at_label = self.kernels.index_add(self.weight[seen], (seen, self.labels[seen]), logits.shape)
        weight = Tensor(self.weight[:, None], device=self.device)
        return (weight * F.softmax(logits) - Tensor(at_label, device=self.device)) * gradient
