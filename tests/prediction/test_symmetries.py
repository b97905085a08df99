"""The eight symmetries, their inverses, and answers that turn with the image."""

import numpy as np
import pytest
from prediction_networks import shaken
from tolerances import tolerance

from minifcn.models import UNet
from minifcn.prediction import Predictor, predict
from minifcn.prediction.symmetries import SYMMETRIES, symmetrised

IMAGES = np.random.default_rng(0).random((2, 6, 9, 1), np.float32)


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_undo_is_the_inverse(symmetry):
    np.testing.assert_array_equal(symmetry.undo(symmetry.apply(IMAGES)), IMAGES)


def test_all_eight_are_different():
    corners = np.arange(4).reshape(1, 2, 2, 1)
    assert len({symmetry.apply(corners).tobytes() for symmetry in SYMMETRIES}) == 8


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_the_mean_turns_with_the_image(symmetry):
    model = shaken(UNet(1, 2, base=2, depth=1))
    turned = np.ascontiguousarray(symmetry.apply(IMAGES))
    mean, plain = (Predictor(model, activation="identity", symmetries=whether) for whether in (True, False))
    expected = mean(IMAGES)
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(
        symmetry.undo(mean(turned)), expected, **tolerance(np.float32, terms=100, scale=scale, growth=4)
    )
    if symmetry != SYMMETRIES[0]:
        assert np.abs(symmetry.undo(plain(turned)) - plain(IMAGES)).max() > 1e-3 * scale


def test_an_answer_that_is_the_image_stays():
    np.testing.assert_allclose(symmetrised(lambda images: images, IMAGES), IMAGES, **tolerance(np.float32, terms=8))


def test_tiles_and_symmetries_go_together():
    model, image = shaken(UNet(1, 2, base=2, depth=1)), IMAGES.repeat(9, axis=1).repeat(5, axis=2)
    whole = predict(model, image, "pad", symmetries=True)
    tiled = predict(model, image, "tile", tile=36, symmetries=True)
    np.testing.assert_allclose(tiled, whole, **tolerance(np.float32, terms=100, growth=16))
