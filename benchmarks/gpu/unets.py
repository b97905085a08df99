"""Whole training steps of U-Nets (forward, cross-entropy, backward, Adam) beside the same in PyTorch."""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np

import minifcn as mf
from minifcn import cuda, settings
from minifcn.benchmarks.cases import NetworkCase
from minifcn.benchmarks.gpu import timing
from minifcn.benchmarks.gpu.record import Record
from minifcn.benchmarks.gpu.report import TARGETS
from minifcn.functional import cross_entropy
from minifcn.kernels.cuda import launching
from minifcn.kernels.cuda.lang import SIMULATED
from minifcn.models import UNet
from minifcn.optim import Adam

torch = timing.torch

#: Batch and size; every one with every base.
_INPUTS = ((4, 256), (1, 512), (16, 512))
_BASES = (64, 32, 16)


def run(record: Record, tiny: bool) -> None:
    """The networks in order of interest, as far as the time goes."""
    table = [(1, 1, 4, 1)] if tiny else [(b, *i, 4) for i, b in itertools.product(_INPUTS, _BASES)]
    ratios: dict[str, list[float]] = {"float32": [], "TF32": []}
    try:
        with timing.one_stream():
            for number, row in enumerate(table):
                if not record.has_time():
                    rest = "; ".join(f"base {b}, {n} x {size}²" for b, n, size, _ in table[number:])
                    record.note(f"no time for: {rest}")
                    return
                try:
                    _network(record, *row, ratios)
                except Exception as problem:
                    # Ours, its graph and PyTorch's networks are there together: on a small GPU, that can be too much.
                    if "OutOfMemory" not in type(problem).__name__:
                        raise
                    record.note(f"base {row[0]}, {row[1]} x {row[2]}²: {str(problem)[:200]}")
                    problem.__traceback__ = None  # it holds the networks
                _release()
    finally:
        settings.set_allow_tf32(False)
        for precision, found in ratios.items():
            if found:
                mean = math.exp(sum(map(math.log, found)) / len(found))
                target = {"float32": 0.8, "TF32": 0.5}[precision]
                record.add(TARGETS, what=f"U-Net steps, {precision}, geometric mean", value=mean, target=target)
                record.add(TARGETS, what=f"U-Net steps, {precision}, worst", value=min(found), target=target)


def _network(record: Record, base: int, batch: int, size: int, depth: int, ratios: dict[str, list[float]]) -> None:
    for precision in ("float32", "TF32"):
        settings.set_allow_tf32(precision == "TF32")
        name: dict[str, Any] = {"base": base, "batch": batch, "size": size, "precision": precision}
        ours, row = Ours(base, batch, size, depth), dict(name)
        first = ours.step(0)
        row["launches"] = ours.launches()
        cuda.reset_peak()
        ours.step(0)
        row["peak MiB"] = cuda.memory_stats().peak / 2**20
        contestants: dict[str, timing.Work] = {"eager": ours.step}
        graph = _attempt(record, ours.graphed)
        if graph is not None:
            contestants["graph"] = graph
        if torch is not None:
            for label, layout in {"torch": False, "torch channels-last": True}.items():
                if label == "torch" or precision == "TF32":
                    peer = Theirs(ours, precision == "TF32", layout)
                    theirs = float(peer.step(0).item())
                    off = abs(theirs / float(first) - 1)
                    record.check(off < 5e-3, f"{name}: our first loss is {float(first):.6g}, {label}'s {theirs:.6g}")
                    row[f"{label} peak MiB"] = peer.peak()
                    contestants[label] = peer.step
        times = timing.alternate(contestants, seconds=0.8, rounds=5)
        row |= {f"{label} ms": spent for label, spent in times.items()}
        peers = [spent for label, spent in times.items() if label.startswith("torch")]
        if peers:
            best = min(spent for label, spent in times.items() if not label.startswith("torch"))
            row |= {"eager ratio": min(peers) / times["eager"], "ratio": min(peers) / best}
            ratios[precision].append(row["ratio"])
        record.add("training steps", **row)
        del ours, graph, contestants
        gc.collect()


