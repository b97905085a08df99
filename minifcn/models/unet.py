"""U-Net (Ronneberger, Fischer & Brox 2015), with the lecture's improvements as options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from minifcn import functional as F
from minifcn.functional.arguments import Activation, TensorLike
from minifcn.models.network import Network
from minifcn.nn import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Identity,
    MaxPool2d,
    Module,
    ModuleList,
    Sequential,
    Upsample,
)
from minifcn.tensor import Tensor

Padding = Literal["same", "valid"]
Norm = Literal["batch"] | None
Up = Literal["transposed", "nearest", "bilinear"]
Down = Literal["max", "stride"]

#: Of the deepest level: sixteen times the paper's, and 3 x 3 convolutions whose weights take 10 GB each.
_MOST_CHANNELS = 16384


class UNet(Network):
    """Encoder, mirrored decoder, and skip connections between them: (N, H, W, C) -> logits (N, P, Q, classes).

    Each level applies two 3 x 3 convolutions with ReLU. On the way down, between levels, the image is halved and the
    next level doubles the channels; on the way up, the image is doubled, the channels are halved, and the result is
    concatenated, [up, skip], with the map that the way down had at that level, cropped about its centre. A 1 x 1
    convolution gives the scores.

    ``UNet(1, 2, padding="valid", dropout=0.5)`` is the paper's network: 572 x 572 pixels give 388 x 388, with
    31,030,658 parameters. Weights start from N(0, 2 / N) (see `minifcn.nn.conv`), biases at zero.

    Args:
        in_channels: channels of the images.
        classes: channels of the output: logits, which go into `minifcn.functional.cross_entropy` as they are.
        base: channels of the first level; level l has base · 2^l, at most 16384.
        depth: how many times the image is halved.
        padding: of the 3 x 3 convolutions. "same" keeps the size, which must be a multiple of 2^depth. "valid", as in
            the paper, invents no pixels, and each convolution costs a border of one pixel; see `output_size`.
        norm: "batch" puts batch normalisation between each 3 x 3 convolution, then without bias, and its ReLU.
        up: "transposed", a 2 x 2 transposed convolution of stride 2; or "nearest" or "bilinear" upsampling, then a
            2 x 2 convolution, with just as many parameters. It keeps the size, whatever ``padding`` is: its last row
            and column see zeros. So sizes do not depend on ``up``, but in a "valid" network only "transposed" invents
            no pixels.
        down: "max", 2 x 2 max-pooling; or "stride", a 3 x 3 convolution of stride 2 and padding 1, with ReLU (and
            norm). Sizes do not depend on it; a level of c channels gets 9 c² + c more parameters (9 c² + 2 c with
            norm).
        dropout: its probability, after the last ReLU of the two deepest levels; the skip carries the dropped map.

    >>> import minifcn as mf
    >>> net = UNet(1, 2, base=4, depth=2)
    >>> net(mf.zeros(1, 32, 48, 1)).shape
    (1, 32, 48, 2)
    """

    narrow: ClassVar[Mapping[str, Any]] = {"base": 1}
    source: ClassVar[str] = "Ronneberger, Fischer & Brox 2015"
    published: ClassVar[Mapping[str, Any]] = {"in_channels": 1, "classes": 2, "padding": "valid", "dropout": 0.5}

    def __init__(
        self,
        in_channels: int,
        classes: int,
        base: int = 64,
        depth: int = 4,
        padding: Padding = "same",
        norm: Norm = None,
        up: Up = "transposed",
        down: Down = "max",
        dropout: float = 0.0,
    ):
        _check_positive(in_channels=in_channels, classes=classes, base=base, depth=depth)
        _check_choice("padding", padding, ("same", "valid"))
        _check_choice("norm", norm, (None, "batch"))
        _check_choice("up", up, ("transposed", "nearest", "bilinear"))
        _check_choice("down", down, ("max", "stride"))
        if depth > _MOST_CHANNELS.bit_length() or base * 2**depth > _MOST_CHANNELS:
            raise ValueError(
                f"unet: base={base} and depth={depth} give the deepest level base · 2^depth channels, which is more "
                f"than {_MOST_CHANNELS}; make one of them smaller"
            )
        self.in_channels, self.classes, self.depth, self.padding = in_channels, classes, depth, padding
        widths = [base * 2**level for level in range(depth + 1)]
        self.encoder, self.downs = ModuleList(), ModuleList()
        for level, width in enumerate(widths[:-1]):
            channels = widths[level - 1] if level else in_channels
            self.encoder.append(_level(channels, width, padding, norm, dropout if level == depth - 1 else 0.0))
            self.downs.append(_down(width, down, norm))
        self.bottom = _level(widths[-2], widths[-1], padding, norm, dropout)
        self.ups, self.decoder = ModuleList(), ModuleList()
        for width in reversed(widths[:-1]):
            self.ups.append(_up(2 * width, width, up))
            self.decoder.append(_level(2 * width, width, padding, norm))
        self.head = Conv2d(base, classes, 1)

    def forward(self, images: TensorLike) -> Tensor:
        """Logits of images (N, H, W, in_channels).

        Raises:
            ValueError: the size is not legal, or the channels are not ``in_channels``; before anything is computed.
        """
        x = self.checked(images)
        skips = []
        for level, down in zip(self.encoder, self.downs, strict=True):
            skips.append(level(x))
            x = down(skips[-1])
        x = self.bottom(x)
        for up, level in zip(self.ups, self.decoder, strict=True):
            # One name, so that without a graph to keep them alive, maps die as soon as the next one is there.
            x = _join(up(x), skips.pop())  # (N, h, w, 2c) -> (N, 2h, 2w, c), and with the skip 2c
            x = level(x)  # (N, 2h, 2w, 2c) -> (N, 2h, 2w, c), or 4 rows and columns fewer
        return self.head(x)

    def output_length(self, length: int) -> int:
        """How many output rows ``length`` input rows give; 0 if that many are not legal."""
        lost = 4 if self.padding == "valid" else 0  # by the two convolutions of a level
        for _ in range(self.depth):
            length -= lost
            if length < 2 or length % 2:
                return 0
            length //= 2
        length -= lost
        for _ in range(self.depth):
            length = 2 * length - lost
        return max(length, 0)


def _join(x: Tensor, skip: Tensor) -> Tensor:
    """[up, skip] along the channels, the skip cropped to the size of ``x``."""
    return F.concatenate([x, F.crop(skip, (x.shape[1], x.shape[2]))])


def _level(in_channels: int, out_channels: int, padding: Padding, norm: Norm, dropout: float = 0.0) -> Sequential:
    """Two 3 x 3 convolutions, each with its ReLU, and dropout after them."""
    layers = [
        *_conv_relu(in_channels, out_channels, norm, padding=padding),
        *_conv_relu(out_channels, out_channels, norm, padding=padding),
    ]
    return Sequential(*layers, Dropout(dropout)) if dropout else Sequential(*layers)


def _down(channels: int, down: Down, norm: Norm) -> Module:
    """Halve the image."""
    if down == "max":
        return MaxPool2d(2)
    return Sequential(*_conv_relu(channels, channels, norm, stride=2, padding=1))


def _up(in_channels: int, out_channels: int, up: Up) -> Module:
    """Double the image."""
    if up == "transposed":
        return ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    return Sequential(Upsample(scale_factor=2, mode=up), Conv2d(in_channels, out_channels, 2, padding="same"))


def _conv_relu(
    in_channels: int, out_channels: int, norm: Norm, stride: int = 1, padding: Padding | int = 0
) -> list[Module]:
    """A 3 x 3 convolution and its ReLU, which is fused into whatever comes last."""
    activation: Activation = None if norm else "relu"
    conv = Conv2d(in_channels, out_channels, 3, stride, padding, bias=norm is None, activation=activation)
    # The Identity keeps the second place, which checkpoints count: the next convolution is "2" with norm or without.
    return [conv, BatchNorm2d(out_channels, activation="relu") if norm == "batch" else Identity()]


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"unet: {name} must be a positive integer, got {number!r}")


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ValueError(f"unet: {name} must be {' or '.join(map(repr, choices))}, not {value!r}")
