"""Optimiser steps, in place: lists of as many arrays; p is a parameter's number, g its gradient's."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from minifcn.kernels.contract import Array


@np.errstate(all="ignore")
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
    """g += weight_decay·p; v = g if ``first`` else momentum·v + g; p −= lr · (g + momentum·v if nesterov else v).

    Without velocities: p −= lr · g.

    >>> p, v = np.array([1.0]), np.array([4.0])
    >>> sgd_step([p], [np.array([2.0])], [v], lr=0.5, momentum=0.5, weight_decay=0.0, nesterov=False, first=False)
    >>> p, v  # v = 0.5·4 + 2, p = 1 − 0.5·4
    (array([-1.]), array([4.]))
    """
    for j, i in _numbers(parameters):
        p = float(parameters[j][i])
        g = float(gradients[j][i]) + weight_decay * p
        if velocities is None:
            parameters[j][i] = p - lr * g
        else:
            v = g if first else momentum * float(velocities[j][i]) + g
            velocities[j][i] = v
            parameters[j][i] = p - lr * (g + momentum * v if nesterov else v)


@np.errstate(all="ignore")
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
    """Adam (Kingma & Ba 2015, algorithm 1): p −= lr · (m / (1 − β1^t)) / (√(v / (1 − β2^t)) + eps).

    Weight decay is added to the gradient, or, ``decoupled``, multiplies p by 1 − lr·weight_decay (AdamW).

    The first step is lr, whatever the gradient:

    >>> p, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> adam_step([p], [np.array([8.0])], [m], [v], 0.25, 0.5, 0.5, 0.0, 0.0, decoupled=False, step=1)
    >>> p, m, v
    (array([0.75]), array([4.]), array([32.]))
    """
    for j, i in _numbers(parameters):
        p, g = float(parameters[j][i]), float(gradients[j][i])
        if decoupled:
            p *= 1 - lr * weight_decay
        else:
            g += weight_decay * p
        m = beta1 * float(first_moments[j][i]) + (1 - beta1) * g
        v = beta2 * float(second_moments[j][i]) + (1 - beta2) * g * g
        first_moments[j][i], second_moments[j][i] = m, v
        unbiased_m, unbiased_v = m / (1 - beta1**step), v / (1 - beta2**step)
        parameters[j][i] = p - lr * unbiased_m / (math.sqrt(unbiased_v) + eps)


@np.errstate(all="ignore")
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
    """g += weight_decay·p; v = α·v + (1 − α)·g²; p −= lr · g / (√v + eps).

    With velocities, velocity = momentum·velocity + g / (√v + eps); p −= lr · velocity.

    >>> p, v = np.array([1.0]), np.array([4.0])
    >>> rmsprop_step([p], [np.array([2.0])], [v], None, lr=0.5, alpha=0.5, eps=0.0, weight_decay=0.0, momentum=0.0)
    >>> p, v  # v = 2 + 2, p = 1 − 0.5 · 2 / 2
    (array([0.5]), array([4.]))
    """
    for j, i in _numbers(parameters):
        p = float(parameters[j][i])
        g = float(gradients[j][i]) + weight_decay * p
        v = alpha * float(square_averages[j][i]) + (1 - alpha) * g * g
        square_averages[j][i] = v
        step = g / (math.sqrt(v) + eps)
        if velocities is not None:
            step += momentum * float(velocities[j][i])
            velocities[j][i] = step
        parameters[j][i] = p - lr * step


def _numbers(arrays: Sequence[Array]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Which array, and where in it, for every number."""
    for j, array in enumerate(arrays):
        for i in np.ndindex(array.shape):
            yield j, i


def squared_norm(arrays: Sequence[Array]) -> Array:
    """Σ x² over the elements of all arrays, in float64.

    >>> float(squared_norm([np.array([1.0, 2.0]), np.array([[2.0]])]))
    9.0
    """
    return np.asarray(sum(float(x) ** 2 for array in arrays for x in array.ravel()), np.float64)


def scale_all(arrays: Sequence[Array], factor: Array) -> None:
    """Multiply every array by ``factor``, rounded to its dtype, in place."""
    for array in arrays:
        for i in np.ndindex(array.shape):
            array[i] *= array.dtype.type(factor)
