"""A network whose max-poolings blur before they drop pixels (Zhang 2019, arXiv:1904.11486)."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

from minifcn.kernels.shapes import Pair
from minifcn.nn.blur import MaxBlurPool2d
from minifcn.nn.containers import Sequential
from minifcn.nn.module import Module
from minifcn.nn.pool import MaxPool2d

AnyModule = TypeVar("AnyModule", bound=Module)


def antialiased(module: AnyModule, blur: int | Pair = 4) -> AnyModule:
    """A copy of ``module`` in which every `MaxPool2d` of a stride above 1 is a `MaxBlurPool2d`.

    It has the same parameters, takes the same sizes and gives outputs of the same sizes. Its errors of equivariance are
    smaller, and not zero (`minifcn.audit.shifts.equivariance` measures them); trained for plain poolings, it should be
    trained further. Only layers are replaced: a network that calls `minifcn.functional.max_pool2d` keeps it.

    Args:
        module: any network; it stays as it is.
        blur: size of the binomial filter.

    Raises:
        ValueError: there is no such layer; or one of them returns indices, which a decoder needs and a blurred map has
            not; or one is dilated.

    >>> from minifcn import nn
    >>> antialiased(nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2)))[1]
    MaxBlurPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), blur=(4, 4))
    """
    name, holder = type(module).__name__, Sequential(copy.deepcopy(module))
    places = [
        (parent, place, layer)
        for parent in holder.modules()
        for place, layer in parent.named_children()
        if isinstance(layer, MaxPool2d) and not isinstance(layer, MaxBlurPool2d) and max(layer.stride) > 1
    ]
    if not places:
        raise ValueError(
            f"antialiased: {name} has no MaxPool2d of a stride above 1 to replace; if it halves images by strided "
            "convolutions, or by functions in its forward, put nn.BlurPool2d there yourself"
        )
    blurred: dict[MaxPool2d, MaxBlurPool2d] = {}  # a layer that is used in two places stays one layer
    for parent, place, layer in places:
        if layer not in blurred:
            blurred[layer] = _blurred(name, layer, blur)
        setattr(parent, place, blurred[layer])
    return cast(AnyModule, holder[0])


def _blurred(name: str, layer: MaxPool2d, blur: int | Pair) -> MaxBlurPool2d:
    if layer.return_indices:
        raise ValueError(
            f"antialiased: the poolings of {name} return indices, by which its decoder puts values back; a blurred "
            "maximum comes from no single pixel; use a network whose decoder upsamples, such as unet"
        )
    if layer.dilation != (1, 1):
        raise ValueError(f"antialiased: {name} has a MaxPool2d of dilation {layer.dilation}; only dilation 1 is known")
    pooling = MaxBlurPool2d(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode, blur)
    pooling.training = layer.training
    return pooling
