"""A network made ready to answer windows of images: folded, in evaluation mode, a batch at a time."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Literal

import numpy as np

from minifcn import functional as F
from minifcn.audit.asked import Asked
from minifcn.audit.subject import device_of, dtype_of
from minifcn.autograd import no_grad
from minifcn.kernels import HOST
from minifcn.models.network import Network
from minifcn.models.sized import SizedNetwork
from minifcn.nn import Module
from minifcn.prediction.geometry import Geometry
from minifcn.tensor import Tensor

Activation = Literal["softmax", "sigmoid", "identity"]


class Prepared:
    """What strategies ask: the network for whole images, its batch normalisation folded in a copy.

    Args:
        model: maps images (N, H, W, C) to logits (N, H', W', K).
        activation: what makes an answer of logits.
        batch_pixels: how many pixels go through the network at a time, at least one window.
    """

    def __init__(self, model: SizedNetwork, activation: Activation = "softmax", batch_pixels: int = 2**18):
        network: SizedNetwork = model
        if isinstance(model, Module):
            known = model if isinstance(model, Network) else Asked(model, model.in_channels)
            network = known.for_images().fold_batch_norm()
        network.eval()
        self._computing = network
        if isinstance(network, Module) and (device := device_of(network)) not in HOST:
            # What is asked of the network is asked of a copy on the CPU: receptive fields, legal sizes, tiles.
            self._computing = copy.deepcopy(network.to("cpu")).to(device)
        self.network, self.activation, self.batch_pixels = network, activation, batch_pixels

    @functools.cached_property
    def geometry(self) -> Geometry:
        """The network's receptive fields without borders, and its total stride.

        Raises:
            ValueError: it has none, so that it cannot be applied in tiles; why, and what to do.
        """
        return Geometry.of(self.network)

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Normalised windows (N, h, w, C) of a legal size -> answers float32 (N, h', w', K).

        The network computes in the precision of its parameters.
        """
        parts = list(self._batches(windows))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _batches(self, windows: np.ndarray) -> Iterator[np.ndarray]:
        most = max(1, self.batch_pixels // (windows.shape[1] * windows.shape[2]))
        step = -(-len(windows) // -(-len(windows) // most))  # batches of nearly one size
        with no_grad():
            for begin in range(0, len(windows), step):
                batch = windows[begin : begin + step].astype(self._dtype, copy=False)
                images = Tensor(np.ascontiguousarray(batch), device=self._device)
                yield self._activated(self._computing(images)).to("cpu").data.astype(np.float32, copy=False)

    def _activated(self, logits: Tensor) -> Tensor:
        if self.activation == "softmax":
            return F.softmax(logits)
        return F.sigmoid(logits) if self.activation == "sigmoid" else logits

    @functools.cached_property
    def _device(self) -> str:
        return device_of(self._computing) if isinstance(self._computing, Module) else "cpu"

    @functools.cached_property
    def _dtype(self) -> np.dtype:
        return dtype_of(self.network) if isinstance(self.network, Module) else np.dtype(np.float32)
