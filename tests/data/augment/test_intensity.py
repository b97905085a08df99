import numpy as np
import pytest
from tolerances import tolerance

from minifcn.data import RandomIntensity, RandomNoise

LABEL = np.arange(12).reshape(3, 4)


def rng(seed=0):
    return np.random.default_rng(seed)


def image(channels=2, dtype=np.float32):
    return rng(1).random((3, 4, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transform", [RandomIntensity(), RandomNoise(0.2)])
def test_normalised_images_change_as_others_do(transform, dtype):
    before = image(dtype=dtype)
    changed, label = transform(before, LABEL, rng(3))
    normalised, _ = transform((before - dtype(0.5)) * dtype(4), LABEL, rng(3))
    assert changed.dtype == normalised.dtype == dtype
    assert label is LABEL
    assert np.abs(changed - before).max() > 0.01
    np.testing.assert_allclose(normalised, (changed - 0.5) * 4, **tolerance(dtype, scale=4))
    np.testing.assert_array_equal(transform(before, LABEL, rng(3))[0], changed)
    np.testing.assert_array_equal(before, image(dtype=dtype))


def test_the_formula():
    """One seed, the three numbers drawn in their order."""
    value = image()
    low, span = value.min(), np.ptp(value)
    drawn = rng(5)
    gamma, contrast, brightness = 2 ** drawn.uniform(-1, 1), drawn.uniform(0.7, 1.3), drawn.uniform(-0.1, 0.1)
    powers = ((value - low) / span).astype(np.float64) ** gamma
    expected = low + span * (powers.mean() + contrast * (powers - powers.mean()) + brightness)
    changed = RandomIntensity(gamma=2, contrast=0.3, brightness=0.1)(value, LABEL, rng(5))[0]
    np.testing.assert_allclose(changed, expected, **tolerance(np.float32, terms=4))


def test_nothing_asked_nothing_changed():
    value = image()
    changed = RandomIntensity(gamma=1, contrast=0, brightness=0)(value, LABEL, rng())[0]
    np.testing.assert_allclose(changed, value, **tolerance(np.float32))
    np.testing.assert_array_equal(RandomNoise(0)(value, LABEL, rng())[0], value)


@pytest.mark.parametrize("transform", [RandomIntensity(), RandomNoise()])
def test_an_image_of_one_value_stays_finite(transform):
    flat = np.full((1, 1, 1), 0.25, np.float32)
    np.testing.assert_array_equal(transform(flat, LABEL, rng())[0], flat)


def test_noise_has_up_to_its_standard_deviation():
    steps = np.tile(np.float32([0, 2]), 2000).reshape(40, 100, 1)  # a range of 2
    deviations = [float((RandomNoise(0.1)(steps, LABEL, rng(seed))[0] - steps).std()) for seed in range(60)]
    assert 0.17 < max(deviations) < 0.2 * (1 + 5 / np.sqrt(2 * steps.size))
    assert min(deviations) < 0.03


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomIntensity(gamma=0.9), "RandomIntensity: expected gamma >= 1, .* got RandomIntensity.gamma=0.9"),
        (lambda: RandomIntensity(contrast=1.1), "0 <= contrast <= 1"),
        (lambda: RandomIntensity(brightness=-1), "brightness >= 0"),
        (lambda: RandomNoise(-0.1), "RandomNoise: expected sigma >= 0, got -0.1"),
    ],
)
def test_arguments_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()
