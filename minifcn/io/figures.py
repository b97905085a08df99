"""Figures: matplotlib's, without pyplot, which would need a display, keep global state and have to be closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minifcn.io.atomic import replacing

#: Okabe and Ito's colours, which everybody can tell apart, and a grey beside them.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
BLACK, GREY = "#000000", "#888888"


def new_figure(width: float, height: float) -> Any:
    """An empty `matplotlib.figure.Figure`, in inches; its parts keep out of each other's way."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: str | Path, dpi: int = 100) -> None:
    """Write a figure as PNG; the file appears whole or not at all."""
    with replacing(Path(path)) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)
