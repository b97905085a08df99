"""Softmax and cross-entropy over the last axis, a block of rows at a time."""

import math

import numpy as np
from numba import njit, prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.exponential import exp
from minifcn.kernels.cpu.jit import helper, kernel

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
        total = _total(result)
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
    """The maximum of all that is not NaN. A NaN shows in Σ e^(row − top) anyway."""
    lowest = row.dtype.type(-np.inf)
    top = lowest
    for k in range(row.size):
        top = _larger(top, _number(row[k], lowest))
    return top


@helper
def _number(x: float, otherwise: float) -> float:
    """x, unless it is NaN."""
    return x if x == x else otherwise


# Only where NaN is promised not to occur, and the sign of zero not to matter, is a maximum over a row vectorised.
@njit(nogil=True, fastmath={"nnan", "nsz"})
def _larger(a: float, b: float) -> float:
    return a if a > b else b


@helper
def _total(row: Array) -> float:
    """Σ row."""
    total = row.dtype.type(0)
    for k in range(row.size):
        total += row[k]
    return total


@helper
def _total_exp(row: Array, top: float) -> float:
    """Σ e^(row − top)."""
    total = row.dtype.type(0)
    for k in range(row.size):
        total += exp(row[k] - top)
    return total
