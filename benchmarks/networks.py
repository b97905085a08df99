"""The networks of the benchmark, in minifcn."""

from __future__ import annotations

from minifcn.benchmarks.cases import NetworkCase
from minifcn.models import UNet
from minifcn.nn import Conv2d, ConvTranspose2d, ModuleList, ReLU, Sequential


class ConstantUNet(UNet):
    """A U-Net whose levels all have ``width`` channels."""

    def __init__(self, in_channels: int, classes: int, width: int, depth: int):
        super().__init__(in_channels, classes, width, depth)
        self.encoder = ModuleList(_level(width if level else in_channels, width) for level in range(depth))
        self.bottom = _level(width, width)
        self.ups = ModuleList(ConvTranspose2d(width, width, 2, stride=2) for _ in range(depth))
        self.decoder = ModuleList(_level(2 * width, width) for _ in range(depth))


def build(case: NetworkCase) -> UNet:
    """The case's network: one channel in, two classes out."""
    if case.constant:
        return ConstantUNet(1, 2, case.base, case.depth)
    return UNet(1, 2, base=case.base, depth=case.depth, padding=case.padding, norm=case.norm)


def _level(in_channels: int, out_channels: int) -> Sequential:
    return Sequential(
        Conv2d(in_channels, out_channels, 3, padding=1),
        ReLU(),
        Conv2d(out_channels, out_channels, 3, padding=1),
        ReLU(),
    )
