"""Several images side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minifcn.io.figures import new_figure
from minifcn.plots.pictures import picture

Limits = tuple[float, float] | None
_TALLEST = 3.0  # images that are higher than so many times their width become narrower


def images(
    pictures: Mapping[str, Any] | Sequence[Any],
    *,
    columns: int | None = None,
    size: float = 2.0,
    colormap: str = "gray",
    limits: Limits = None,
    bar: bool = False,
) -> Any:
    """Images side by side, each below its title, pixel by pixel.

    Args:
        pictures: titles and images: (H, W), (H, W, 1), (H, W, 3), or any of these as a batch of one; Tensors or arrays.
            Images without titles may be a sequence. Colours are in [0, 1], or integers
            from 0 to 255, and cut off beyond.
        columns: images in a row; None puts up to six there.
        size: width of each, in inches.
        colormap: matplotlib's, for images of one channel.
        limits: values of the first and last colour; None takes each image's own extremes.
        bar: show beside each image of one channel which colour is which value.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: there is none, or one that is no image.

    >>> figure = images({"noise": np.random.rand(8, 8), "zeros": np.zeros((1, 8, 8, 1))})
    >>> [axes.get_title() for axes in figure.axes]
    ['noise', 'zeros']
    """
    named = dict(pictures) if isinstance(pictures, Mapping) else dict.fromkeys(range(len(pictures)))
    shown = list(pictures.values()) if isinstance(pictures, Mapping) else list(pictures)
    if not shown:
        raise ValueError("plots.images: no image to show")
    arrays = [
        picture(image, repr(title) if isinstance(title, str) else f"image {title}")
        for title, image in zip(named, shown, strict=True)
    ]
    tallest = max(array.shape[0] / max(array.shape[1], 1) for array in arrays)
    figure, panels = panels_of(len(arrays), columns or min(len(arrays), 6), size, tallest, bar)
    for axes, title, array in zip(panels, named, arrays, strict=True):
        drawn = show_array(axes, array, colormap, limits)
        if isinstance(title, str):
            axes.set_title(title, fontsize=9)
        if bar and array.ndim == 2:
            figure.colorbar(drawn, ax=axes, shrink=0.8)
    return figure


def panels_of(count: int, columns: int, size: float, height: float = 1.0, bar: bool = False) -> tuple[Any, list[Any]]:
    """A figure of ``count`` panels, ``size`` inches wide and ``height`` times as high, and its axes, without ticks."""
    rows = math.ceil(count / columns)
    figure = new_figure(size * columns * (1.25 if bar else 1.0), (size * min(height, _TALLEST) + 0.25) * rows)
    panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for axes in panels:
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def show_array(axes: Any, array: np.ndarray, colormap: str, limits: Limits) -> Any:
    """Draw one image of one or three channels."""
    low, high = limits if limits is not None else (None, None)
    values = array.astype(np.uint8) if array.dtype == bool else array
    return axes.imshow(values, cmap=colormap, vmin=low, vmax=high, interpolation="nearest")
