"""A whole U-Net on a classification network against its twin in PyTorch, in float64: outputs and all gradients."""

import pytest
import torch
from torch import nn
from torch_encoders import TorchResNet, TorchVGG
from torch_twin import NormReLU, assert_twins

from minifcn.models import BackboneUNet


class TorchBackboneUNet(nn.Module):
    """A decoder on the encoder's maps: widths fall from the deepest map's to the first one's, then to half."""

    def __init__(self, encoder, maps, widths, classes, norm):
        super().__init__()
        self.encoder, self.ups, self.decoder = encoder, nn.ModuleList(), nn.ModuleList()
        channels, *skips = maps
        for width, skip in zip(widths, [*skips, 0], strict=False):
            self.ups.append(nn.ConvTranspose2d(channels, width, 2, 2))
            self.decoder.append(nn.Sequential(*_conv(width + skip, width, norm), *_conv(width, width, norm)))
            channels = width
        self.head = nn.Conv2d(channels, classes, 1)

    def forward(self, x):
        maps = self.encoder(x)
        x = maps.pop()
        for up, level in zip(self.ups, self.decoder, strict=True):
            x = up(x)
            x = level(torch.cat([x, maps.pop()], 1) if maps else x)
        return self.head(x)


def _conv(inputs, outputs, norm):
    last = NormReLU(outputs) if norm else nn.ReLU()
    return nn.Conv2d(inputs, outputs, 3, 1, 1, bias=not norm), last


def _resnet(depth, channels):
    encoder = TorchResNet(depth, channels, 2)
    encoder.fc = nn.Identity()
    return encoder


def _vgg(depth, channels, norm):
    encoder = TorchVGG(depth, channels, 2, norm)
    encoder.classifier = nn.Identity()
    return encoder


CASES = [
    # backbone, norm of the decoder, twin's encoder, channels of its maps from the deepest, widths of the decoder
    ("resnet18", "batch", lambda: _resnet(18, 1), [16, 8, 4, 2, 2], [8, 4, 2, 2, 1]),
    ("resnet50", None, lambda: _resnet(50, 1), [64, 32, 16, 8, 2], [16, 8, 4, 2, 1]),
    ("vgg11", None, lambda: _vgg(11, 1, False), [16, 16, 8, 4, 2], [16, 8, 4, 2]),
    ("vgg16_bn", "batch", lambda: _vgg(16, 1, True), [16, 16, 8, 4, 2], [16, 8, 4, 2]),
]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_forward_and_all_gradients(case, training):
    backbone, norm, encoder, maps, widths = case
    net = BackboneUNet(1, 3, backbone, base=2, norm=norm).train(training)
    twin = TorchBackboneUNet(encoder(), maps, widths, 3, norm)
    assert_twins(net, twin, (2, 64, 96, 1))
