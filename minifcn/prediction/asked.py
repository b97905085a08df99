"""A module of the user's as a network: which sizes it takes is found by asking it."""

from __future__ import annotations

from minifcn.audit.subject import Subject
from minifcn.functional.arguments import TensorLike, as_tensor
from minifcn.models.network import Network
from minifcn.nn import Module
from minifcn.tensor import Tensor

#: Where the search for a strip's width ends.
_WIDEST = 256


class Asked(Network):
    """Any module (N, H, W, C) -> (N, P, Q, K), with the sizes that `Network` promises.

    Each size is tried on blank strips, upright and lying, as narrow as the module allows; so rows and columns have to
    be treated alike, one without regard to the other.

    Raises:
        ValueError: it takes no image of up to 256 pixels a side, or does not say its channels.

    >>> from minifcn import nn
    >>> network = Asked(nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ConvTranspose2d(4, 1, 2, stride=2)))
    >>> network.in_channels, network.output_length(9), network.output_length(10)
    (3, 10, 10)
    """

    def __init__(self, module: Module, channels: int | None = None):
        self.module = module
        subject = Subject(module, channels=channels)
        self.name, self.in_channels = subject.name, subject.channels  # type: ignore[misc]
        self._subject = subject
        self._width = subject.legal_size(1, _WIDEST)
        self._lengths: dict[int, int] = {}

    def forward(self, images: TensorLike) -> Tensor:
        """What the module says."""
        return self.module(as_tensor(images))

    def output_length(self, length: int) -> int:
        """How many output rows ``length`` input rows give; 0 if the module does not take them."""
        if length not in self._lengths:
            upright = self._subject.output_size(length, self._width) if length > 0 else None
            lying = self._subject.output_size(self._width, length) if length > 0 else None
            alike = upright is not None and lying is not None and upright[0] == lying[1]
            self._lengths[length] = upright[0] if alike and upright is not None else 0
        return self._lengths[length]
