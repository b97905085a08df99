import numpy as np
import pytest

from minifcn.audit.doctor.likeness import SIDE, find_alike, thumbnail


def noise(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, *shape))


@pytest.mark.parametrize("shape", [(64, 64), (100, 77), (1, 1), (33, 5), (130, 64)])
def test_thumbnails_keep_the_mean_and_turn_with_the_image(shape):
    (image,) = noise(1, *shape)
    small = thumbnail(image)
    assert small.shape == (SIDE, SIDE)
    # Sums over at most 130 x 77 numbers up to 1, rounded to float32.
    np.testing.assert_allclose(small.mean(), image.mean(), rtol=1e-6)
    np.testing.assert_allclose(thumbnail(image[::-1, ::-1]), small[::-1, ::-1], atol=1e-6)
    np.testing.assert_allclose(thumbnail(np.rot90(image)), np.rot90(small), atol=1e-6)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("quarter", range(4))
def test_turned_images_are_alike(quarter, flip):
    images = noise(4, 40, 40)
    turned = np.rot90(images[1], quarter)
    images[3] = 0.5 * (turned[:, ::-1] if flip else turned) + 0.2  # darker, and with less contrast
    alike = find_alike(np.stack([thumbnail(image) for image in images]))
    assert [(pair.first, pair.second) for pair in alike] == [(1, 3)]
    assert alike[0].correlation > 0.9999


def test_what_only_looks_alike_from_afar_is_not():
    grey = np.add.outer(np.arange(64.0), np.arange(64.0)) / 128
    images = grey + 0.05 * noise(2, 64, 64)
    assert np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] > 0.98
    assert find_alike(images.astype(np.float32)) == []


def test_a_single_grey_is_like_nothing():
    assert find_alike(np.ones((3, SIDE, SIDE), np.float32)) == []
    assert find_alike(np.zeros((0, SIDE, SIDE), np.float32)) == []
