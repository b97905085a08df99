"""Networks that have no tiles without a seam are refused, each with its reason."""

import numpy as np
import pytest
from prediction_networks import shaken

import minifcn as mf
from minifcn import functional as F
from minifcn import nn
from minifcn.audit import receptive_field
from minifcn.audit.asked import Asked
from minifcn.audit.fields.uncut import AxisGeometry
from minifcn.models import UNet
from minifcn.prediction.geometry import Geometry


class Function(nn.Module):
    """What a function makes of an image, after a convolution."""

    def __init__(self, function):
        self.conv, self.function = nn.Conv2d(1, 1, 3, padding=1), function

    def forward(self, x):
        return self.function(self.conv(x))


def centred(x):
    return x - F.mean(x, (1, 2), keepdims=True)


def aligned(x):
    small = F.max_pool2d(x, 2)
    return F.upsample_bilinear(small, (2 * small.shape[1], 2 * small.shape[2]), align_corners=True)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            UNet(1, 2, base=2, depth=2, coordinates=True),
            "answers differ by .* of the largest, as they do",
        ),
        (Asked(Function(centred)), "does not move with the image, or each of its pixels depends on all of it"),
        (Asked(Function(aligned)), "answers differ by"),
        (Asked(Function(lambda x: F.max_pool2d(x, 2))), "its output has 1 rows for 2 of the image, not one for each"),
    ],
    ids=["coordinates", "mean of the image", "aligned corners", "half as large"],
)
def test_networks_without_tiles_are_refused(network, message):
    with pytest.raises(ValueError, match=rf"cannot be applied in tiles: .*{message}.*; take strategy='pad'$"):
        Geometry.of(network)


def test_a_network_that_is_no_module_is_refused():
    class Elsewhere:
        in_channels = 1

        def output_length(self, length):
            return length

    with pytest.raises(ValueError, match=r"Elsewhere is no minifcn\.nn\.Module, so its operations cannot be"):
        Geometry.of(Elsewhere())


def test_taps_far_apart_do_not_hide_the_border():
    rows = AxisGeometry.of(receptive_field(nn.Conv2d(1, 2, 2, dilation=6, padding=3), 64).rows)
    assert (rows, rows.exact(20, 20)) == (AxisGeometry((-3,), (4,), period=1), (3, 17))


def test_one_row_at_a_time_of_a_window_smaller_than_any_field():
    assert AxisGeometry((-3,), (4,), period=1).exact(4, 4) == (3, 3)


def test_asking_leaves_mode_and_numbers_alone():
    model = shaken(UNet(1, 2, base=1, depth=1, norm="batch")).train()
    before = {name: array.copy() for name, array in model.state_dict().items()}
    Geometry.of(model)
    assert all(layer.training for layer in model.modules())
    assert mf.is_grad_enabled()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
