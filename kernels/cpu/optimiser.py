"""Optimiser steps: one pass over a parameter and its state, updated in place.

Numbers are given to the loops in the parameter's own type: a float64 factor would make a float32 update run, and round,
as float64.
"""

import math
from collections.abc import Callable

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.jit import kernel


def sgd_step(
    parameter: Array,
    gradient: Array,
    velocity: Array | None,
    lr: float,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """g = gradient + weight_decay·p, through the velocity if there is one; p −= lr · that."""
    if velocity is None:
        _update(_sgd, (parameter,), gradient, (lr, weight_decay))
    else:
        if first:
            velocity[...] = 0  # whatever it held: the first velocity is the gradient itself
        ahead, behind = (momentum, 1.0) if nesterov else (1.0, 0.0)
        _update(_sgd_momentum, (parameter, velocity), gradient, (lr, weight_decay, momentum, ahead, behind))


def adam_step(
    parameter: Array,
    gradient: Array,
    first_moment: Array,
    second_moment: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """Adam, bias-corrected for ``step`` = 1, 2, ...; AdamW if ``decoupled``."""
    decay, shrink = (0.0, 1.0 - lr * weight_decay) if decoupled else (weight_decay, 1.0)
    # The corrections 1 − β^t in float64: in float32, 1 − 0.999 has four digits.
    rate, correction = lr / (1.0 - beta1**step), 1.0 / (1.0 - beta2**step)
    numbers = (rate, correction, beta1, 1.0 - beta1, beta2, 1.0 - beta2, eps, decay, shrink)
    _update(_adam, (parameter, first_moment, second_moment), gradient, numbers)


def rmsprop_step(
    parameter: Array,
    gradient: Array,
    square_average: Array,
    velocity: Array | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """v = α·v + (1 − α)·g²; step = g / (√v + eps), through the velocity if there is one; p −= lr · step."""
    numbers = (lr, alpha, 1.0 - alpha, eps, weight_decay)
    if velocity is None:
        _update(_rmsprop, (parameter, square_average), gradient, numbers)
    else:
        _update(_rmsprop_momentum, (parameter, square_average, velocity), gradient, (*numbers, momentum))


def _update(loop: Callable, arrays: tuple[Array, ...], gradient: Array, numbers: tuple[float, ...]) -> None:
    """Call ``loop`` on flat arrays; one that is not contiguous is copied there and back."""
    real = arrays[0].dtype.type
    flat = [np.asarray(array, order="C").reshape(-1) for array in arrays]
    loop(*flat, np.asarray(gradient, order="C").reshape(-1), *(real(number) for number in numbers))
    for array, updated in zip(arrays, flat, strict=True):
        if not array.flags.c_contiguous:
            array[...] = updated.reshape(array.shape)


@kernel
def _sgd(p: Array, gradient: Array, lr: float, weight_decay: float) -> None:
    for i in prange(p.size):
        p[i] -= lr * (gradient[i] + weight_decay * p[i])


@kernel
def _sgd_momentum(
    p: Array, v: Array, gradient: Array, lr: float, weight_decay: float, momentum: float, ahead: float, behind: float
) -> None:
    """Steps by ahead·v + behind·g: v alone, or Nesterov's g + momentum·v."""
    for i in prange(p.size):
        g = gradient[i] + weight_decay * p[i]
        v[i] = momentum * v[i] + g
        p[i] -= lr * (ahead * v[i] + behind * g)


@kernel
def _adam(
    p: Array,
    m: Array,
    v: Array,
    gradient: Array,
    rate: float,
    correction: float,
    beta1: float,
    rest1: float,
    beta2: float,
    rest2: float,
    eps: float,
    decay: float,
    shrink: float,
) -> None:
    for i in prange(p.size):
        g = gradient[i] + decay * p[i]
        m[i] = beta1 * m[i] + rest1 * g
        v[i] = beta2 * v[i] + rest2 * g * g
        p[i] = shrink * p[i] - rate * m[i] / (math.sqrt(v[i] * correction) + eps)


@kernel
def _rmsprop(
    p: Array, v: Array, gradient: Array, lr: float, alpha: float, rest: float, eps: float, weight_decay: float
) -> None:
    for i in prange(p.size):
        g = gradient[i] + weight_decay * p[i]
        v[i] = alpha * v[i] + rest * g * g
        p[i] -= lr * g / (math.sqrt(v[i]) + eps)


@kernel
def _rmsprop_momentum(
    p: Array,
    v: Array,
    velocity: Array,
    gradient: Array,
    lr: float,
    alpha: float,
    rest: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    for i in prange(p.size):
        g = gradient[i] + weight_decay * p[i]
        v[i] = alpha * v[i] + rest * g * g
        velocity[i] = momentum * velocity[i] + g / (math.sqrt(v[i]) + eps)
        p[i] -= lr * velocity[i]
