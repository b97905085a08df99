"""Softmax and cross-entropy; classes are the last axis.

Of very few classes a thread has a row of its own (`minifcn.kernels.cuda.short_rows`). Rows of some more go through
shared memory: a block reads its rows as one run, and each thread then takes one. Longer rows get a warp each.

Losses are added up in float64, thread by thread, block by block, always in the same order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda import driver, lang
from minifcn.kernels.cuda.arrange import contiguous
from minifcn.kernels.cuda.array import CudaArray, empty, full
from minifcn.kernels.cuda.bodies import classify as bodies
from minifcn.kernels.cuda.lang import SIMULATED, cuda, device_function, exp, f64, i32, log, shfl_xor, u32
from minifcn.kernels.cuda.launching import Kernel, jit
from minifcn.kernels.cuda.short_rows import (
    ROWS,
    THREADS,
    VERY_FEW,
    fold,
    kind_of,
    own_gradient,
    own_loss,
    own_softmax,
    row_maximum,
    row_total,
)

_WARPS = THREADS // 32
_FEW = 32  # classes whose rows fit in shared memory
_SUMMING = 32 if SIMULATED else 256  # threads that add up the blocks' losses

_row_loss = device_function(bodies.row_loss)


def softmax(x: CudaArray) -> CudaArray:
    """e^x / Σ e^x along the last axis, shifted by the maximum so that nothing overflows."""
    return _softmax_of(x, False)


def log_softmax(x: CudaArray) -> CudaArray:
    """ln softmax(x) along the last axis: x − max − ln Σ e^(x − max)."""
    return _softmax_of(x, True)


def _softmax_of(x: CudaArray, logarithm: bool) -> CudaArray:
    x = contiguous(x)
    y = empty(x.shape, x.dtype)
    if x.size:
        K = x.shape[-1]
        M = x.size // K
        if K <= VERY_FEW:
            blocks = -(-M // (THREADS * ROWS))
            own_softmax(K, logarithm, x.dtype.char).launch(blocks, THREADS, x, y, M)
        elif K <= _FEW:
            _few_softmax(K, logarithm, x.dtype.char).launch(-(-M // THREADS), THREADS, x, y, M)
        else:
            _many_softmax.launch(-(-M // _WARPS), THREADS, x, y, M, K, int(logarithm))
    return y


def cross_entropy(logits: CudaArray, labels: CudaArray, weight: CudaArray) -> CudaArray:
    """Σ_m weight[m] · (ln Σ_k e^logits[m, k] − logits[m, labels[m]]), 0-d; rows of weight 0 are not looked at.

    A label that is no class makes the sum NaN: to say so by name would take a look at the GPU's memory.
    """
    logits, labels, weight = contiguous(logits), contiguous(labels), contiguous(weight)
    if logits.size == 0:
        return full((), 0, logits.dtype)
    M, K = logits.shape
    rows = THREADS * ROWS if K <= VERY_FEW else THREADS if K <= _FEW else _WARPS
    blocks = min(-(-M // rows), 16 * driver.info().multiprocessors)
    partial, total = empty((blocks,), np.float64), empty((), logits.dtype)
    if K <= VERY_FEW:
        own_loss(K, logits.dtype.char).launch(blocks, THREADS, logits, labels, weight, partial, M)
    elif K <= _FEW:
        _few_loss(K, logits.dtype.char).launch(blocks, THREADS, logits, labels, weight, partial, M)
    else:
        _many_loss.launch(blocks, THREADS, logits, labels, weight, partial, M, K)
    _finish_loss.launch(1, _SUMMING, partial, total, blocks)
    return total


def cross_entropy_gradient(gradient: CudaArray, logits: CudaArray, labels: CudaArray, weight: CudaArray) -> CudaArray:
    """gradient · weight[m] · (softmax(logits[m])[k] − [k = labels[m]]), (M, K); 0 for rows of weight 0."""
    logits, labels, weight = contiguous(logits), contiguous(labels), contiguous(weight)
    y = empty(logits.shape, logits.dtype)
    if logits.size:
        M, K = logits.shape
        if K <= VERY_FEW:
            kernel = own_gradient(K, logits.dtype.char)
            kernel.launch(-(-M // (THREADS * ROWS)), THREADS, gradient, logits, labels, weight, y, M)
        elif K <= _FEW:
            kernel = _few_gradient(K, logits.dtype.char)
            kernel.launch(-(-M // THREADS), THREADS, gradient, logits, labels, weight, y, M)
        else:
            _many_gradient.launch(-(-M // _WARPS), THREADS, gradient, logits, labels, weight, y, M, K)
    return y


# --- few classes: K is known when the kernel is compiled --------------------------------------------------------------

# mypy: disable-error-code="no-untyped-def,no-untyped-call"


def _shared_rows(K: int, char: str) -> tuple[int, int, Any]:
    """A row's place in shared memory (an odd number, so that the threads' rows lie in different banks), size, type."""
    pitch = K | 1
    return pitch, THREADS * pitch, kind_of(char)


@functools.cache
def _moving(K: int) -> tuple[Any, Any, Any]:
    """Functions that bring a block's rows to shared memory, and back; and a thread's row from there to registers.

    Element e of the block's is at e + e // K if rows are a number longer there than their K, and else at e.
    """
    padded = K % 2 == 0
    steady = padded and THREADS % K == 0  # a thread's elements are all in one column

    @device_function
    def place(t, k):
        e = u32(t + u32(k * THREADS))
        if steady:
            return u32(u32(t + u32(t // u32(K))) + u32(k * (THREADS + THREADS // K)))
        return u32(e + u32(e // u32(K))) if padded else e

    @device_function
    def fetch(x, rows, first, count):
        t = u32(cuda.threadIdx.x)
        start = u32(u32(first * u32(K)) + t)
        if count == u32(THREADS * K):
            values = cuda.local.array(K, x.dtype)
            for k in range(K):
                values[k] = x[u32(start + u32(k * THREADS))]
            for k in range(K):
                rows[place(t, k)] = values[k]
        else:
            for k in range(K):
                if u32(t + u32(k * THREADS)) < count:
                    rows[place(t, k)] = x[u32(start + u32(k * THREADS))]

    @device_function
    def put(rows, y, first, count):
        t = u32(cuda.threadIdx.x)
        start = u32(u32(first * u32(K)) + t)
        whole = count == u32(THREADS * K)
        for k in range(K):
            if whole or u32(t + u32(k * THREADS)) < count:
                y[u32(start + u32(k * THREADS))] = rows[place(t, k)]

    @device_function
    def take(rows, row):
        t = u32(cuda.threadIdx.x)
        for k in range(K):
            row[k] = rows[u32(u32(t * u32(K | 1)) + u32(k))]

    return fetch, put, take


@functools.cache
def _few_softmax(K: int, logarithm: bool, char: str) -> Kernel:
    """Softmax, or its logarithm, of rows of K numbers."""
    pitch, size, kind = _shared_rows(K, char)
    fetch, put, take = _moving(K)

    @jit()
    def _softmax(x, y, M):
        rows = cuda.shared.array(size, kind)
        row = cuda.local.array(K, kind)
        t = u32(cuda.threadIdx.x)
        first = u32(cuda.blockIdx.x * u32(THREADS))
        count = u32(min(u32(THREADS), u32(M - first)) * u32(K))
        fetch(x, rows, first, count)
        cuda.syncthreads()
        if u32(t * u32(K)) < count:
            own = u32(t * u32(pitch))
            take(rows, row)
            top = row_maximum(row, 0, K)
            if logarithm:
                log_total = log(row_total(row, 0, K, top, kind(0)))
                for k in range(K):
                    rows[u32(own + u32(k))] = (row[k] - top) - log_total
            else:
                total = kind(0)
                for k in range(K):
                    row[k] = exp(row[k] - top)
                    total += row[k]
                scale = kind(1) / total
                for k in range(K):
                    rows[u32(own + u32(k))] = row[k] * scale
        cuda.syncthreads()
        put(rows, y, first, count)

    return _softmax


@functools.cache
def _few_loss(K: int, char: str) -> Kernel:
    """Each block's sum of losses; a block takes every so many-th piece of rows."""
    pitch, size, kind = _shared_rows(K, char)
    fetch, _, take = _moving(K)

    @jit()
    def _cross_entropy(x, labels, weight, partial, M):
        rows = cuda.shared.array(size, kind)
        sums = cuda.shared.array(THREADS, f64)
        row = cuda.local.array(K, kind)
        t = u32(cuda.threadIdx.x)
        total = f64(0)
        first = u32(cuda.blockIdx.x * u32(THREADS))
        while first < M:
            count = u32(min(u32(THREADS), u32(M - first)) * u32(K))
            near = min(u32(first + t), u32(M - u32(1)))
            share, label = weight[near], labels[near]
            fetch(x, rows, first, count)
            cuda.syncthreads()
            if u32(t * u32(K)) < count and share != kind(0):
                take(rows, row)
                top = row_maximum(row, 0, K)
                row_sum = row_total(row, 0, K, top, kind(0))
                loss = _row_loss(rows, u32(t * u32(pitch)), K, label, top, row_sum, kind(np.nan))
                total += f64(share) * f64(loss)
            cuda.syncthreads()
            first = u32(first + u32(u32(THREADS) * u32(cuda.gridDim.x)))
        sums[t] = total
        fold(sums, u32(THREADS))
        if t == u32(0):
            partial[u32(cuda.blockIdx.x)] = sums[t]

    return _cross_entropy


