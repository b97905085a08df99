"""Figures for looking at images, numbers, filters and feature maps."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn, plots


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def pixels(axes):
    return np.asarray(axes.images[0].get_array())


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (1, 4, 5, 1)])
def test_one_channel_is_shown_as_it_is(shape):
    values = np.arange(20.0)
    figure = plots.images({"a": mf.tensor(values.reshape(shape))}, limits=(0, 19))
    np.testing.assert_array_equal(pixels(figure.axes[0]), values.reshape(4, 5))


def test_colours_masks_and_rows():
    colour = np.random.default_rng(0).random((4, 4, 3))
    figure = plots.images([colour, colour > 0.5, colour[..., 0] > 0.5, np.full((4, 4, 3), 2.0)], columns=2)
    assert len(figure.axes) == 4
    np.testing.assert_array_equal(pixels(figure.axes[3]), np.ones((4, 4, 3)))


def test_a_bar_beside_each_grey_image():
    assert len(plots.images({"a": np.eye(3)}, bar=True).axes) == 2


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4, 1), (4, 4, 2)])
def test_what_is_no_image(shape):
    with pytest.raises(ValueError, match=r"'a' has shape .* plots\.feature_maps"):
        plots.images({"a": np.zeros(shape)})


def test_nothing_to_show():
    with pytest.raises(ValueError, match="no image to show"):
        plots.images({})
    with pytest.raises(ValueError, match="no array to show"):
        plots.numbers({})


def test_numbers_in_cells():
    figure = plots.numbers({"a": [[0.0, -0.0], [0.5, 123456.0]], "b": np.zeros((1, 3))}, digits=".2g")
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "0", "0.5", "1.2e+05"]
    assert titles(figure) == ["a", "b"]


def test_numbers_that_nobody_could_read():
    with pytest.raises(ValueError, match="up to 32 x 32 numbers can be read"):
        plots.numbers({"a": np.zeros((40, 2))})


def test_one_array_needs_no_title():
    assert titles(plots.numbers(np.eye(2))) == [""]


def test_integer_colours_and_empty_images():
    np.testing.assert_array_equal(pixels(plots.images([np.full((2, 2, 3), 300)]).axes[0]), np.full((2, 2, 3), 255))
    with pytest.raises(ValueError, match="has shape"):
        plots.images([np.zeros((0, 4))])


def test_transposed_filters_are_from_input_to_output():
    assert plots.filters(nn.ConvTranspose2d(4, 2, 3)).get_suptitle().startswith("4 → 2 channels")
    with pytest.raises(ValueError, match="limit must be 1 or more"):
        plots.filters(nn.Conv2d(1, 1, 1), limit=0)


def test_numbers_with_nan():
    assert [t.get_text() for t in plots.numbers({"a": [[np.nan, np.inf]]}).axes[0].texts] == ["nan", "inf"]


def test_filters_of_one_channel_of_colours_and_of_several():
    assert len(plots.filters(nn.Conv2d(1, 10, 5)).axes) == 10
    colour = plots.filters(nn.Conv2d(3, 4, 3))
    assert len(colour.axes) == 4
    assert pixels(colour.axes[0]).shape == (3, 3, 3)
    layer = nn.Conv2d(2, 3, 3)
    several = plots.filters(layer)
    assert len(several.axes) == 6
    np.testing.assert_array_equal(pixels(several.axes[4]), layer.weight.numpy()[:, :, 1, 1])
    assert several.get_suptitle().startswith("2 → 3 channels")
    assert len(plots.filters(nn.Conv2d(2, 3, 3), limit=2).axes) == 4


def test_filters_of_zeros_and_of_what_has_none():
    assert len(plots.filters(np.zeros((3, 3, 1, 1))).axes) == 1
    with pytest.raises(ValueError, match="this one has shape"):
        plots.filters(nn.Linear(2, 2))


@pytest.fixture
def net():
    return nn.Sequential(nn.Conv2d(1, 20, 3), nn.BatchNorm2d(20), nn.MaxPool2d(2, return_indices=True))


def test_feature_maps_of_a_layer(net):
    image = np.random.default_rng(0).random((8, 8))
    figure = plots.feature_maps(net, image, "0")
    assert len(figure.axes) == 16
    assert figure.get_suptitle() == "0: 6 × 6 pixels, the first 16 of 20 channels"
    expected = net[0](mf.tensor(image[None, :, :, None].astype(np.float32))).numpy()
    np.testing.assert_array_equal(pixels(figure.axes[3]), expected[0, ..., 3])
    assert net.training
    assert not any(layer._hooks for layer in net.modules())


def test_feature_maps_of_a_pooling_with_indices_and_of_arrays(net):
    assert len(plots.feature_maps(net, np.zeros((1, 8, 8, 1)), "2", limit=3).axes) == 3
    assert plots.feature_maps(np.zeros((4, 4, 2))).get_suptitle() == "maps: 4 × 4 pixels, 2 channels"


def test_errors_of_feature_maps(net):
    with pytest.raises(ValueError, match="has no layer '3'"):
        plots.feature_maps(net, np.zeros((8, 8)), "3")
    with pytest.raises(ValueError, match="needs an image"):
        plots.feature_maps(net)
    with pytest.raises(ValueError, match="not a map"):
        plots.feature_maps(nn.Sequential(nn.Flatten()), np.zeros((8, 8)))

    class Lazy(nn.Module):
        def __init__(self):
            self.unused = nn.ReLU()

        def forward(self, x):
            return x

    with pytest.raises(ValueError, match="was not applied"):
        plots.feature_maps(Lazy(), np.zeros((4, 4)), "unused")
