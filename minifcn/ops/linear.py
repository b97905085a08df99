"""Matrix product."""

from typing import Any

from minifcn import functional as F
from minifcn.autograd import Gradients
from minifcn.ops.base import KernelOperation
from minifcn.tensor import Tensor


class MatMul(KernelOperation):
    """(..., M, K) @ (..., K, N): with C = A B, dA = dC Bᵀ and dB = Aᵀ dC."""

    def forward(self, a: Any, b: Any) -> Any:
        self.save(a if self.needs[1] else None, b if self.needs[0] else None)
        return self.kernels.matmul(a, b)

    def backward(self, gradient: Tensor) -> Gradients:
        a, b = self.saved
        return (
            F.matmul(gradient, F.swap_last_axes(b)) if self.needs[0] else None,
            F.matmul(F.swap_last_axes(a), gradient) if self.needs[1] else None,
        )