@functools.cache
def _few_gradient(K: int, char: str) -> Kernel:
    """The loss's gradient to rows of K logits."""
    pitch, size, kind = _shared_rows(K, char)
    fetch, put, take = _moving(K)

    @jit()
    def _cross_entropy_gradient(gradient, x, labels, weight, y, M):
        rows = cuda.shared.array(size, kind)
        row = cuda.local.array(K, kind)
        t = u32(cuda.threadIdx.x)
        first = u32(cuda.blockIdx.x * u32(THREADS))
        count = u32(min(u32(THREADS), u32(M - first)) * u32(K))
        near = min(u32(first + t), u32(M - u32(1)))
        share, label, outer = weight[near], labels[near], kind(gradient[u32(0)])
        fetch(x, rows, first, count)
        cuda.syncthreads()
        if u32(t * u32(K)) < count:
            own = u32(t * u32(pitch))
            valid = label >= 0 and label < K
            factor = outer * share if valid else kind(np.nan)
            place = i32(label) if valid else i32(-1)
            take(rows, row)
            top = row_maximum(row, 0, K)
            total = kind(0)
            for k in range(K):
                row[k] = exp(row[k] - top)
                total += row[k]
            scale = kind(1) / total
            for k in range(K):
                value = factor * (row[k] * scale - (kind(1) if i32(k) == place else kind(0)))
                rows[u32(own + u32(k))] = value if share != kind(0) else kind(0)
        cuda.syncthreads()
        put(rows, y, first, count)

    return _cross_entropy_gradient


