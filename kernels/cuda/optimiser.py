"""Optimiser steps, in place: one launch for all parameters.

A table on the GPU says, for each block, where the numbers lie that it updates. It is made from the arrays' addresses,
and kept: in a training loop the same arrays come back, and nothing is uploaded.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minifcn.kernels.cuda import lang
from minifcn.kernels.cuda.arrange import contiguous
from minifcn.kernels.cuda.array import CudaArray, from_host
from minifcn.kernels.cuda.bodies import optimiser as bodies
from minifcn.kernels.cuda.lang import SIMULATED, cuda, device_function, f32, f64, load_at, store_at, u32
from minifcn.kernels.cuda.launching import Kernel, jit

_THREADS = 32 if SIMULATED else 256
_CHUNK = 1024  # numbers that a block updates, four a thread: so many blocks that no multiprocessor waits for the last
_TABLES_KEPT = 16

_sgd = device_function(bodies.sgd)
_adam = device_function(bodies.adam)
_rmsprop = device_function(bodies.rmsprop)


def sgd_step(
    parameters: Sequence[CudaArray],
    gradients: Sequence[CudaArray],
    velocities: Sequence[CudaArray] | None,
    lr: float,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """g = gradient + weight_decay·p; v = g if ``first`` else momentum·v + g; p −= lr · v.

    With ``nesterov``, p −= lr · (g + momentum·v). Without velocities, p −= lr · g.
    """
    numbers, flags = (lr, momentum, weight_decay), (int(nesterov), int(first))
    if velocities is None:
        _step(_sgd_plain, [parameters], gradients, numbers, ())
    else:
        _step(_sgd_momentum, [parameters, velocities], gradients, numbers, flags)


def adam_step(
    parameters: Sequence[CudaArray],
    gradients: Sequence[CudaArray],
    first_moments: Sequence[CudaArray],
    second_moments: Sequence[CudaArray],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """Adam (Kingma & Ba 2015, algorithm 1), bias-corrected for ``step`` = 1, 2, ...

    Weight decay is added to the gradient, or, ``decoupled``, multiplies p by 1 − lr·weight_decay (AdamW).
    p −= lr · (m / (1 − β1^t)) / (√(v / (1 − β2^t)) + eps).
    """
    decay, shrink = (0.0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1.0)
    betas = (beta1, 1 - beta1, beta2, 1 - beta2, 1 - beta1**step, 1 - beta2**step)
    _step(_adam_kernel, [parameters, first_moments, second_moments], gradients, (lr, *betas, eps, decay, shrink), ())


def rmsprop_step(
    parameters: Sequence[CudaArray],
    gradients: Sequence[CudaArray],
    square_averages: Sequence[CudaArray],
    velocities: Sequence[CudaArray] | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """g = gradient + weight_decay·p; v = α·v + (1 − α)·g²; p −= lr · g / (√v + eps).

    With velocities, velocity = momentum·velocity + g / (√v + eps); p −= lr · velocity.
    """
    numbers = (lr, alpha, 1 - alpha, eps, weight_decay, momentum)
    if velocities is None:
        _step(_rmsprop_plain, [parameters, square_averages], gradients, numbers, ())
    else:
        _step(_rmsprop_momentum, [parameters, square_averages, velocities], gradients, numbers, ())


# --- the table of blocks ----------------------------------------------------------------------------------------------


def _step(
    kernel: Callable[[str], Kernel],
    updated: list[Sequence[CudaArray]],
    gradients: Sequence[CudaArray],
    numbers: tuple[float, ...],
    flags: tuple[int, ...],
) -> None:
    """Launch a kernel once for all arrays of a type: their table, hyperparameters in their type, flags."""
    gradients = [contiguous(gradient) for gradient in gradients]
    columns = [updated[0], gradients, *updated[1:]]
    rows = [row for row in zip(*columns, strict=True) if row[0].size]
    for dtype in dict.fromkeys(row[0].dtype for row in rows):
        chosen = [row for row in rows if row[0].dtype == dtype]
        if not all(array.is_contiguous and array.dtype == dtype for row in chosen for array in row):
            raise ValueError("a parameter, its gradient and its state have to be contiguous arrays of one dtype")
        table, blocks = table_of(chosen, dtype.itemsize)
        kernel(dtype.char).launch(blocks, _THREADS, table, *map(dtype.type, numbers), *flags)


_tables: OrderedDict[Any, tuple[CudaArray, int]] = OrderedDict()


def table_of(rows: list[tuple[CudaArray, ...]], itemsize: int) -> tuple[CudaArray, int]:
    """For each block its arrays' addresses and how many numbers it updates, as one array; and the number of blocks."""
    key = (itemsize, len(rows[0]), *[(*(array.pointer for array in row), row[0].size) for row in rows])
    found = _tables.get(key)
    if found is None:
        entries = np.array(key[2:], np.uint64)  # a row for each parameter: addresses, size
        sizes = entries[:, -1].astype(np.int64)
        counts = -(-sizes // _CHUNK)
        owner = np.repeat(np.arange(len(sizes)), counts)
        begin = (np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)) * _CHUNK
        table = entries[owner]
        table[:, :-1] += (begin * itemsize).astype(np.uint64)[:, None]
        table[:, -1] = np.minimum(sizes[owner] - begin, _CHUNK)
        found = _tables[key] = (from_host(table), len(owner))
        if len(_tables) > _TABLES_KEPT:
            _tables.popitem(last=False)
    else:
        _tables.move_to_end(key)
    return found


