"""What runs beside the kernels: batches copied while the GPU computes, values read late, profiles, shared memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

import minifcn as mf
from minifcn.benchmarks.gpu import timing, training
from minifcn.benchmarks.gpu.record import Record
from minifcn.cuda import Readback, prefetched, profile, synchronize
from minifcn.kernels import load
from minifcn.kernels.cuda.array import CudaArray
from minifcn.kernels.cuda.interchange import imported
from minifcn.kernels.cuda.lang import SIMULATED

torch = timing.torch


def run(record: Record, tiny: bool) -> None:
    """The quick ones first; those that find no time left are left out."""
    _shared_memory(record, 3 if tiny else 1000)
    _late_values(record, 4 if tiny else 4096)
    if record.has_time(0.6):
        _prefetching(record, (1, 2, 2, 1) if tiny else (16, 512, 512, 3), 2 if tiny else 30)
    if record.has_time(0.8):
        _profile(record, tiny)
    else:
        record.note("no time was left for a profile")


# --- memory shared with other libraries -------------------------------------------------------------------------------


class _OnlyInterface:
    """An array of another library that shows only its CUDA array interface."""

    def __init__(self, owner: Any):
        self.owner, self.__cuda_array_interface__ = owner, owner.__cuda_array_interface__


def _shared_memory(record: Record, n: int) -> None:
    """Addresses are the same, and what one library writes the other reads, also across streams."""
    if torch is None:
        record.note("PyTorch is not installed: no memory was shared with it")
        return
    _with_pytorch(record, n)
    try:
        cupy = import_module("cupy")
    except ImportError:
        record.note("CuPy is not installed: no memory was shared with it")
        return
    ours = _made(n)
    for how, theirs in (("DLPack", cupy.from_dlpack(ours)), ("interface", cupy.asarray(ours))):
        _same(record, f"CuPy takes ours: {how}", theirs.data.ptr, _address(ours))
    theirs = cupy.arange(n * n, dtype="float32").reshape(n, n).T
    for how, owner in (("DLPack", theirs), ("interface", _OnlyInterface(theirs))):
        taken = mf.from_dlpack(owner)
        _same(record, f"ours from CuPy: {how}, transposed", _address(taken), theirs.data.ptr)
        record.check(np.array_equal(taken.to("cpu").numpy(), theirs.get()), f"CuPy's values were read wrongly: {how}")


def _with_pytorch(record: Record, n: int) -> None:
    """PyTorch and minifcn, both ways, by both protocols."""
    ours = _made(n)
    theirs = torch.from_dlpack(ours)
    _same(record, "PyTorch takes ours: DLPack", theirs.data_ptr(), _address(ours))
    theirs += 1  # on PyTorch's stream
    record.check(float((ours * 1.0).to("cpu").numpy()[0, 1]) == 2.0, "a write of PyTorch's was not seen")
    theirs = torch.arange(n * n, dtype=torch.float32, device=timing.TORCH_DEVICE).reshape(n, n).T
    taken = mf.Tensor(imported(theirs), device="cuda")
    _same(record, "ours from PyTorch: DLPack, transposed", _address(taken), theirs.data_ptr())
    record.check(np.array_equal(taken.to("cpu").numpy(), theirs.cpu().numpy()), "PyTorch's values were read wrongly")
    if not timing.TORCH_CUDA:
        return
    seen = torch.as_tensor(ours, device="cuda")
    _same(record, "PyTorch takes ours: interface", seen.data_ptr(), _address(ours))
    taken = mf.from_dlpack(_OnlyInterface(theirs))
    _same(record, "ours from PyTorch: interface, transposed", _address(taken), theirs.data_ptr())
    _across_streams(record, n)


def _across_streams(record: Record, n: int) -> None:
    """A stream of PyTorch's that waits for nobody by itself must wait for ours, and ours for it."""
    wrong = 0
    for number in range(20):
        x = mf.Tensor(np.full((n, n), number, np.float32), device="cuda")
        for _ in range(5):
            x = mf.functional.matmul(x, mf.Tensor(np.eye(n, dtype=np.float32), device="cuda"))
        with torch.cuda.stream(torch.cuda.Stream()):
            theirs = torch.from_dlpack(x) + 1
            for _ in range(5):
                theirs = theirs @ torch.eye(n, device="cuda")
            back = mf.from_dlpack(theirs)
            wrong += int((back.to("cpu").numpy() != number + 1).sum())
    record.add("shared memory", what="20 times through another stream", shared=True, wrong=wrong)
    record.check(wrong == 0, f"{wrong} numbers were read before they were there")


def _made(n: int) -> mf.Tensor:
    """n x n: 0, 1, 2, ... on the GPU."""
    return mf.Tensor(np.arange(n * n, dtype=np.float32).reshape(n, n), device="cuda")


