"""Fully convolutional networks (Long, Shelhamer & Darrell 2015): VGG16, made to answer every pixel.

A network that classifies images ends in dense layers. A dense layer on a 7 x 7 map is a 7 x 7 convolution, which on a
larger image gives the scores of every window. They are coarse, one every 32 pixels. Transposed convolutions enlarge
them, at first by bilinear interpolation; on the way, scores of finer layers are added: in FCN-16s of one that has a
number every 16 pixels, in FCN-8s also of one that has a number every 8.

Names of layers, sizes and start values are the authors' (github.com/shelhamer/fcn.berkeleyvision.org, folders
voc-fcn32s, voc-fcn16s and voc-fcn8s). So are the offsets of crops, with which the middles of windows meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from minifcn import functional as F
from minifcn.functional.arguments import TensorLike
from minifcn.io.weights import from_torch_layout, to_torch_layout
from minifcn.models.encoder import adapted
from minifcn.models.network import Network
from minifcn.models.options import check_choice, check_positive
from minifcn.nn import Conv2d, ConvTranspose2d, Dropout, MaxPool2d, Module, init
from minifcn.nn.state import first_of
from minifcn.tensor import Tensor

#: VGG16 (Simonyan & Zisserman 2015): 3 x 3 convolutions of each stage, and its width as a multiple of the first one's.
_STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
#: Zeros around the image: they leave fc6's 7 x 7 window enough to stand on, even if the image is a single pixel.
_BORDER = 100


Learned = bool | Literal["skips"]


class _Skip(NamedTuple):
    """Enlarge the scores to twice their size, and add those of a finer layer."""

    enlarge: str
    score: str
    pool: str
    offset: int  # row and column of the finer scores where the enlarged ones have their first


class _FCN(Network):
    """What the three networks share: VGG16 as a convolution, and the way from coarse scores to pixels.

    Every size is legal, and kept: the border of zeros makes it large enough, pooling keeps a last window that reaches
    over the edge, and the enlarged scores are cropped where the image lies in them. Less than 25 pixels from the edge,
    some scores to interpolate between are missing, and count as 0: in the authors' networks too.
    """

    narrow: ClassVar[Mapping[str, Any]] = {"base": 1, "hidden": 1}
    source: ClassVar[str] = "Long, Shelhamer & Darrell 2015"
    published: ClassVar[Mapping[str, Any]] = {"in_channels": 3, "classes": 21, "learned": False}

    #: From coarse to fine.
    _skips: ClassVar[tuple[_Skip, ...]] = ()
    #: The last enlargement: its name, its factor, and the offset of the image in its output.
    _last: ClassVar[tuple[str, int, int]]

    def __init__(
        self,
        in_channels: int,
        classes: int,
        base: int = 64,
        hidden: int = 4096,
        dropout: float = 0.5,
        learned: Learned = True,
    ):
        check_positive(self.name, in_channels=in_channels, classes=classes, base=base, hidden=hidden)
        check_choice(self.name, "learned", learned, (True, False, "skips"))
        self.in_channels, self.classes = in_channels, classes
        widths, channels = {}, in_channels  # of what each pooling gives
        for stage, (convolutions, multiple) in enumerate(_STAGES, 1):
            for number in range(1, convolutions + 1):
                padding = _BORDER if (stage, number) == (1, 1) else 1
                self.add_module(f"conv{stage}_{number}", _conv_relu(channels, multiple * base, 3, padding))
                channels = multiple * base
            self.add_module(f"pool{stage}", MaxPool2d(2, ceil_mode=True))
            widths[f"pool{stage}"] = channels
        self.fc6, self.drop6 = _conv_relu(channels, hidden, 7), Dropout(dropout)
        self.fc7, self.drop7 = _conv_relu(hidden, hidden, 1), Dropout(dropout)
        self.score_fr = _score(hidden, classes)
        for skip in self._skips:
            self.add_module(skip.enlarge, _enlarge(classes, 2, bool(learned)))
            self.add_module(skip.score, _score(widths[skip.pool], classes))
        name, factor, _ = self._last
        self.add_module(name, _enlarge(classes, factor, learned is True))

    def forward(self, images: TensorLike) -> Tensor:
        """Logits (N, H, W, classes) of images (N, H, W, in_channels).

        Raises:
            ValueError: there is no pixel, or the channels are not ``in_channels``; before anything is computed.
        """
        x = self.checked(images)
        size, finer = (x.shape[1], x.shape[2]), {}
        for layer in self._vgg16():
            x = layer(x)
            for skip in self._skips:
                if layer is getattr(self, skip.pool):
                    finer[skip] = getattr(self, skip.score)(x)
        x = self.score_fr(x)
        for skip in self._skips:
            x = getattr(self, skip.enlarge)(x)
            x = x + F.crop(finer.pop(skip), (x.shape[1], x.shape[2]), (skip.offset, skip.offset))
        name, _, offset = self._last
        return F.crop(getattr(self, name)(x), size, (offset, offset))

    def output_length(self, length: int) -> int:
        """As many output rows as input rows, however few."""
        return max(length, 0)

    def load_pretrained(self, weights: Mapping[str, np.ndarray]) -> None:
        """Start from a VGG16 that was trained to classify images, by torchvision's names and in PyTorch's layout.

        ``features.0.weight`` (64, 3, 3, 3) goes into conv1_1 (for other channels than three, see
        `minifcn.models.encoder.adapted`), and so on; ``classifier.0.weight`` (4096, 25088) becomes the 7 x 7 windows of
        fc6, and ``classifier.3.weight`` fc7. With another ``hidden`` than VGG16's 4096, fc6 and fc7 stay as they are.
        The last dense layer, which knows ImageNet's classes, is left out, as is anything else. Images have to be
        prepared as they were for that VGG16.

        Raises:
            ValueError: arrays are missing or of the wrong shape. They are named, and nothing has been changed.
        """
        state, problems = {}, []
        weights = self._fitting(weights)
        for theirs, ours in _torchvision_names():
            if ours.startswith("fc") and len(weights.get("classifier.0.bias", ())) not in (0, self.fc6.out_channels):
                continue  # a narrower classifier than the file's is trained anew
            kh, kw, c_in, c_out = getattr(self, ours).weight.shape
            weight = (c_out, c_in * kh * kw) if theirs.startswith("classifier") else (c_out, c_in, kh, kw)
            for part, shape in (("weight", weight), ("bias", (c_out,))):
                name = f"{theirs}.{part}"
                if name not in weights:
                    problems.append(f"  missing: {name} {shape}, for {ours}")
                elif np.shape(weights[name]) != shape:
                    problems.append(f"  wrong shape: {name} is {np.shape(weights[name])}, but {ours} takes {shape}")
                elif part == "bias":
                    state[f"{ours}.bias"] = np.asarray(weights[name])
                else:  # a dense layer reads a map as (C, h, w), one row after the other
                    taps = np.asarray(weights[name]).reshape(c_out, c_in, kh, kw)
                    state[f"{ours}.weight"] = taps.transpose(2, 3, 1, 0)  # (K, C, kh, kw) -> (kh, kw, C, K)
        if problems:
            heading = f"{self._name()}: these are not the weights of torchvision's vgg16 (without batch normalisation)"
            raise ValueError("\n".join([heading, *first_of(problems)]))
        self.load_state_dict(state, strict=False)

    def _fitting(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The weights, the first layer's for as many channels as the images have."""
        name = f"{next(_torchvision_names())[0]}.weight"
        first = weights.get(name)
        if first is None or np.ndim(first) != 4:
            return dict(weights)
        return {**weights, name: to_torch_layout(adapted(from_torch_layout(first), self.in_channels))}

    def adopt(self, network: Module) -> list[str]:
        """Copy every parameter that both networks have, by name and shape; the names of the others here are returned.

        This is how the paper trains in stages: FCN-16s starts from FCN-32s, and FCN-8s from FCN-16s. A new score layer
        starts at zero, so the finer scores change nothing at first.

        Raises:
            ValueError: they have nothing in common.

        >>> FCN16s(3, 21, base=1, hidden=1).adopt(FCN32s(3, 21, base=1, hidden=1))
        ['upscore2.weight', 'score_pool4.weight', 'score_pool4.bias', 'upscore16.weight']
        """
        own, others = dict(self.named_parameters()), dict(network.named_parameters())
        shared = {name: p for name, p in others.items() if name in own and own[name].shape == p.shape}
        if not shared:
            raise ValueError(
                f"{self._name()}: {type(network).__name__} has no parameter of the same name and shape; adopt from an "
                "FCN of the same base and hidden"
            )
        self.load_state_dict(shared, strict=False)
        return [name for name in own if name not in shared]

    def _vgg16(self) -> Iterator[Module]:
        """The layers from the image to what `score_fr` scores, in their order."""
        for stage, (convolutions, _) in enumerate(_STAGES, 1):
            for number in range(1, convolutions + 1):
                yield getattr(self, f"conv{stage}_{number}")
            yield getattr(self, f"pool{stage}")
        yield from (self.fc6, self.drop6, self.fc7, self.drop7)


