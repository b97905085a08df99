"""Networks of every kind for prediction, narrow, with weights that let nothing cancel."""

from collections.abc import Callable

import numpy as np

import minifcn as mf
from minifcn import nn
from minifcn.models import BackboneUNet, CiresanN3, FCN32s, PangCNN, SegNet, UNet
from minifcn.nn import Module


class OddStride(Module):
    """A user's own: down and up by 3, and a skip; it says nothing about sizes."""

    def __init__(self) -> None:
        self.skip = nn.Conv2d(1, 2, 3, padding=1)
        self.down = nn.Conv2d(1, 3, 5, stride=3, padding=1)
        self.up = nn.ConvTranspose2d(3, 2, 3, stride=3)

    def forward(self, x: mf.Tensor) -> mf.Tensor:
        return self.skip(x) + self.up(mf.functional.relu(self.down(x)))


def shaken(module: Module, seed: int = 0) -> Module:
    """With random weights everywhere, also where a network starts from zeros."""
    random = np.random.default_rng(seed)
    with mf.no_grad():
        for parameter in module.parameters():
            fan = max(1, parameter.size // parameter.shape[-1])
            # Rather positive: in networks as narrow as these, one ReLU that is never active would hide everything.
            parameter.copy_((random.uniform(-0.5, 1.0, parameter.shape) * 2 / np.sqrt(fan)).astype(parameter.dtype))
    return module


NETWORKS: dict[str, Callable[[], Module]] = {
    "unet 1": lambda: UNet(1, 2, base=1, depth=1),
    "unet 2": lambda: UNet(1, 3, base=2, depth=2, norm="batch"),
    "unet 3": lambda: UNet(1, 2, base=1, depth=3, up="bilinear", down="stride"),
    "unet 4": lambda: UNet(1, 2, base=1, depth=4),
    "valid unet 2": lambda: UNet(1, 2, base=1, depth=2, padding="valid"),
    "valid unet 3": lambda: UNet(1, 2, base=1, depth=3, padding="valid", up="nearest"),
    "backbone": lambda: BackboneUNet(1, 2, "vgg11", base=1, norm=None),
    "segnet": lambda: SegNet(1, 2, base=1),
    "fcn32s": lambda: FCN32s(1, 2, base=1, hidden=1),
    "ciresan": lambda: CiresanN3(1, 2, maps=1, hidden=1).for_images(),
    "pang": lambda: PangCNN(1, 2, 2),
    "odd stride": OddStride,
}
