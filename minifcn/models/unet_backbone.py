"""U-Net whose encoder is a classification network: the lecture's "already optimized classification network"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from numpy.typing import NDArray

from minifcn.functional.arguments import TensorLike
from minifcn.models.blocks import NORMS, UPS, Norm, Up, double, join, level
from minifcn.models.encoder import Encoder
from minifcn.models.network import Network
from minifcn.models.options import check_choice, check_positive
from minifcn.models.resnet import ResNet
from minifcn.models.vgg import VGG
from minifcn.nn import Conv2d, ModuleList
from minifcn.tensor import Tensor

AnyNetwork = TypeVar("AnyNetwork", bound="BackboneUNet")

#: Encoders by torchvision's names, each made from (in_channels, base).
BACKBONES: dict[str, Callable[[int, int], Encoder]] = {
    "resnet18": lambda channels, base: ResNet(18, channels, base),
    "resnet34": lambda channels, base: ResNet(34, channels, base),
    "resnet50": lambda channels, base: ResNet(50, channels, base),
    "vgg11": lambda channels, base: VGG(11, channels, base),
    "vgg13": lambda channels, base: VGG(13, channels, base),
    "vgg16": lambda channels, base: VGG(16, channels, base),
    "vgg11_bn": lambda channels, base: VGG(11, channels, base, "batch"),
    "vgg13_bn": lambda channels, base: VGG(13, channels, base, "batch"),
    "vgg16_bn": lambda channels, base: VGG(16, channels, base, "batch"),
}


class BackboneUNet(Network):
    """A classification network, U-Net's decoder and skips between them: (N, H, W, C) -> logits (N, H, W, classes).

    As in `UNet`, the way up doubles the image, concatenates [up, skip] and applies two 3 x 3 convolutions, once for
    each map of the encoder but the deepest. Level l has base · 2^l channels, or as many as the encoder's map where
    these are fewer. The first map of a ResNet is half as large as the image: one more level, without skip and of
    base / 2 channels, makes up for it.

    Heights and widths are multiples of 32 with a ResNet, of 16 with a VGG.

    Args:
        in_channels: channels of the images.
        classes: channels of the output: logits.
        backbone: the encoder, by torchvision's name: "resnet18", "resnet34", "resnet50", "vgg11", "vgg13", "vgg16",
            and the latter three with batch normalisation, such as "vgg16_bn".
        base: channels of the encoder's first map. Published weights need 64.
        norm: of the decoder; see `UNet`. The encoder's is its own.
        up: see `UNet`.

    >>> import minifcn as mf
    >>> BackboneUNet(1, 2, "resnet18", base=2)(mf.zeros(1, 32, 64, 1)).shape
    (1, 32, 64, 2)
    """

    name = "unet-backbone"
    narrow: ClassVar[Mapping[str, Any]] = {"base": 1}
    source: ClassVar[str] = 'the lecture, "U-Net improvements"'
    published: ClassVar[Mapping[str, Any]] = {"in_channels": 3, "classes": 2}
    _frozen = False

    def __init__(
        self,
        in_channels: int,
        classes: int,
        backbone: str = "resnet18",
        base: int = 64,
        norm: Norm = "batch",
        up: Up = "transposed",
    ):
        check_positive(self._name(), in_channels=in_channels, classes=classes, base=base)
        check_choice(self._name(), "backbone", backbone, tuple(BACKBONES))
        check_choice(self._name(), "norm", norm, NORMS)
        check_choice(self._name(), "up", up, UPS)
        self.in_channels, self.classes = in_channels, classes
        self.encoder = BACKBONES[backbone](in_channels, base)
        skips = self.encoder.channels[:-1]
        widths = [min(skip, base * 2**number) for number, skip in enumerate(skips)]
        self.ups, self.decoder = ModuleList(), ModuleList()
        channels = self.encoder.channels[-1]
        for width, skip in zip(reversed(widths), reversed(skips), strict=True):
            self.ups.append(double(channels, width, up))
            self.decoder.append(level(width + skip, width, "same", norm))
            channels = width
        if self.encoder.strides[0] == 2:
            half = max(1, base // 2)
            self.ups.append(double(channels, half, up))
            self.decoder.append(level(half, half, "same", norm))
            channels = half
        self.head = Conv2d(channels, classes, 1)

    def forward(self, images: TensorLike) -> Tensor:
        """Logits of images (N, H, W, in_channels).

        Raises:
            ValueError: the size is not legal, or the channels are not ``in_channels``; before anything is computed.
        """
        maps = self.encoder(self.checked(images))
        x = maps.pop()
        for up, convolve in zip(self.ups, self.decoder, strict=True):
            x = up(x)
            x = convolve(join(x, maps.pop()) if maps else x)
        return self.head(x)

    def output_length(self, length: int) -> int:
        """``length``, if it is a positive multiple of the encoder's last stride; otherwise 0."""
        return length if length > 0 and length % self.encoder.strides[-1] == 0 else 0

    def load_pretrained(self, weights: Mapping[str, NDArray]) -> None:
        """Start the encoder from weights that were trained elsewhere; the decoder stays as it is.

        Such weights expect images normalised as in their training: for ImageNet's, colours in [0, 1] minus
        (.485, .456, .406), divided by (.229, .224, .225).

        Args:
            weights: what `minifcn.io.read_weights` returns for a file of torchvision's network of the backbone's name.
                Its first convolution saw colours; `minifcn.models.encoder.adapted` says what happens to it when
                ``in_channels`` is not 3.

        Raises:
            ValueError: the weights are another network's, and nothing has been changed.
        """
        self.encoder.load_torch(weights)

    def freeze_backbone(self) -> None:
        """Train the decoder alone: the encoder's parameters are no longer learnt, nor its statistics updated."""
        self._frozen = True
        self.encoder.requires_grad_(False)
        self.encoder.eval()

    def unfreeze_backbone(self) -> None:
        """Undo `freeze_backbone`."""
        self._frozen = False
        self.encoder.requires_grad_(True)
        self.encoder.train(self.training)

    def train(self: AnyNetwork, mode: bool = True) -> AnyNetwork:
        """As `minifcn.nn.Module.train`, except that a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self._frozen:
            self.encoder.eval()
        return self

    def _name(self) -> str:
        return "unet-backbone"
