"""What the GPU and the drivers can do: bandwidth of copies, cost of a launch, rates of large matrix products."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np

from minifcn.benchmarks.gpu import timing
from minifcn.benchmarks.gpu.record import Record
from minifcn.kernels.cuda import driver
from minifcn.kernels.cuda.array import CudaArray, empty, full
from minifcn.kernels.cuda.lang import SIMULATED, cuda, u32
from minifcn.kernels.cuda.launching import jit

torch = timing.torch


@jit()
def _nothing(a, b, c):  # type: ignore[no-untyped-def]
    i = u32(cuda.threadIdx.x)
    if i == u32(10000):
        a[i] = b[i] + c[i]


def run(record: Record, tiny: bool) -> None:
    """Limits that the other parts compare with."""
    with timing.one_stream():
        size = 2**12 if tiny else 2**30
        record.add("limits", what="device-to-device copy", value=copy_bandwidth(size), unit="GB/s read + written")
        record.add("limits", what="its size", value=size / 2**20, unit="MiB")
        _launches(record, 3 if tiny else 2000)
        if torch is not None:
            _products(record, 16 if tiny else 8192)


def copy_bandwidth(size: int) -> float:
    """GB/s, read and written, of a copy of ``size`` bytes by the driver."""
    source, target = full((size,), 1, np.uint8), empty((size,), np.uint8)

    def copy(_: int) -> None:
        driver.copy_on_device(target.pointer, source.pointer, size)

    return 2e-6 * size / timing.alternate({"copy": copy})["copy"]


def _launches(record: Record, count: int) -> None:
    arrays = [full((32,), 0, np.float32) for _ in range(3)]
    record.add("limits", what="launch: ours, three arrays", value=_host_time(arrays, count), unit="µs")
    if timing.TORCH_CUDA:
        x = torch.zeros(32, device="cuda")

        def add(_: int) -> None:
            torch.add(x, x, out=x)

        record.add("limits", what="launch: torch.add(out=)", value=_host_microseconds(add, count), unit="µs")


def _host_time(arrays: list[CudaArray], count: int) -> float:
    return _host_microseconds(lambda _: _nothing.launch(1, 4 if SIMULATED else 32, *arrays), count)


def _host_microseconds(work: timing.Work, count: int) -> float:
    """Of the host, which queues work without waiting for it; in portions that the queue holds."""
    work(0)
    spent = 0.0
    for _ in range(max(1, count // 200)):
        driver.synchronize()
        began = time.perf_counter()
        for i in range(min(count, 200)):
            work(i)
        spent += time.perf_counter() - began
    driver.synchronize()
    return 1e6 * spent / (max(1, count // 200) * min(count, 200))


def _products(record: Record, n: int) -> None:
    """PyTorch's rates of n x n products: what a convolution could reach at the very most."""
    for name, dtype, allowed in (
        ("float32", torch.float32, False),
        ("TF32", torch.float32, True),
        ("bfloat16", torch.bfloat16, True),
    ):
        torch.backends.cuda.matmul.allow_tf32 = allowed
        a, b = (torch.randn(n, n, device=timing.TORCH_DEVICE).to(dtype) for _ in range(2))
        spent = timing.alternate({name: partial(_product, a, b)})[name]
        record.add("limits", what=f"matrix product, torch, {name}", value=2e-9 * n**3 / spent, unit="TFLOP/s")
    torch.backends.cuda.matmul.allow_tf32 = False


def _product(a: Any, b: Any, _: int) -> Any:
    return a @ b
