"""The weights of a convolution, as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn.nn import ConvTranspose2d
from minifcn.plots.grid import panels_of, show_array
from minifcn.plots.pictures import values_of


def filters(layer: Any, *, limit: int = 64, size: float = 0.8) -> Any:
    """Each kernel of a convolution as a small image: white is zero, blue below and red above it.

    The first layer of a network on colour images is shown in colours instead, grey being zero; in any other layer, rows
    are input channels and columns output channels.

    Args:
        layer: a module with a convolution's ``weight``, or such a weight, (kh, kw, C_in, C_out).
        limit: show at most so many input and output channels; the title says how many there are.
        size: of each kernel, in inches.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: it is no convolution's weight, or the limit is below 1.
    """
    weight = values_of(getattr(layer, "weight", layer))
    if isinstance(layer, ConvTranspose2d):  # it has the weight of the convolution that it transposes
        weight = np.swapaxes(weight, 2, 3)
    if weight.ndim != 4:
        raise ValueError(
            f"plots.filters: a convolution's weight is (kh, kw, C_in, C_out), and this one has shape {weight.shape}"
        )
    if limit < 1:
        raise ValueError(f"plots.filters: limit must be 1 or more, got {limit}")
    bound = float(np.abs(weight).max(initial=0.0)) or 1.0
    inputs, outputs = weight.shape[2:]
    if inputs == 3:
        kernels = [weight[..., j] / (2 * bound) + 0.5 for j in range(min(outputs, limit))]
    else:
        kernels = [weight[..., i, j] for i in range(min(inputs, limit)) for j in range(min(outputs, limit))]
    single = inputs in (1, 3)
    columns = min(8, len(kernels)) if single else min(outputs, limit)
    figure, panels = panels_of(len(kernels), columns, size)
    for axes, kernel in zip(panels, kernels, strict=True):
        show_array(axes, kernel, "RdBu_r", (-bound, bound))
    rows = "" if single else "; a row an input, a column an output"
    figure.suptitle(f"{inputs} → {outputs} channels, ± {bound:.2g}{rows}", fontsize=9)
    return figure
