"""Networks by name."""

import pytest

from minifcn import models


def test_every_name_is_a_network():
    assert models.REGISTRY["unet"] is models.UNet
    assert all(issubclass(network, models.Network) for network in models.REGISTRY.values())


def test_options_reach_the_network():
    assert models.create("unet", in_channels=3, classes=5, base=2, depth=1).classes == 5


@pytest.mark.parametrize("name", ["u-net", "UNet", "unett"])
def test_an_unknown_name_suggests_the_closest(name):
    with pytest.raises(ValueError, match=rf"unknown model '{name}'; did you mean 'unet'\? Models: unet"):
        models.create(name, in_channels=1, classes=2)


def test_nothing_is_suggested_for_something_else():
    with pytest.raises(ValueError, match="unknown model 'resnet50'; Models: unet"):
        models.create("resnet50")


def test_an_unknown_option():
    with pytest.raises(TypeError, match="widht"):
        models.create("unet", in_channels=1, classes=2, widht=3)
