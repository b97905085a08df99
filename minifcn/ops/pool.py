"""Max-pooling: a gather along the argmax indices. Max-unpooling: the scatter that is its adjoint."""

from typing import Any

from minifcn.autograd import Gradients
from minifcn.kernels.shapes import Pair, Window
from minifcn.ops.base import KernelOperation
from minifcn.tensor import Tensor


class MaxPool2d(KernelOperation):
    """(N, H, W, C) -> (N, P, Q, C); ``extra`` holds the indices, of the same shape."""

    def __init__(self, window: Window, output_size: Pair):
        self.window, self.output_size = window, output_size

    def forward(self, x: Any) -> Any:
        y, indices = self.kernels.max_pool2d(x, self.window, self.output_size)
        self.save(indices)
        self.extra = (indices,)
        return y

    def backward(self, gradient: Tensor) -> Gradients:
        (indices,) = self.saved
        return MaxUnpool2d(self.image_size(0))(gradient, indices)


class MaxUnpool2d(KernelOperation):
    """(N, P, Q, C) -> (N, H, W, C): each value goes where its index points."""

    def __init__(self, output_size: Pair):
        self.output_size = output_size

    def forward(self, y: Any, indices: Any) -> Any:
        self.save(indices)
        return self.kernels.max_unpool2d(y, indices, self.output_size)

    def backward(self, gradient: Tensor) -> Gradients:
        (indices,) = self.saved
        return Gather2d()(gradient, indices), None


class Gather2d(KernelOperation):
    """(N, H, W, C) -> (N, P, Q, C): max-pooling, given its indices."""

    def forward(self, x: Any, indices: Any) -> Any:
        self.save(indices)
        return self.kernels.gather2d(x, indices)

    def backward(self, gradient: Tensor) -> Gradients:
        (indices,) = self.saved
        return MaxUnpool2d(self.image_size(0))(gradient, indices), None
