"""The sliding-window classifiers of neuron membranes (Ciresan, Giusti, Gambardella & Schmidhuber 2012).

Segmentation as classification, before there were fully convolutional networks: a window about every pixel is classified
as a whole, with dense layers at the end. `minifcn.models.sliding` makes of them networks that take whole images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from minifcn import functional as F
from minifcn.models.options import check_choice, check_positive
from minifcn.models.sliding import PatchClassifier
from minifcn.nn import Conv2d, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential, Tanh, init
from minifcn.tensor import Tensor


class ScaledTanh(Tanh):
    """1.7159 tanh(0.6666 x), which keeps about 1 at 1 and −1 at −1."""

    def forward(self, x: Tensor) -> Tensor:
        """Of each element."""
        return 1.7159 * F.tanh(0.6666 * x)


class _Ciresan(PatchClassifier):
    """Convolutions, each with max-pooling and an activation, then two dense layers.

    The activation comes after the pooling, where a quarter of the numbers are left. Before it, it would give the same:
    a function that increases leaves the largest number the largest.
    """

    narrow: ClassVar[Mapping[str, Any]] = {"maps": 1, "hidden": 2}
    source: ClassVar[str] = "Ciresan et al. 2012"

    #: Sides of the kernels; rows and columns of the map that the last pooling leaves.
    _kernels: ClassVar[Sequence[int]]
    _last: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        classes: int,
        maps: int = 48,
        hidden: int = 200,
        activation: Literal["tanh", "relu"] = "tanh",
    ):
        numbers = {"in_channels": in_channels, "classes": classes, "maps": maps, "hidden": hidden}
        check_positive(self.name, **numbers)
        check_choice(self.name, "activation", activation, ("tanh", "relu"))
        function = ScaledTanh if activation == "tanh" else ReLU
        layers: list[Module] = []
        for level, kernel in enumerate(self._kernels):
            layers += [Conv2d(maps if level else in_channels, maps, kernel), MaxPool2d(2), function()]
        layers += [Flatten(), Linear(self._last**2 * maps, hidden), function(), Linear(hidden, classes)]
        super().__init__(Sequential(*layers), self.side, in_channels, classes)
        if activation == "tanh":
            for parameter in self.parameters():
                init.uniform_(parameter, -0.05, 0.05)


class CiresanN4(_Ciresan):
    """N4: four convolutions, of 4, 5, 4 and 4 pixels, on windows of 95: (N, 95, 95, C) -> logits (N, 1, 1, classes).

    From layer to layer a window shrinks from 95 to 92, 46, 42, 21, 18, 9, 6 and 3. With one channel and two classes
    there are 219,290 parameters. The total stride is 16.

    Args:
        in_channels: channels of the images.
        classes: channels of the output: logits of the pixel in the middle of the window.
        maps: channels of every convolution.
        hidden: neurons of the first dense layer.
        activation: "tanh", 1.7159 tanh(0.6666 x), with all parameters uniform in ±0.05 at first; or "relu", with
            weights from N(0, 2 / N) (see `minifcn.nn.conv`).

    >>> import minifcn as mf
    >>> net = CiresanN4(1, 2, maps=2, hidden=3)
    >>> net(mf.zeros(5, 95, 95, 1)).shape
    (5, 1, 1, 2)
    """

    name = "ciresan-n4"
    _kernels, _last, side = (4, 5, 4, 4), 3, 95


class CiresanN3(_Ciresan):
    """N3, approximately: three convolutions of 5 pixels on windows of 65: (N, 65, 65, C) -> logits (N, 1, 1, classes).

    From layer to layer a window shrinks from 65 to 61, 30, 26, 13, 9 and 4. The poolings of 61 and 9 pixels drop a row
    and a column, so nothing reads a window's last five. The total stride is 8. Arguments are those of `CiresanN4`.

    >>> import minifcn as mf
    >>> net = CiresanN3(1, 2, maps=2, hidden=3)
    >>> net.for_images()(mf.zeros(1, 70, 65, 1)).shape
    (1, 6, 1, 2)
    """

    name = "ciresan-n3"
    _kernels, _last, side = (5, 5, 5), 4, 65