class FCN32s(_FCN):
    """Scores one every 32 pixels, enlarged at once: (N, H, W, C) -> logits (N, H, W, classes), for any H, W >= 1.

    ``FCN32s(3, 21)`` is the paper's network: 134,346,581 parameters, and 64 · 64 · 21² of the transposed convolution.
    Long et al. (2015) feed it images from 0 to 255, channels in the order B, G, R, less 104.007, 116.669 and 122.679.

    Args:
        in_channels: channels of the images.
        classes: channels of the output: logits, which go into `minifcn.functional.cross_entropy` as they are.
        base: channels of the first stage; the others have 2, 4, 8 and 8 times as many.
        hidden: channels of fc6 and fc7.
        dropout: its probability, after fc6 and fc7.
        learned: train the transposed convolutions, which start as bilinear interpolation: True, all of them; "skips",
            all but the last one, as the paper says; False, none, as in the networks that the authors released.

    >>> import minifcn as mf
    >>> FCN32s(1, 2, base=1, hidden=1)(mf.zeros(1, 5, 7, 1)).shape
    (1, 5, 7, 2)
    """

    name = "fcn32s"
    _last = ("upscore", 32, 19)


class FCN16s(_FCN):
    """`FCN32s`, with the scores of pool4, one every 16 pixels, added. The same options.

    >>> FCN16s(1, 2, base=1, hidden=1).score_pool4
    Conv2d(8, 2, kernel_size=(1, 1), stride=(1, 1))
    """

    name = "fcn16s"
    _skips = (_Skip("upscore2", "score_pool4", "pool4", 5),)
    _last = ("upscore16", 16, 27)


