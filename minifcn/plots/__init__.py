"""Figures for looking at images, numbers, filters and feature maps; each function returns a matplotlib figure.

>>> from minifcn import nn, plots
>>> figure = plots.filters(nn.Conv2d(1, 8, 5))
>>> len(figure.axes)
8
"""

from minifcn.plots.features import feature_maps
from minifcn.plots.filters import filters
from minifcn.plots.grid import images
from minifcn.plots.numbers import numbers

__all__ = ["feature_maps", "filters", "images", "numbers"]
