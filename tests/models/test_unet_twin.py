"""A whole U-Net, forward and all gradients, against the same network in PyTorch, in float64."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch_twin import NormReLU, assert_twins

from minifcn.models import UNet


class UpConv(nn.Module):
    """Upsampling, then a 2 x 2 convolution that keeps the size: one row and column of zeros behind."""

    def __init__(self, channels, mode):
        super().__init__()
        self.mode = {"mode": mode} if mode == "nearest" else {"mode": mode, "align_corners": False}
        self.add_module("1", nn.Conv2d(channels, channels // 2, 2))

    def forward(self, x):
        return self.get_submodule("1")(F.pad(F.interpolate(x, scale_factor=2, **self.mode), (0, 1, 0, 1)))


class TorchUNet(nn.Module):
    def __init__(self, in_channels, classes, base, depth, padding, norm=None, up="transposed", down="max"):
        super().__init__()

        def conv(i, o, stride=1, pad=1 if padding == "same" else 0):
            last = nn.ReLU() if norm is None else NormReLU(o)
            return nn.Conv2d(i, o, 3, stride, pad, bias=norm is None), last

        def level(i, o):
            return nn.Sequential(*conv(i, o), *conv(o, o))

        widths = [base * 2**i for i in range(depth + 1)]
        ends = [in_channels, *widths]
        self.encoder = nn.ModuleList(level(i, o) for i, o in zip(ends[:depth], widths, strict=False))
        self.downs = nn.ModuleList(
            nn.MaxPool2d(2) if down == "max" else nn.Sequential(*conv(w, w, 2, 1)) for w in widths[:-1]
        )
        self.bottom = level(*widths[-2:])
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(2 * w, w, 2, 2) if up == "transposed" else UpConv(2 * w, up) for w in widths[-2::-1]
        )
        self.decoder = nn.ModuleList(level(2 * w, w) for w in widths[-2::-1])
        self.head = nn.Conv2d(base, classes, 1)

    def forward(self, x):
        skips = []
        for level, down in zip(self.encoder, self.downs, strict=True):
            skips.append(level(x))
            x = down(skips[-1])
        x = self.bottom(x)
        for up, level in zip(self.ups, self.decoder, strict=True):
            x, skip = up(x), skips.pop()
            top, left = ((a - b) // 2 for a, b in zip(skip.shape[2:], x.shape[2:], strict=True))
            skip = skip[:, :, top : top + x.shape[2], left : left + x.shape[3]]
            x = level(torch.cat([x, skip], 1))
        return self.head(x)


CASES = [
    # padding, norm, training, up, down, base, depth, in_channels, classes, size
    ("same", None, True, "transposed", "max", 2, 2, 1, 2, (12, 16)),
    ("valid", None, True, "transposed", "max", 2, 2, 1, 2, (44, 48)),
    ("same", "batch", True, "transposed", "max", 3, 2, 3, 5, (12, 16)),
    ("same", "batch", False, "transposed", "max", 3, 2, 3, 5, (12, 16)),
    ("valid", "batch", True, "transposed", "max", 2, 1, 2, 1, (20, 26)),
    ("valid", "batch", False, "nearest", "stride", 2, 1, 2, 3, (20, 26)),
    ("same", None, True, "nearest", "max", 1, 3, 1, 1, (16, 8)),
    ("same", "batch", True, "bilinear", "stride", 2, 2, 1, 3, (8, 12)),
    ("same", None, True, "bilinear", "stride", 3, 1, 1, 2, (6, 10)),
    ("valid", None, True, "bilinear", "max", 2, 1, 1, 2, (18, 20)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_and_all_gradients(case):
    padding, norm, training, up, down, base, depth, inputs, classes, size = case
    net = UNet(inputs, classes, base, depth, padding, norm, up, down).train(training)
    twin = TorchUNet(inputs, classes, base, depth, padding, norm, up, down)
    assert_twins(net, twin, (2, *size, inputs))
