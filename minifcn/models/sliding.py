"""From a classifier of windows to an answer for every pixel: the sliding window, and three ways to compute it faster.

An image of H x W pixels has (H − w + 1)(W − w + 1) windows of w x w. `SlidingWindow` cuts out and classifies every one:
the definition. Windows that overlap have most of their computation in common, and the classifier as convolutions
(`minifcn.models.convolutionalize`) does that once, but only for windows that lie its total stride S apart: every
strided layer throws away what the windows between would need. The others mend that:

- `ShiftAndStitch` applies it to S x S shifted copies of the image and interlaces the results;
- `Dilated` gives every layer stride 1, and spreads the taps of the layers behind it instead;
- `Fragments` gives every layer stride 1, and parts its map into s x s fragments, which go on as images of their own.

All three give what the sliding window gives, up to rounding; the last two compute nothing twice.

>>> import minifcn as mf
>>> from minifcn.models import CiresanN3
>>> classifier = CiresanN3(in_channels=1, classes=2, maps=4, hidden=5)
>>> window, image = mf.rand(1, 65, 65, 1), mf.rand(1, 70, 66, 1)
>>> classifier(window).shape, Dilated(classifier)(image).shape, Fragments(classifier)(image).shape
((1, 1, 1, 2), (1, 6, 2, 2), (1, 6, 2, 2))
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Sequence
from typing import ClassVar

from minifcn import functional as F
from minifcn.functional.arguments import TensorLike
from minifcn.kernels.shapes import Pair
from minifcn.models.convolutionalize import convolutionalize, receptive_field, sliding_layers
from minifcn.models.network import Network
from minifcn.nn import Conv2d, MaxPool2d, Module, Sequential
from minifcn.tensor import Tensor


class PatchClassifier(Network):
    """Says of a window what the pixel in its middle is: (N, window, window, in_channels) -> logits (N, 1, 1, classes).

    It trains as other networks do, on crops as large as the window: its output is the crop's central pixel, and that is
    the label it is compared with. `for_images` is the network that answers every pixel.

    Args:
        layers: (N, window, window, in_channels) -> (N, classes).
        window: rows and columns of a window.
        in_channels: channels of the images.
        classes: channels of the output.
    """

    #: Rows and columns of the window, where all networks of a class have the same.
    side: ClassVar[int] = 0

    def __init__(self, layers: Sequential, window: int, in_channels: int, classes: int):
        self.layers, self.window, self.in_channels, self.classes = layers, window, in_channels, classes

    def forward(self, images: TensorLike) -> Tensor:
        """Logits of windows.

        Raises:
            ValueError: these are no windows, or the channels are not ``in_channels``; before anything is computed.
        """
        x = self.checked(images)
        scores = self.layers(x)
        if scores.size != len(x) * self.classes:
            raise ValueError(
                f"{self._name()}: of windows {x.shape} the layers made {scores.shape}, not {self.classes} numbers each"
            )
        return F.reshape(scores, (len(x), 1, 1, self.classes))

    @property
    def total_stride(self) -> int:
        """How far apart the windows lie that the strided layers themselves could share their work between."""
        return receptive_field(self.layers)[1][0]

    def for_images(self) -> Network:
        """`Fragments` of this classifier as it is now: parameters are copies, so ask again after further training."""
        return Fragments(self)

    def output_length(self, length: int) -> int:
        """1 if ``length`` is the window's; 0, not legal, otherwise."""
        return int(length == self.window)

    def legal_size(self, length: int) -> int:
        """The window.

        Raises:
            ValueError: ``length`` is more.
        """
        if length > self.window:
            raise ValueError(self.size_error(length, length))
        return self.window

    def size_error(self, height: int, width: int, batch: int = 1) -> str | None:
        """What is wrong with an input of this size, and what to do about it; None if it is a window."""
        if height == width == self.window:
            return None
        shape, w = (batch, height, width, self.in_channels), self.window
        return (
            f"{self._name()}: input {shape} is no window: the network classifies windows of {w} x {w} pixels, one "
            f"answer each; cut crops of {w} for training, and take for_images() (or "
            "minifcn.models.convolutionalize) for images"
        )


