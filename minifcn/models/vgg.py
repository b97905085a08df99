"""VGG (Simonyan & Zisserman 2015): its convolutions, as an encoder."""

from __future__ import annotations

from minifcn.models.blocks import NORMS, Norm, conv_relu
from minifcn.models.encoder import Encoder
from minifcn.models.options import check_choice, check_positive
from minifcn.nn import BatchNorm2d, Conv2d, Identity, MaxPool2d, Module, Sequential
from minifcn.tensor import Tensor

#: Convolutions of each stage, by the number of layers with weights, of which three are the classifier's.
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3)}


class VGG(Encoder):
    """Five stages of 3 x 3 convolutions with ReLU, 2 x 2 max-pooling between them: configurations A, B and D.

    The maps are those before each pooling: 1, 1/2, 1/4, 1/8 and 1/16 of the image's size, with base · (1, 2, 4, 8, 8)
    channels. The pooling after the last stage belongs to the classifier.

    Args:
        depth: 11, 13 or 16: layers with weights, three of them in the classifier, which is not here.
        in_channels: channels of the images.
        base: channels of the first stage; 64 in the paper.
        norm: "batch" puts batch normalisation between each convolution and its ReLU, as torchvision's ``vgg16_bn``
            does; there, unlike in `UNet`, convolutions keep their bias.

    >>> import minifcn as mf
    >>> [y.shape for y in VGG(11, base=2)(mf.zeros(1, 32, 32, 3))][::2]
    [(1, 32, 32, 2), (1, 8, 8, 8), (1, 2, 2, 16)]
    """

    first, classifier = "features.0", "classifier."
    strides = (1, 2, 4, 8, 16)

    def __init__(self, depth: int = 16, in_channels: int = 3, base: int = 64, norm: Norm = None):
        check_choice("vgg", "depth", depth, tuple(_STAGES))
        check_choice("vgg", "norm", norm, NORMS)
        check_positive("vgg", in_channels=in_channels, base=base)
        self.channels = tuple(base * factor for factor in (1, 2, 4, 8, 8))
        layers: list[Module] = []
        for width, convolutions in zip(self.channels, _STAGES[depth], strict=True):
            if layers:
                layers.append(MaxPool2d(2))
            for _ in range(convolutions):
                layers += _convolution(in_channels, width, norm)
                in_channels = width
        self.features = Sequential(*layers)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The five stages' maps; see `Encoder`."""
        maps, x = [], images
        for layer in self.features:
            if isinstance(layer, MaxPool2d):
                maps.append(x)
            x = layer(x)
        return [*maps, x]


def _convolution(in_channels: int, out_channels: int, norm: Norm) -> list[Module]:
    """As many places as torchvision's convolution, norm and ReLU take, which the names of its weights count."""
    if norm is None:
        return conv_relu(in_channels, out_channels, None, padding="same")
    conv = Conv2d(in_channels, out_channels, 3, padding="same")
    return [conv, BatchNorm2d(out_channels, activation="relu"), Identity()]
