"""Dense layers as convolutions: what is kept, what fits where, and what cannot be converted."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn
from minifcn.models import UNet, convolutionalize
from minifcn.models.convolutionalize import receptive_field
from tests.tolerances import assert_close


def test_one_window_gives_what_the_classifier_gives():
    layers = nn.Sequential(
        nn.Sequential(nn.Conv2d(2, 3, (3, 2), stride=(2, 1)), nn.Tanh()),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * 4 * 3, 5, bias=False),
        nn.LeakyReLU(),
        nn.Linear(5, 4),
    ).astype(np.float64)
    window = mf.tensor(np.random.default_rng(0).standard_normal((3, 9, 9, 2)))
    net = convolutionalize(layers, 9)
    assert_close(net(window).data, layers(window).data.reshape(3, 1, 1, 4), terms=24)
    assert [type(layer) for layer in net] == [
        *(nn.Conv2d, nn.Tanh, nn.MaxPool2d, nn.Identity, nn.Conv2d, nn.LeakyReLU, nn.Conv2d)
    ]
    assert net[4].bias is None


def test_a_larger_image_gives_the_windows_at_multiples_of_the_stride():
    layers = nn.Sequential(nn.Conv2d(1, 2, 2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)).astype(np.float64)
    image = mf.tensor(np.random.default_rng(0).standard_normal((1, 7, 9, 1)))
    y = convolutionalize(layers, 5)(image)
    assert y.shape == (1, 2, 3, 3)
    for row, column in np.ndindex(2, 3):
        window = image[:, 2 * row : 2 * row + 5, 2 * column : 2 * column + 5]
        assert_close(y.data[:, row, column], layers(window).data, terms=8)


def test_parameters_are_copies():
    layers = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(4, 1))
    net = convolutionalize(layers, 2)
    before = net.state_dict()
    for parameter in layers.parameters():
        nn.init.zeros_(parameter)
    assert all(np.array_equal(array, before[name]) for name, array in net.state_dict().items())
    assert any(array.any() for array in before.values())


def test_frozen_parameters_stay_frozen_and_modes_stay():
    layers = nn.Sequential(nn.Flatten(), nn.Linear(4, 1), nn.Dropout()).requires_grad_(False).eval()
    net = convolutionalize(layers, 2)
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert not any(layer.training for layer in net)


def test_dense_layers_of_single_pixels_need_no_flatten():
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(2, 2))
    assert convolutionalize(layers, 3)[1].kernel_size == (1, 1)


def test_the_receptive_field_leaves_out_what_pooling_drops():
    layers = convolutionalize(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 1)), (4, 5))
    assert receptive_field(layers) == ((4, 4), (2, 2))
    assert receptive_field([nn.Conv2d(1, 1, (3, 1), stride=(3, 2), dilation=2), nn.MaxPool2d(2)]) == ((8, 3), (6, 4))
    assert receptive_field([]) == ((1, 1), (1, 1))


def test_only_sequentials_are_converted():
    with pytest.raises(TypeError, match="convolutionalize: expected a Sequential of layers, got UNet"):
        convolutionalize(UNet(1, 2, base=1), 16)


class OwnConv2d(nn.Conv2d):
    """Who knows what it computes."""


@pytest.mark.parametrize(
    ("layers", "window", "message"),
    [
        (
            [nn.AvgPool2d(2)],
            2,
            r"layer 0, AvgPool2d\(.*\), cannot be converted; layers that can: Conv2d, MaxPool2d, Fl",
        ),
        ([OwnConv2d(1, 1, 1)], 1, "layer 0, OwnConv2d.* cannot be converted"),
        ([nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1)], 3, r"layer 1, Conv2d\(.* pads the window.*; use padding=0"),
        ([nn.Conv2d(1, 1, 3, padding="same")], 3, "pads the window"),
        ([nn.MaxPool2d(2, padding=1)], 2, "pads the window"),
        ([nn.MaxPool2d(2, ceil_mode=True)], 3, "has ceil_mode=True, which says something of the window"),
        ([nn.MaxPool2d(2, return_indices=True)], 2, "has return_indices=True"),
        ([nn.Flatten(), nn.Conv2d(1, 1, 1)], 1, "layer 1, Conv2d.* comes after Flatten"),
        ([nn.Flatten(), nn.Linear(10, 1)], 3, "fit a map of 3 x 3 pixels, .* 10 features are no multiple of 9; check"),
        ([nn.Flatten(), nn.Linear(4, 1)], 3, "4 features are no multiple of 9"),
        (
            [nn.MaxPool2d(2), nn.Conv2d(1, 1, 3)],
            5,
            "layer 1, .* does not fit into the 2 x 2 pixels that are left of the",
        ),
        ([nn.Conv2d(1, 1, 3)], 5, "of a window of 5 the layers leave 3 x 3 pixels, not one; end them with Flatten"),
        ([nn.Flatten()], 2, "the layers leave 2 x 2 pixels"),
        ([], 0, "convolutionalize: window must be an int or a pair of ints >= 1, got 0"),
    ],
)
def test_what_cannot_be_converted(layers, window, message):
    with pytest.raises(ValueError, match=message):
        convolutionalize(nn.Sequential(*layers), window)
