"""Softmax and cross-entropy; classes are the last axis."""

import math

import numpy as np

from minifcn.kernels.contract import Array


@np.errstate(all="ignore")
def softmax(x: Array) -> Array:
    """e^x / Σ e^x along the last axis, shifted by the maximum so that nothing overflows.

    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    y = np.empty(x.shape, x.dtype)
    for i in np.ndindex(x.shape[:-1]):
        shifted = _shift(x[i].tolist())
        total = sum(math.exp(value) for value in shifted)
        y[i] = [math.exp(value) / total for value in shifted]
    return y


@np.errstate(all="ignore")
def log_softmax(x: Array) -> Array:
    """ln softmax(x) along the last axis: x − max − ln Σ e^(x − max).

    >>> log_softmax(np.array([[1000.0, 0.0]]))
    array([[    0., -1000.]])
    """
    y = np.empty(x.shape, x.dtype)
    for i in np.ndindex(x.shape[:-1]):
        shifted = _shift(x[i].tolist())
        log_total = math.log(sum(math.exp(value) for value in shifted))
        y[i] = [value - log_total for value in shifted]
    return y


@np.errstate(all="ignore")
def cross_entropy(logits: Array, labels: Array, weight: Array) -> Array:
    """Σ_m weight[m] · (ln Σ_k e^logits[m, k] − logits[m, labels[m]]), for logits (M, K), labels and weight (M,).

    A row whose weight is 0 is not looked at, so its label may be any number.

    >>> logits = np.array([[0.0, 1000.0], [5.0, 5.0]])
    >>> cross_entropy(logits, np.array([0, -100]), np.array([0.5, 0.0]))
    array(500.)
    """
    total = 0.0
    for m in range(len(logits)):
        if weight[m] != 0:
            shifted = _shift(logits[m].tolist())
            log_total = math.log(sum(math.exp(value) for value in shifted))
            total += float(weight[m]) * (log_total - shifted[labels[m]])
    return np.array(total, logits.dtype)


@np.errstate(all="ignore")
def cross_entropy_gradient(gradient: Array, logits: Array, labels: Array, weight: Array) -> Array:
    """Gradient to the logits, (M, K): gradient · weight[m] · (softmax(logits[m])[k] − [k = labels[m]]).

    >>> logits = np.array([[0.0, 0.0], [np.nan, 5.0]])
    >>> cross_entropy_gradient(np.array(2.0), logits, np.array([0, -100]), np.array([0.5, 0.0]))
    array([[-0.5,  0.5],
           [ 0. ,  0. ]])
    """
    g_logits = np.zeros(logits.shape, logits.dtype)
    for m in range(len(logits)):
        if weight[m] != 0:
            row = softmax(logits[m].astype(np.float64))
            row[labels[m]] -= 1.0
            g_logits[m] = float(gradient) * float(weight[m]) * row
    return g_logits


def _shift(row: list[float]) -> list[float]:
    """Row − its maximum: no exponential of it exceeds 1. NaN or an infinite maximum make it NaN."""
    top = math.nan if any(map(math.isnan, row)) else max(row)
    return [value - top for value in row]
