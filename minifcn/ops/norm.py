"""Batch normalisation, optionally with the ReLU that follows it, in one pass over memory.

Its output is what the next convolution reads, in backward, too. But its input has to be kept anyway, and gives the
output back in one pass: so networks keep one map for each convolution, not two (as in-place activated batch norm of
Rota Bulò et al. 2018 does, there by inverting the activation).
"""

from typing import Any

from minifcn import functional as F
from minifcn.autograd import Gradients, is_grad_enabled
from minifcn.ops.base import KernelOperation
from minifcn.tensor import Tensor


class BatchNorm(KernelOperation):
    """x̂ = (x − mean) / std, y = weight · x̂ + bias, per channel; in ``training``, mean and std are those of x."""

    recomputes = True

    def __init__(self, mean: Any, inverse_std: Any, relu: bool, training: bool, eps: float):
        self._constants = mean, inverse_std
        self.relu, self.training, self.eps = relu, training, eps

    def forward(self, x: Any, weight: Any, bias: Any) -> Any:
        mean, inverse_std = self._constants
        del self._constants  # from here on `saved` holds them: in evaluation, the mean is the running one's own array
        self.save(x, weight, bias, mean, inverse_std)
        return self.kernels.batch_norm(x, mean, inverse_std, weight, bias, self.relu)

    def recompute(self) -> Any:
        x, weight, bias, mean, inverse_std = (saved.data for saved in self.saved)
        return self.kernels.batch_norm(x, mean, inverse_std, weight, bias, self.relu)

    def backward(self, gradient: Tensor) -> Gradients:
        x, weight, bias, mean, inverse_std = self.saved
        if is_grad_enabled():
            return self._recordable(gradient, x, weight, bias, mean, inverse_std)
        arrays = self.kernels.batch_norm_gradient(
            gradient.data, x.data, mean.data, inverse_std.data, weight.data, bias.data, self.relu, self.training
        )
        return tuple(Tensor(array, device=self.device) for array in arrays)

    def _recordable(
        self, gradient: Tensor, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, inverse_std: Tensor
    ) -> Gradients:
        """The kernel's formula in public functions, for gradients of gradients: slower, but it can be recorded."""
        axes = tuple(range(x.ndim - 1))
        if self.training:
            mean, inverse_std = F.mean(x, axes), (F.var(x, axes) + self.eps) ** -0.5
        normalised = (x - mean) * inverse_std
        if self.relu:
            gradient = F.where(normalised * weight + bias > 0.0, gradient, 0.0)
        to_bias = F.sum(gradient, axes)
        to_weight = F.sum(gradient * normalised, axes)
        to_x = gradient
        if self.training:
            to_x = gradient - (to_bias + normalised * to_weight) * (x.shape[-1] / x.size)
        return weight * inverse_std * to_x, to_weight, to_bias
