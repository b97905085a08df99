"""Gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minifcn.autograd import no_grad
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
    clipped = [(parameter, parameter.grad) for parameter in every if parameter.grad is not None]
    with no_grad():
        norm = math.sqrt(sum((gradient.astype(np.float64) ** 2).sum().item() for _, gradient in clipped))
        factor = max_norm / (norm + 1e-6)
        if not factor >= 1.0:  # also if it is NaN: a broken gradient must not pass for a small one
            for parameter, gradient in clipped:
                parameter.grad = gradient * factor
    return norm


#: PyTorch's name.
clip_grad_norm_ = clip_grad_norm
