"""The table of cases that the tests hold every device against, on this GPU, against the reference.

The table lies in ``tests/``, which is not installed: the check needs a checkout. It does not need pytest.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from minifcn import kernels
from minifcn.benchmarks.gpu import places
from minifcn.benchmarks.gpu.record import Record
from minifcn.kernels.cpu.choice import forcing

_GROUPS = {
    "elementwise": ("elementwise",),
    "others": ("reductions", "arrangement", "pooling"),
    "convolutions": ("convolutions",),
    "vectors": ("resampling", "normalisation", "classification", "optimisers"),
}


def run(record: Record, tiny: bool, group: str) -> None:
    """Every case in both dtypes, with arrays that are contiguous, and that are transposed views."""
    folder = Path(__file__).resolve().parents[2] / "tests"
    if not (folder / "kernel_cases.py").exists():
        record.note(f"left out: there is no {folder / 'kernel_cases.py'}")
        return
    sys.path.insert(0, str(folder))
    table, tolerances = import_module("kernel_cases"), import_module("tolerances")
    counts: dict[str, int] = {}
    for family in table.FAMILIES:
        if family.__name__ not in _GROUPS[group]:
            continue
        for number, case in enumerate(family()):
            if case.algorithm != "direct" or (tiny and number % 29):
                continue  # other algorithms are the CPU's
            for dtype in ("float32",) if tiny else ("float32", "float64"):
                if not record.has_time():
                    record.note(f"no time from {case} on")
                    return
                _check(record, case, table.Draw, tolerances.assert_close, dtype)
                counts[case.kernel] = counts.get(case.kernel, 0) + 1
    for kernel, count in counts.items():
        record.add("calls", kernel=kernel, calls=count)


def _check(record: Record, case: Any, draw: Any, assert_close: Any, dtype: str) -> None:
    try:
        arguments = case.arguments(draw(dtype))
        with forcing("direct"):
            returned = getattr(kernels.load("reference"), case.kernel)(*arguments)
        wanted = places.results(returned, arguments, case.updated)
        for transposed in (False, True):
            placed = tuple(places.to_device(a, transposed) for a in case.arguments(draw(dtype)))
            actual = places.results(getattr(kernels.load("cuda"), case.kernel)(*placed), placed, case.updated)
            for a, b in zip(actual, wanted, strict=True):
                assert_close(a, b, case.terms, scale=4.0, growth=case.growth, context="transposed" * transposed)
    except Exception as problem:
        record.fail(f"{case} {dtype}: {traceback.format_exc(limit=-4)[-1500:]}")
        if "CUDA_ERROR" in str(problem):  # nothing works in this process any more
            raise
