"""Optimiser steps: one pass over all parameters and their state, updated in place.

A network has many small parameters, and to start the threads costs more than to update most of them. So a kernel takes
a bundle of arrays at a time, and the threads share chunks of all of them. Bundles have one length, because Numba
compiles a kernel for each length of a tuple; what is left over is filled up with empty arrays.

Numbers are given to the loops in the parameter's own type: a float64 factor would make a float32 update run, and round,
as float64.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.jit import helper, kernel

_BUNDLE = 16  # arrays
_CHUNK = 2**13  # numbers that a thread updates at a time


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
    """g = gradient + weight_decay·p, through the velocity if there is one; p −= lr · that."""
    if velocities is None:
        _update(_sgd, (parameters,), gradients, (lr, weight_decay))
        return
    if first:
        for velocity in velocities:
            velocity[...] = 0  # whatever it held: the first velocity is the gradient itself
    ahead, behind = (momentum, 1.0) if nesterov else (1.0, 0.0)
    _update(_sgd_momentum, (parameters, velocities), gradients, (lr, weight_decay, momentum, ahead, behind))


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
    """Adam, bias-corrected for ``step`` = 1, 2, ...; AdamW if ``decoupled``."""
    decay, shrink = (0.0, 1.0 - lr * weight_decay) if decoupled else (weight_decay, 1.0)
    # The corrections 1 − β^t in float64: in float32, 1 − 0.999 has four digits.
    rate, correction = lr / (1.0 - beta1**step), 1.0 / (1.0 - beta2**step)
    numbers = (rate, correction, beta1, 1.0 - beta1, beta2, 1.0 - beta2, eps, decay, shrink)
    _update(_adam, (parameters, first_moments, second_moments), gradients, numbers)


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
    """v = α·v + (1 − α)·g²; step = g / (√v + eps), through the velocity if there is one; p −= lr · step."""
    numbers = (lr, alpha, 1.0 - alpha, eps, weight_decay)
    if velocities is None:
        _update(_rmsprop, (parameters, square_averages), gradients, numbers)
    else:
        _update(_rmsprop_momentum, (parameters, square_averages, velocities), gradients, (*numbers, momentum))


def _update(
    loop: Callable, updated: tuple[Sequence[Array], ...], gradients: Sequence[Array], numbers: tuple[float, ...]
) -> None:
    """Call ``loop`` on bundles of flat arrays of one dtype; what is not contiguous is copied there and back."""
    for dtype in {array.dtype: None for array in gradients}:
        chosen = [i for i, array in enumerate(gradients) if array.dtype == dtype]
        filling = (np.empty(0, dtype),) * (-len(chosen) % _BUNDLE)
        columns = [[np.asarray(column[i], order="C").ravel() for i in chosen] for column in (*updated, gradients)]
        typed = tuple(dtype.type(number) for number in numbers)
        for begin in range(0, len(chosen), _BUNDLE):
            loop(*(_filled(column[begin : begin + _BUNDLE], filling) for column in columns), *typed)
        for column, flat in zip(updated, columns, strict=False):
            for i, array in zip(chosen, flat, strict=True):
                if not column[i].flags.c_contiguous:
                    column[i][...] = array.reshape(column[i].shape)


def _filled(arrays: list[Array], filling: tuple[Array, ...]) -> tuple[Array, ...]:
    """The arrays as a bundle; only the last one needs filling."""
    return (*arrays, *filling) if len(arrays) < _BUNDLE else tuple(arrays)


@helper
def _chunk_ends(arrays: tuple[Array, ...]) -> Array:
    """After how many chunks each array of a bundle ends."""
    ends, chunks = np.empty(len(arrays), np.int64), 0
    for i in range(len(arrays)):
        chunks += (arrays[i].size + _CHUNK - 1) // _CHUNK
        ends[i] = chunks
    return ends


@helper
def _chunk(task: int, ends: Array) -> tuple[int, int]:
    """Which array of the bundle a chunk belongs to, and where in it it begins."""
    i = 0
    while ends[i] <= task:
        i += 1
    return i, (task - (ends[i - 1] if i > 0 else 0)) * _CHUNK


@kernel
def _sgd(parameters: tuple[Array, ...], gradients: tuple[Array, ...], lr: float, weight_decay: float) -> None:
    ends = _chunk_ends(parameters)
    for task in prange(ends[-1]):
        i, begin = _chunk(task, ends)
        p, gradient = parameters[i][begin : begin + _CHUNK], gradients[i][begin : begin + _CHUNK]
        for k in range(p.size):
            p[k] -= lr * (gradient[k] + weight_decay * p[k])


@kernel
def _sgd_momentum(
    parameters: tuple[Array, ...],
    velocities: tuple[Array, ...],
    gradients: tuple[Array, ...],
    lr: float,
    weight_decay: float,
    momentum: float,
    ahead: float,
    behind: float,
) -> None:
    """Steps by ahead·v + behind·g: v alone, or Nesterov's g + momentum·v."""
    ends = _chunk_ends(parameters)
    for task in prange(ends[-1]):
        i, begin = _chunk(task, ends)
        end = begin + _CHUNK
        p, v, gradient = parameters[i][begin:end], velocities[i][begin:end], gradients[i][begin:end]
        for k in range(p.size):
            g = gradient[k] + weight_decay * p[k]
            v[k] = momentum * v[k] + g
            p[k] -= lr * (ahead * v[k] + behind * g)


