"""The same networks in PyTorch, with minifcn's names of weights; imported only where PyTorch is installed."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from minifcn.benchmarks.cases import NetworkCase


class NormReLU(nn.BatchNorm2d):  # type: ignore[misc]  # untyped here: see setup.cfg
    """Batch normalisation and ReLU, as minifcn's BatchNorm2d(activation="relu")."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """In place: the gradient of the normalisation needs its input only."""
        return F.relu(super().forward(x), inplace=True)


class TorchUNet(nn.Module):  # type: ignore[misc]
    """The U-Net of a case: 3 x 3 convolutions, max-pooling, 2 x 2 transposed convolutions, [up, skip]."""

    def __init__(self, case: NetworkCase):
        super().__init__()
        widths, depth = case.widths, case.depth
        self.encoder = nn.ModuleList(_level(c, k, case) for c, k in zip((1, *widths), widths[:-1], strict=False))
        self.bottom = _level(widths[-2], widths[-1], case)
        around = [(widths[level + 1], widths[level]) for level in reversed(range(depth))]
        self.ups = nn.ModuleList(nn.ConvTranspose2d(below, width, 2, stride=2) for below, width in around)
        self.decoder = nn.ModuleList(_level(2 * width, width, case) for _, width in around)
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, H, W) -> (N, 2, P, Q)."""
        skips = []
        for level in self.encoder:
            skips.append(level(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.bottom(x)
        for up, level in zip(self.ups, self.decoder, strict=True):
            x, skip = up(x), skips.pop()
            lost = (skip.shape[2] - x.shape[2]) // 2
            skip = skip[:, :, lost : lost + x.shape[2], lost : lost + x.shape[3]] if lost else skip
            x = level(torch.cat([x, skip], 1))
        return self.head(x)


def build(case: NetworkCase, weights: dict[str, np.ndarray], layout: torch.memory_format) -> TorchUNet:
    """The network with minifcn's weights; (kh, kw, C, K) becomes (K, C, kh, kw) for both kinds of convolution."""
    model = TorchUNet(case)
    state = {
        name: torch.tensor(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array) for name, array in weights.items()
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise RuntimeError(f"bench: the networks differ: {missing}, {unexpected}")
    return model.to(memory_format=layout)


def fold(model: TorchUNet) -> TorchUNet:
    """The network for evaluation, with each batch normalisation folded into the convolution before it; in place."""
    model.eval()
    for level in (*model.encoder, model.bottom, *model.decoder):
        for i in range(0, len(level), 2):
            if isinstance(level[i + 1], NormReLU):
                level[i] = fuse_conv_bn_eval(level[i], level[i + 1])
                level[i + 1] = nn.ReLU(inplace=True)
    return model


def _level(in_channels: int, out_channels: int, case: NetworkCase) -> nn.Sequential:
    layers: list[nn.Module] = []
    for c in (in_channels, out_channels):
        layers.append(nn.Conv2d(c, out_channels, 3, padding=int(case.padding == "same"), bias=case.norm is None))
        layers.append(NormReLU(out_channels) if case.norm == "batch" else nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
