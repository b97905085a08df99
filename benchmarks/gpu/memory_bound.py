"""Kernels whose time is that of reading and writing: their bytes a second, as a share of what a copy reaches.

Counted are the bytes that must be moved if every input is read once and every result written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minifcn import kernels
from minifcn.benchmarks.gpu import timing
from minifcn.benchmarks.gpu.limits import copy_bandwidth
from minifcn.benchmarks.gpu.record import Record
from minifcn.benchmarks.gpu.report import TARGETS
from minifcn.kernels import axismap
from minifcn.kernels.cuda.array import CudaArray
from minifcn.kernels.shapes import Window


class Case(NamedTuple):
    """A call, and the bytes that it has to move."""

    name: str
    work: Callable[[], Any]
    nbytes: int


def run(record: Record, tiny: bool) -> None:
    """All of them, beside a copy that is measured again here."""
    shares: dict[str, float] = {}
    with timing.one_stream():
        copy = copy_bandwidth(2**12 if tiny else 2**30)
        record.add("copy", what="device-to-device copy", value=copy, unit="GB/s")
        for case in cases(*((1, 4, 4, 2) if tiny else (16, 512, 512, 32))):
            if not record.has_time():
                record.note(f"no time from {case.name} on")
                break
            spent = timing.alternate({case.name: partial(_repeated, case)}, 0.25, 3)[case.name]
            rate = 1e-6 * case.nbytes / spent
            shares[case.name] = rate / copy
            row = {"MB": case.nbytes / 1e6, "ms": spent, "GB/s": rate, "share": rate / copy}
            record.add("memory-bound kernels", kernel=case.name, **row)
    for name, share in sorted(shares.items(), key=lambda item: item[1]):
        record.add(TARGETS, what=f"{name}, share of copy", value=share, target=0.8)


def _repeated(case: Case, _: int) -> Any:
    return case.work()


def cases(N: int, H: int, W: int, C: int) -> Iterator[Case]:
    """Arrays of (N, H, W, C), each made when its case is due and gone after it."""
    k, shape = kernels.load("cuda"), (N, H, W, C)
    size = 4 * N * H * W * C
    x, y = (_normal(shape) for _ in range(2))
    v = tuple(k.from_host(np.full(C, value, np.float32)) for value in (0.1, 1.1, 0.9, 0.2))
    yield Case("add", lambda: k.add(x, y), 3 * size)
    yield Case("add, a vector", lambda: k.add(x, v[0]), 2 * size)
    yield Case("relu", lambda: k.relu(x), 2 * size)
    yield Case("scale_by_sign", lambda: k.scale_by_sign(x, y, 0.0), 3 * size)
    yield Case("batch_norm, relu", lambda: k.batch_norm(x, *v, True), 2 * size)
    yield Case("moments", lambda: k.moments(x), size)
    # Sums first, then the gradient that they are part of: the inputs are read twice.
    yield Case("batch_norm_gradient, relu", lambda: k.batch_norm_gradient(x, y, *v, True, True), 5 * size)
    window, half = Window((2, 2), (2, 2)), (H // 2, W // 2)
    yield Case("max_pool2d", lambda: k.max_pool2d(x, window, half), size + size // 2)
    pooled, indices = k.max_pool2d(x, window, half)
    yield Case("max_unpool2d", lambda: k.max_unpool2d(pooled, indices, (H, W), (2, 2)), size + size // 2)
    for label, make in (
        ("nearest", axismap.nearest),
        ("bilinear", lambda a, b: axismap.bilinear(a, b, align_corners=False)),
    ):
        maps = make(H // 2, H), make(W // 2, W)
        yield Case(f"resample2d, {label}", partial(k.resample2d, pooled, *maps), size + size // 4)
        there = tuple(axis.transpose() for axis in maps)
        yield Case(f"resample2d, {label}, adjoint", partial(k.resample2d, x, *there), size + size // 4)
    yield Case("concatenate", lambda: k.concatenate((x, y), 3), 4 * size)
    yield Case("sum, per channel", lambda: k.sum(x, (0, 1, 2), False), size)
    yield Case("sum, everything", lambda: k.sum(x, (0, 1, 2, 3), False), size)
    yield Case("sum, last axis", lambda: k.sum(x, (3,), False), size + size // C)
    logits = x.reshape(-1, 2)
    yield Case("softmax, 2 classes", lambda: k.softmax(logits), 2 * size)
    yield Case("softmax, C classes", lambda: k.softmax(x), 2 * size)
    M = logits.shape[0]
    labels, weight = k.full((M,), 1, np.int64), k.full((M,), 1 / M, np.float32)
    one = k.full((), 1, np.float32)
    yield Case("cross_entropy, 2 classes", lambda: k.cross_entropy(logits, labels, weight), 20 * M)
    gradient = lambda: k.cross_entropy_gradient(one, logits, labels, weight)  # noqa: E731
    yield Case("cross_entropy_gradient, 2 classes", gradient, 28 * M)
    lists = [[k.full((size // 16,), 0.5, np.float32) for _ in range(4)] for _ in range(4)]
    yield Case("adam_step", lambda: k.adam_step(*lists, 1e-3, 0.9, 0.999, 1e-8, 0.0, False, 3), 7 * size)


def _normal(shape: tuple[int, ...]) -> CudaArray:
    """Random numbers: a small block of them, repeated, as drawing them all on the host takes seconds."""
    k = kernels.load("cuda")
    block = np.random.default_rng(0).standard_normal((1, *shape[1:]), np.float32)
    return k.broadcast_to(k.from_host(block), shape)
