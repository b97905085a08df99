"""Networks by name, for configuration files and the command line."""

from __future__ import annotations

import difflib
from typing import Any

from minifcn.models.ciresan import CiresanN3, CiresanN4
from minifcn.models.fcn import FCN8s, FCN16s, FCN32s
from minifcn.models.network import Network
from minifcn.models.pang import PangCNN
from minifcn.models.segnet import SegNet, SegNetBasic
from minifcn.models.unet import UNet
from minifcn.models.unet_backbone import BackboneUNet

#: Every network's name and class.
REGISTRY: dict[str, type[Network]] = {
    network.name: network
    for network in (
        PangCNN,
        CiresanN3,
        CiresanN4,
        FCN32s,
        FCN16s,
        FCN8s,
        SegNet,
        SegNetBasic,
        UNet,
        BackboneUNet,
    )
}


def create(name: str, **options: Any) -> Network:
    """The network of that name, with its class's options.

    Raises:
        ValueError: no network has that name.
        TypeError: the network has no such option.

    >>> create("u-net", in_channels=1, classes=2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown model 'u-net'; did you mean 'unet'? Models: pang, ciresan-n3, ...
    """
    if name not in REGISTRY:
        close = difflib.get_close_matches(name.lower(), REGISTRY, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"unknown model {name!r}; {hint}Models: {', '.join(REGISTRY)}")
    return REGISTRY[name](**options)