# --- many classes: a warp for each row; lane l has classes l, l + 32, ... ---------------------------------------------


@device_function
def _warp_row(x, first, K, lane):
    """Maximum and total of a row, in all lanes."""
    top = x[u32(first + lane)]
    k = u32(lane + u32(32))
    while k < K:
        value = x[u32(first + k)]
        if value > top or top != top:
            top = value
        k = u32(k + u32(32))
    for step in range(5):
        other = shfl_xor(top, u32(u32(1) << u32(step)))
        if other > top or top != top:
            top = other
    total = x.dtype.type(0)
    k = lane
    while k < K:
        total += exp(x[u32(first + k)] - top)
        k = u32(k + u32(32))
    for step in range(5):
        total += shfl_xor(total, u32(u32(1) << u32(step)))
    return top, total


@jit()
def _many_softmax(x, y, M, K, logarithm):
    """Softmax, or its logarithm."""
    t = u32(cuda.threadIdx.x)
    lane, row = u32(t % u32(32)), u32(u32(cuda.blockIdx.x * u32(_WARPS)) + u32(t // u32(32)))
    first = u32(min(row, u32(M - u32(1))) * K)  # warps that have no row take part in the exchanges of the last one
    top, total = _warp_row(x, first, K, lane)
    if row < M:
        log_total = log(total)
        scale = x.dtype.type(1) / total
        k = lane
        while k < K:
            shifted = x[u32(first + k)] - top
            y[u32(first + k)] = shifted - log_total if logarithm != u32(0) else exp(shifted) * scale
            k = u32(k + u32(32))


@jit()
def _many_loss(x, labels, weight, partial, M, K):
    """Each block's sum of losses."""
    sums = cuda.shared.array(THREADS, f64)
    t = u32(cuda.threadIdx.x)
    lane = u32(t % u32(32))
    loss = f64(0)
    begin = u32(cuda.blockIdx.x * u32(_WARPS))
    while begin < M:
        row = u32(begin + u32(t // u32(32)))
        near = min(row, u32(M - u32(1)))
        first = u32(near * K)
        top, total = _warp_row(x, first, K, lane)
        share = weight[u32(near)]
        if row < M and lane == u32(0) and share != x.dtype.type(0):
            label = labels[u32(near)]
            if label >= 0 and label < K:
                loss += f64(share) * f64(log(total) - (x[u32(first + u32(label))] - top))
            else:
                loss += f64(np.nan)
        begin = u32(begin + u32(u32(_WARPS) * u32(cuda.gridDim.x)))
    sums[t] = loss
    fold(sums, u32(THREADS))
    if t == u32(0):
        partial[u32(cuda.blockIdx.x)] = sums[t]


@jit()
def _many_gradient(gradient, x, labels, weight, y, M, K):
    """The loss's gradient to the logits."""
    t = u32(cuda.threadIdx.x)
    lane, row = u32(t % u32(32)), u32(u32(cuda.blockIdx.x * u32(_WARPS)) + u32(t // u32(32)))
    near = min(row, u32(M - u32(1)))
    first = u32(near * K)
    top, total = _warp_row(x, first, K, lane)
    if row < M:
        zero, one = x.dtype.type(0), x.dtype.type(1)
        share = weight[u32(near)]
        factor, scale = zero, zero
        own = K  # no class
        if share != zero:
            label = labels[u32(near)]
            factor, scale = x.dtype.type(gradient[u32(0)]) * share, one / total
            if label >= 0 and label < K:
                own = u32(label)
            else:
                factor = x.dtype.type(np.nan)
        k = lane
        while k < K:
            value = zero
            if share != zero:
                value = factor * (exp(x[u32(first + k)] - top) * scale - (one if k == own else zero))
            y[u32(first + k)] = value
            k = u32(k + u32(32))


@jit()
def _finish_loss(partial, total, blocks):
    """Add up the blocks' losses."""
    sums = cuda.shared.array(_SUMMING, f64)
    t = u32(cuda.threadIdx.x)
    own = f64(0)
    e = t
    while e < blocks:
        own += partial[e]
        e = u32(e + u32(_SUMMING))
    sums[t] = own
    fold(sums, u32(_SUMMING))
    if t == u32(0):
        total[u32(0)] = total.dtype.type(sums[t])


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    number, labels = lang.scalar_type(np.dtype(np.uint32)), lang.array_type(np.dtype(np.int64))
    partial = lang.array_type(np.dtype(np.float64))
    for dtype in map(np.dtype, (np.float32, np.float64)):
        x = lang.array_type(dtype)
        for K in (21, 32):
            for logarithm in (False, True):
                name = "log_softmax" if logarithm else "softmax"
                yield f"{name} of {K} {dtype}", _few_softmax(K, logarithm, dtype.char), (x, x, number)
            yield f"cross_entropy of {K} {dtype}", _few_loss(K, dtype.char), (x, labels, x, partial, number)
            kernel = _few_gradient(K, dtype.char)
            yield f"cross_entropy_gradient of {K} {dtype}", kernel, (x, x, labels, x, x, number)
        yield f"softmax {dtype}", _many_softmax, (x, x, number, number, number)
        yield f"cross_entropy {dtype}", _many_loss, (x, labels, x, partial, number, number)
        yield f"cross_entropy_gradient {dtype}", _many_gradient, (x, x, labels, x, x, number, number)
        yield f"cross_entropy, second pass {dtype}", _finish_loss, (partial, x, number)
