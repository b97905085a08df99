"""What is audited: any module from images to maps, and what it takes.

A `Network` says itself which sizes it takes. Any other module is asked: it is rehearsed, on shapes alone
(`minifcn.audit.costs.rehearsal`), and if that fails, the size is not legal.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from minifcn.kernels.shapes import Pair
from minifcn.models.network import Network
from minifcn.nn import Module


class Subject:
    """A module to be audited.

    Args:
        module: from images (N, H, W, C) to maps (N, P, Q, K).
        name: what reports call it; None takes its own.
        channels: C; None takes the module's ``in_channels``, or that of the first of its layers that has some.

    >>> from minifcn import nn
    >>> subject = Subject(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2)))
    >>> subject.channels, subject.output_size(10, 12), subject.output_size(2, 12)
    (3, (4, 5), None)
    """

    def __init__(self, module: Module, name: str | None = None, channels: int | None = None):
        self.module = module
        self.name = name or called(module)
        self._channels = channels
        self._asked = functools.cache(self._ask)
        self._refusal = ""

    @functools.cached_property
    def channels(self) -> int:
        """C, of the images that it takes.

        Raises:
            ValueError: it was not given, and no layer says so.
        """
        return _channels(self.module) if self._channels is None else self._channels

    @staticmethod
    def of(module: Module | Subject) -> Subject:
        """The subject itself, or one made of a module."""
        if isinstance(module, Subject):
            return module
        if not isinstance(module, Module):
            raise TypeError(f"audit: expected a minifcn.nn.Module, got a {type(module).__name__}")
        return Subject(module)

    @property
    def dtype(self) -> np.dtype:
        """Of the parameters; float32 if there are none."""
        return dtype_of(self.module)

    @functools.cached_property
    def network(self) -> Network:
        """The module itself if it is a `Network`; any other as one, whose sizes are asked.

        Raises:
            ValueError: it takes no image that is small enough to ask on.
        """
        from minifcn.audit.asked import Asked

        return self.module if isinstance(self.module, Network) else Asked(self)

    def for_images(self) -> Subject:
        """The network that answers every pixel of an image: this one, unless it classifies windows."""
        if not isinstance(self.module, Network):
            return self
        whole = self.module.for_images()
        return self if whole is self.module else Subject(whole, self.name, self.channels)

    def output_size(self, height: int, width: int) -> Pair | None:
        """Height and width of the output for an image of this size; None if the module does not take it."""
        if isinstance(self.module, Network):
            sizes = self.module.output_length(height), self.module.output_length(width)
            return sizes if all(sizes) else None
        return self._asked(height, width)

    def legal_size(self, least: int, limit: int = 4096) -> int:
        """The smallest side of a square image, from ``least`` on, that the module takes.

        Raises:
            ValueError: there is none up to ``limit``, or the output is no map.
        """
        self._refusal = ""
        for length in range(least, limit + 1):
            if self.output_size(length, length):
                return length
        said = f"; {self._refusal}" if self._refusal else ""
        raise ValueError(f"{self.name}: takes no square image of {least} to {limit} pixels a side{said}")

    def _ask(self, height: int, width: int) -> Pair | None:
        from minifcn.audit.costs.rehearsal import rehearse

        try:
            output = rehearse(self, (height, width)).output
        except (ValueError, RuntimeError, IndexError) as error:
            self._refusal = self._refusal or f"of {height} x {width} it says: {error}"
            return None
        if len(output) != 4:
            raise ValueError(
                f"audit: {self.name} must give a map (1, P, Q, K) of an image {(1, height, width, self.channels)}, and "
                f"its output is of shape {output}"
            )
        return (output[1], output[2]) if min(output) else None


def sides_of(size: int | Sequence[int]) -> tuple[int, ...]:
    """Height and width, of one number or of both; what is longer stays what it is.

    >>> sides_of(np.int64(64)), sides_of((64, 32))
    ((64, 64), (64, 32))
    """
    return (int(size), int(size)) if isinstance(size, (int, np.integer)) else tuple(size)


def dtype_of(module: Module) -> np.dtype:
    """Of a module's parameters; float32 if there are none."""
    return next((parameter.dtype for parameter in module.parameters()), np.dtype(np.float32))


def device_of(module: Module) -> str:
    """Of a module's parameters; "cpu" if there are none."""
    return next((parameter.device for parameter in module.parameters()), "cpu")


def called(module: Module) -> str:
    """What reports call a module: the name of its class, or one of its own, as networks have."""
    name = getattr(module if isinstance(module, Network) else type(module), "name", "")
    return name if isinstance(name, str) and name else type(module).__name__


def _channels(module: Module) -> int:
    for layer in module.modules():
        channels = vars(layer).get("in_channels")
        if isinstance(channels, (int, np.integer)):
            return int(channels)
    raise ValueError(
        f"{type(module).__name__}: no layer says how many channels it takes; give channels=, on the command line "
        "--channels"
    )
