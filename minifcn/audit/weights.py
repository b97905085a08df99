"""Weights at random, for questions about what a network is, whatever it has learnt."""

from __future__ import annotations

import numpy as np

from minifcn.autograd import no_grad
from minifcn.nn import Module
from minifcn.tensor import Tensor


def draw_weights(module: Module, seed: int) -> None:
    """Weights from N(0, 2 / N), as He et al. 2015 have it; vectors (biases, norms) are moved by a tenth."""
    random = np.random.default_rng(seed)
    for parameter in module.parameters():
        if parameter.requires_grad:  # fixed interpolations stay what they are
            noise = random.standard_normal(parameter.shape)
            if parameter.ndim > 1:
                values = noise * np.sqrt(2.0 / np.prod(parameter.shape[:-1]))
            else:
                values = np.where(np.isin(parameter.data, (0.0, 1.0)), parameter.data, 0.0) + 0.1 * noise
            with no_grad():
                parameter.copy_(Tensor(values))
