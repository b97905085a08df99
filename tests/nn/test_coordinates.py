"""Channels that say where a pixel is."""

import numpy as np
import pytest

import minifcn as mf
from minifcn.nn import CoordinateChannels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3, 5, 1), (1, 1, 4, 3), (1, 1, 1, 2), (3, 2, 1, 1)])
def test_rows_and_columns_run_from_minus_one_to_one(shape, dtype):
    x = np.random.default_rng(0).random(shape).astype(dtype)
    y = CoordinateChannels(radius=True)(mf.tensor(x))
    count, height, width, channels = shape
    assert (y.shape, y.dtype) == ((count, height, width, channels + 3), np.dtype(dtype))
    np.testing.assert_array_equal(y.data[..., :channels], x)
    for image in range(count):
        for i in range(height):
            for j in range(width):
                row = 2 * i / (height - 1) - 1 if height > 1 else 0
                column = 2 * j / (width - 1) - 1 if width > 1 else 0
                expected = [row, column, (row**2 + column**2) ** 0.5]
                np.testing.assert_allclose(y.data[image, i, j, channels:], expected, rtol=1e-6, atol=1e-7)


def test_no_radius_unless_asked_for():
    assert CoordinateChannels()(mf.zeros(1, 2, 2, 1)).shape == (1, 2, 2, 3)
    assert repr(CoordinateChannels()) == "CoordinateChannels(radius=False)"


def test_the_gradient_of_the_image_passes_and_nothing_is_learnt():
    layer, x = CoordinateChannels(), mf.rand(1, 2, 3, 2, requires_grad=True)
    weights = np.random.default_rng(0).random((1, 2, 3, 4)).astype(np.float32)
    (layer(x) * weights).sum().backward()
    np.testing.assert_array_equal(x.grad.data, weights[..., :2])
    assert not layer.state_dict()


@pytest.mark.parametrize("x", [np.zeros((2, 2, 1), np.float32), np.zeros((1, 2, 2, 1), np.int64)])
def test_what_is_no_batch_of_images_is_refused(x):
    with pytest.raises((TypeError, ValueError), match="CoordinateChannels"):
        CoordinateChannels()(mf.tensor(x))
