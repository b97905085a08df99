"""Softmax and cross-entropy over the last axis, a tile of rows at a time.

Two classes make rows of two numbers, too short for a vector. So a tile of rows is turned on its side first, (P, K) ->
(K, P), where every loop runs over many rows; the tile stays in the L1 cache.
"""

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.copying import contiguous
from minifcn.kernels.cpu.exponential import exp, log
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty_like

_ROWS = 1024  # rows that a thread takes at a time; fixed, so that the order of the sum is


def softmax(x: Array) -> Array:
    """e^x / Σ e^x along the last axis."""
    x = contiguous(x)
    y = empty_like(x)
    _softmax(_as_rows(x), _as_rows(y))
    return y


def log_softmax(x: Array) -> Array:
    """x − max − ln Σ e^(x − max) along the last axis."""
    x = contiguous(x)
    y = empty_like(x)
    _log_softmax(_as_rows(x), _as_rows(y))
    return y


def cross_entropy(logits: Array, labels: Array, weight: Array) -> Array:
    """Σ_m weight[m] · (ln Σ_k e^logits[m, k] − logits[m, labels[m]]), a 0-d array."""
    total = np.empty((), logits.dtype)
    _cross_entropy(*_contiguous(logits, labels, weight), total)
    return total


def cross_entropy_gradient(gradient: Array, logits: Array, labels: Array, weight: Array) -> Array:
    """Gradient · weight[m] · (softmax(logits[m])[k] − [k = labels[m]]), (M, K); rows of weight 0 give 0."""
    logits, labels, weight = _contiguous(logits, labels, weight)
    result = empty_like(logits)
    _cross_entropy_gradient(logits.dtype.type(gradient), logits, labels, weight, result)
    return result


def _as_rows(x: Array) -> Array:
    """(..., K) -> (M, K)."""
    return x.reshape(x.size // x.shape[-1], x.shape[-1])


def _contiguous(logits: Array, labels: Array, weight: Array) -> tuple[Array, Array, Array]:
    return contiguous(logits), np.asarray(labels, np.int64, order="C"), contiguous(weight)


@kernel
def _softmax(x: Array, y: Array) -> None:
    for task in prange(_tasks(len(x))):
        tile, top, total = _tile(x)
        for first in range(task * _ROWS, min((task + 1) * _ROWS, len(x)), top.size):
            rows = min(top.size, len(x) - first)
            _load(x, first, rows, tile)
            _add_exp(tile, rows, top, total, True)
            for k in range(len(tile)):
                result = tile[k]
                for p in range(rows):
                    result[p] /= total[p]
            _store(tile, first, rows, y)


@kernel
def _log_softmax(x: Array, y: Array) -> None:
    for task in prange(_tasks(len(x))):
        tile, top, total = _tile(x)
        for first in range(task * _ROWS, min((task + 1) * _ROWS, len(x)), top.size):
            rows = min(top.size, len(x) - first)
            _load(x, first, rows, tile)
            _add_exp(tile, rows, top, total, False)
            for p in range(rows):
                total[p] = log(total[p])
            for k in range(len(tile)):
                result = tile[k]
                for p in range(rows):
                    result[p] = result[p] - top[p] - total[p]
            _store(tile, first, rows, y)


@kernel
def _cross_entropy(logits: Array, labels: Array, weight: Array, result: Array) -> None:
    tasks = _tasks(len(logits))
    partial = np.empty(tasks)
    for task in prange(tasks):
        tile, top, total = _tile(logits)
        sums = np.zeros(top.size)
        for first in range(task * _ROWS, min((task + 1) * _ROWS, len(logits)), top.size):
            rows = min(top.size, len(logits) - first)
            _load(logits, first, rows, tile)
            _add_exp(tile, rows, top, total, False)
            for p in range(rows):
                total[p] = log(total[p])
            label, factor = labels[first : first + rows], weight[first : first + rows]
            for p in range(rows):
                at_label = tile[label[p] if factor[p] != 0 else 0, p]
                loss = factor[p] * (total[p] - (at_label - top[p]))
                sums[p] += loss if factor[p] != 0 else 0.0
        partial[task] = sums.sum()
    result[()] = partial.sum()


@kernel
def _cross_entropy_gradient(gradient: float, logits: Array, labels: Array, weight: Array, result: Array) -> None:
    zero, one = logits.dtype.type(0), logits.dtype.type(1)
    for task in prange(_tasks(len(logits))):
        tile, top, total = _tile(logits)
        for first in range(task * _ROWS, min((task + 1) * _ROWS, len(logits)), top.size):
            rows = min(top.size, len(logits) - first)
            _load(logits, first, rows, tile)
            _add_exp(tile, rows, top, total, True)
            label, factor = labels[first : first + rows], weight[first : first + rows]
            for k in range(len(tile)):
                row = tile[k]
                for p in range(rows):
                    value = row[p] / total[p] - (one if label[p] == k else zero)
                    row[p] = zero if factor[p] == 0 else gradient * factor[p] * value  # 0 also beside NaN
            _store(tile, first, rows, result)


@helper
def _tasks(rows: int) -> int:
    return (rows + _ROWS - 1) // _ROWS


@helper
def _tile(x: Array) -> tuple[Array, Array, Array]:
    """Room for a tile of x, and for each of its rows' largest number and sum; fewer rows if they are long."""
    classes = x.shape[1]
    rows = 128 if classes <= 32 else 16
    return np.empty((classes, rows), x.dtype), np.empty(rows, x.dtype), np.empty(rows, x.dtype)


@helper
def _load(x: Array, first: int, rows: int, tile: Array) -> None:
    classes = len(tile)
    flat = x.ravel()[first * classes : (first + rows) * classes]
    for k in range(classes):
        row = tile[k]
        for p in range(rows):
            row[p] = flat[p * classes + k]


@helper
def _store(tile: Array, first: int, rows: int, y: Array) -> None:
    classes = len(tile)
    flat = y.ravel()[first * classes : (first + rows) * classes]
    for k in range(classes):
        row = tile[k]
        for p in range(rows):
            flat[p * classes + k] = row[p]


@helper
def _add_exp(tile: Array, rows: int, top: Array, total: Array, keep: bool) -> None:
    """Top = the rows' maxima, total = Σ e^(x − top); if ``keep``, the tile's numbers become e^(x − top).

    The maximum may miss a NaN, but the sum will not.
    """
    top[:] = tile[0]
    for k in range(1, len(tile)):
        row = tile[k]
        for p in range(rows):
            top[p] = row[p] if row[p] > top[p] else top[p]
    total[:] = 0
    for k in range(len(tile)):
        row = tile[k]
        if keep:
            for p in range(rows):
                row[p] = exp(row[p] - top[p])
                total[p] += row[p]
        else:
            for p in range(rows):
                total[p] += exp(row[p] - top[p])
