"""Layers that behave differently in training: batch normalisation and dropout."""

from __future__ import annotations

from typing import Literal

from minifcn import functional as F
from minifcn.create import ones, zeros
from minifcn.nn import init
from minifcn.nn.module import Module, Parameter
from minifcn.tensor import Tensor


class BatchNorm2d(Module):
    """Normalise every channel, by the batch in training and by running statistics in evaluation. Ioffe & Szegedy 2015.

    See `minifcn.functional.batch_norm`.

    Args:
        num_features: C, the channels of (N, H, W, C).
        eps: added to the variance.
        momentum: weight of the new batch in the running statistics.
        affine: learn a weight and a bias for each channel, at first 1 and 0.
        track_running_stats: keep running statistics; without them the batch's are used in evaluation too.
        activation: "relu" applies ReLU in the same pass over memory.

    >>> import minifcn as mf
    >>> norm = BatchNorm2d(1, activation="relu")
    >>> norm(mf.tensor([1.0, 3.0]).reshape(1, 1, 2, 1)).data.ravel().round(3).tolist()
    [0.0, 1.0]
    """

    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        activation: Literal["relu"] | None = None,
    ):
        if num_features < 1:
            raise ValueError(f"BatchNorm2d: num_features={num_features} must be positive")
        if activation not in (None, "relu"):
            raise ValueError(f"BatchNorm2d: activation must be None or 'relu', not {activation!r}")
        self.num_features, self.eps, self.momentum, self.activation = num_features, eps, momentum, activation
        self.weight = Parameter(ones(num_features)) if affine else None
        self.bias = Parameter(zeros(num_features)) if affine else None
        self.register_buffer("running_mean", zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Forget the batches seen: mean 0, variance 1."""
        if self.running_mean is not None and self.running_var is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (and rectify)."""
        by_batch = self.training or self.running_mean is None
        statistics, affine = (self.running_mean, self.running_var), (self.weight, self.bias)
        return F.batch_norm(x, *statistics, *affine, by_batch, self.momentum, self.eps, self.activation)

    def extra_repr(self) -> str:
        """Channels and constants."""
        fused = f", activation={self.activation!r}" if self.activation else ""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.weight is not None}{fused}"


class Dropout(Module):
    """Zero each element with probability ``p`` and divide the others by 1 − p, in training. Srivastava et al. 2014."""

    def __init__(self, p: float = 0.5):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"{type(self).__name__}: p is a probability, got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class Dropout2d(Dropout):
    """Like `Dropout`, but whole channels of images (N, H, W, C) are zeroed. Tompson et al. 2015."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop channels."""
        return F.dropout2d(x, self.p, self.training)
