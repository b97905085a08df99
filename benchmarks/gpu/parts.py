"""The table of parts: what runs, in which order, with how much of the time."""

from __future__ import annotations

from typing import NamedTuple


class Part(NamedTuple):
    """A part of the check: ``module.run(record, tiny)``, in a process of its own or after others in one.

    Parts with ``together`` are about right or wrong: they run side by side, before the others, which measure time and
    must be alone. ``share`` is of the time that is left for those; ``limit`` the most seconds that a part may take.
    """

    name: str
    module: str
    title: str
    together: bool = False
    share: float = 0.0
    limit: float = 150.0
    argument: str = ""


_KERNELS = ("elementwise", "reductions", "images", "vectors")
_TABLES = ("elementwise", "others", "convolutions", "vectors")

PARTS = (
    Part("versions", "versions", "Versions", together=True, limit=60),
    Part("training", "training", "A training step: CPU against GPU", True),  # first: it compiles the CPU's kernels, too
    *(Part(f"kernels-{f}", "correctness", f"Kernels against float64: {f}", True, 0, 150, f) for f in _KERNELS),
    Part("kernels-convolutions", "correctness", "Kernels against float64: convolutions", True, 0, 150, "convolutions"),
    *(Part(f"table-{f}", "table", f"The tests' table of cases: {f}", True, 0, 150, f) for f in _TABLES),
    Part("limits", "limits", "What the GPU can do", share=0.06),
    Part("memory", "memory_bound", "Memory-bound kernels", share=0.12),
    Part("convolutions", "convolutions", "Convolutions beside cuDNN", share=0.36),
    Part("unets", "unets", "Training steps of U-Nets beside PyTorch", share=0.36),
    Part("runtime", "runtime", "Shared memory, late values, prefetching, a profile", share=0.1),
)


def select(names: str | None) -> tuple[Part, ...]:
    """The parts of these names, comma-separated, in the table's order; a prefix stands for all that begin with it.

    Raises:
        ValueError: no part has such a name.

    >>> [part.name for part in select("limits,vers")]
    ['versions', 'limits']
    """
    if not names:
        return PARTS
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if not any(part.name.startswith(name) for part in PARTS):
            raise ValueError(f"gpu check: no part {name!r}; parts: {', '.join(part.name for part in PARTS)}")
    return tuple(part for part in PARTS if part.name.startswith(tuple(wanted)))
