"""What all networks from images to images share: which sizes they take, and what they say to others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from minifcn.functional.arguments import TensorLike, as_image, layout_hint
from minifcn.kernels.shapes import Pair
from minifcn.nn import Module
from minifcn.tensor import Tensor

_FURTHEST = 2**15  # pixels to the next legal size: beyond any network's total stride


class Network(Module):
    """A network (N, H, W, in_channels) -> (N, P, Q, classes) that knows its sizes before it computes anything.

    A subclass says in `output_length` how one axis is changed, and starts its forward with `checked`.
    """

    #: What the registry, the command line and errors call it.
    name: ClassVar[str] = ""
    #: Options that make a network of the same geometry with few channels: quick to build, to trace and to test.
    narrow: ClassVar[Mapping[str, Any]] = {}
    #: Who published it: authors and year.
    source: ClassVar[str] = ""
    #: Options of the published network.
    published: ClassVar[Mapping[str, Any]] = {"in_channels": 1, "classes": 2}

    in_channels: int
    classes: int

    def for_images(self) -> Network:
        """The network that answers every pixel of an image: this one, unless it classifies windows.

        Its parameters are this network's, or copies of them.
        """
        return self

    def load_pretrained(self, weights: Mapping[str, np.ndarray]) -> None:
        """Start the encoder from a classification network's weights, in torchvision's names and PyTorch's layouts.

        Args:
            weights: what `minifcn.io.read_weights` reads.

        Raises:
            ValueError: this network is built on no such network, or the weights are another's.
        """
        raise ValueError(
            f"{self._name()}: has no classification network as its encoder, so there is nothing to load; "
            "fcn32s, fcn16s, fcn8s and unet-backbone have one"
        )

    def output_length(self, length: int) -> int:
        """How many output rows (or columns) ``length`` input rows give; 0 if that many are not legal."""
        raise NotImplementedError(f"{type(self).__name__}.output_length")

    def output_size(self, height: int, width: int) -> Pair:
        """Size of the output for an input of this size.

        Raises:
            ValueError: the input's size is not legal.

        >>> from minifcn.models import UNet
        >>> UNet(1, 2, base=1, padding="valid").output_size(572, 572)
        (388, 388)
        """
        error = self.size_error(height, width)
        if error is not None:
            raise ValueError(error)
        return self.output_length(height), self.output_length(width)

    def legal_size(self, length: int) -> int:
        """The smallest legal height (or width) that is at least ``length``: what to pad to.

        Raises:
            ValueError: there is none near.

        >>> from minifcn.models import UNet
        >>> UNet(1, 2, base=1).legal_size(1000), UNet(1, 2, base=1, padding="valid").legal_size(571)
        (1008, 572)
        """
        for legal in range(length, length + _FURTHEST):
            if self.output_length(legal):
                return legal
        raise ValueError(f"{self._name()}: no legal size from {length} to {length + _FURTHEST}")

    def size_error(self, height: int, width: int, batch: int = 1) -> str | None:
        """What is wrong with an input of this size, and what to do about it; None if it is legal.

        >>> from minifcn.models import UNet
        >>> print(UNet(1, 2, base=1, padding="valid").size_error(571, 572))
        unet: height 571 of input (1, 571, 572, 1) is not a legal size; nearest legal: 556, 572 (pad by 1)
        """
        shape, errors = (batch, height, width, self.in_channels), []
        sides = (("height", height), ("width", width)) if height != width else (("height and width", height),)
        for axis, length in sides:
            if not self.output_length(length):
                above = self.legal_size(length)
                below = next((n for n in range(length - 1, 0, -1) if self.output_length(n)), None)
                nearest = f"{above}" if below is None else f"{below}, {above}"
                errors.append(
                    f"{self._name()}: {axis} {length} of input {shape} is not a legal size; nearest legal: {nearest} "
                    f"(pad by {above - length})"
                )
        return "\n".join(errors) or None

    def checked(self, images: TensorLike) -> Tensor:
        """``images`` as a Tensor that the network takes.

        Raises:
            TypeError: they are not floating point.
            ValueError: their shape, channels or size are not what the network takes.
        """
        x = as_image(self._name(), images)
        if x.shape[3] != self.in_channels:
            channels = f"{x.shape[3]} channels, but the network takes {self.in_channels}"
            raise ValueError(f"{self._name()}: input {x.shape} has {channels}{layout_hint(x, self.in_channels)}")
        error = self.size_error(x.shape[1], x.shape[2], x.shape[0])
        if error is not None:
            raise ValueError(error)
        return x

    def _name(self) -> str:
        return self.name or type(self).__name__.lower()
