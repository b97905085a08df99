"""The roofline: how near the machine's two limits each convolution comes. Williams, Waterman & Patterson 2009.

A case that performs I operations for each byte of compulsory traffic can reach min(peak, I · bandwidth) operations a
second. Operations are those of the definition: an algorithm that needs fewer, such as Winograd's, can exceed the peak.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.benchmarks.cases import ConvCase
from minifcn.benchmarks.suite import OURS, Result


def points(results: Iterable[Result]) -> list[tuple[ConvCase, float, float | None]]:
    """Convolutions, with minifcn's operations a second and the best peer's."""
    found = []
    for result in results:
        case, ours, peer = result.case, result.ours, result.best_peer
        if isinstance(case, ConvCase) and ours:
            found.append((case, case.flops / ours, case.flops / result.timings[peer].median if peer else None))
    return found


def draw(path: Path, results: Iterable[Result], limits: Mapping[str, float]) -> bool:
    """Write the picture (PNG); False, and nothing written, if there is no convolution among the results."""
    from minifcn.io.figures import new_figure, save_figure

    found = points(results)
    if not found:
        return False
    figure = new_figure(9, 6)
    axes: Any = figure.subplots()
    intensity = np.array([case.flops / case.bytes for case, _, _ in found])
    _roof(axes, intensity, limits)
    peers = [(i, p) for i, (_, _, p) in zip(intensity, found, strict=True) if p is not None]
    if peers:
        x, y = np.array(peers).T
        axes.plot(x, 1e-9 * y, "o", color="tab:orange", alpha=0.7, label="best peer")
    for mode, marker in (("forward", "s"), ("training", "^")):
        chosen = [(i, ours) for i, (case, ours, _) in zip(intensity, found, strict=True) if case.mode == mode]
        if chosen:
            x, y = np.array(chosen).T
            axes.plot(x, 1e-9 * y, marker, color="tab:blue", label=f"{OURS}, {mode}")
    axes.set(xscale="log", yscale="log", xlabel="operations a byte of compulsory traffic", ylabel="GFLOP/s")
    axes.set_title("Convolutions below the roof of this machine")
    axes.grid(which="both", alpha=0.2)
    axes.legend(loc="upper left")
    axes.set_ylim(top=3 * axes.get_ylim()[1])  # room for the legend, and for what exceeds the roof
    save_figure(figure, path, dpi=120)
    return True


def _roof(axes: Any, intensity: np.ndarray, limits: Mapping[str, float]) -> None:
    peak = max(value for name, value in limits.items() if name.startswith("GFLOP/s"))
    bandwidth = limits["GB/s"]
    x = np.geomspace(min(intensity.min(), peak / bandwidth) / 2, max(intensity.max(), peak / bandwidth) * 2, 200)
    label = f"{peak:.0f} GFLOP/s (matrix product), {bandwidth:.0f} GB/s (copy)"
    axes.plot(x, np.minimum(peak, x * bandwidth), color="black", label=label)
