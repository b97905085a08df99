"""Small arrays, with the number written into every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minifcn.plots.grid import panels_of, show_array
from minifcn.plots.pictures import picture

# More cells than this in a panel, and nobody could read them.
_READABLE = 32


def numbers(
    arrays: Mapping[str, Any],
    *,
    columns: int | None = None,
    cell: float = 0.38,
    colormap: str = "RdBu_r",
    digits: str = ".3g",
) -> Any:
    """Small images of one channel as tables of numbers, blue below zero and red above it.

    Args:
        arrays: titles and images (H, W), (H, W, 1) or batches of one of these; Tensors or arrays.
        columns: tables in a row; None puts all there.
        cell: width of the largest table's cells, in inches.
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
    tables = {title: picture(array, repr(title)) for title, array in arrays.items()}
    if not tables:
        raise ValueError("plots.numbers: no array to show")
    for title, table in tables.items():
        if table.ndim != 2 or max(table.shape) > _READABLE:
            raise ValueError(
                f"plots.numbers: {title!r} has shape {table.shape}; up to {_READABLE} x {_READABLE} numbers can be "
                "read, of one channel; show it with plots.images"
            )
    longest = max(max(table.shape) for table in tables.values())
    figure, panels = panels_of(len(tables), columns or len(tables), max(1.2, cell * longest))
    for axes, (title, table) in zip(panels, tables.items(), strict=True):
        axes.set_title(title, fontsize=9)
        _draw(axes, table, colormap, digits, longest)
    return figure


def _draw(axes: Any, table: np.ndarray, colormap: str, digits: str, longest: int) -> None:
    finite = np.abs(table[np.isfinite(table)])
    bound = float(finite.max(initial=0.0)) or 1.0
    show_array(axes, table, colormap, (-1.6 * bound, 1.6 * bound))  # pale enough for black digits
    size = 9 if longest <= 8 else 7
    for (row, column), value in np.ndenumerate(table):
        axes.text(column, row, format(value + 0, digits), ha="center", va="center", fontsize=size)
