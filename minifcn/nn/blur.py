"""Layers that blur before they drop pixels; (N, H, W, C) -> (N, P, Q, C)."""

from __future__ import annotations

from minifcn import functional as F
from minifcn.functional.arguments import as_image, pair
from minifcn.functional.blur import PADDING_MODES, PaddingMode
from minifcn.kernels.shapes import Pair, Window, pool_size
from minifcn.nn.module import Module
from minifcn.nn.pool import MaxPool2d
from minifcn.tensor import Tensor


class BlurPool2d(Module):
    """A binomial filter, then every ``stride``-th pixel; see `minifcn.functional.blur_pool2d`. Nothing is learnt.

    Raises:
        ValueError: there is no such ``padding_mode``.

    >>> import minifcn as mf
    >>> BlurPool2d()(mf.zeros(1, 5, 8, 3)).shape
    (1, 3, 4, 3)
    """

    def __init__(self, kernel_size: int | Pair = 4, stride: int | Pair = 2, padding_mode: PaddingMode = "reflect"):
        if padding_mode not in PADDING_MODES:
            raise ValueError(
                f"BlurPool2d: padding_mode must be 'reflect', 'replicate' or 'zeros', not {padding_mode!r}"
            )
        self.kernel_size = pair("BlurPool2d", "kernel_size", kernel_size, 1)
        self.stride = pair("BlurPool2d", "stride", stride, 1)
        self.padding_mode = padding_mode

    def forward(self, x: Tensor) -> Tensor:
        """Blurred and subsampled images."""
        return F.blur_pool2d(x, self.kernel_size, self.stride, self.padding_mode)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding_mode={self.padding_mode!r}"


class MaxBlurPool2d(MaxPool2d):
    """Max-pooling in two steps: the largest element of the window at every pixel, then `BlurPool2d` with the stride.

    `MaxPool2d` of stride s is the maximum at stride 1, of which every s-th pixel is kept; which pixels that are changes
    with every shift of the image. A blur in between makes them depend on it less (Zhang 2019, section 3.2). Sizes are
    those of the `MaxPool2d` with the same arguments.

    Args:
        kernel_size: of the window of the maximum.
        stride: ``kernel_size`` if None.
        padding: of the maximum, as in `MaxPool2d`.
        ceil_mode: keep a last window that reaches beyond the image: there, the last maximum repeats.
        blur: size of the binomial filter.

    >>> import minifcn as mf
    >>> MaxBlurPool2d(2)(mf.zeros(1, 5, 8, 3)).shape, MaxBlurPool2d(2, ceil_mode=True)(mf.zeros(1, 5, 8, 3)).shape
    ((1, 2, 4, 3), (1, 3, 4, 3))
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        blur: int | Pair = 4,
    ):
        super().__init__(kernel_size, stride, padding, ceil_mode=ceil_mode)
        self.blur = pair("MaxBlurPool2d", "blur", blur, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Blurred maxima."""
        x = as_image("MaxBlurPool2d", x)
        dense = F.max_pool2d(x, self.kernel_size, 1, self.padding)
        assert isinstance(dense, Tensor)
        if self.ceil_mode:
            window = Window(self.kernel_size, self.stride, self.padding, (1, 1))
            sizes = pool_size((x.shape[1], x.shape[2]), window, True)
            below, right = (
                max((size - 1) * step + 1 - length, 0)
                for size, step, length in zip(sizes, self.stride, dense.shape[1:3], strict=True)
            )
            dense = F.pad(dense, (0, right, 0, below), "replicate")
        return F.blur_pool2d(dense, self.blur, self.stride)

    def extra_repr(self) -> str:
        """The window and the filter."""
        return f"{super().extra_repr()}, blur={self.blur}"
