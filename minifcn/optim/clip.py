"""Gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minifcn.autograd import common_device, no_grad
from minifcn.kernels import load
from minifcn.tensor import Tensor


def clip_grad_norm(parameters: Iterable[Tensor] | Tensor, max_norm: float) -> float:
    """Scale all gradients together so that their common Euclidean norm is at most ``max_norm``. Pascanu et al. 2013.

    As in PyTorch, they are multiplied by min(1, max_norm / (norm + 1e-6)).

    Returns:
        the norm before clipping, summed in float64; 0 without any gradient.

    >>> import minifcn as mf
    >>> p = mf.tensor([0.0, 0.0], requires_grad=True)
    >>> p.grad = mf.tensor([3.0, 4.0])
    >>> clip_grad_norm([p], max_norm=1.0), [round(g, 3) for g in p.grad.tolist()]
    (5.0, [0.6, 0.8])
    """
    if not max_norm >= 0.0:
        raise ValueError(f"clip_grad_norm: max_norm must be at least 0, got {max_norm}")
    every = [parameters] if isinstance(parameters, Tensor) else parameters
    return float(clip_grad_norm_on_device(every, max_norm).item())


def clip_grad_norm_on_device(parameters: Iterable[Tensor], max_norm: float) -> Tensor:
    """`clip_grad_norm`, whose result, a 0-d float64 Tensor, stays on the device of the gradients: nothing waits."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return Tensor(np.zeros(()))
    device = common_device("clip_grad_norm", gradients)
    kernels, arrays = load(device), [gradient._data for gradient in gradients]
    with no_grad():
        norm = Tensor(kernels.squared_norm(arrays), device=device).sqrt()
        if max_norm < math.inf:
            # A norm of NaN stays NaN: a broken gradient must not pass for a small one.
            factor = (max_norm / (norm + 1e-6)).clip(max=1.0)
            kernels.scale_all(arrays, factor._data)
            for gradient in gradients:
                gradient.bump_version()
    return norm


#: PyTorch's name.
clip_grad_norm_ = clip_grad_norm