class EveryWindow(Network):
    """What a patch classifier says of every window of an image.

    (N, H, W, in_channels) -> logits (N, H − window + 1, W − window + 1, classes). Output (i, j) belongs to the window
    whose first pixel is (i, j). A subclass says how that is computed. Parameters are copies of the classifier's.
    """

    def __init__(self, classifier: PatchClassifier):
        self.window, self.in_channels, self.classes = classifier.window, classifier.in_channels, classifier.classes

    def forward(self, images: TensorLike) -> Tensor:
        """Logits of every window.

        Raises:
            ValueError: the images are smaller than a window, or the channels are not ``in_channels``.
        """
        x = self.checked(images)
        return self.scores(x, self.output_size(x.shape[1], x.shape[2]))

    def output_length(self, length: int) -> int:
        """How many windows fit into ``length`` rows; 0 if none."""
        return max(0, length - self.window + 1)

    def scores(self, x: Tensor, size: Pair) -> Tensor:
        """Logits (N, *size, classes) of the windows of ``x``."""
        raise NotImplementedError(f"{type(self).__name__}.scores")


class SlidingWindow(EveryWindow):
    """The definition: cut out every window and classify it, ``batch`` at a time. Slow, and takes any classifier."""

    def __init__(self, classifier: PatchClassifier, batch: int = 64):
        super().__init__(classifier)
        self.classifier, self.batch = copy.deepcopy(classifier), batch

    def scores(self, x: Tensor, size: Pair) -> Tensor:
        """Logits of the windows, image by image and row by row."""
        places = list(itertools.product(range(len(x)), *map(range, size)))
        parts = []
        for begin in range(0, len(places) or 1, self.batch):
            windows = [self._cut(x, *place) for place in places[begin : begin + self.batch]]
            windows = windows or [x[:, : self.window, : self.window]]  # no images, no windows
            parts.append(self.classifier(F.concatenate(windows, axis=0)))
        return F.reshape(F.concatenate(parts, axis=0), (len(x), *size, self.classes))

    def _cut(self, x: Tensor, n: int, row: int, column: int) -> Tensor:
        return x[n : n + 1, row : row + self.window, column : column + self.window]


