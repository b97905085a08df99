"""``minifcn info``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any


def info() -> None:
    """Show versions, the processor, threads, devices and caches: what to add to a bug report."""
    for name, value in facts().items():
        print(f"{name:14}{value}")


def facts() -> dict[str, Any]:
    """What `info` shows, by name."""
    import llvmlite.binding as llvm
    import numba
    import numpy

    import minifcn
    from minifcn import kernels
    from minifcn.data import data_home
    from minifcn.kernels.cpu.jit import cache_folder
    from minifcn.kernels.cpu.simd import VECTOR_BYTES

    features = llvm.get_host_cpu_features()
    interesting = ("avx2", "fma", "avx512f", "avx512bf16", "amx-bf16", "neon", "sve")
    cache = cache_folder()
    compiled = list(cache.rglob("*.nbc"))
    megabytes = sum(path.stat().st_size for path in compiled) / 2**20
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "minifcn": minifcn.__version__,
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
        "Numba": numba.__version__,
        "PyTorch": _version("torch"),
        "system": platform.platform(),
        "processor": llvm.get_host_cpu_name(),
        "features": ", ".join(name for name in interesting if features.get(name))
        or "none of " + ", ".join(interesting),
        "SIMD vectors": f"{VECTOR_BYTES * 8} bits",
        "threads": minifcn.get_num_threads(),
        "memory": f"{physical / 2**30:.1f} GiB in the machine",
        "convolution": f"{minifcn.settings.conv()} (set MINIFCN_CONV to auto, direct or winograd)",
        "devices": ", ".join(kernels.DEVICES),
        "GPU": _gpu(),
        "kernel cache": f"{cache} ({len(compiled)} compiled, {megabytes:.1f} MiB)",
        "data": f"{data_home()} (set MINIFCN_DATA to move it)",
    }


def _gpu() -> str:
    """The GPU, its driver and its memory, or why there is none."""
    from minifcn import cuda

    missing = cuda.unavailable_because()
    if missing is not None:
        return f"none: {missing}"
    from minifcn.kernels.cuda import driver, lang

    info, stats = driver.info(), cuda.memory_stats()
    if lang.SIMULATED:
        return "none: kernels are simulated (NUMBA_ENABLE_CUDASIM)"
    return (
        f"{cuda.name()}, {info.multiprocessors} multiprocessors, {stats.total / 2**30:.0f} GiB "
        f"({stats.free / 2**30:.0f} free), CUDA {info.driver_version}, numba-cuda {_version('numba-cuda')}"
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed (only needed by the tests)"
