"""Weights at random, for questions about what a network is, whatever it has learnt."""

from __future__ import annotations

import math

import numpy as np

from minifcn.autograd import no_grad
from minifcn.nn import Module
from minifcn.tensor import Tensor


def he_normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """N(0, 2 / fan in), float64, as He et al. 2015 have it; the last axis counts outputs."""
    return random.standard_normal(shape) * math.sqrt(2.0 / math.prod(shape[:-1]))


def draw_weights(module: Module, seed: int) -> None:
    """Weights by `he_normal`; vectors (biases, norms) are moved by a tenth."""
    random = np.random.default_rng(seed)
    for parameter in module.parameters():
        if parameter.requires_grad:  # fixed interpolations stay what they are
            if parameter.ndim > 1:
                values = he_normal(random, parameter.shape)
            else:
                values = np.where(np.isin(parameter.data, (0.0, 1.0)), parameter.data, 0.0)
                values = values + 0.1 * random.standard_normal(parameter.shape)
            with no_grad():
                parameter.copy_(Tensor(values))
