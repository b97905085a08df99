"""Classification networks without their classifier: what an encoder is, and how it takes weights trained elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from minifcn.io.weights import from_torch
from minifcn.nn import Module
from minifcn.tensor import Tensor


class Encoder(Module):
    """Images (N, H, W, in_channels) -> maps of growing depth and falling size, one a stage, the largest first.

    Parameters and buffers have torchvision's names, so that its weights fit.

    Attributes:
        channels: of the maps.
        strides: by how much smaller each map is than the image, whose size must be a multiple of the last.
        first: the name of the convolution that sees the image.
        classifier: how the names begin that torchvision's classifiers have beyond the encoder's.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    first: str
    classifier: str

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map l is (N, H / strides[l], W / strides[l], channels[l])."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def load_torch(self, weights: Mapping[str, NDArray]) -> None:
        """Overwrite all parameters and running statistics by those of torchvision's network of the same kind.

        The classifier's weights are left out. Where the first convolution was trained on other channels than the
        encoder has, see `adapted`.

        Args:
            weights: what `minifcn.io.read_weights` returns: arrays by torchvision's names, in PyTorch's layouts.

        Raises:
            ValueError: something is missing, unexpected or of another shape; nothing has been changed.
        """
        state = {name: array for name, array in from_torch(weights).items() if not name.startswith(self.classifier)}
        own = dict(self.named_parameters())[f"{self.first}.weight"]
        given = state.get(f"{self.first}.weight")
        if given is not None and given.ndim == 4:
            state[f"{self.first}.weight"] = adapted(given, own.shape[2])
        self.load_state_dict(state)


def adapted(weight: NDArray, channels: int) -> NDArray:
    """The weight (kh, kw, 3, C_out) of a convolution that sees colours, for images of ``channels`` channels.

    - 3 or more: the first three are the colours; the weights of all others are 0, so that they change nothing at first.
    - 1 or 2: the first is grey, and gets the sum over the colours, which is what a grey image in colour would give; the
      weights of a second are 0.

    A weight that was not trained on three channels stays as it is.

    >>> adapted(np.ones((1, 1, 3, 1)), 1).ravel().tolist(), adapted(np.ones((1, 1, 3, 1)), 5).ravel().tolist()
    ([3.0], [1.0, 1.0, 1.0, 0.0, 0.0])
    """
    if weight.shape[2] != 3 or channels == 3:
        return weight
    seen = weight if channels > 3 else weight.sum(axis=2, keepdims=True)
    result = np.zeros((*weight.shape[:2], channels, weight.shape[3]), weight.dtype)
    result[:, :, : seen.shape[2]] = seen
    return result
