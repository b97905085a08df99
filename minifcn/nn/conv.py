"""Layers of convolution and transposed convolution.

Weights start as in U-Net's paper, not as in PyTorch: normal with variance 2 / N, where N is how many numbers one output
sums (He et al. 2015), so that networks with ReLU keep their scale; biases start at zero.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from minifcn import functional as F
from minifcn.functional.arguments import Activation, pair, wants_relu
from minifcn.functional.conv import Padding
from minifcn.kernels import shapes
from minifcn.kernels.shapes import Pair, Window
from minifcn.memory import empty
from minifcn.nn import init
from minifcn.nn.module import Module, Parameter
from minifcn.tensor import Tensor

PaddingMode = Literal["zeros", "reflect", "replicate"]


class _Convolution(Module):
    """What both directions share: checked arguments, weight, bias."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair,
        padding: Padding,
        dilation: int | Pair,
        groups: int,
        weight_channels: Pair,
        bias: bool,
        activation: Activation,
    ):
        name = type(self).__name__
        if min(in_channels, out_channels, groups) < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: in_channels={in_channels} and out_channels={out_channels} must be positive multiples of "
                f"groups={groups}"
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{name}: padding must be an int, a pair, 'same' or 'valid', not {padding!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = pair(name, "kernel_size", kernel_size, 1)
        self.stride = pair(name, "stride", stride, 1)
        self.padding: Padding = padding if isinstance(padding, str) else pair(name, "padding", padding)
        self.dilation = pair(name, "dilation", dilation, 1)
        wants_relu(name, activation)
        self.activation = activation
        if padding == "same" and self.stride != (1, 1):
            raise ValueError(f"{name}: padding='same' needs stride 1, got {stride}; give the padding as a number")
        self.weight = Parameter(empty((*self.kernel_size, *weight_channels), np.float32))
        self.bias = Parameter(empty(out_channels, np.float32)) if bias else None
        self.reset_parameters()

    def fan_in(self) -> float:
        """N: how many numbers one output sums."""
        return math.prod(self.kernel_size) * self.in_channels / self.groups

    def reset_parameters(self) -> None:
        """Draw the weight anew, from N(0, 2 / N); set the bias to zero."""
        init.normal_(self.weight, std=math.sqrt(2.0 / self.fan_in()))
        if self.bias is not None:
            init.zeros_(self.bias)

    def extra_repr(self) -> str:
        """Channels and geometry, leaving out defaults as PyTorch does."""
        options = {"padding": (self.padding, (0, 0)), "dilation": (self.dilation, (1, 1)), "groups": (self.groups, 1)}
        shown = "".join(f", {name}={value!r}" for name, (value, default) in options.items() if value != default)
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}{shown}"
            + ("" if self.bias is not None else ", bias=False")
            + (f", activation={self.activation!r}" if self.activation else "")
        )


class Conv2d(_Convolution):
    """Convolution: (N, H, W, C_in) -> (N, P, Q, C_out); see `minifcn.functional.conv2d`.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: rows and columns of the kernel.
        stride: between neighbouring outputs.
        padding: on each side; "valid" is none, "same" keeps the size.
        dilation: between neighbouring taps.
        groups: input and output channels fall into this many groups, convolved independently.
        bias: add a number to each output channel.
        padding_mode: what the padding holds: "zeros"; "reflect", the image mirrored; "replicate", its outermost pixels.
        activation: "relu" applies ReLU in the same pass over memory.

    Attributes:
        weight: (kh, kw, C_in / groups, C_out).
        bias: (C_out,) or None.

    >>> import minifcn as mf
    >>> Conv2d(1, 8, kernel_size=3, padding="same")(mf.zeros(1, 5, 7, 1)).shape
    (1, 5, 7, 8)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        activation: Activation = None,
    ):
        if padding_mode not in ("zeros", "reflect", "replicate"):
            raise ValueError(f"Conv2d: padding_mode must be 'zeros', 'reflect' or 'replicate', not {padding_mode!r}")
        self.padding_mode = padding_mode
        weight_channels = (in_channels // max(groups, 1), out_channels)
        geometry = kernel_size, stride, padding, dilation, groups
        super().__init__(in_channels, out_channels, *geometry, weight_channels, bias, activation)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve images."""
        padding: Padding = self.padding
        if self.padding_mode != "zeros":
            x, padding = F.pad(x, self._border(), self.padding_mode), 0
        geometry = self.stride, padding, self.dilation, self.groups
        return F.conv2d(x, self.weight, self.bias, *geometry, self.activation)

    def _border(self) -> tuple[int, int, int, int]:
        """(left, right, top, bottom), as `minifcn.functional.pad` takes it."""
        if self.padding == "same":
            before, after = shapes.same_padding(Window(self.kernel_size, dilation=self.dilation))
        else:
            before = after = (0, 0) if self.padding == "valid" else pair("Conv2d", "padding", self.padding)
        return before[1], after[1], before[0], after[0]

    def extra_repr(self) -> str:
        """Channels and geometry."""
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode!r}"
        return super().extra_repr() + mode


class ConvTranspose2d(_Convolution):
    """Transposed convolution: (N, P, Q, C_in) -> (N, H, W, C_out); see `minifcn.functional.conv_transpose2d`.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: rows and columns of the kernel.
        stride: between the contributions of neighbouring inputs.
        padding: cut off on each side.
        output_padding: added below and to the right.
        groups: input and output channels fall into this many groups.
        bias: add a number to each output channel.
        dilation: between neighbouring taps.
        activation: "relu" applies ReLU in the same pass over memory.

    Attributes:
        weight: (kh, kw, C_out / groups, C_in): that of the convolution which this one transposes.
        bias: (C_out,) or None.

    >>> import minifcn as mf
    >>> ConvTranspose2d(8, 4, kernel_size=2, stride=2)(mf.zeros(1, 3, 5, 8)).shape
    (1, 6, 10, 4)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = 0,
        output_padding: int | Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Pair = 1,
        activation: Activation = None,
    ):
        self.output_padding = pair("ConvTranspose2d", "output_padding", output_padding)
        weight_channels = (out_channels // max(groups, 1), in_channels)
        geometry = kernel_size, stride, padding, dilation, groups
        super().__init__(in_channels, out_channels, *geometry, weight_channels, bias, activation)

    def fan_in(self) -> float:
        """N: how many numbers one output sums, on average; every stride-th tap meets an input."""
        return super().fan_in() / math.prod(self.stride)

    def forward(self, x: Tensor, output_size: int | Pair | None = None) -> Tensor:
        """Transpose-convolve images; ``output_size`` chooses among the possible sizes instead of ``output_padding``."""
        options = (self.stride, self.padding, self.output_padding, self.groups, self.dilation, output_size)
        return F.conv_transpose2d(x, self.weight, self.bias, *options, self.activation)
