"""Networks by name."""

import pytest

import minifcn as mf
from minifcn import models


def test_every_name_is_a_network():
    assert models.REGISTRY["unet"] is models.UNet
    assert all(issubclass(network, models.Network) for network in models.REGISTRY.values())


def test_options_reach_the_network():
    assert models.create("unet", in_channels=3, classes=5, base=2, depth=1).classes == 5


@pytest.mark.parametrize("name", ["u-net", "UNet", "unett"])
def test_an_unknown_name_suggests_the_closest(name):
    with pytest.raises(ValueError, match=rf"unknown model '{name}'; did you mean 'unet'\? Models: pang, "):
        models.create(name, in_channels=1, classes=2)


def test_nothing_is_suggested_for_something_else():
    with pytest.raises(ValueError, match="unknown model 'resnet50'; Models: pang, "):
        models.create("resnet50")


def test_an_unknown_option():
    with pytest.raises(TypeError, match="widht"):
        models.create("unet", in_channels=1, classes=2, widht=3)


@pytest.mark.parametrize("name", models.REGISTRY)
def test_every_network_has_a_narrow_version(name):
    network = models.REGISTRY[name]
    net = models.create(name, in_channels=3, classes=2, **network.narrow).for_images().eval()
    assert sum(parameter.size for parameter in net.parameters()) < 30_000
    size = net.legal_size(20)
    with mf.no_grad():
        assert net(mf.zeros(1, size, size, 3)).shape == (1, *net.output_size(size, size), 2)
