"""A module of the user's as a network: which sizes it takes is found by asking it."""

from __future__ import annotations

import functools
from typing import cast

from minifcn.audit.subject import Subject
from minifcn.functional.arguments import TensorLike, as_tensor
from minifcn.models.network import Network
from minifcn.models.sized import SizedAxis
from minifcn.nn import Module
from minifcn.tensor import Tensor

#: Where the search for a strip's width ends.
_WIDEST = 256


class AskedAxis:
    """How one axis of a module's images becomes that of its output, asked on blank strips.

    Args:
        subject: the module.
        axis: 0, heights; 1, widths.
        width: of the strips, along the other axis.
    """

    def __init__(self, subject: Subject, axis: int, width: int):
        self._subject, self._axis, self._width = subject, axis, width
        self.output_length = functools.cache(self._output_length)

    def _output_length(self, length: int) -> int:
        """How many output rows that many input rows give; 0 if that many are not legal."""
        sides = (length, self._width) if self._axis == 0 else (self._width, length)
        output = self._subject.output_size(*sides) if length > 0 else None
        return output[self._axis] if output else 0


class Asked(Network):
    """Any module (N, H, W, C) -> (N, P, Q, K), with the sizes that `Network` promises.

    A module's own ``output_length`` is believed. Of others each size is tried on blank strips, upright and lying, as
    narrow as the module allows; so rows and columns have to be treated alike, one without regard to the other.

    Raises:
        ValueError: it takes no image of up to 256 pixels a side, or does not say its channels.

    >>> from minifcn import nn
    >>> network = Asked(nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ConvTranspose2d(4, 1, 2, stride=2)))
    >>> network.in_channels, network.output_length(9), network.output_length(10)
    (3, 10, 10)
    """

    def __init__(self, module: Module | Subject, channels: int | None = None):
        subject = module if isinstance(module, Subject) else Subject(module, channels=channels)
        self.module = subject.module
        self.name, self.in_channels = subject.name, subject.channels  # type: ignore[misc]
        self._axes: tuple[AskedAxis, ...] = ()
        if not hasattr(self.module, "output_length"):
            width = subject.legal_size(1, _WIDEST)
            self._axes = AskedAxis(subject, 0, width), AskedAxis(subject, 1, width)

    def forward(self, images: TensorLike) -> Tensor:
        """What the module says."""
        return self.module(as_tensor(images))

    def output_length(self, length: int) -> int:
        """How many output rows ``length`` input rows give; 0 if the module does not take them."""
        if not self._axes:
            return cast("SizedAxis", self.module).output_length(length)
        rows, columns = (axis.output_length(length) for axis in self._axes)
        return rows if rows == columns else 0
