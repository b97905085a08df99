"""U-Net (Ronneberger, Fischer & Brox 2015), with the lecture's improvements as options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from minifcn.functional.arguments import TensorLike
from minifcn.models.blocks import (
    NORMS,
    UPS,
    Block,
    Down,
    Norm,
    Padding,
    Up,
    double,
    halve,
    join,
    level,
)
from minifcn.models.network import Network
from minifcn.models.options import check_choice, check_positive
from minifcn.nn import Conv2d, CoordinateChannels, ModuleList
from minifcn.tensor import Tensor

AnyUNet = TypeVar("AnyUNet", bound="UNet")

#: Of the deepest level: sixteen times the paper's, and 3 x 3 convolutions whose weights take 10 GB each.
_MOST_CHANNELS = 16384


class UNet(Network):
    """Encoder, mirrored decoder, and skip connections between them: (N, H, W, C) -> logits (N, P, Q, classes).

    Each level applies two 3 x 3 convolutions with ReLU. On the way down, between levels, the image is halved and the
    next level doubles the channels; on the way up, the image is doubled, the channels are halved, and the result is
    concatenated, [up, skip], with the map that the way down had at that level, cropped about its centre. A 1 x 1
    convolution gives the scores.

    `UNet.original()` is the paper's network. Weights start from N(0, 2 / N) (see `minifcn.nn.conv`), biases at zero.

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
            no pixels. "transposed3", a 3 x 3 transposed convolution of stride 2, padding 1 and output padding 1, is the
            adjoint of down="stride", and has 9/4 of the weights; its last row and column miss a neighbour likewise.
        down: "max", 2 x 2 max-pooling; or "stride", a 3 x 3 convolution of stride 2 and padding 1, with ReLU (and
            norm). Sizes do not depend on it; a level of c channels gets 9 c² + c more parameters (9 c² + 2 c with
            norm).
        dropout: its probability, after the last ReLU of the two deepest levels; the skip carries the dropped map.
        block: "residual" adds what a level is given to the map of its second convolution, before the last ReLU (He et
            al. 2016): through a 1 x 1 convolution (and norm) where the level changes the channels, as nearly all do,
            and cropped about its centre where ``padding`` is "valid".
        coordinates: give the first level two more channels, every pixel's row and column in its image, or in the
            window that the network is shown; see `minifcn.nn.CoordinateChannels`. They are not counted in
            ``in_channels``. Training must not flip, turn or crop images at random, or they mean nothing; images to
            predict should have a legal size, or coordinates are those of the padded image.

    >>> import minifcn as mf
    >>> net = UNet(1, 2, base=4, depth=2)
    >>> net(mf.zeros(1, 32, 48, 1)).shape
    (1, 32, 48, 2)
    """

    name = "unet"
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
        block: Block = "plain",
        coordinates: bool = False,
    ):
        check_positive("unet", in_channels=in_channels, classes=classes, base=base, depth=depth)
        check_choice("unet", "padding", padding, ("same", "valid"))
        check_choice("unet", "norm", norm, NORMS)
        check_choice("unet", "up", up, UPS)
        check_choice("unet", "down", down, ("max", "stride"))
        check_choice("unet", "block", block, ("plain", "residual"))
        check_choice("unet", "coordinates", coordinates, (False, True))
        if depth > _MOST_CHANNELS.bit_length() or base * 2**depth > _MOST_CHANNELS:
            raise ValueError(
                f"unet: base={base} and depth={depth} give the deepest level base · 2^depth channels, which is more "
                f"than {_MOST_CHANNELS}; make one of them smaller"
            )
        self.in_channels, self.classes, self.depth, self.padding = in_channels, classes, depth, padding
        self.coordinates = CoordinateChannels() if coordinates else None
        widths = [base * 2**number for number in range(depth + 1)]
        self.encoder, self.downs = ModuleList(), ModuleList()
        channels = in_channels + (2 if coordinates else 0)
        for width in widths[:-1]:
            deep = dropout if width == widths[-2] else 0.0
            self.encoder.append(level(channels, width, padding, norm, deep, block))
            self.downs.append(halve(width, down, norm))
            channels = width
        self.bottom = level(widths[-2], widths[-1], padding, norm, dropout, block)
        self.ups, self.decoder = ModuleList(), ModuleList()
        for width in reversed(widths[:-1]):
            self.ups.append(double(2 * width, width, up))
            self.decoder.append(level(2 * width, width, padding, norm, block=block))
        self.head = Conv2d(base, classes, 1)

    @classmethod
    def original(cls: type[AnyUNet], in_channels: int = 1, classes: int = 2) -> AnyUNet:
        """The paper's network: 572 x 572 pixels give 388 x 388, with 31,030,658 parameters.

        Valid convolutions, 64 to 1024 channels, dropout of 0.5 after the two deepest levels of the way down.

        >>> from minifcn.nn import init
        >>> with init.skipped():
        ...     net = UNet.original()
        >>> sum(parameter.size for parameter in net.parameters()), net.output_size(572, 572)
        (31030658, (388, 388))
        """
        return cls(**{**cls.published, "in_channels": in_channels, "classes": classes})

    def forward(self, images: TensorLike) -> Tensor:
        """Logits of images (N, H, W, in_channels).

        Raises:
            ValueError: the size is not legal, or the channels are not ``in_channels``; before anything is computed.
        """
        x = self.checked(images)
        if self.coordinates is not None:
            x = self.coordinates(x)
        skips = []
        for convolve, down in zip(self.encoder, self.downs, strict=True):
            skips.append(convolve(x))
            x = down(skips[-1])
        x = self.bottom(x)
        for up, convolve in zip(self.ups, self.decoder, strict=True):
            # One name, so that without a graph to keep them alive, maps die as soon as the next one is there.
            x = join(up(x), skips.pop())  # (N, h, w, 2c) -> (N, 2h, 2w, c), and with the skip 2c
            x = convolve(x)  # (N, 2h, 2w, 2c) -> (N, 2h, 2w, c), or 4 rows and columns fewer
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
