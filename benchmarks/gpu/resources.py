"""Registers, shared memory and spills of every kernel, without a GPU: compiled offline, then asked of ptxas.

    python -m minifcn.benchmarks.gpu.resources --out benchmarks/results

Every module of kernels/cuda with kernels has ``kernels_to_check()``, which yields (label, Kernel, Numba's types).
A value that does not fit into registers goes to slow local memory: a spill. There should be none.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib
import importlib.util
import itertools
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

#: What is counted in the machine code: 128-bit loads, asynchronous copies, tensor cores, multiply-adds.
_INSTRUCTIONS = {
    "LDS.128": r"\bLDS\.128",
    "LDG.128": r"\bLDG\.[A-Z0-9.]*128",
    "LDGSTS": r"\bLDGSTS",
    "HMMA": r"\bHMMA",
    "FFMA": r"\bFFMA",
}
_CAPABILITIES = ((8, 0), (9, 0))


class Resources(NamedTuple):
    """What ptxas and nvdisasm say of one kernel."""

    module: str
    label: str
    architecture: str
    registers: int
    shared_bytes: int
    stack_bytes: int
    spilled_bytes: int
    instructions: dict[str, int]


def tool(name: str) -> str | None:
    """The path of one of CUDA's programs: on PATH, or in a package of NVIDIA's; None if it is not installed."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None and importlib.util.find_spec("cuda.pathfinder"):
        pathfinder = importlib.import_module("cuda.pathfinder")

        found = pathfinder.find_nvidia_binary_utility(name)
    return found


def package() -> Any:
    """minifcn.kernels.cuda without what its __init__ does first: to demand a GPU, which nothing here needs."""
    name = "minifcn.kernels.cuda"
    if name not in sys.modules:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise RuntimeError(f"{name} is not installed")
        sys.modules[name] = importlib.util.module_from_spec(spec)
    return sys.modules[name]


def modules() -> list[str]:
    """The modules with kernels."""
    names = [found.name for found in pkgutil.walk_packages(package().__path__, package().__name__ + ".")]
    return [name for name in names if hasattr(importlib.import_module(name), "kernels_to_check")]


def measured(module: str, first: int | None = None, capabilities: Any = _CAPABILITIES) -> Iterator[Resources]:
    """Of the kernels (or the first few) of a module, for each of the capabilities."""
    within = package().__name__ + "."
    for label, kernel, types in itertools.islice(importlib.import_module(module).kernels_to_check(), first):
        for capability in capabilities:
            yield measure(module.removeprefix(within), label, kernel, types, capability)


def measure(module: str, label: str, kernel: Any, types: Any, capability: tuple[int, int]) -> Resources:
    """Compile a kernel for a GPU that need not be there.

    Raises:
        RuntimeError: ptxas is missing, or refuses the code.
    """
    from minifcn.kernels.cuda.lang import offline

    assembler, disassembler = tool("ptxas"), tool("nvdisasm")
    if assembler is None:
        raise RuntimeError("ptxas is not installed; pip install nvidia-cuda-nvcc")
    architecture = "sm_" + "".join(map(str, capability))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_text(offline.compile_ptx(kernel, types, capability), encoding="utf-8")
        said = _output([assembler, "-v", f"-arch={architecture}", str(source), "-o", str(target)])
        code = _output([disassembler, "--print-code", str(target)]) if disassembler else ""
    counts = {name: len(re.findall(pattern, code)) for name, pattern in _INSTRUCTIONS.items()} if code else {}
    return Resources(module, label, architecture, *_read(said), counts)


def _read(said: str) -> tuple[int, int, int, int]:
    """Registers, and bytes of shared memory, stack and spills, in what ptxas says.

    >>> _read("0 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\\nUsed 32 registers, 512 bytes smem")
    (32, 512, 0, 12)
    """

    def number(pattern: str) -> int:
        return sum(map(int, re.findall(pattern, said)))

    spilled = number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads")
    return number(r"Used (\d+) registers"), number(r"(\d+) bytes smem"), number(r"(\d+) bytes stack frame"), spilled


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name}: {(done.stderr or done.stdout).strip()[:500]}")
    return done.stdout + done.stderr


def table(rows: list[Resources]) -> str:
    """Markdown."""
    names = [name for name in _INSTRUCTIONS if any(row.instructions for row in rows)]
    head = ["module", "kernel", "GPU", "registers", "shared", "stack", "spills", *names]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * 3 + " ---: |" * (len(head) - 3)]
    for row in rows:
        cells = [*map(str, row[:-1]), *(str(row.instructions.get(name, "")) for name in names)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(rows: list[Resources], failures: list[str]) -> str:
    """The page of results."""
    spilling = sum(1 for row in rows if row.spilled_bytes)
    text = (
        "# Resources of the CUDA kernels\n\n"
        "Compiled offline by `python -m minifcn.benchmarks.gpu.resources`: registers of a thread, bytes of shared "
        "memory of a block, bytes of stack and of spills of a thread, and instructions in the machine code.\n\n"
        f"{len(rows)} kernels and architectures, {spilling} with spills, {len(failures)} that did not compile.\n\n"
    )
    return text + "".join(f"FAILED: {failure}\n\n" for failure in failures) + table(rows) + "\n"


def _of_module(name: str) -> tuple[list[Resources], list[str]]:
    rows: list[Resources] = []
    try:
        rows += measured(name)
    except Exception as problem:
        return rows, [f"{name}: {type(problem).__name__}: {problem}"]
    return rows, []


def main() -> int:
    """0 if every kernel compiles without spills."""
    parser = argparse.ArgumentParser(prog="python -m minifcn.benchmarks.gpu.resources")
    parser.add_argument("--out", type=Path, required=True, help="folder for cuda-resources.md")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[Resources] = []
    failures: list[str] = []
    with concurrent.futures.ProcessPoolExecutor(options.processes) as pool:
        for found, wrong in pool.map(_of_module, modules()):
            rows += found
            failures += wrong
            (options.out / "cuda-resources.md").write_text(page(rows, failures), encoding="utf-8")
    for failure in failures:
        print(failure, file=sys.stderr)
    for row in rows:
        if row.spilled_bytes:
            print(f"{row.module} {row.label} {row.architecture}: {row.spilled_bytes} bytes spilled", file=sys.stderr)
    print(f"{len(rows)} kernels and architectures, in {options.out / 'cuda-resources.md'}")
    return int(bool(failures) or any(row.spilled_bytes for row in rows))


if __name__ == "__main__":
    sys.exit(main())
