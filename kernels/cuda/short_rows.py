"""Softmax and cross-entropy of rows of very few classes: each thread has rows of its own, in registers.

A thread's rows are a block's threads apart, so that warps touch whole runs of memory. It reads all before it computes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda import lang
from minifcn.kernels.cuda.bodies import classify as bodies
from minifcn.kernels.cuda.lang import SIMULATED, cuda, device_function, exp, f32, f64, i32, log, u32
from minifcn.kernels.cuda.launching import Kernel, jit

THREADS = 32 if SIMULATED else 128  # of a block
ROWS = 4  # of a thread
VERY_FEW = 4  # classes: the ROWS rows of a thread fit in its registers

row_maximum = device_function(bodies.row_maximum)
row_total = device_function(bodies.row_total)

# mypy: disable-error-code="no-untyped-def,no-untyped-call"


def kind_of(char: str) -> Any:
    """The type of numbers of a dtype's character."""
    return f32 if char == "f" else f64


@device_function
def fold(sums, n):
    """Add up the numbers of a block's threads; thread 0 ends with the sum."""
    t = u32(cuda.threadIdx.x)
    half = u32(n >> u32(1))
    while half > u32(0):
        cuda.syncthreads()
        if t < half:
            sums[t] += sums[u32(t + half)]
        half = u32(half >> u32(1))


@functools.cache
def _reading(K: int) -> Any:
    """A function that reads a thread's rows. Beyond the last row it reads the last row."""

    @device_function
    def read(x, rows, first, M):
        for m in range(ROWS):
            row = min(u32(first + u32(m * THREADS)), u32(M - u32(1)))
            for k in range(K):
                rows[m * K + k] = x[u32(u32(row * u32(K)) + u32(k))]

    return read


@functools.cache
def own_softmax(K: int, logarithm: bool, char: str) -> Kernel:
    """Softmax, or its logarithm, of rows of K numbers."""
    size, kind, read = ROWS * K, kind_of(char), _reading(K)

    @jit()
    def _softmax(x, y, M):
        rows = cuda.local.array(size, kind)
        first = u32(u32(cuda.blockIdx.x * u32(THREADS * ROWS)) + cuda.threadIdx.x)
        read(x, rows, first, M)
        for m in range(ROWS):
            row = u32(first + u32(m * THREADS))
            top = row_maximum(rows, m * K, K)
            total = row_total(rows, m * K, K, top, kind(0))
            log_total, scale = log(total), kind(1) / total
            if row < M:
                for k in range(K):
                    shifted = rows[m * K + k] - top
                    y[u32(u32(row * u32(K)) + u32(k))] = shifted - log_total if logarithm else exp(shifted) * scale

    return _softmax


@functools.cache
def own_loss(K: int, char: str) -> Kernel:
    """Each block's sum of losses; a block takes every so many-th piece of rows."""
    size, kind, read = ROWS * K, kind_of(char), _reading(K)

    @jit()
    def _cross_entropy(x, labels, weight, partial, M):
        sums = cuda.shared.array(THREADS, f64)
        rows = cuda.local.array(size, kind)
        shares = cuda.local.array(ROWS, kind)
        classes = cuda.local.array(ROWS, i32)
        t = u32(cuda.threadIdx.x)
        total = f64(0)
        first = u32(u32(cuda.blockIdx.x * u32(THREADS * ROWS)) + t)
        while first < M:
            read(x, rows, first, M)
            for m in range(ROWS):
                row = u32(first + u32(m * THREADS))
                near = min(row, u32(M - u32(1)))
                label = labels[near]
                classes[m] = i32(label) if label >= 0 and label < K else i32(-1)
                shares[m] = weight[near] if row < M else kind(0)
            for m in range(ROWS):
                if shares[m] != kind(0):
                    top = row_maximum(rows, m * K, K)
                    loss = log(row_total(rows, m * K, K, top, kind(0))) - _of_class(rows, m * K, K, classes[m], top)
                    total += f64(shares[m]) * f64(loss)
            first = u32(first + u32(u32(THREADS * ROWS) * u32(cuda.gridDim.x)))
        sums[t] = total
        fold(sums, u32(THREADS))
        if t == u32(0):
            partial[u32(cuda.blockIdx.x)] = sums[t]

    return _cross_entropy


@device_function
def _of_class(rows, own, K, label, top):
    """A row's logit of a class, less the row's maximum; NaN if it is no class. Registers have no index."""
    found = rows[own] * rows.dtype.type(np.nan)
    for k in range(K):
        if i32(k) == label:
            found = rows[own + k] - top
    return found


@functools.cache
def own_gradient(K: int, char: str) -> Kernel:
    """The loss's gradient to rows of K logits."""
    size, kind, read = ROWS * K, kind_of(char), _reading(K)

    @jit()
    def _cross_entropy_gradient(gradient, x, labels, weight, y, M):
        rows = cuda.local.array(size, kind)
        shares = cuda.local.array(ROWS, kind)
        classes = cuda.local.array(ROWS, i32)
        first = u32(u32(cuda.blockIdx.x * u32(THREADS * ROWS)) + cuda.threadIdx.x)
        outer = kind(gradient[u32(0)])
        read(x, rows, first, M)
        for m in range(ROWS):
            near = min(u32(first + u32(m * THREADS)), u32(M - u32(1)))
            label = labels[near]
            classes[m] = i32(label) if label >= 0 and label < K else i32(-1)
            shares[m] = weight[near]
        for m in range(ROWS):
            row = u32(first + u32(m * THREADS))
            factor = outer * shares[m] if classes[m] >= i32(0) else kind(np.nan)
            top = row_maximum(rows, m * K, K)
            scale = kind(1) / row_total(rows, m * K, K, top, kind(0))
            if row < M:
                for k in range(K):
                    one = kind(1) if i32(k) == classes[m] else kind(0)
                    value = factor * (exp(rows[m * K + k] - top) * scale - one)
                    y[u32(u32(row * u32(K)) + u32(k))] = value if shares[m] != kind(0) else kind(0)

    return _cross_entropy_gradient


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    number, labels = lang.scalar_type(np.dtype(np.uint32)), lang.array_type(np.dtype(np.int64))
    partial = lang.array_type(np.dtype(np.float64))
    for dtype in map(np.dtype, (np.float32, np.float64)):
        x = lang.array_type(dtype)
        for K in (2, 4):
            for logarithm in (False, True):
                name = "log_softmax" if logarithm else "softmax"
                yield f"{name} of {K} {dtype}", own_softmax(K, logarithm, dtype.char), (x, x, number)
            yield f"cross_entropy of {K} {dtype}", own_loss(K, dtype.char), (x, labels, x, partial, number)
            kernel = own_gradient(K, dtype.char)
            yield f"cross_entropy_gradient of {K} {dtype}", kernel, (x, x, labels, x, x, number)