class Ours:
    """A network, its optimiser and a batch on the GPU."""

    def __init__(self, base: int, batch: int, size: int, depth: int):
        mf.manual_seed(1)
        self.case = NetworkCase("", "", base, size, batch, depth)
        self.net = UNet(1, 2, base=base, depth=depth, norm="batch")
        self.weights = self.net.state_dict()
        self.net.to("cuda")
        self.optimizer = Adam(self.net.parameters(), lr=1e-4)
        draw = np.random.default_rng(1)
        self.images = draw.standard_normal((batch, size, size, 1), np.float32)
        self.labels = draw.integers(0, 2, (batch, size, size))
        self._on_gpu = mf.tensor(self.images).to("cuda"), mf.tensor(self.labels).to("cuda")

    def step(self, _: int) -> Any:
        """A training step; the loss stays on the GPU, so nothing waits."""
        self.optimizer.zero_grad()
        loss = _backward(self.net, *self._on_gpu)
        self.optimizer.step()
        return loss

    def launches(self) -> int:
        """Kernels in a step."""
        with _counted() as count:
            self.step(0)
        return count[0]

    def graphed(self) -> timing.Work:
        """The step with forward and backward replayed from a graph."""
        recorded = cuda.graphed(lambda x, y: _backward(self.net, x, y), *self._on_gpu, module=self.net)

        def step(_: int) -> Any:
            loss = recorded(*self._on_gpu)
            self.optimizer.step()
            return loss

        step(0)
        return step


def _backward(net: UNet, images: Any, labels: Any) -> Any:
    loss = cross_entropy(net(images), labels)
    loss.backward()
    return loss


class Theirs:
    """The same in PyTorch, from the same weights."""

    def __init__(self, ours: Ours, allow_tf32: bool, channels_last: bool):
        from minifcn.benchmarks import twin

        self._allow_tf32, self._benchmark = allow_tf32, channels_last
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._net = twin.build(ours.case, ours.weights, layout).to(timing.TORCH_DEVICE)
        self._optimizer = torch.optim.Adam(self._net.parameters(), lr=1e-4)
        images = torch.from_numpy(ours.images).permute(0, 3, 1, 2).to(timing.TORCH_DEVICE)
        self._images = images.contiguous(memory_format=layout)
        self._labels = torch.from_numpy(ours.labels).to(timing.TORCH_DEVICE)

    def step(self, _: int) -> Any:
        """A training step."""
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = self._allow_tf32, self._benchmark
        self._optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(self._net(self._images), self._labels)
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def peak(self) -> float:
        """MiB in tensors, at most, of a step."""
        if not timing.TORCH_CUDA:
            return 0.0
        before = torch.cuda.memory_allocated()
        own = sum(t.numel() * t.element_size() for t in self._net.state_dict().values()) * 4  # gradients, two moments
        torch.cuda.reset_peak_memory_stats()
        self.step(0)
        return float(torch.cuda.max_memory_allocated() - max(0, before - own)) / 2**20


@contextmanager
def _counted() -> Any:
    count = [0]

    def observe(kernel: Any, grid: Any, block: Any, arguments: Any, launch: Callable[..., None]) -> None:
        count[0] += 1
        launch(grid, block, arguments)

    before, launching.observer = launching.observer, observe
    try:
        yield count
    finally:
        launching.observer = before


def _attempt(record: Record, function: Callable[[], timing.Work]) -> timing.Work | None:
    """A graph, or a failure that spoils nothing else."""
    try:
        return function()
    except Exception as problem:
        record.fail(f"graph: {type(problem).__name__}: {problem}")
        return None


def _release() -> None:
    gc.collect()
    if not SIMULATED:
        cuda.release_memory()
    if timing.TORCH_CUDA:
        torch.cuda.empty_cache()