class FCN8s(_FCN):
    """`FCN16s`, with the scores of pool3, one every 8 pixels, added too. The same options.

    >>> FCN8s(1, 2, base=1, hidden=1).score_pool3
    Conv2d(4, 2, kernel_size=(1, 1), stride=(1, 1))
    """

    name = "fcn8s"
    _skips = (*FCN16s._skips, _Skip("upscore_pool4", "score_pool3", "pool3", 9))
    _last = ("upscore8", 8, 31)


def _conv_relu(in_channels: int, out_channels: int, kernel_size: int, padding: int = 0) -> Conv2d:
    return Conv2d(in_channels, out_channels, kernel_size, padding=padding, activation="relu")


def _score(in_channels: int, classes: int) -> Conv2d:
    """A pixel's scores, at first zero."""
    layer = Conv2d(in_channels, classes, 1)
    init.zeros_(layer.weight)
    return layer


def _enlarge(classes: int, factor: int, learned: bool) -> ConvTranspose2d:
    """Scores at ``factor`` times the size, at first interpolated bilinearly."""
    layer = ConvTranspose2d(classes, classes, 2 * factor, stride=factor, bias=False)
    init.bilinear_(layer.weight)
    layer.weight.requires_grad_(learned)
    return layer


def _torchvision_names() -> Iterator[tuple[str, str]]:
    """(name in torchvision's vgg16, name here) of every layer that both have."""
    position = 0
    for stage, (convolutions, _) in enumerate(_STAGES, 1):
        for number in range(1, convolutions + 1):
            yield f"features.{position}", f"conv{stage}_{number}"
            position += 2  # a ReLU follows, which counts as a layer there
        position += 1  # the pooling
    yield "classifier.0", "fc6"
    yield "classifier.3", "fc7"
