"""What a layer answers to an image: its feature maps, as pictures."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from minifcn.autograd import no_grad
from minifcn.nn import Module
from minifcn.nn.modes import evaluating
from minifcn.plots.grid import panels_of, show_array
from minifcn.plots.pictures import values_of
from minifcn.tensor import Tensor


def feature_maps(
    network: Module | Any,
    image: Any = None,
    layer: str = "",
    *,
    limit: int = 16,
    size: float = 1.2,
    colormap: str = "gray",
) -> Any:
    """The channels of a layer's output, each as an image with its own extremes as black and white.

    The network is applied in evaluation mode, unrecorded, and not changed.

    Args:
        network: a module, or, without ``image``, maps that are there already: (1, H, W, C) or (H, W, C).
        image: what it is applied to: (1, H, W, C), or (H, W, C) or (H, W), to which axes are added.
        layer: path of the layer, such as ``encoder.0``; "" is the network itself.
        limit: show at most so many channels; the title says how many there are.
        size: of each map, in inches.
        colormap: matplotlib's.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: there is no such layer, it was not used, its output is no map of one image, or the limit is below 1.
    """
    if isinstance(network, Module):
        maps, name = _answer(network, image, layer), layer or type(network).__name__
    else:
        maps, name = values_of(network), "maps"
    maps = maps[0] if maps.ndim == 4 and len(maps) == 1 else maps
    if limit < 1:
        raise ValueError(f"plots.feature_maps: limit must be 1 or more, got {limit}")
    if maps.ndim != 3:
        raise ValueError(
            f"plots.feature_maps: {name} gives an array of shape {maps.shape}, not a map (1, H, W, C) of one image"
        )
    height, width, channels = maps.shape
    shown = min(channels, limit)
    figure, panels = panels_of(shown, min(shown, 8), size)
    for channel, axes in enumerate(panels):
        show_array(axes, maps[..., channel], colormap, None)
        axes.set_title(str(channel), fontsize=7)
    of = f"the first {shown} of {channels}" if shown < channels else f"{channels}"
    figure.suptitle(f"{name}: {height} × {width} pixels, {of} channel{'s' * (channels > 1)}", fontsize=9)
    return figure


def _answer(network: Module, image: Any, layer: str) -> np.ndarray:
    """Output of one layer to an image."""
    layers = dict(network.named_modules())
    if layer not in layers:
        close = difflib.get_close_matches(str(layer), layers, 1, cutoff=0.3)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"plots.feature_maps: {type(network).__name__} has no layer {layer!r}{hint}")
    if image is None:
        raise ValueError("plots.feature_maps: a network needs an image to answer; give one as the second argument")
    parameter = next(network.parameters(), None)
    dtype, device = (np.dtype("f4"), "cpu") if parameter is None else (parameter.dtype, parameter.device)
    pixels = values_of(image).astype(dtype, copy=False)
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    answers: list[Any] = []
    with evaluating(network), no_grad(), layers[layer].register_forward_hook(lambda *call: answers.append(call[2])):
        network(Tensor(pixels if pixels.ndim == 4 else pixels[np.newaxis]).to(device))
    if not answers:
        raise ValueError(f"plots.feature_maps: layer {layer!r} was not applied to this image")
    answer = answers[-1][0] if isinstance(answers[-1], tuple) else answers[-1]  # a pooling's indices are no map
    return values_of(answer)
