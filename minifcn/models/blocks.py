"""What networks with skip connections are built of: levels of two convolutions, halving, doubling, joining."""

from __future__ import annotations

from typing import Literal

from minifcn import functional as F
from minifcn.functional.arguments import Activation
from minifcn.nn import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Identity,
    MaxPool2d,
    Module,
    Sequential,
    Upsample,
)
from minifcn.tensor import Tensor

Padding = Literal["same", "valid"]
Norm = Literal["batch"] | None
Up = Literal["transposed", "nearest", "bilinear", "transposed3"]
Down = Literal["max", "stride"]
Block = Literal["plain", "residual"]

NORMS: tuple[Norm, ...] = (None, "batch")
UPS: tuple[Up, ...] = ("transposed", "nearest", "bilinear", "transposed3")


class Residual(Module):
    """ReLU(body(x) + shortcut(x)), the identity cropped about its centre to the size of the body's map. He et al. 2016.

    Args:
        body: the layers, the last of them without ReLU.
        shortcut: `Identity`, or a 1 x 1 convolution where the body changes the channels.
    """

    def __init__(self, body: Module, shortcut: Module):
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C_in) -> (N, P, Q, C_out)."""
        y = self.body(x)
        # Cropped first: a 1 x 1 convolution of what is cut off afterwards would be work for nothing.
        return F.relu(y + self.shortcut(F.crop(x, (y.shape[1], y.shape[2]))))


def conv_relu(
    in_channels: int, out_channels: int, norm: Norm, stride: int = 1, padding: Padding | int = 0
) -> list[Module]:
    """A 3 x 3 convolution and its ReLU, which is fused into whatever comes last."""
    return _conv(in_channels, out_channels, norm, stride, padding, "relu")


def level(
    in_channels: int,
    out_channels: int,
    padding: Padding,
    norm: Norm,
    dropout: float = 0.0,
    block: Block = "plain",
) -> Sequential:
    """Two 3 x 3 convolutions, each with its ReLU, and dropout after them; "residual" adds x before the last ReLU."""
    first = conv_relu(in_channels, out_channels, norm, padding=padding)
    if block == "residual":
        body = Sequential(*first, *_conv(out_channels, out_channels, norm, 1, padding, None))
        layers: list[Module] = [Residual(body, _shortcut(in_channels, out_channels, norm))]
    else:
        layers = [*first, *conv_relu(out_channels, out_channels, norm, padding=padding)]
    return Sequential(*layers, Dropout(dropout)) if dropout else Sequential(*layers)


def halve(channels: int, down: Down, norm: Norm) -> Module:
    """Halve the image, by max-pooling or by a convolution of stride 2."""
    if down == "max":
        return MaxPool2d(2)
    return Sequential(*conv_relu(channels, channels, norm, stride=2, padding=1))


def double(in_channels: int, out_channels: int, up: Up) -> Module:
    """Double the image, by a transposed convolution or by upsampling and a 2 x 2 convolution."""
    if up == "transposed":
        return ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    if up == "transposed3":
        # The adjoint of the 3 x 3 convolution of stride 2 and padding 1 that halves an even image.
        return ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)
    return Sequential(Upsample(scale_factor=2, mode=up), Conv2d(in_channels, out_channels, 2, padding="same"))


def join(x: Tensor, skip: Tensor) -> Tensor:
    """[up, skip] along the channels, the skip cropped about its centre to the size of ``x``."""
    return F.concatenate([x, F.crop(skip, (x.shape[1], x.shape[2]))])


def _conv(
    in_channels: int, out_channels: int, norm: Norm, stride: int, padding: Padding | int, activation: Activation
) -> list[Module]:
    fused: Activation = None if norm else activation
    conv = Conv2d(in_channels, out_channels, 3, stride, padding, bias=norm is None, activation=fused)
    # The Identity keeps the second place, which checkpoints count: the next convolution is "2" with norm or without.
    return [conv, BatchNorm2d(out_channels, activation=activation) if norm == "batch" else Identity()]


def _shortcut(in_channels: int, out_channels: int, norm: Norm) -> Module:
    if in_channels == out_channels:
        return Identity()
    projection = Conv2d(in_channels, out_channels, 1, bias=norm is None)
    return Sequential(projection, BatchNorm2d(out_channels)) if norm == "batch" else Sequential(projection)
