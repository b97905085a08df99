"""The figure of a report on borders: error against distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minifcn.audit.shifts.equivariance_figure import mark_zero
from minifcn.io.figures import BLACK, BLUE, ORANGE, VERMILION

if TYPE_CHECKING:
    from minifcn.audit.shifts.borders import Borders

_STYLES = {"own padding": (BLACK, "-"), "reflect": (BLUE, "-"), "replicate": (ORANGE, "--"), "zeros": (VERMILION, ":")}


def draw_borders(report: Borders, figure: Any) -> None:
    """Left the largest error, right the mean; what is exactly zero lies on a line below the axis's smallest power."""
    theory = max(error.theory for error in report.errors)
    shown = [array[error.largest > 0] for error in report.errors for array in (error.largest, error.mean)]
    positive = np.concatenate(shown)
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (0.1, 1.0)
    floor = 10.0 ** (np.floor(np.log10(low)) - 1)
    for axes, title in zip(figure.subplots(1, 2, sharey=True), ("largest error", "mean error"), strict=True):
        for error in report.errors:
            values = error.largest if title == "largest error" else error.mean
            colour, line = _STYLES[error.mode]
            drawn = np.where(values == 0.0, floor, values)
            axes.plot(error.distances, drawn, line, color=colour, label=error.mode, linewidth=1.5, alpha=0.9)
        axes.axvline(theory, color="0.4", linewidth=1, linestyle="-.", label=f"theory: 0 from {theory} px")
        axes.set(yscale="log", ylim=(floor / 2, high * 2), title=title, xlabel="distance from the border, pixels")
        axes.set_xlim(0, max(error.distances[-1] for error in report.errors) + 1)
        axes.grid(alpha=0.3)
        mark_zero(axes, floor)
        if title == "largest error":
            axes.set_ylabel("|output − truth| / max |truth|")
            axes.legend(fontsize=8, loc="best")
    figure.suptitle(f"{report.subject}: errors near the border of {report.window} x {report.window} pixels")
