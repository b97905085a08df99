"""Optimiser steps: they update in place, so nothing is made, and here nothing changed."""

from collections.abc import Sequence

import numpy as np

from minifcn.kernels.contract import Array


def sgd_step(
    parameters: Sequence[Array],
    gradients: Sequence[Array],
    velocities: Sequence[Array] | None,
    lr: float,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """Stochastic gradient descent."""


def adam_step(
    parameters: Sequence[Array],
    gradients: Sequence[Array],
    first_moments: Sequence[Array],
    second_moments: Sequence[Array],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """Adam and AdamW."""


def rmsprop_step(
    parameters: Sequence[Array],
    gradients: Sequence[Array],
    square_averages: Sequence[Array],
    velocities: Sequence[Array] | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """RMSprop."""


def squared_norm(arrays: Sequence[Array]) -> Array:
    """A number."""
    return np.zeros((), np.float64)


def scale_all(arrays: Sequence[Array], factor: Array) -> None:
    """Nothing changes shape."""
