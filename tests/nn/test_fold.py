"""Batch normalisation folded into convolutions: the same outputs, and nothing else touched."""

import numpy as np
import pytest
from tolerances import assert_close

import minifcn as mf
from minifcn import nn
from minifcn.models import UNet


def trained(module):
    """The module with statistics, and parameters, that are far from those it starts with."""
    draw = np.random.default_rng(1)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for name, values in (
                ("running_mean", draw.normal(size=layer.num_features)),
                ("running_var", draw.uniform(0.3, 3.0, layer.num_features)),
                ("weight", draw.uniform(-2.0, 2.0, layer.num_features)),
                ("bias", draw.normal(size=layer.num_features)),
            ):
                if getattr(layer, name) is not None:
                    getattr(layer, name).data = values.astype(np.float32)
        elif getattr(layer, "bias", None) is not None:
            layer.bias.data = draw.normal(size=layer.bias.shape).astype(np.float32)
    return module


def outputs(module, channels, size=(8, 12)):
    images = np.random.default_rng(2).standard_normal((2, *size, channels)).astype(np.float32)
    with mf.no_grad():
        return module.eval()(mf.tensor(images)).data


def norms(module):
    return [name for name, layer in module.named_modules() if isinstance(layer, nn.BatchNorm2d)]


FOLDABLE = {
    "conv": (nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)),
    "without bias": (nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5, activation="relu")),
    "groups": (nn.Conv2d(4, 6, 3, groups=2, padding="same", padding_mode="reflect"), nn.BatchNorm2d(6, eps=0.1)),
    "not affine": (nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, affine=False), nn.ReLU()),
    "relu after": (nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 2, 1)),
    "relu twice": (nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, activation="relu"), nn.ReLU()),
    "transposed": (nn.ConvTranspose2d(3, 5, 2, 2), nn.BatchNorm2d(5, activation="relu")),
    "transposed, groups": (nn.ConvTranspose2d(4, 6, 3, 2, groups=2, bias=False), nn.BatchNorm2d(6)),
    "nested": (nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)), nn.ReLU(), nn.Conv2d(5, 4, 1), nn.BatchNorm2d(4)),
}


@pytest.mark.parametrize("case", FOLDABLE)
def test_same_outputs_without_the_norm(case):
    net = trained(nn.Sequential(*FOLDABLE[case]))
    folded = net.fold_batch_norm()
    assert norms(net)
    assert not norms(folded)
    channels = next(layer for layer in net.modules() if hasattr(layer, "in_channels")).in_channels
    assert_close(outputs(folded, channels), outputs(net, channels), terms=30, scale=8.0)


def test_relu_goes_into_the_convolution():
    folded = trained(nn.Sequential(*FOLDABLE["relu after"])).fold_batch_norm()
    assert [type(layer) for layer in folded] == [nn.Conv2d, nn.Identity, nn.Identity, nn.Conv2d]
    assert [folded[0].activation, folded[3].activation] == ["relu", None]


@pytest.mark.parametrize("options", [{}, {"padding": "valid", "down": "stride", "up": "bilinear", "dropout": 0.5}])
def test_a_whole_unet(options):
    net = trained(UNet(2, 3, base=4, depth=2, norm="batch", **options))
    folded = net.fold_batch_norm()
    assert norms(net)
    assert not norms(folded)
    assert_close(outputs(folded, 2, (44, 48)), outputs(net, 2, (44, 48)), terms=2000, scale=8.0)


def test_the_original_is_left_alone_and_shares_nothing():
    net = trained(UNet(1, 2, base=2, depth=1, norm="batch"))
    before = net.state_dict()
    folded = net.fold_batch_norm()
    assert net.training
    assert not any(layer.training for layer in folded.modules())
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    for parameter in folded.parameters():
        parameter.data[...] = 7.0
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert all(parameter.requires_grad for parameter in net.parameters())


class OwnConv(nn.Conv2d):
    """A convolution that may compute anything."""


def used_twice():
    conv = nn.Conv2d(3, 3, 1)
    return nn.Sequential(conv, nn.BatchNorm2d(3), conv)


def shared_weight():
    one, other = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    other.weight = one.weight
    return nn.Sequential(one, nn.BatchNorm2d(3), other)


def hooked():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    net[0].register_forward_hook(lambda module, inputs, output: None)
    return net


LEFT_ALONE = {
    "no running statistics": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
    "activation between": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, activation="relu"), nn.BatchNorm2d(4)),
    "layer between": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)),
    "norm first": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)),
    "own class": lambda: nn.Sequential(OwnConv(3, 4, 3), nn.BatchNorm2d(4)),
    "only a list": lambda: nn.Sequential({"list": nn.Sequential(nn.BatchNorm2d(3)), "conv": nn.Conv2d(3, 4, 1)}),
    "used twice": used_twice,
    "shared weight": shared_weight,
    "hooked": hooked,
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_what_cannot_be_folded_stays(case):
    net = trained(LEFT_ALONE[case]())
    folded = net.fold_batch_norm()
    assert norms(folded) == norms(net) != []
    np.testing.assert_array_equal(outputs(folded, 3), outputs(net, 3))
