"""Kernels compile for GPUs that are not here, and none of their values spill to slow memory: the first of each module.

``python -m minifcn.benchmarks.gpu.resources`` takes all of them, and minutes.
"""

import os
import subprocess
import sys

import pytest

pytest.importorskip("numba.cuda", reason="numba-cuda is not installed")

SCRIPT = """
from minifcn.benchmarks.gpu import resources
if resources.tool("ptxas") is None:
    print("NO PTXAS")
    raise SystemExit
names = resources.modules()
print("MODULES", len(names))
for name in names:
    for found in resources.measured(name, 2, ((9, 0),)):
        print("KERNEL", found.spilled_bytes, found.registers, found.module, found.label)
"""


def test_first_kernels_of_every_module_compile_and_spill_nothing() -> None:
    # In a process of its own: here, the simulator may be on, which compiles nothing.
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    if "NO PTXAS" in done.stdout:
        pytest.skip("ptxas is not installed: nvidia-cuda-nvcc has it")
    lines = [line.split(maxsplit=3) for line in done.stdout.splitlines() if line.startswith("KERNEL")]
    assert len(lines) >= 10
    for _, spilled, registers, label in lines:
        assert int(spilled) == 0, f"{label}: {spilled} bytes spilled"
        assert 0 < int(registers) <= 255, label
