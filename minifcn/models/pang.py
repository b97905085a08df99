"""The simplest network from images to images: a plain CNN (Pang et al. 2010), as the lecture draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from minifcn.autograd import no_grad
from minifcn.functional.arguments import Activation, TensorLike
from minifcn.models.network import Network
from minifcn.models.options import check_choice, check_positive
from minifcn.nn import Conv2d, Identity, Sequential, Sigmoid, init
from minifcn.tensor import Tensor


class PangCNN(Network):
    """Convolutions, one after the other, at full size: (N, H, W, C) -> logits (N, H, W, classes).

    ``hidden`` layers of d = ``maps`` maps, then one that gives the scores, without activation. With 3 x 3 kernels and
    one channel in and out, the first layer has (9 + 1) d parameters, the next ones (9d + 1) d, the last 9d + 1: 80, 584
    and 73 for d = 8, so that ``PangCNN(1, 1)`` has 1,321. An output pixel sees 1 + 2 (hidden + 1) = 9 pixels a side:
    the network knows textures, not shapes.

    Pang et al. (2010) segmented cell nuclei with it. The lecture remarks that today all layers but the last would have
    ReLU: the default here. The numbers above are the lecture's; the paper's kernel size was not to be found.

    Args:
        in_channels: channels of the images.
        classes: channels of the output: logits, which go into `minifcn.functional.cross_entropy` as they are, or, where
            it is one, into `minifcn.functional.binary_cross_entropy_with_logits`.
        maps: d, channels of every hidden layer.
        hidden: how many hidden layers.
        activation: "relu", with weights from N(0, 2 / N); or "sigmoid", as published, which needs another start: see
            `centre_sigmoids`.
        kernel_size: rows and columns of all kernels; borders are padded with zeros, so that the size is kept.

    >>> import minifcn as mf
    >>> PangCNN(1, 1)(mf.zeros(1, 5, 7, 1)).shape
    (1, 5, 7, 1)
    """

    name = "pang"
    narrow: ClassVar[Mapping[str, Any]] = {"maps": 1}
    source: ClassVar[str] = "Pang et al. 2010"
    published: ClassVar[Mapping[str, Any]] = {"in_channels": 1, "classes": 1}

    def __init__(
        self,
        in_channels: int,
        classes: int,
        maps: int = 8,
        hidden: int = 3,
        activation: Literal["relu", "sigmoid"] = "relu",
        kernel_size: int = 3,
    ):
        numbers = {"in_channels": in_channels, "classes": classes, "maps": maps, "kernel_size": kernel_size}
        check_positive(self.name, hidden=hidden, **numbers)
        check_choice(self.name, "activation", activation, ("relu", "sigmoid"))
        self.in_channels, self.classes, self.activation = in_channels, classes, activation
        fused: Activation = "relu" if activation == "relu" else None
        self.layers = Sequential()
        for layer in range(hidden):
            channels = maps if layer else in_channels
            self.layers.append(Conv2d(channels, maps, kernel_size, padding="same", activation=fused))
            self.layers.append(Sigmoid() if activation == "sigmoid" else Identity())
        self.head = Conv2d(maps, classes, kernel_size, padding="same")
        if activation == "sigmoid":
            centre_sigmoids([layer for layer in (*self.layers, self.head) if isinstance(layer, Conv2d)])

    def forward(self, images: TensorLike) -> Tensor:
        """Logits of images (N, H, W, in_channels).

        Raises:
            ValueError: there is no pixel, or the channels are not ``in_channels``; before anything is computed.
        """
        return self.head(self.layers(self.checked(images)))

    def output_length(self, length: int) -> int:
        """As many output rows as input rows, however few."""
        return max(length, 0)


def centre_sigmoids(convolutions: list[Conv2d]) -> None:
    """Start values for convolutions with sigmoids between them, so that signals and gradients reach both ends.

    σ(x) = ½ + ½ tanh(x / 2) has slope ¼ at 0 and mean ½. Weights are four times Glorot's (Glorot & Bengio 2010), which
    makes up for the slope; the bias of a layer that reads sigmoids is −½ Σ w, which makes up for the mean (but not
    at the border, where the padding is 0).
    """
    for position, convolution in enumerate(convolutions):
        last = position == len(convolutions) - 1
        init.xavier_normal_(convolution.weight, gain=1.0 if last else 4.0)
        if position and convolution.bias is not None:
            # Under init.skipped() weights are whatever the memory held, which may overflow.
            with no_grad(), np.errstate(all="ignore"):
                convolution.bias.copy_(-0.5 * convolution.weight.to("cpu").data.sum(axis=(0, 1, 2)))
