"""Small arrays, with the number written into every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minifcn.io.figures import new_figure
from minifcn.plots.grid import show_array
from minifcn.plots.pictures import picture

# More cells than this in a panel, and nobody could read them.
_READABLE = 32
_LETTER, _TITLE = 0.075, 0.3  # width of a title's letter and height of its line, in inches


def numbers(
    arrays: Mapping[str, Any] | Any,
    *,
    columns: int | None = None,
    cell: float = 0.38,
    colormap: str = "RdBu_r",
    digits: str = ".3g",
) -> Any:
    """Small images of one channel side by side as tables of numbers, blue below zero and red above it.

    Args:
        arrays: titles and images (H, W), (H, W, 1) or batches of one of these; Tensors or arrays. One alone needs no
            title.
        columns: tables in a row; None puts all there.
        cell: width of a cell, in inches.
        colormap: matplotlib's; its middle is zero.
        digits: how numbers are written, as for `format`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: there is none, or one with more than 32 rows or columns, or with several channels.

    >>> figure = numbers({"kernel": [[1.0, 0.0], [-1.0, 2.5]]})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '0', '-1', '2.5']
    """
    named = arrays if isinstance(arrays, Mapping) else {"": arrays}
    tables = {title: picture(array, repr(title)) for title, array in named.items()}
    if not tables:
        raise ValueError("plots.numbers: no array to show")
    for title, table in tables.items():
        if table.ndim != 2 or max(table.shape) > _READABLE:
            raise ValueError(
                f"plots.numbers: {title!r} has shape {table.shape}; up to {_READABLE} x {_READABLE} numbers can be "
                "read, of one channel; show it with plots.images"
            )
    shown = [
        # A table as narrow as its title would have it cut off.
        (max(table.shape[1], len(title) * _LETTER / cell), len(table) + _TITLE / cell)
        for title, table in tables.items()
    ]
    across = min(columns or len(shown), len(shown))
    # All cells of one size: columns and rows of the figure are as wide and high as their largest tables.
    widths = [max(width for width, _ in shown[column::across]) for column in range(across)]
    heights = [max(height for _, height in shown[row : row + across]) for row in range(0, len(shown), across)]
    figure = new_figure(cell * sum(widths) + 0.2 * len(widths), cell * sum(heights) + 0.1)
    grid = figure.subplots(len(heights), across, width_ratios=widths, height_ratios=heights, squeeze=False)
    panels = list(grid.flat)
    for axes in panels[len(tables) :]:
        axes.remove()
    for axes, (title, table) in zip(panels, tables.items(), strict=False):
        axes.set_title(title, fontsize=9)
        axes.set(xticks=[], yticks=[])
        _draw(axes, table, colormap, digits)
    return figure


def _draw(axes: Any, table: np.ndarray, colormap: str, digits: str) -> None:
    finite = np.abs(table[np.isfinite(table)])
    bound = float(finite.max(initial=0.0)) or 1.0
    show_array(axes, table, colormap, (-1.6 * bound, 1.6 * bound))  # pale enough for black digits
    written = {place: format(value + 0, digits) for place, value in np.ndenumerate(table)}
    size = 9 if max(map(len, written.values()), default=0) <= 4 else 7
    for (row, column), text in written.items():
        axes.text(column, row, text, ha="center", va="center", fontsize=size)