def _address(tensor: mf.Tensor) -> int:
    """Of the first element."""
    data: CudaArray = tensor.data
    return data.pointer


def _same(record: Record, what: str, one: int, other: int) -> None:
    record.add("shared memory", what=what, shared=one == other, wrong=None)
    record.check(one == other, f"{what}: a copy was made")


# --- values that come later -------------------------------------------------------------------------------------------


def _late_values(record: Record, n: int) -> None:
    """To ask for a value must not wait for the GPU, which is busy for many milliseconds."""
    x, loss = _made(n), mf.Tensor(np.full((), 2.5, np.float32), device="cuda")
    kernels = load("cuda")
    kernels.matmul(x.data, x.data)
    Readback(loss).value()
    synchronize()
    for _ in range(2 if SIMULATED else 20):
        kernels.matmul(x.data, x.data)
    began = time.perf_counter()
    late = Readback(loss)
    asked, early = time.perf_counter() - began, late.ready
    value = late.value()
    waited = time.perf_counter() - began
    record.add("late values", what="to ask", milliseconds=asked * 1e3)
    record.add("late values", what="to have it", milliseconds=waited * 1e3)
    record.check(value == 2.5, f"2.5 came back as {value}")
    if not SIMULATED:
        record.check(not early and asked < waited / 4, f"to ask took {asked * 1e3:.2f} ms of {waited * 1e3:.2f}")


# --- batches copied ahead ---------------------------------------------------------------------------------------------


def _prefetching(record: Record, shape: tuple[int, ...], steps: int) -> None:
    """A step that computes about as long as its images take to come: alone, after its images, and beside the next."""
    images = [np.random.default_rng(i).standard_normal(shape).astype(np.float32) for i in range(4)]
    kernels = load("cuda")
    square = _made(4 if SIMULATED else 2048)
    alone = _seconds(lambda: kernels.matmul(square.data, square.data), 1 if SIMULATED else 10)
    copied = _seconds(lambda: kernels.from_host(images[0]), 1 if SIMULATED else 10)
    products = 1 if SIMULATED else max(1, round(1.5 * copied / alone))

    def step(x: mf.Tensor) -> None:
        for _ in range(products):
            kernels.matmul(square.data, square.data)
        sums.append(Readback(mf.functional.sum(x)))

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((images[i % 4], np.array([i])) for i in range(steps))

    times: dict[str, float] = {}
    results: dict[str, list[float]] = {}
    there = mf.Tensor(images[0], device="cuda")
    ways: dict[str, Callable[[], Iterable[Any]]] = {
        "no copies": lambda: ((there, None) for _ in range(steps)),
        "copied before each step": lambda: ((mf.Tensor(x, device="cuda"), y) for x, y in batches()),
        "prefetched": lambda: prefetched(batches()),
    }
    for name, way in ways.items():
        for _ in range(1 if SIMULATED else 2):  # the first time pins memory
            sums: list[Readback] = []
            synchronize()
            began = time.perf_counter()
            for x, _ in way():
                step(x)
            synchronize()
            times[name] = (time.perf_counter() - began) / steps
            results[name] = [late.value() for late in sums]
        record.add("prefetching", way=name, milliseconds_a_step=times[name] * 1e3)
    record.add("prefetching", way="(a copy alone)", milliseconds_a_step=copied * 1e3)
    record.check(results["prefetched"] == results["copied before each step"], "prefetched batches hold other values")
    if not SIMULATED:
        saved = times["copied before each step"] - times["prefetched"]
        cost = times["copied before each step"] - times["no copies"]
        record.note(
            f"prefetching hides {saved / cost:.0%} of what copies cost ({np.prod(shape) * 4e-6:.0f} MB a batch)"
        )
        record.check(saved > 0.5 * cost, "less than half of the copies' time is hidden")


def _seconds(work: Callable[[], Any], times: int) -> float:
    work()
    synchronize()
    began = time.perf_counter()
    for _ in range(times):
        work()
    synchronize()
    return (time.perf_counter() - began) / times


# --- profiles ---------------------------------------------------------------------------------------------------------


def _profile(record: Record, tiny: bool) -> None:
    """Of a training step of a U-Net."""
    base, depth, size = (1, 1, 4) if tiny else (32, 4, 256)
    made = training.made(base, depth, size, "cuda")
    for _ in range(1 if tiny else 3):
        training.step(*made)
    with profile() as table:
        training.step(*made)
    for row in table.rows:
        record.add(
            "profile",
            kernel=row.kernel,
            calls=row.calls,
            milliseconds=row.seconds * 1e3,
            share=row.share,
            of_limit=row.of_limit,
        )
    busy = sum(row.seconds for row in table.rows)
    record.note(f"profile of a U-Net's step: {busy * 1e3:.2f} ms in kernels, {table.seconds * 1e3:.2f} ms in all")
    record.check(0 < busy <= table.seconds * 1.01, "kernels took longer than the block")
