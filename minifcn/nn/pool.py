"""Layers of pooling and unpooling; (N, H, W, C) -> (N, P, Q, C)."""

from __future__ import annotations

from minifcn import functional as F
from minifcn.functional.arguments import pair
from minifcn.kernels.shapes import Pair
from minifcn.nn.module import Module
from minifcn.tensor import Tensor


class _Pooling(Module):
    """A window that slides: its size, stride and padding."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None, padding: int | Pair):
        name = type(self).__name__
        self.kernel_size = pair(name, "kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else pair(name, "stride", stride, 1)
        self.padding = pair(name, "padding", padding)

    def extra_repr(self) -> str:
        """The window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pooling):
    """The largest element of each window; see `minifcn.functional.max_pool2d`.

    With ``return_indices``, also where it was, for `MaxUnpool2d`: the lecture's pooling index memorisation.

    >>> import minifcn as mf
    >>> MaxPool2d(2)(mf.arange(4, dtype="float32").reshape(1, 2, 2, 1)).item()
    3.0
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__(kernel_size, stride, padding)
        self.dilation = pair("MaxPool2d", "dilation", dilation, 1)
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Maxima, or (maxima, indices)."""
        return F.max_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxUnpool2d(_Pooling):
    """Put values back where `MaxPool2d` found its maxima, zeros elsewhere; see `minifcn.functional.max_unpool2d`."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0):
        super().__init__(kernel_size, stride, padding)

    def forward(self, x: Tensor, indices: Tensor, output_size: int | Pair | None = None) -> Tensor:
        """Unpool ``x`` to the size that was pooled: ``output_size``, or the smallest possible."""
        return F.max_unpool2d(x, indices, self.kernel_size, self.stride, self.padding, output_size)


class AvgPool2d(_Pooling):
    """The mean over each window; see `minifcn.functional.avg_pool2d`."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, x: Tensor) -> Tensor:
        """Means."""
        options = (self.ceil_mode, self.count_include_pad, self.divisor_override)
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, *options)


class SumPool2d(_Pooling):
    """The sum over each window; see `minifcn.functional.sum_pool2d`."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0):
        super().__init__(kernel_size, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """Sums."""
        return F.sum_pool2d(x, self.kernel_size, self.stride, self.padding)


class GlobalAvgPool2d(Module):
    """The mean over all pixels: (N, H, W, C) -> (N, 1, 1, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Means."""
        return F.global_avg_pool2d(x)


class GlobalMaxPool2d(Module):
    """The maximum over all pixels: (N, H, W, C) -> (N, 1, 1, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Maxima."""
        return F.global_max_pool2d(x)