# --- kernels ---------------------------------------------------------------------------------------------------------
#
# Four numbers of every array are read before the first is written: the compiler cannot know that they are not the same.
# What lies beyond the end is read from the last number instead, and not written.

# mypy: disable-error-code="no-untyped-def,no-untyped-call"


@device_function
def _four(address, e, last, like):
    """Numbers e, e + a block's threads, ... up to number ``last``."""
    step = u32(_THREADS)
    return (
        load_at(address, min(e, last), like),
        load_at(address, min(u32(e + step), last), like),
        load_at(address, min(u32(e + u32(step * u32(2))), last), like),
        load_at(address, min(u32(e + u32(step * u32(3))), last), like),
    )


@device_function
def _put(address, e, count, a, b, c, d):
    """Write what `_four` has read."""
    step = u32(_THREADS)
    if e < count:
        store_at(address, e, a)
    if u32(e + step) < count:
        store_at(address, u32(e + step), b)
    if u32(e + u32(step * u32(2))) < count:
        store_at(address, u32(e + u32(step * u32(2))), c)
    if u32(e + u32(step * u32(3))) < count:
        store_at(address, u32(e + u32(step * u32(3))), d)


def _kind(char: str) -> Any:
    return f32 if char == "f" else f64


@functools.cache
def _sgd_plain(char: str) -> Kernel:
    """p −= lr · g, for float32 ("f") or float64 ("d")."""
    kind = _kind(char)

    @jit()
    def _sgd_step(table, lr, momentum, decay):
        row = u32(cuda.blockIdx.x * u32(3))
        at_p, at_g, count = table[row], table[u32(row + u32(1))], u32(table[u32(row + u32(2))])
        e, last, zero, off = u32(cuda.threadIdx.x), u32(count - u32(1)), kind(0), u32(0)
        while e < count:
            p0, p1, p2, p3 = _four(at_p, e, last, zero)
            g0, g1, g2, g3 = _four(at_g, e, last, zero)
            p0, g0 = _sgd(p0, g0, zero, lr, momentum, decay, off, u32(1))
            p1, g1 = _sgd(p1, g1, zero, lr, momentum, decay, off, u32(1))
            p2, g2 = _sgd(p2, g2, zero, lr, momentum, decay, off, u32(1))
            p3, g3 = _sgd(p3, g3, zero, lr, momentum, decay, off, u32(1))
            _put(at_p, e, count, p0, p1, p2, p3)
            e = u32(e + u32(_THREADS * 4))

    return _sgd_step


@functools.cache
def _sgd_momentum(char: str) -> Kernel:
    """The step with velocities."""
    kind = _kind(char)

    @jit()
    def _sgd_step(table, lr, momentum, decay, nesterov, first):
        row = u32(cuda.blockIdx.x * u32(4))
        at_p, at_g, at_v = table[row], table[u32(row + u32(1))], table[u32(row + u32(2))]
        count = u32(table[u32(row + u32(3))])
        e, last, zero = u32(cuda.threadIdx.x), u32(count - u32(1)), kind(0)
        while e < count:
            p0, p1, p2, p3 = _four(at_p, e, last, zero)
            g0, g1, g2, g3 = _four(at_g, e, last, zero)
            v0, v1, v2, v3 = _four(at_v, e, last, zero)
            p0, v0 = _sgd(p0, g0, v0, lr, momentum, decay, nesterov, first)
            p1, v1 = _sgd(p1, g1, v1, lr, momentum, decay, nesterov, first)
            p2, v2 = _sgd(p2, g2, v2, lr, momentum, decay, nesterov, first)
            p3, v3 = _sgd(p3, g3, v3, lr, momentum, decay, nesterov, first)
            _put(at_p, e, count, p0, p1, p2, p3)
            _put(at_v, e, count, v0, v1, v2, v3)
            e = u32(e + u32(_THREADS * 4))

    return _sgd_step


