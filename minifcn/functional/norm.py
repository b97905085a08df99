"""Batch normalisation and dropout."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minifcn import random
from minifcn.functional.arguments import TensorLike, as_image, as_tensor, floating
from minifcn.kernels import load
from minifcn.ops.norm import BatchNorm
from minifcn.tensor import Tensor


def batch_norm(
    x: TensorLike,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    activation: Literal["relu"] | None = None,
) -> Tensor:
    """Normalise every channel (the last axis): weight · (x − mean) / √(variance + eps) + bias. Ioffe & Szegedy 2015.

    In training, mean and (biased) variance are those of the batch, and the running statistics move towards them:
    running = (1 − momentum) · running + momentum · batch, with the unbiased variance. Otherwise the running statistics
    are used.

    Args:
        x: (..., C).
        running_mean: (C,), updated in place in training.
        running_var: (C,), updated in place in training.
        weight: (C,), 1 if None.
        bias: (C,), 0 if None.
        training: use and record the batch's statistics.
        momentum: weight of the new batch in the running statistics.
        eps: added to the variance.
        activation: "relu" applies ReLU in the same pass over memory.

    Raises:
        ValueError: shapes disagree; a batch of a single pixel (its variance says nothing); no statistics to evaluate
            with.

    >>> batch_norm(np.array([[1.0], [3.0]]), training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    """
    x = as_tensor(x)
    _check_channels(x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if activation not in (None, "relu"):
        raise ValueError(f"batch_norm: activation must be None or 'relu', not {activation!r}")
    channels = x.shape[-1:]
    w = as_tensor(np.ones(channels, x.dtype) if weight is None else weight, like=x)
    b = as_tensor(np.zeros(channels, x.dtype) if bias is None else bias, like=x)
    if training:
        mean, inverse_std = _batch_statistics(x, running_mean, running_var, momentum, eps)
    elif running_mean is None or running_var is None:
        raise ValueError("batch_norm: evaluation needs running_mean and running_var; pass training=True without them")
    else:
        mean = running_mean.data
        inverse_std = load(x.device).running_statistics(mean, running_var.data, None, None, momentum, 0, eps)
        inverse_std = inverse_std.astype(x.dtype, copy=False)
    return BatchNorm(mean, inverse_std, activation == "relu", training, eps)(x, w, b)


def _check_channels(x: Tensor, **given: TensorLike | None) -> None:
    """Everything that is given has one number for each channel of ``x``."""
    if x.ndim < 2 or x.shape[-1] < 1 or x.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"batch_norm: expected float32 or float64 of shape (..., C) with C >= 1, got {x.dtype} of shape {x.shape}; "
            "reshape or convert it"
        )
    for name, value in given.items():
        if value is not None and as_tensor(value).shape != x.shape[-1:]:
            raise ValueError(
                f"batch_norm: {name} must have shape {x.shape[-1:]}, a number a channel of {x.shape}; got "
                f"{as_tensor(value).shape}"
            )


def _batch_statistics(
    x: Tensor, running_mean: Tensor | None, running_var: Tensor | None, momentum: float, eps: float
) -> tuple[Any, Any]:
    """Mean and inverse standard deviation of the batch, (C,) each; the running statistics move towards its own."""
    pixels = x.size // x.shape[-1]
    if pixels < 2:
        raise ValueError(
            f"batch_norm: {pixels} value(s) a channel in shape {x.shape}; training needs at least 2: use larger "
            "images or batches"
        )
    kernels = load(x.device)
    mean, var = kernels.moments(x._data)
    running = [None if tensor is None else tensor.data for tensor in (running_mean, running_var)]
    inverse_std = kernels.running_statistics(mean, var, *running, momentum, pixels, eps)
    for tensor in (running_mean, running_var):
        if tensor is not None:
            tensor.bump_version()
    return mean, inverse_std


def dropout(x: TensorLike, p: float = 0.5, training: bool = True) -> Tensor:
    """Zero each element with probability ``p`` and divide the others by 1 − p, in training; otherwise do nothing.

    Srivastava et al. 2014, with the scaling at training time. The mask comes from `minifcn.random`.
    """
    x = floating(as_tensor(x))
    return _masked("dropout", x, p, training, x.shape)


def dropout2d(x: TensorLike, p: float = 0.5, training: bool = True) -> Tensor:
    """Like `dropout`, but zeroes whole channels of images (N, H, W, C). Tompson et al. 2015."""
    x = as_image("dropout2d", x)
    return _masked("dropout2d", x, p, training, (x.shape[0], 1, 1, x.shape[3]))


def _masked(name: str, x: Tensor, p: float, training: bool, shape: tuple[int, ...]) -> Tensor:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: p is a probability, from 0 to 1; got {p}")
    if not training or p == 0.0:
        return x
    kernels = load(x.device)
    drawn = kernels.uniform(shape, random.generator())
    kept, dropped = (np.asarray(factor, x.dtype) for factor in (1.0 / (1.0 - p) if p < 1.0 else 0.0, 0.0))
    mask = kernels.where(kernels.greater_equal(drawn, np.asarray(p, np.float32)), kept, dropped)
    return x * Tensor(mask, device=x.device)
