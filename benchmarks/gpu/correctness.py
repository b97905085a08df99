"""Every kernel on random arrays of odd and even sizes, against formulas in float64; and its bits, twice.

The errors are ‖y − y64‖ / ‖y64‖, where y64 is computed in float64 from the very same rounded inputs.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minifcn import kernels, settings
from minifcn.benchmarks.gpu import oracle, places
from minifcn.benchmarks.gpu.record import Record
from minifcn.kernels import axismap
from minifcn.kernels.shapes import Pair, Window, conv_size

#: The largest relative error of all elements together; sums of many numbers stay well below, if summed with care.
LIMITS = {"float32": 3e-6, "float64": 1e-13, "TF32": 2e-3}


class Call(NamedTuple):
    """A kernel and its arguments; of ``updated`` ones, the contents are results."""

    kernel: str
    label: str
    arguments: tuple[Any, ...]
    updated: tuple[int, ...] = ()


class Draw:
    """Random arrays of one dtype."""

    def __init__(self, dtype: str):
        self.dtype, self._random = dtype, np.random.default_rng(5)

    def normal(self, *shape: int) -> np.ndarray:
        """From N(0, 1)."""
        return np.asarray(self._random.standard_normal(shape), self.dtype)

    def positive(self, *shape: int) -> np.ndarray:
        """Between a half and two."""
        return self._random.uniform(0.5, 2, shape).astype(self.dtype)

    def integers(self, below: int, *shape: int, dtype: Any = np.int64) -> np.ndarray:
        """Whole numbers from 0."""
        return self._random.integers(0, below, shape).astype(dtype)


def run(record: Record, tiny: bool, family: str) -> None:
    """All calls of a family in float32 and float64."""
    for dtype in ("float32", "float64"):
        for call in FAMILIES[family](Draw(dtype), tiny):
            if not record.has_time():
                record.note(f"no time for {dtype} from {call.kernel} on")
                return
            _check(record, call, dtype)
            if family == "convolutions" and dtype == "float32":
                settings.set_allow_tf32(True)
                try:
                    _check(record, call, "TF32")
                finally:
                    settings.set_allow_tf32(False)


def _check(record: Record, call: Call, precision: str) -> None:
    try:
        exact_arguments = tuple(map(places.to_float64, call.arguments))
        exact = places.results(oracle.find(call.kernel)(*exact_arguments), exact_arguments, call.updated)
        first, second = (_on_gpu(call) for _ in range(2))
    except Exception as problem:
        record.fail(f"{call.kernel} {call.label} {precision}: {traceback.format_exc(limit=-6)}")
        record.add("errors", kernel=call.kernel, case=call.label, precision=precision, error=type(problem).__name__)
        if "CUDA_ERROR" in str(problem):  # nothing works in this process any more
            raise
        return
    same = all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    worst = 0.0
    for actual, wanted in zip(first, exact, strict=True):
        off = places.error(actual, wanted)
        worst = max(worst, off)
        limit = LIMITS[precision] if actual.dtype.kind == "f" else 0.0
        record.check(off <= limit, f"{call.kernel} {call.label} {precision}: relative error {off:.2g} > {limit:.2g}")
    record.check(same, f"{call.kernel} {call.label} {precision}: two runs differ in bits")
    record.add("errors", kernel=call.kernel, case=call.label, precision=precision, error=worst, repeatable=same)


def _on_gpu(call: Call) -> list[np.ndarray]:
    arguments = tuple(places.to_device(copy.deepcopy(argument)) for argument in call.arguments)
    returned = getattr(kernels.load("cuda"), call.kernel)(*arguments)
    return places.results(returned, arguments, call.updated)


# --- the calls --------------------------------------------------------------------------------------------------------


def elementwise(d: Draw, tiny: bool) -> Iterator[Call]:
    """Same shapes, broadcasts, and a length that no vector divides."""
    shape = (1, 3, 5, 2) if tiny else (3, 61, 67, 19)
    line = (5,) if tiny else (100_003,)
    for kernel in ("negative", "exp", "absolute", "sign", "sigmoid", "tanh", "softplus", "relu"):
        yield Call(kernel, f"{line}", (d.normal(*line),))
    for kernel in ("log", "sqrt"):
        yield Call(kernel, f"{line}", (d.positive(*line),))
    for kernel in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "greater", "greater_equal", "equal"):
        yield Call(kernel, f"{shape}", (d.normal(*shape), d.normal(*shape)))
        yield Call(kernel, "with a vector", (d.normal(*shape), d.positive(shape[-1])))
        yield Call(kernel, "outer", (d.normal(*shape[:2], 1, 1), d.positive(shape[2], 1)))
    yield Call("power", f"{shape}", (d.positive(*shape), d.normal(shape[-1])))
    yield Call("where", f"{shape}", (d.integers(2, *shape, dtype=bool), d.normal(*shape), d.normal(shape[-1])))
    yield Call("leaky_relu", f"{shape}", (d.normal(*shape), 0.1))
    yield Call("scale_by_sign", f"{shape}", (d.normal(*shape), d.normal(*shape), 0.25))


def reductions(d: Draw, tiny: bool) -> Iterator[Call]:
    """Axes first, last, in the middle, all; then arrangements and products."""
    shape = (2, 3, 5, 2) if tiny else (5, 67, 71, 13)
    for axes in ((0,), (3,), (1, 2), (0, 1, 2), (0, 1, 2, 3)):
        for kernel in ("sum", "max", "min"):
            yield Call(kernel, f"{shape} over {axes}", (d.normal(*shape) + 1, axes, False))
    for axis in range(4):
        yield Call("argmax", f"{shape} along {axis}", (d.normal(*shape), axis))
    yield Call("cast", "to int32", (10 * d.normal(*shape), np.int32))
    yield Call("cast", "to float32", (d.normal(*shape), np.float32))
    yield Call("broadcast_to", f"{shape}", (d.normal(shape[0], 1, 1, shape[3]), shape))
    yield Call("concatenate", "last axis", ((d.normal(*shape), d.normal(*shape[:3], 6)), 3))
    yield Call("concatenate", "second axis", ((d.normal(*shape), d.normal(*shape)), 1))
    yield Call("pad", f"{shape}", (d.normal(*shape), ((0, 0), (1, 2), (3, 0), (0, 1)), 0.5))
    rows = d.integers(shape[1], 4)
    for label, key in (("slices", (slice(None), slice(1, None, 2), slice(None, None, -1))), ("rows", (1, rows))):
        yield Call("index", label, (d.normal(*shape), key))
        yield Call("index_add", label, (d.normal(*np.empty(shape)[key].shape), key, shape))
    for M, K, N in ((3, 2, 5),) if tiny else ((129, 255, 67), (512, 512, 512), (1, 1031, 3)):
        yield Call("matmul", f"{M} x {K} x {N}", (d.normal(M, K), d.normal(K, N)))
    yield Call("matmul", "batches", (d.normal(2, 1, *shape[2:]), d.normal(3, shape[3], 7)))


def images(d: Draw, tiny: bool) -> Iterator[Call]:
    """Pooling, unpooling, resampling, by channels that divide well and that do not."""
    for C in (3,) if tiny else (1, 3, 32, 67):
        N, H, W = (1, 5, 6) if tiny else (3, 61, 70)
        for label, window in (("2x2", Window((2, 2), (2, 2))), ("3x3", Window((3, 3), (2, 2), (1, 1)))):
            size = conv_size((H, W), window)
            x = d.normal(N, H, W, C)
            yield Call("max_pool2d", f"{label}, {C} channels", (x, window, size))
            _, indices = oracle.max_pool2d(x, window, size)
            yield Call("gather2d", f"{label}, {C} channels", (x, indices))
            tile: Pair | None = (2, 2) if label == "2x2" else None
            yield Call("max_unpool2d", f"{label}, {C} channels", (d.normal(N, *size, C), indices, (H, W), tile))
        for label, maps in (
            ("nearest", (axismap.nearest(H, 2 * H), axismap.nearest(W, 2 * W))),
            ("bilinear", (axismap.bilinear(H, 2 * H, False), axismap.bilinear(W, 3 * W, True))),
            ("average", (axismap.sum_window(H, H // 2, 2, 2, mean="padded"), axismap.nearest(W, W // 3))),
        ):
            yield Call("resample2d", f"{label}, {C} channels", (d.normal(N, H, W, C), *maps))
            there = [axis.transpose() for axis in maps]
            sizes = [axis.output_size for axis in maps]
            yield Call("resample2d", f"{label}, adjoint, {C} channels", (d.normal(N, *sizes, C), *there))


def vectors(d: Draw, tiny: bool) -> Iterator[Call]:
    """Normalisation, classification, optimisers."""
    for shape in ((1, 3, 5, 3),) if tiny else ((3, 61, 67, 1), (3, 61, 67, 7), (2, 128, 128, 32), (1, 17, 19, 515)):
        C = shape[-1]
        yield Call("moments", f"{shape}", (d.normal(*shape) + 3,))
        four = (0.1 * d.normal(C), d.positive(C), d.normal(C), d.normal(C))
        for relu in (False, True):
            yield Call("batch_norm", f"{shape}, relu {relu}", (d.normal(*shape), *four, relu))
            for training in (False, True):
                pair = (d.normal(*shape), d.normal(*shape))
                yield Call("batch_norm_gradient", f"{shape}, {relu}, {training}", (*pair, *four, relu, training))
        yield Call("running_statistics", f"{C}", (d.normal(C), d.positive(C), *_two(d, C), 0.1, 77, 1e-5), (2, 3))
    for M, K in ((7, 3),) if tiny else ((40_003, 2), (5_001, 21), (1_003, 131), (30, 4_099)):
        yield Call("softmax", f"{M} x {K}", (3 * d.normal(M, K),))
        yield Call("log_softmax", f"{M} x {K}", (3 * d.normal(M, K),))
        labels, weight = d.integers(K, M), d.positive(M)
        yield Call("cross_entropy", f"{M} x {K}", (3 * d.normal(M, K), labels, weight))
        pair = (np.asarray(0.5, d.dtype), 3 * d.normal(M, K))
        yield Call("cross_entropy_gradient", f"{M} x {K}", (*pair, labels, weight))
    shapes = [(3, 5), (2,)] if tiny else [(3, 3, 17, 31), (1,), (100_003,), (64,), *((n, 7) for n in range(1, 30))]

    def lists(count: int) -> Iterator[list[np.ndarray]]:
        return ([d.positive(*shape) for shape in shapes] for _ in range(count))

    for decoupled in (False, True):
        yield Call("adam_step", f"{decoupled}", (*lists(4), 0.01, 0.9, 0.999, 1e-8, 0.1, decoupled, 7), (0, 2, 3))
    yield Call("sgd_step", "nesterov", (*lists(3), 0.1, 0.9, 0.01, True, False), (0, 2))
    yield Call("sgd_step", "plain", (*lists(2), None, 0.1, 0.0, 0.0, False, True), (0,))
    yield Call("squared_norm", "of all", (*lists(1),))
    yield Call("scale_all", "by 0.3", (*lists(1), np.asarray(0.3)), (0,))
    yield Call("rmsprop_step", "momentum", (*lists(4), 0.01, 0.99, 1e-8, 0.1, 0.9), (0, 2, 3))


def _two(d: Draw, C: int) -> tuple[np.ndarray, np.ndarray]:
    return d.normal(C), d.positive(C)


#: Window, image, input and output channels, groups.
_CONVOLUTIONS: dict[str, tuple[Window, Pair, int, int, int]] = {
    "3x3": (Window((3, 3), (1, 1), (1, 1)), (37, 41), 32, 64, 1),
    "3x3, 128 to 128": (Window((3, 3), (1, 1), (1, 1)), (32, 32), 128, 128, 1),
    "3x3, odd channels": (Window((3, 3), (1, 1), (1, 1)), (19, 67), 19, 37, 1),
    "3x3, valid": (Window((3, 3)), (30, 35), 24, 16, 1),
    "3x3, from 1": (Window((3, 3), (1, 1), (1, 1)), (65, 63), 1, 16, 1),
    "3x3, stride 2": (Window((3, 3), (2, 2), (1, 1)), (33, 40), 16, 32, 1),
    "2x2, stride 2": (Window((2, 2), (2, 2)), (32, 38), 32, 64, 1),
    "1x1": (Window((1, 1)), (31, 45), 64, 2, 1),
    "5x4, dilated": (Window((5, 4), (1, 2), (3, 2), (2, 3)), (29, 43), 12, 20, 1),
    "groups": (Window((3, 3), (1, 1), (1, 1)), (21, 23), 24, 12, 3),
    "depthwise": (Window((3, 3), (1, 1), (1, 1)), (21, 23), 33, 33, 33),
}


def convolutions(d: Draw, tiny: bool) -> Iterator[Call]:
    """Each geometry, all three ways; with bias and ReLU where there are such."""
    for label, (window, size, C, K, groups) in _CONVOLUTIONS.items():
        if tiny:
            if groups > 1 or label not in ("3x3", "2x2, stride 2", "1x1"):
                continue
            size, C, K = (4, 6), 2, 3
        y_size, N = conv_size(size, window), 1 if tiny else 2
        x, w, y = d.normal(N, *size, C), d.normal(*window.kernel_size, C // groups, K), d.normal(N, *y_size, K)
        yield Call("conv2d", label, (x, w, None, window, groups, y_size, False))
        yield Call("conv2d", f"{label}, bias, relu", (x, w, d.normal(K), window, groups, y_size, True))
        yield Call("conv_transpose2d", label, (y, w, None, window, groups, size, False))
        yield Call("conv_transpose2d", f"{label}, bias, relu", (y, w, d.normal(C), window, groups, size, True))
        yield Call("conv2d_weight", label, (x, y, window, groups))


FAMILIES: dict[str, Callable[[Draw, bool], Iterator[Call]]] = {
    "elementwise": elementwise,
    "reductions": reductions,
    "images": images,
    "vectors": vectors,
    "convolutions": convolutions,
}