class ShiftAndStitch(EveryWindow):
    """Apply the strided network to shifted copies of the image, and interlace (Long et al. 2015, section 3.2).

    Of the image without its first p rows and q columns, the network's output (i, j) is that of the window at
    (i S + p, j S + q). All p, q below S, the total stride, make up all windows. Work that copies have in common is done
    by each of them again: the first layer's S² times.
    """

    def __init__(self, classifier: PatchClassifier):
        super().__init__(classifier)
        self.layers = convolutionalize(classifier.layers, classifier.window)
        self.field, self.stride = receptive_field(self.layers)

    def scores(self, x: Tensor, size: Pair) -> Tensor:
        """Logits of the windows; the copies go through the network one after another."""
        # An image with fewer windows than the stride needs fewer copies.
        shifts = _pair(min(s, n) for s, n in zip(self.stride, size, strict=True))
        counts = _pair(-(-n // s) for n, s in zip(size, shifts, strict=True))  # of outputs that a copy gives
        length = _pair(s * (n - 1) + f for s, n, f in zip(self.stride, counts, self.field, strict=True))
        x = _resized(x, _pair(n + s - 1 for n, s in zip(length, shifts, strict=True)))
        copies = [
            self.layers(F.crop(x, length, (row, column))) for row in range(shifts[0]) for column in range(shifts[1])
        ]
        stacked = F.stack(copies, axis=1)  # (N, s · t, n, m, classes)
        return _resized(interlace(F.reshape(stacked, (-1, *counts, self.classes)), shifts), size)


class Dilated(EveryWindow):
    """Give every layer stride 1, and dilate every filter and pooling by the strides before it.

    Behind a layer of stride s, neighbours were s pixels apart. At stride 1 they still are, with s − 1 other windows'
    numbers between them, which the next layer's taps must step over. Known as the algorithme à trous; see Long et al.
    2015, section 3.2, who call it filter rarefaction. One pass of ordinary layers; the maps are as large as the image.
    """

    def __init__(self, classifier: PatchClassifier):
        super().__init__(classifier)
        self.layers = convolutionalize(classifier.layers, classifier.window)
        self.field, _ = receptive_field(self.layers)
        accumulated = (1, 1)
        for layer in sliding_layers(self.layers):
            stride, layer.stride = layer.stride, (1, 1)
            layer.dilation = _times(layer.dilation, accumulated)
            accumulated = _times(accumulated, stride)

    def scores(self, x: Tensor, size: Pair) -> Tensor:
        """Logits of the windows, in one pass."""
        return self.layers(_resized(x, _pair(n + f - 1 for n, f in zip(size, self.field, strict=True))))


class Fragments(EveryWindow):
    """Give every layer stride 1, and part the maps of those that had stride s into s x s fragments.

    Fragment (a, b) is every s-th row from a and every s-th column from b: what the strided layer gives of an image
    shifted by that much. All fragments go on as images of their own, and so no layer computes anything twice. At the
    end they are interlaced, the last ones first. It is `Dilated` with its maps in another order: what a kernel reads
    lies side by side. (Giusti, Ciresan, Masci, Gambardella & Schmidhuber 2013.)

    Fragments know nothing of each other, so once their maps are larger than ``most`` numbers together, they go through
    the remaining layers a few at a time: maps stay in the caches, and only the first layers' are as large as the image.
    `CiresanN4` on 606 x 606 pixels (512 x 512 windows) takes 199 MiB for maps, where `Dilated` takes 600, in about the
    same time.
    """

    def __init__(self, classifier: PatchClassifier, most: int = 2**20):
        super().__init__(classifier)
        self.layers, self.most = convolutionalize(classifier.layers, classifier.window), most
        self.field, self.stride = receptive_field(self.layers)
        self.strides: list[Pair] = []  # that each layer had
        for layer in self.layers:
            if isinstance(layer, (Conv2d, MaxPool2d)):
                self.strides.append(layer.stride)
                layer.stride = (1, 1)
            else:
                self.strides.append((1, 1))

    def scores(self, x: Tensor, size: Pair) -> Tensor:
        """Logits of the windows."""
        # As many as divide into fragments of one size: those of windows that reach beyond the image are cut off again.
        whole = _pair(-(-n // s) * s for n, s in zip(size, self.stride, strict=True))
        x = _resized(x, _pair(n + f - 1 for n, f in zip(whole, self.field, strict=True)))
        y = self._apply(list(zip(self.layers, self.strides, strict=True)), x)
        for stride in reversed(self.strides):
            y = interlace(y, stride)
        return _resized(y, size)

    def _apply(self, steps: Sequence[tuple[Module, Pair]], x: Tensor) -> Tensor:
        """Apply layers, with the strides they had, to images or fragments."""
        for place, (layer, stride) in enumerate(steps, start=1):
            x = part(layer(x), stride)
            if stride != (1, 1) and x.size > self.most and len(x) > 1:
                few = max(1, self.most * len(x) // x.size)
                return F.concatenate([self._apply(steps[place:], some) for some in F.split(x, few)], axis=0)
        return x


def part(x: Tensor, stride: Pair) -> Tensor:
    """Every s-th row and t-th column from each beginning: (N, n · s, m · t, C) -> (N · s · t, n, m, C).

    >>> part(Tensor(np.arange(4.0).reshape(1, 1, 4, 1)), (1, 2)).data.squeeze()
    array([[0., 2.],
           [1., 3.]])
    """
    if stride == (1, 1):
        return x
    (s, t), (images, h, w, channels) = stride, x.shape
    x = F.reshape(x, (images, h // s, s, w // t, t, channels))
    x = F.transpose(x, (0, 2, 4, 1, 3, 5))  # (N, n, s, m, t, C) -> (N, s, t, n, m, C)
    return F.reshape(x, (images * s * t, h // s, w // t, channels))


def interlace(x: Tensor, stride: Pair) -> Tensor:
    """The way back from `part`: (N · s · t, n, m, C) -> (N, n · s, m · t, C)."""
    if stride == (1, 1):
        return x
    (s, t), (fragments, n, m, channels) = stride, x.shape
    x = F.reshape(x, (fragments // (s * t), s, t, n, m, channels))
    x = F.transpose(x, (0, 3, 1, 4, 2, 5))  # (N, s, t, n, m, C) -> (N, n, s, m, t, C)
    return F.reshape(x, (fragments // (s * t), n * s, m * t, channels))


def _resized(x: Tensor, size: Pair) -> Tensor:
    """Cut off, or filled up with zeros, below and to the right."""
    below, right = size[0] - x.shape[1], size[1] - x.shape[2]
    return x if below == right == 0 else F.pad(x, (0, right, 0, below))


def _times(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0], a[1] * b[1]


def _pair(values: Iterable[int]) -> Pair:
    first, second = values
    return first, second
