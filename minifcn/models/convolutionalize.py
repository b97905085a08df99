"""A classifier of windows as a network of convolutions alone, which takes images of any size.

A dense layer that reads a map of h x w pixels and C channels is a convolution with an h x w kernel: on that map, the
kernel fits in one place. The weight is the same, (h · w · C, K) reshaped to (h, w, C, K). On a larger image the kernel
slides, and the network classifies many windows at once, sharing what windows that overlap have in common. They lie as
far apart as the network's total stride; `minifcn.models.sliding` fills in those between. (Long, Shelhamer & Darrell
2015, section 3.1, who call it convolutionalization.)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator

from minifcn.functional.arguments import pair
from minifcn.kernels.shapes import Pair, Window, conv_size
from minifcn.nn import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Identity,
    LeakyReLU,
    Linear,
    MaxPool2d,
    Module,
    Parameter,
    ReLU,
    Sequential,
    Sigmoid,
    Softplus,
    Tanh,
    init,
)

#: Layers that look at one pixel at a time, in evaluation at least: they are what they were, wherever a window lies.
POINTWISE = (BatchNorm2d, Dropout, Identity, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh)


def convolutionalize(layers: Sequential, window: int | Pair) -> Sequential:
    """Convolutions that give, for every window an image has at multiples of the total stride, what ``layers`` give.

    Each layer keeps its place: `Flatten` becomes `Identity`, `Linear` a `Conv2d`. Sequentials inside are unpacked. The
    parameters are copies.

    Args:
        layers: `Conv2d` and `MaxPool2d` without padding, `Flatten`, `Linear`, and layers that look at single pixels;
            (N, window, window, C) -> (N, K).
        window: the rows and columns that ``layers`` take.

    Raises:
        TypeError: ``layers`` is no Sequential.
        ValueError: a layer would not do in an image what it does in a window, or does not fit the one before it.

    >>> from minifcn import nn
    >>> net = convolutionalize(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3 * 3 * 8, 2)), window=6)
    >>> net[2]
    Conv2d(8, 2, kernel_size=(3, 3), stride=(1, 1))
    """
    if not isinstance(layers, Sequential):
        raise TypeError(f"convolutionalize: expected a Sequential of layers, got {type(layers).__name__}")
    size, flat, converted = pair("convolutionalize", "window", window, 1), False, Sequential()
    for place, layer in enumerate(_unpacked(layers)):
        name = f"convolutionalize: layer {place}, {layer!r},"
        if type(layer) is Flatten:
            flat = True
            converted.append(Identity())
        elif type(layer) is Linear:
            kernel = size if flat else (1, 1)
            converted.append(_convolution(name, layer, kernel))
            size = (1, 1) if flat else size
        elif isinstance(layer, (Conv2d, MaxPool2d)) and type(layer) in (Conv2d, MaxPool2d):
            size = _slid(name, layer, size, flat)
            converted.append(copy.deepcopy(layer))
        elif isinstance(layer, POINTWISE):
            converted.append(copy.deepcopy(layer))
        else:
            kinds = ", ".join(kind.__name__ for kind in (Conv2d, MaxPool2d, Flatten, Linear, *POINTWISE))
            raise ValueError(f"{name} cannot be converted; layers that can: {kinds}")
    if size != (1, 1):
        raise ValueError(
            f"convolutionalize: of a window of {window} the layers leave {size[0]} x {size[1]} pixels, not one; end "
            "them with Flatten and Linear, or check the window"
        )
    return converted.train(layers.training)


def sliding_layers(layers: Iterable[Module]) -> Iterator[Conv2d | MaxPool2d]:
    """Those of converted layers that have a kernel, a stride and a dilation."""
    return (layer for layer in layers if isinstance(layer, (Conv2d, MaxPool2d)))


def receptive_field(layers: Iterable[Module]) -> tuple[Pair, Pair]:
    """(Rows, columns) of the image that one output of converted layers reads, and how far apart neighbours' fields lie.

    The field may be smaller than the window: where pooling drops a last row, nothing reads it.

    >>> from minifcn import nn
    >>> receptive_field([nn.Conv2d(1, 1, 3), nn.MaxPool2d(2), nn.Conv2d(1, 1, 3)])
    ((8, 8), (2, 2))
    """
    field, stride = [1, 1], [1, 1]
    for layer in sliding_layers(layers):
        for axis in (0, 1):
            field[axis] += stride[axis] * layer.dilation[axis] * (layer.kernel_size[axis] - 1)
            stride[axis] *= layer.stride[axis]
    return (field[0], field[1]), (stride[0], stride[1])


def _unpacked(layers: Sequential) -> Iterator[Module]:
    for layer in layers:
        if type(layer) is Sequential:
            yield from _unpacked(layer)
        else:
            yield layer


def _convolution(name: str, layer: Linear, kernel: Pair) -> Conv2d:
    """The dense layer as a convolution whose kernel is as large as the map that it read."""
    channels, rest = divmod(layer.in_features, math.prod(kernel))
    if rest or not channels:
        raise ValueError(
            f"{name} does not fit a map of {kernel[0]} x {kernel[1]} pixels, which is what the layers before it leave "
            f"of the window: {layer.in_features} features are no multiple of {math.prod(kernel)}; check the window"
        )
    with init.skipped():
        conv = Conv2d(channels, layer.out_features, kernel, bias=layer.bias is not None)
    weight = layer.weight.to("cpu").data.copy().reshape(*kernel, channels, layer.out_features)  # -> (h, w, C, K)
    conv.weight = Parameter(weight, layer.weight.requires_grad, layer.weight.device)
    if layer.bias is not None:
        conv.bias = Parameter(layer.bias.to("cpu").data.copy(), layer.bias.requires_grad, layer.bias.device)
    return conv


def _slid(name: str, layer: Conv2d | MaxPool2d, size: Pair, flat: bool) -> Pair:
    """The size that the layer leaves of a window, if it does the same in an image."""
    if flat:
        raise ValueError(f"{name} comes after Flatten, where there are no pixels left; put it before")
    if layer.padding not in ((0, 0), "valid"):
        raise ValueError(
            f"{name} pads the window, but in an image a window's neighbours are pixels, so it would give something "
            "else; use padding=0"
        )
    if isinstance(layer, MaxPool2d) and (layer.ceil_mode or layer.return_indices):
        option = "return_indices" if layer.return_indices else "ceil_mode"
        raise ValueError(
            f"{name} has {option}=True, which says something of the window, not of the image; leave it out"
        )
    left = conv_size(size, Window(layer.kernel_size, layer.stride, dilation=layer.dilation))
    if min(left) < 1:
        raise ValueError(f"{name} does not fit into the {size[0]} x {size[1]} pixels that are left of the window")
    return left
