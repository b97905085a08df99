"""What the check ran on and with."""

from __future__ import annotations

import platform
from importlib import metadata

import numpy as np

from minifcn.benchmarks.gpu.record import Record

_PACKAGES = (
    *("numpy", "numba", "numba-cuda", "cuda-bindings", "cuda-core", "cuda-pathfinder", "cuda-toolkit", "llvmlite"),
    *("nvidia-cuda-nvcc", "nvidia-cuda-runtime", "nvidia-cuda-nvrtc", "nvidia-nvjitlink", "nvidia-cudnn-cu13", "torch"),
)


def run(record: Record, tiny: bool) -> None:
    """Python, packages, then the GPU: most telling if a later part cannot even begin."""
    record.add("versions", what="python", version=platform.python_version())
    for package in _PACKAGES:
        try:
            record.add("versions", what=package, version=metadata.version(package))
        except metadata.PackageNotFoundError:
            record.add("versions", what=package, version="not installed")
    record.save()
    from minifcn import kernels
    from minifcn.kernels.cuda import driver, lang

    record.add("versions", what="simulator", version=str(lang.SIMULATED))
    for what, value in driver.info()._asdict().items():
        record.add("versions", what=what, version=str(value))
    device = kernels.load("cuda")
    y = device.to_host(device.add(device.from_host(np.ones(3, np.float32)), device.from_host(np.ones(3, np.float32))))
    record.check(y.tolist() == [2.0, 2.0, 2.0], f"1 + 1 = {y.tolist()}")
