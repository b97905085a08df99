"""Softmax and cross-entropy over the last axis, a block of rows at a time."""

import math

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.exponential import exp
from minifcn.kernels.cpu.jit import helper, kernel, sum_helper
from minifcn.kernels.cpu.runs import sum_row

_ROWS = 512  # rows that a thread takes at a time; fixed, so that the order of the sum is


def softmax(x: Array) -> Array:
    """e^x / Σ e^x along the last axis."""
    x = np.asarray(x, order="C")
    y = np.empty_like(x)
    _softmax(_as_rows(x), _as_rows(y))
    return y


def log_softmax(x: Array) -> Array:
    """x − max − ln Σ e^(x − max) along the last axis."""
    x = np.asarray(x, order="C")
    y = np.empty_like(x)
    _log_softmax(_as_rows(x), _as_rows(y))
    return y


def cross_entropy(logits: Array, labels: Array, weight: Array) -> Array:
    """Σ_m weight[m] · (ln Σ_k e^logits[m, k] − logits[m, labels[m]]), a 0-d array."""
    logits = np.asarray(logits, order="C")
    partial = np.zeros(-(len(logits) // -_ROWS))
    _cross_entropy(logits, np.asarray(labels, np.int64, order="C"), np.asarray(weight, order="C"), partial)
    with np.errstate(over="ignore"):
        return np.asarray(partial.sum(), logits.dtype)


def _as_rows(x: Array) -> Array:
    """(..., K) -> (M, K)."""
    return x.reshape(x.size // x.shape[-1], x.shape[-1])


@kernel
def _softmax(x: Array, y: Array) -> None:
    for m in prange(len(x)):
        row, result = x[m], y[m]
        top = _largest(row)
        for k in range(row.size):
            result[k] = exp(row[k] - top)
        total = x.dtype.type(sum_row(result))
        for k in range(row.size):
            result[k] /= total


@kernel
def _log_softmax(x: Array, y: Array) -> None:
    for m in prange(len(x)):
        row, result = x[m], y[m]
        top = _largest(row)
        log_total = math.log(_total_exp(row, top))
        for k in range(row.size):
            result[k] = row[k] - top - log_total


@kernel
def _cross_entropy(logits: Array, labels: Array, weight: Array, partial: Array) -> None:
    for b in prange(len(partial)):
        for m in range(b * _ROWS, min((b + 1) * _ROWS, len(logits))):
            if weight[m] != 0:
                row = logits[m]
                top = _largest(row)
                partial[b] += weight[m] * (math.log(_total_exp(row, top)) - (row[labels[m]] - top))


@helper
def _largest(row: Array) -> float:
    """The maximum. It may miss a NaN, but Σ e^(row − top) will not."""
    top = row[0]
    for k in range(1, row.size):
        top = row[k] if row[k] > top else top
    return top


@sum_helper
def _total_exp(row: Array, top: float) -> float:
    """Σ e^(row − top)."""
    total = row.dtype.type(0)
    for k in range(row.size):
        total += exp(row[k] - top)
    return total
