"""Max-pooling: a gather along the argmax indices. Max-unpooling: the scatter that is its adjoint."""

from typing import Any

from minifcn.autograd import Gradients
from minifcn.kernels.shapes import Pair, Window
from minifcn.ops.base import KernelOperation
from minifcn.tensor import Tensor


class MaxPool2d(KernelOperation):
    """(N, H, W, C) -> (N, P, Q, C); ``extra`` holds the indices, of the same shape.

    What can be computed again from what is kept anyway is not kept: neither the image nor its pooled version.
    """

    def __init__(self, window: Window, output_size: Pair):
        self.window, self.output_size = window, output_size

    def forward(self, x: Any) -> Any:
        y, indices = self.kernels.max_pool2d(x, self.window, self.output_size)
        self.recomputes = self.after_recomputed()
        self.save(indices, x if self.recomputes else None)
        self.extra = (indices,)
        return y

    def recompute(self) -> Any:
        return self.kernels.max_pool2d(self.restored(1).data, self.window, self.output_size)[0]

    def backward(self, gradient: Tensor) -> Gradients:
        return MaxUnpool2d(self.image_size(0), self._tile())(gradient, self.restored(0))

    def _tile(self) -> Pair | None:
        """The windows' size, if they lie side by side inside the image."""
        size, stride, padding, dilation = self.window
        inside = all(k * n <= m for k, n, m in zip(size, self.output_size, self.image_size(0), strict=True))
        return size if size == stride and padding == (0, 0) and dilation == (1, 1) and inside else None


class MaxUnpool2d(KernelOperation):
    """(N, P, Q, C) -> (N, H, W, C): each value goes where its index points; ``tile`` as the kernel has it."""

    def __init__(self, output_size: Pair, tile: Pair | None = None):
        self.output_size, self.tile = output_size, tile

    def forward(self, y: Any, indices: Any) -> Any:
        self.save(indices)
        return self.kernels.max_unpool2d(y, indices, self.output_size, self.tile)

    def backward(self, gradient: Tensor) -> Gradients:
        (indices,) = self.saved
        return Gather2d(self.tile)(gradient, indices), None


class Gather2d(KernelOperation):
    """(N, H, W, C) -> (N, P, Q, C): max-pooling, given its indices; ``tile`` is for the way back."""

    def __init__(self, tile: Pair | None = None):
        self.tile = tile

    def forward(self, x: Any, indices: Any) -> Any:
        self.save(indices)
        return self.kernels.gather2d(x, indices)

    def backward(self, gradient: Tensor) -> Gradients:
        (indices,) = self.saved
        return MaxUnpool2d(self.image_size(0), self.tile)(gradient, indices), None
