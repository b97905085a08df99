"""Measurements that need a process of their own; ``python -m minifcn.benchmarks.probe NAME [ARGUMENT]`` prints one.

Peak memory, because a process's peak is its own history; start-up, because that is what is measured; and the limits of
the machine, because BLAS libraries take their number of threads when they are loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from minifcn import limits

_MIB = 2**20


def run(name: str, *arguments: str, threads: int, environment: dict[str, str] | None = None) -> float:
    """The number that a probe prints in a fresh process.

    Raises:
        RuntimeError: it failed; with the last line of what it said.
    """
    variables = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    settings = {**os.environ, **dict.fromkeys(variables, str(threads)), **(environment or {})}
    command = [sys.executable, "-m", "minifcn.benchmarks.probe", name, *arguments]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(f"bench: probe {' '.join((name, *arguments))} failed: {lines[-1]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def seconds_to_import() -> float:
    """``import minifcn``, in a process that has imported nothing."""
    code = "import time; t = time.perf_counter(); import minifcn; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def first_step() -> float:
    """Seconds from ``import minifcn`` (not included) to the end of the first training step of a U-Net of base 16."""
    import numpy as np

    import minifcn as mf
    from minifcn import functional as F
    from minifcn import models, optim

    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((1, 64, 64, 1), np.float32), rng.integers(0, 2, (1, 64, 64))
    begin = time.perf_counter()
    model = models.UNet(1, 2, base=16, norm="batch")
    optimizer = optim.Adam(model.parameters())
    loss = F.cross_entropy(model(mf.Tensor(images)), labels)
    loss.backward()
    optimizer.step()
    loss.item()
    return time.perf_counter() - begin


def memory(contestant: str, label: str) -> float:
    """MiB by which three training steps raise the peak above what imports and a tiny network left behind."""
    import numpy as np

    from minifcn.benchmarks.cases import CASES, MemoryCase, NetworkCase

    (case,) = (case for case in CASES if isinstance(case, MemoryCase) and case.label == label)
    network = case.network
    tiny = NetworkCase("memory", "tiny", 4, 32, depth=2, norm=network.norm, padding=network.padding)
    rng = np.random.default_rng(0)
    for _ in range(2):
        _step_of(contestant, tiny, rng)()
    before = _status("VmRSS")
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak starts anew: proc(5)
    step = _step_of(contestant, network, rng)
    for _ in range(3):
        step()
    return (_status("VmHWM") - before) / _MIB


def _step_of(contestant: str, case: Any, rng: Any) -> Callable[[], Any]:
    from minifcn.benchmarks.peers import engine, pytorch
    from minifcn.benchmarks.tasks import network_task

    module = engine if contestant == "minifcn" else pytorch
    threads = int(os.environ["OMP_NUM_THREADS"])
    only = None if contestant == "minifcn" else contestant
    task = network_task(case, rng, compiled=False)
    return next(c.run for c in module.prepare(task, threads) if only in (None, c.name))


def _status(field: str) -> int:
    """A line of /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(field + ":"))


def blas(library: str) -> float:
    """GFLOP/s of a large float32 matrix product: the most that any kernel could reach."""
    n = 3072
    if library == "torch":
        import torch

        a, b, c = (torch.rand(n, n) for _ in range(3))
        return 2e-9 * n**3 / limits.best(lambda: torch.mm(a, b, out=c), 10)
    return 2e-9 * limits.matmul_rate(n, 10)


def bandwidth(threads: str) -> float:
    """GB/s, read and written, of copying arrays far larger than the caches are expected to be."""
    return 1e-9 * limits.copy_rate(int(threads), 2**29, 10)


PROBES: dict[str, Callable[..., float]] = {
    "import": seconds_to_import,
    "first_step": first_step,
    "memory": memory,
    "blas": blas,
    "bandwidth": bandwidth,
}

if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]](*sys.argv[2:])))