@kernel
def _adam(
    parameters: tuple[Array, ...],
    first_moments: tuple[Array, ...],
    second_moments: tuple[Array, ...],
    gradients: tuple[Array, ...],
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
    ends = _chunk_ends(parameters)
    for task in prange(ends[-1]):
        i, begin = _chunk(task, ends)
        end = begin + _CHUNK
        p, gradient = parameters[i][begin:end], gradients[i][begin:end]
        m, v = first_moments[i][begin:end], second_moments[i][begin:end]
        for k in range(p.size):
            g = gradient[k] + decay * p[k]
            m[k] = beta1 * m[k] + rest1 * g
            v[k] = beta2 * v[k] + rest2 * g * g
            p[k] = shrink * p[k] - rate * m[k] / (math.sqrt(v[k] * correction) + eps)


@kernel
def _rmsprop(
    parameters: tuple[Array, ...],
    square_averages: tuple[Array, ...],
    gradients: tuple[Array, ...],
    lr: float,
    alpha: float,
    rest: float,
    eps: float,
    weight_decay: float,
) -> None:
    ends = _chunk_ends(parameters)
    for task in prange(ends[-1]):
        i, begin = _chunk(task, ends)
        end = begin + _CHUNK
        p, v, gradient = parameters[i][begin:end], square_averages[i][begin:end], gradients[i][begin:end]
        for k in range(p.size):
            g = gradient[k] + weight_decay * p[k]
            v[k] = alpha * v[k] + rest * g * g
            p[k] -= lr * g / (math.sqrt(v[k]) + eps)


@kernel
def _rmsprop_momentum(
    parameters: tuple[Array, ...],
    square_averages: tuple[Array, ...],
    velocities: tuple[Array, ...],
    gradients: tuple[Array, ...],
    lr: float,
    alpha: float,
    rest: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    ends = _chunk_ends(parameters)
    for task in prange(ends[-1]):
        i, begin = _chunk(task, ends)
        end = begin + _CHUNK
        p, gradient = parameters[i][begin:end], gradients[i][begin:end]
        v, velocity = square_averages[i][begin:end], velocities[i][begin:end]
        for k in range(p.size):
            g = gradient[k] + weight_decay * p[k]
            v[k] = alpha * v[k] + rest * g * g
            velocity[k] = momentum * velocity[k] + g / (math.sqrt(v[k]) + eps)
            p[k] -= lr * velocity[k]


def squared_norm(arrays: Sequence[Array]) -> Array:
    """Σ x² over the elements of all arrays, in float64."""
    with np.errstate(all="ignore"):
        return np.asarray(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays), np.float64)


def scale_all(arrays: Sequence[Array], factor: Array) -> None:
    """Multiply every array by ``factor``, rounded to its dtype, in place."""
    if factor != 1:
        with np.errstate(all="ignore"):
            for array in arrays:
                np.multiply(array, array.dtype.type(factor), out=array)
