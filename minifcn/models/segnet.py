"""SegNet (Badrinarayanan, Kendall & Cipolla 2015): decoders that put values back where pooling found them.

Max-pooling gives up where in its window the maximum was; it costs two bits to remember. SegNet's decoder unpools with
these indices (the lecture's pooling index memorisation): every value goes back to its place, zeros elsewhere, and
convolutions, which are learnt, fill the gaps. No map crosses from encoder to decoder but the indices.

Layers are as the authors released them (github.com/alexgkendall/SegNet-Tutorial, segnet_train.prototxt and
segnet_basic_train.prototxt), except that SegNet-Basic there begins with local response normalisation.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from minifcn.functional.arguments import TensorLike
from minifcn.models.network import Network
from minifcn.models.options import check_positive
from minifcn.nn import BatchNorm2d, Conv2d, MaxPool2d, MaxUnpool2d, ModuleList, Sequential
from minifcn.tensor import Tensor

#: VGG16 (Simonyan & Zisserman 2015): widths of each stage's convolutions, as multiples of the first one's.
_STAGES = ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8))


class _Unpooling(Network):
    """Stages with poolings behind them, and their mirror image with unpoolings before: (N, H, W, C) -> (N, H, W, K).

    Every size is legal, and kept: pooling keeps a last window that reaches over the edge (ceil mode: 45 rows give 23),
    and unpooling is told the size that was pooled. In training, batch normalisation needs two pixels in the batch, also
    where images are smallest.
    """

    def __init__(
        self, in_channels: int, classes: int, encoder: list[Sequential], decoder: list[Sequential], head: Conv2d
    ):
        self.in_channels, self.classes = in_channels, classes
        self.encoder, self.decoder, self.head = ModuleList(encoder), ModuleList(decoder), head
        self.pool, self.unpool = MaxPool2d(2, return_indices=True, ceil_mode=True), MaxUnpool2d(2)

    def forward(self, images: TensorLike) -> Tensor:
        """Logits (N, H, W, classes) of images (N, H, W, in_channels).

        Raises:
            ValueError: there is no pixel, or the channels are not ``in_channels``; before anything is computed.
        """
        x = self.checked(images)
        pooled = []
        for stage in self.encoder:
            x = stage(x)
            size = (x.shape[1], x.shape[2])
            x, indices = self.pool(x)  # (N, h, w, C) -> twice (N, ⌈h/2⌉, ⌈w/2⌉, C)
            pooled.append((indices, size))
        for stage in self.decoder:
            x = self.unpool(x, *pooled.pop())  # and back to (N, h, w, C)
            x = stage(x)
        return self.head(x)

    def output_length(self, length: int) -> int:
        """As many output rows as input rows, however few."""
        return max(length, 0)


class SegNet(_Unpooling):
    """VGG16's 13 convolutions and their mirror image: (N, H, W, C) -> logits (N, H, W, classes), for any H, W >= 1.

    Batch normalisation and ReLU follow every 3 x 3 convolution but the last, which gives the scores.
    ``SegNet(3, 11)`` is the paper's network, for CamVid: 29,433,483 parameters, and 15,872 of batch normalisation. Its
    classes are weighted by `minifcn.data.median_frequency_weights`.

    Args:
        in_channels: channels of the images.
        classes: channels of the output: logits, which go into `minifcn.functional.cross_entropy` as they are.
        base: channels of the first stage; the others have 2, 4, 8 and 8 times as many.

    >>> import minifcn as mf
    >>> SegNet(3, 11, base=1).eval()(mf.zeros(1, 45, 60, 3)).shape
    (1, 45, 60, 11)
    """

    name = "segnet"
    narrow: ClassVar[Mapping[str, Any]] = {"base": 1}
    source: ClassVar[str] = "Badrinarayanan, Kendall & Cipolla 2015"
    published: ClassVar[Mapping[str, Any]] = {"in_channels": 3, "classes": 11}

    def __init__(self, in_channels: int, classes: int, base: int = 64):
        check_positive(self.name, in_channels=in_channels, classes=classes, base=base)
        widths = [[multiple * base for multiple in stage] for stage in _STAGES]
        inputs = [in_channels, *(stage[-1] for stage in widths[:-1])]  # channels that each stage starts from
        encoder = [_stage(channels, stage, 3) for channels, stage in zip(inputs, widths, strict=True)]
        decoder = [
            _stage(stage[-1], [*stage[:-1], channels], 3)
            for channels, stage in zip(inputs[:0:-1], widths[:0:-1], strict=True)
        ]
        decoder.append(_stage(base, [base], 3))  # the second convolution of the last stage is the head
        super().__init__(in_channels, classes, encoder, decoder, Conv2d(base, classes, 3, padding=1))


class SegNetBasic(_Unpooling):
    """Four stages and their mirror image, each one 7 x 7 convolution: (N, H, W, C) -> logits (N, H, W, classes).

    The paper's small SegNet, for experiments. Batch normalisation follows every convolution, ReLU those of the encoder
    only; the scores come from a 1 x 1 convolution. A number of the deepest map sees 106 x 106 pixels.

    Args:
        in_channels: channels of the images.
        classes: channels of the output: logits, which go into `minifcn.functional.cross_entropy` as they are.
        width: channels of every stage.

    >>> import minifcn as mf
    >>> SegNetBasic(3, 11, width=2).eval()(mf.zeros(1, 45, 60, 3)).shape
    (1, 45, 60, 11)
    """

    name = "segnet-basic"
    narrow: ClassVar[Mapping[str, Any]] = {"width": 1}
    source: ClassVar[str] = "Badrinarayanan, Kendall & Cipolla 2015"
    published: ClassVar[Mapping[str, Any]] = {"in_channels": 3, "classes": 11}

    def __init__(self, in_channels: int, classes: int, width: int = 64):
        check_positive(self.name, in_channels=in_channels, classes=classes, width=width)
        encoder = [_stage(channels, [width], 7) for channels in (in_channels, width, width, width)]
        decoder = [_stage(width, [width], 7, activation=None) for _ in range(4)]
        super().__init__(in_channels, classes, encoder, decoder, Conv2d(width, classes, 1))


def _stage(
    in_channels: int, widths: Sequence[int], kernel_size: int, activation: Literal["relu"] | None = "relu"
) -> Sequential:
    """Convolutions that keep the size, each with its batch normalisation and the ReLU that is fused into it."""
    stage = Sequential()
    for channels, width in itertools.pairwise([in_channels, *widths]):
        stage.append(Conv2d(channels, width, kernel_size, padding=kernel_size // 2))
        stage.append(BatchNorm2d(width, activation=activation))
    return stage
