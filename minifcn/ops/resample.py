"""Separable linear maps of an image: upsampling, average and sum pooling, mirrored and replicated borders."""

from typing import Any

from minifcn.autograd import Gradients
from minifcn.kernels.axismap import AxisMap
from minifcn.ops.base import KernelOperation
from minifcn.tensor import Tensor


class Resample2d(KernelOperation):
    """y = R x Cᵀ for every image and channel; the adjoint is the same operation with both matrices transposed."""

    def __init__(self, rows: AxisMap, columns: AxisMap):
        self.rows, self.columns = rows, columns

    def forward(self, x: Any) -> Any:
        return self.kernels.resample2d(x, self.rows, self.columns)

    def backward(self, gradient: Tensor) -> Gradients:
        return Resample2d(self.rows.transpose(), self.columns.transpose())(gradient)
