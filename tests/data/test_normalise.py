"""Normalised images have mean 0 and variance 1, and constant ones are no catastrophe."""

import numpy as np
import pytest

from minifcn.data import ArrayDataset, Normalisation, Normalised, statistics


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).random((3, 8, 9, 2), np.float32) * np.float32([0.5, 0.1]) + np.float32(0.3)


def test_each_image_gets_mean_0_and_variance_1_whatever_its_brightness(images: np.ndarray) -> None:
    normalised = Normalisation("image")(images)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised.mean(axis=(1, 2)), 0.0, atol=1e-6)
    np.testing.assert_allclose(normalised.std(axis=(1, 2)), 1.0, rtol=1e-5)
    np.testing.assert_allclose(Normalisation("image")(images * 0.5 + 0.2), normalised, atol=1e-5)


def test_one_image_is_normalised_as_in_a_batch(images: np.ndarray) -> None:
    np.testing.assert_array_equal(Normalisation("image")(images[1]), Normalisation("image")(images)[1])


def test_a_constant_image_becomes_zero() -> None:
    constant = np.full((4, 4, 1), 0.7, np.float32)
    np.testing.assert_array_equal(Normalisation("image")(constant), np.zeros_like(constant))


def test_the_datasets_statistics_give_the_dataset_mean_0_and_variance_1(images: np.ndarray) -> None:
    dataset = ArrayDataset(list(images), np.zeros((3, 8, 9), int), ("a", "b"))
    mean, std = statistics(dataset)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(std, images.std(axis=(0, 1, 2)), atol=1e-5)
    normalised = Normalised(dataset, Normalisation("dataset", mean, std))
    pixels = np.stack([image for image, _ in normalised])
    np.testing.assert_allclose(pixels.mean(axis=(0, 1, 2)), 0.0, atol=1e-4)
    np.testing.assert_allclose(pixels.std(axis=(0, 1, 2)), 1.0, atol=1e-4)
    assert (normalised.name, normalised.classes, normalised.channels) == ("arrays", ("a", "b"), 2)
    assert normalised.notes == dataset.notes
    assert len(normalised) == 3


def test_a_constant_channel_has_standard_deviation_1() -> None:
    dataset = ArrayDataset(np.zeros((2, 4, 4, 1), np.float32), np.zeros((2, 4, 4), int), ("a", "b"))
    assert statistics(dataset) == ((0.0,), (1.0,))
