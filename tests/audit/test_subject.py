"""Modules of one's own: their names, channels and sizes, and how they become networks."""

import numpy as np
import pytest

from minifcn import nn, predict
from minifcn.audit import Subject, receptive_field
from minifcn.audit.asked import Asked
from minifcn.models import UNet
from minifcn.prediction import Tiling


class Named(nn.Sequential):
    """Its name is no attribute of the class, but computed."""

    @property
    def name(self):
        return "computed"


class Sized(nn.Module):
    """Knows its sizes without being a `Network`."""

    in_channels = 1  # of the class: no layer's own attribute

    def __init__(self):
        self.conv = nn.Conv2d(1, 2, 3, padding=1)

    def output_length(self, length):
        return length

    def forward(self, x):
        return self.conv(x)


def test_names_are_text():
    assert Subject(Named(nn.Conv2d(1, 1, 3))).name == "Named"
    assert Subject(UNet(1, 2, base=1)).name == "unet"
    assert Subject(Asked(nn.Conv2d(1, 1, 3))).name == "Conv2d"


def test_a_network_is_itself_and_another_module_is_asked():
    unet, conv = UNet(1, 2, base=1), nn.Conv2d(3, 1, 3)
    assert Subject(unet).network is unet
    asked = Subject(conv, name="edge").network
    assert (asked.name, asked.in_channels, asked.output_length(7), asked.output_length(2)) == ("edge", 3, 5, 0)


def test_sizes_of_axes_that_differ_are_not_promised():
    assert Subject(nn.Conv2d(1, 1, (3, 5))).network.output_length(9) == 0


@pytest.mark.parametrize("size", [32, np.int64(32), (32, 16)])
def test_receptive_fields_on_images_of_several_channels(size):
    assert receptive_field(nn.Sequential(nn.Conv2d(3, 1, 5)), size=size).size == (5, 5)


def test_tiles_of_a_module_that_knows_its_sizes():
    model = Sized()
    image = np.random.default_rng(0).random((40, 9))
    tiling = Tiling(model, 40, 9, tile=16)
    assert (tiling.rows.usable, len(tiling)) == ((1, 15), 3)
    tiled, padded = (predict(model, image, "tile", tile=16), predict(model, image, "pad"))
    np.testing.assert_allclose(tiled, padded, atol=1e-6)
