"""The convolutions of U-Nets beside cuDNN's, with every result's error against float64.

float32 is compared with PyTorch without TF32; TF32 with the faster of PyTorch's default and channels-last with
benchmark mode. Each of the three kernels is measured, so backward passes are there too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minifcn import kernels, settings
from minifcn.benchmarks.gpu import timing
from minifcn.benchmarks.gpu.record import Record
from minifcn.benchmarks.gpu.report import TARGETS
from minifcn.kernels.cuda.array import CudaArray
from minifcn.kernels.shapes import Pair, Window

torch = timing.torch

KERNELS = ("conv2d", "conv_transpose2d", "conv2d_weight")
_SAME, _HALF, _POINT = Window((3, 3), (1, 1), (1, 1)), Window((2, 2), (2, 2)), Window((1, 1))
#: Largest relative errors, and the ratios to PyTorch that are aimed at.
_ERRORS = {"float32": 2e-5, "TF32": 3e-3}
_TARGETS = {"float32": 0.8, "TF32": 0.5}


class Layer(NamedTuple):
    """A geometry: x (N, H, W, C), y (N, P, Q, K); "up" layers are read as transposed convolutions in the network."""

    label: str
    base: int
    window: Window
    batch: int
    size: Pair
    output_size: Pair
    channels: tuple[int, int]

    @property
    def flops(self) -> float:
        """Of each of the three kernels: a multiplication and an addition count two."""
        kh, kw = self.window.kernel_size
        return 2.0 * self.batch * math.prod(self.output_size) * kh * kw * math.prod(self.channels)


def layers(bases: tuple[int, ...], batch: int, size: int, depth: int) -> Iterator[Layer]:
    """The different convolutions of U-Nets, one of each kind in turn: time may not be enough for all of them."""
    kinds = ("w to w", "2w to w", "up", "first", "head", "bottom")
    for one_of_each in itertools.zip_longest(*(_of_kind(kind, bases, batch, size, depth) for kind in kinds)):
        yield from (layer for layer in one_of_each if layer is not None)


def _of_kind(kind: str, bases: tuple[int, ...], batch: int, size: int, depth: int) -> Iterator[Layer]:
    for base in bases:
        for level in range(depth + 1):
            n, w = size // 2**level, base * 2**level
            if kind == "w to w":
                yield Layer(f"3x3 {w} to {w}, {n}²", base, _SAME, batch, (n, n), (n, n), (w, w))
            elif kind == "2w to w" and level < depth:
                yield Layer(f"3x3 {2 * w} to {w}, {n}²", base, _SAME, batch, (n, n), (n, n), (2 * w, w))
            elif kind == "up" and level < depth:
                half = n // 2
                yield Layer(f"2x2 up {2 * w} to {w}, {n}²", base, _HALF, batch, (n, n), (half, half), (w, 2 * w))
        if kind == "first":
            yield Layer(f"3x3 1 to {base}, {size}²", base, _SAME, batch, (size, size), (size, size), (1, base))
        elif kind == "head":
            yield Layer(f"1x1 {base} to 2, {size}²", base, _POINT, batch, (size, size), (size, size), (base, 2))
        elif kind == "bottom":
            n, w = size // 2**depth, base * 2**depth
            yield Layer(f"3x3 {w // 2} to {w}, {n}²", base, _SAME, batch, (n, n), (n, n), (w // 2, w))


def run(record: Record, tiny: bool) -> None:
    """As many layers as there is time for."""
    table = list(layers((2,), 1, 4, 1) if tiny else layers((64, 32, 16), 4, 256, 4))
    ratios: dict[str, list[float]] = {"float32": [], "TF32": []}
    try:
        with timing.one_stream():
            for number, layer in enumerate(table):
                for kernel in KERNELS:
                    if not record.has_time():
                        left = ", ".join(f"{rest.label} (base {rest.base})" for rest in table[number:])
                        record.note(f"no time for (all of): {left}")
                        return
                    _measure(record, layer, kernel, ratios)
    finally:
        settings.set_allow_tf32(False)
        for precision, found in ratios.items():
            if found:
                mean = math.exp(sum(map(math.log, found)) / len(found))
                target = _TARGETS[precision]
                record.add(TARGETS, what=f"convolutions, {precision}, geometric mean", value=mean, target=target)
                record.add(TARGETS, what=f"convolutions, {precision}, worst", value=min(found), target=target)


def _measure(record: Record, layer: Layer, kernel: str, ratios: dict[str, list[float]]) -> None:
    arrays = Inputs(layer)
    sets = [arrays.ours(i) for i in range(arrays.copies)]
    exact = arrays.exact(kernel) if torch is not None else None
    for precision in ("float32", "TF32"):
        settings.set_allow_tf32(precision == "TF32")
        contestants: dict[str, timing.Work] = {"ours": lambda i: call(kernel, layer, sets[i % len(sets)])}
        row: dict[str, Any] = {"layer": layer.label, "base": layer.base, "kernel": kernel, "precision": precision}
        if exact is not None:
            row["error"] = _error(call(kernel, layer, sets[0]).to_host(), exact)
            limit = _ERRORS[precision]
            record.check(row["error"] < limit, f"{layer.label} {kernel} {precision}: error {row['error']:.2g}")
            contestants |= arrays.peers(kernel, precision)
            row["torch error"] = _error(arrays.to_ours(kernel, contestants["torch"](0)), exact)
        times = timing.alternate(contestants, seconds=0.04, rounds=3, hide_launches=True)
        row |= {f"{name} µs": 1e3 * spent for name, spent in times.items()}
        row["TFLOP/s"] = 1e-9 * layer.flops / times["ours"]
        if exact is not None:
            row["ratio"] = min(spent for name, spent in times.items() if name != "ours") / times["ours"]
            ratios[precision].append(row["ratio"])
        record.add("convolutions", **row)
    sets.clear()
    if timing.TORCH_CUDA:
        torch.cuda.empty_cache()


def call(kernel: str, layer: Layer, arrays: tuple[CudaArray, CudaArray, CudaArray]) -> CudaArray:
    """One of our three kernels on (x, w, y)."""
    device, (x, w, y) = kernels.load("cuda"), arrays
    if kernel == "conv2d":
        return device.conv2d(x, w, None, layer.window, 1, layer.output_size, False)
    if kernel == "conv_transpose2d":
        return device.conv_transpose2d(y, w, None, layer.window, 1, layer.size, False)
    return device.conv2d_weight(x, y, layer.window, 1)


class Inputs:
    """x, w and y of a layer for us and for PyTorch, several times where they would stay in the cache."""

    def __init__(self, layer: Layer):
        self._layer, self._random = layer, np.random.default_rng(0)
        C, K = layer.channels
        self._host = (
            self._normal(layer.batch, *layer.size, C),
            self._normal(*layer.window.kernel_size, C, K) / math.sqrt(math.prod(layer.window.kernel_size) * C),
            self._normal(layer.batch, *layer.output_size, K),
        )
        self.copies = timing.copies_beyond_cache(sum(array.nbytes for array in self._host))

    def _normal(self, *shape: int) -> np.ndarray:
        return self._random.standard_normal(shape, np.float32)

    def ours(self, number: int) -> tuple[CudaArray, CudaArray, CudaArray]:
        """A set of our arrays; its number only says that it is another one."""
        x, w, y = (kernels.load("cuda").from_host(array) for array in self._host)
        return x, w, y

    def torchs(self, dtype: Any, channels_last: bool) -> tuple[Any, Any, Any]:
        """(x, w, y) of PyTorch: (N, C, H, W), (K, C, kh, kw), (N, K, P, Q)."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        x, w, y = (torch.from_numpy(array).to(timing.TORCH_DEVICE, dtype) for array in self._host)
        images = (x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), y.permute(0, 3, 1, 2))
        x, w, y = (image.clone(memory_format=layout) for image in images)
        return x, w, y

    def exact(self, kernel: str) -> np.ndarray:
        """The result in float64, as our array would be."""
        return self.to_ours(kernel, torch_call(kernel, self._layer, self.torchs(torch.float64, False)))

    def to_ours(self, kernel: str, result: Any) -> np.ndarray:
        """A result of PyTorch's in our order of axes, on the host."""
        order = (2, 3, 1, 0) if kernel == "conv2d_weight" else (0, 2, 3, 1)
        return result.permute(order).cpu().numpy()

    def peers(self, kernel: str, precision: str) -> dict[str, timing.Work]:
        """What we are compared with."""
        allowed = precision == "TF32"
        plain = [self.torchs(torch.float32, False) for _ in range(self.copies)]
        found = {"torch": _peer(kernel, self._layer, plain, allowed, False)}
        if allowed:
            last = [self.torchs(torch.float32, True) for _ in range(self.copies)]
            found["torch channels-last"] = _peer(kernel, self._layer, last, allowed, True)
        return found


def _peer(kernel: str, layer: Layer, sets: list[Any], allow_tf32: bool, benchmark: bool) -> timing.Work:
    def work(number: int) -> Any:
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = allow_tf32, benchmark
        return torch_call(kernel, layer, sets[number % len(sets)])

    return work


def torch_call(kernel: str, layer: Layer, arrays: Any) -> Any:
    """The same of PyTorch on its (x, w, y)."""
    x, w, y = arrays
    stride, padding = layer.window.stride, layer.window.padding
    if kernel == "conv2d":
        return torch.conv2d(x, w, None, stride, padding)
    wanted = [kernel == "conv_transpose2d", kernel == "conv2d_weight", False]
    rest = (stride, padding, (1, 1), False, (0, 0), 1, wanted)
    return torch.ops.aten.convolution_backward(y, x, w, None, *rest)[wanted.index(True)]


def _error(actual: np.ndarray, exact: np.ndarray) -> float:
    difference = actual.astype(np.float64) - exact
    return float(np.linalg.norm(difference.ravel()) / np.linalg.norm(exact.astype(np.float64).ravel()))