@functools.cache
def _adam_kernel(char: str) -> Kernel:
    """Adam and AdamW; the arguments are those of `bodies.optimiser.adam`."""
    kind = _kind(char)

    @jit()
    def _adam_step(table, lr, beta1, rest1, beta2, rest2, bias1, bias2, eps, decay, shrink):
        row = u32(cuda.blockIdx.x * u32(5))
        at_p, at_g = table[row], table[u32(row + u32(1))]
        at_m, at_v = table[u32(row + u32(2))], table[u32(row + u32(3))]
        count = u32(table[u32(row + u32(4))])
        e, last, zero = u32(cuda.threadIdx.x), u32(count - u32(1)), kind(0)
        while e < count:
            p0, p1, p2, p3 = _four(at_p, e, last, zero)
            g0, g1, g2, g3 = _four(at_g, e, last, zero)
            m0, m1, m2, m3 = _four(at_m, e, last, zero)
            v0, v1, v2, v3 = _four(at_v, e, last, zero)
            p0, m0, v0 = _adam(p0, g0, m0, v0, lr, beta1, rest1, beta2, rest2, bias1, bias2, eps, decay, shrink)
            p1, m1, v1 = _adam(p1, g1, m1, v1, lr, beta1, rest1, beta2, rest2, bias1, bias2, eps, decay, shrink)
            p2, m2, v2 = _adam(p2, g2, m2, v2, lr, beta1, rest1, beta2, rest2, bias1, bias2, eps, decay, shrink)
            p3, m3, v3 = _adam(p3, g3, m3, v3, lr, beta1, rest1, beta2, rest2, bias1, bias2, eps, decay, shrink)
            _put(at_p, e, count, p0, p1, p2, p3)
            _put(at_m, e, count, m0, m1, m2, m3)
            _put(at_v, e, count, v0, v1, v2, v3)
            e = u32(e + u32(_THREADS * 4))

    return _adam_step


@functools.cache
def _rmsprop_plain(char: str) -> Kernel:
    """The step without velocities: there is no momentum."""
    kind = _kind(char)

    @jit()
    def _rmsprop_step(table, lr, alpha, rest, eps, decay, momentum):
        row = u32(cuda.blockIdx.x * u32(4))
        at_p, at_g, at_v = table[row], table[u32(row + u32(1))], table[u32(row + u32(2))]
        count = u32(table[u32(row + u32(3))])
        e, last, zero = u32(cuda.threadIdx.x), u32(count - u32(1)), kind(0)
        while e < count:
            p0, p1, p2, p3 = _four(at_p, e, last, zero)
            g0, g1, g2, g3 = _four(at_g, e, last, zero)
            v0, v1, v2, v3 = _four(at_v, e, last, zero)
            p0, v0, g0 = _rmsprop(p0, g0, v0, zero, lr, alpha, rest, eps, decay, zero)
            p1, v1, g1 = _rmsprop(p1, g1, v1, zero, lr, alpha, rest, eps, decay, zero)
            p2, v2, g2 = _rmsprop(p2, g2, v2, zero, lr, alpha, rest, eps, decay, zero)
            p3, v3, g3 = _rmsprop(p3, g3, v3, zero, lr, alpha, rest, eps, decay, zero)
            _put(at_p, e, count, p0, p1, p2, p3)
            _put(at_v, e, count, v0, v1, v2, v3)
            e = u32(e + u32(_THREADS * 4))

    return _rmsprop_step


@functools.cache
def _rmsprop_momentum(char: str) -> Kernel:
    """The step with velocities."""
    kind = _kind(char)

    @jit()
    def _rmsprop_step(table, lr, alpha, rest, eps, decay, momentum):
        row = u32(cuda.blockIdx.x * u32(5))
        at_p, at_g = table[row], table[u32(row + u32(1))]
        at_v, at_u = table[u32(row + u32(2))], table[u32(row + u32(3))]
        count = u32(table[u32(row + u32(4))])
        e, last, zero = u32(cuda.threadIdx.x), u32(count - u32(1)), kind(0)
        while e < count:
            p0, p1, p2, p3 = _four(at_p, e, last, zero)
            g0, g1, g2, g3 = _four(at_g, e, last, zero)
            v0, v1, v2, v3 = _four(at_v, e, last, zero)
            u0, u1, u2, u3 = _four(at_u, e, last, zero)
            p0, v0, u0 = _rmsprop(p0, g0, v0, u0, lr, alpha, rest, eps, decay, momentum)
            p1, v1, u1 = _rmsprop(p1, g1, v1, u1, lr, alpha, rest, eps, decay, momentum)
            p2, v2, u2 = _rmsprop(p2, g2, v2, u2, lr, alpha, rest, eps, decay, momentum)
            p3, v3, u3 = _rmsprop(p3, g3, v3, u3, lr, alpha, rest, eps, decay, momentum)
            _put(at_p, e, count, p0, p1, p2, p3)
            _put(at_v, e, count, v0, v1, v2, v3)
            _put(at_u, e, count, u0, u1, u2, u3)
            e = u32(e + u32(_THREADS * 4))

    return _rmsprop_step


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    table, flag = lang.array_type(np.dtype(np.uint64)), lang.scalar_type(np.dtype(np.uint32))
    for dtype in map(np.dtype, (np.float32, np.float64)):
        scalar, char = lang.scalar_type(dtype), dtype.char
        yield f"sgd_step {dtype}", _sgd_plain(char), (table, *[scalar] * 3)
        yield f"sgd_step with momentum {dtype}", _sgd_momentum(char), (table, *[scalar] * 3, flag, flag)
        yield f"adam_step {dtype}", _adam_kernel(char), (table, *[scalar] * 10)
        yield f"rmsprop_step {dtype}", _rmsprop_plain(char), (table, *[scalar] * 6)
        yield f"rmsprop_step with momentum {dtype}", _rmsprop_momentum(char), (table, *[scalar] * 6)
