import numpy as np
import pytest
from skimage import metrics as reference

from minifcn.metrics import psnr, ssim


def noisy(shape, scale=1.0):
    random = np.random.default_rng(0)
    truth = random.random(shape) * scale
    return truth, np.clip(truth + 0.2 * scale * random.standard_normal(shape), 0, scale)


@pytest.mark.parametrize("shape", [(24, 31), (11, 11), (16, 20, 3), (16, 20, 1)])
@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_both_agree_with_scikit_image(shape, scale):
    truth, image = noisy(shape, scale)
    expected = reference.structural_similarity(
        truth,
        image,
        data_range=scale,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2 if len(shape) == 3 else None,
    )
    assert ssim(truth, image, scale) == pytest.approx(expected, abs=1e-7)
    expected = reference.peak_signal_noise_ratio(truth, image, data_range=scale)
    assert psnr(truth, image, scale) == pytest.approx(expected, abs=1e-7)


def test_the_window_can_be_changed():
    truth, image = noisy((20, 20))
    weights = np.exp(-0.5 * (np.arange(-3, 4) / 2.0) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    windows = [np.lib.stride_tricks.sliding_window_view(array, (7, 7)) for array in (truth, image)]
    (x, y) = ((window * kernel).sum(axis=(2, 3)) for window in windows)
    xx, yy, xy = (
        (a * b * kernel).sum(axis=(2, 3)) - ma * mb
        for (a, ma), (b, mb) in [
            ((windows[0], x), (windows[0], x)),
            ((windows[1], y), (windows[1], y)),
            ((windows[0], x), (windows[1], y)),
        ]
    )
    expected = np.mean((2 * x * y + 1e-4) * (2 * xy + 9e-4) / ((x**2 + y**2 + 1e-4) * (xx + yy + 9e-4)))
    assert ssim(truth, image, sigma=2.0, window=7) == pytest.approx(expected, abs=1e-10)


def test_equal_images_are_perfect():
    truth, _ = noisy((12, 12))
    assert psnr(truth, truth) == np.inf
    assert ssim(truth, truth) == pytest.approx(1.0)
    assert ssim(np.zeros((11, 11)), np.zeros((11, 11))) == 1.0


def test_integers_do_not_wrap_around():
    black, white = np.zeros((12, 12), np.uint8), np.full((12, 12), 255, np.uint8)
    assert psnr(black, white, 255) == psnr(white, black, 255) == 0.0
    assert ssim(black, white, 255) == pytest.approx(0.01**2 / (1 + 0.01**2), abs=1e-9)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_bad_pairs_are_explained(measure):
    name, good = measure.__name__, np.ones((12, 12))
    with pytest.raises(ValueError, match=rf"{name}: truth \(12, 12\) and image \(12, 11\) must have the same shape"):
        measure(good, good[:, 1:])
    with pytest.raises(ValueError, match=rf"{name}: images of shape \(0, 12\) have no pixels"):
        measure(good[:0], good[:0])
    with pytest.raises(ValueError, match=rf"{name}: images must hold real numbers, got float64 and complex128"):
        measure(good, good * 1j)
    with pytest.raises(ValueError, match=rf"{name}: data_range must be positive, got 0; it is 255 for uint8"):
        measure(good, good, 0)


def test_images_that_no_window_fits_are_refused():
    with pytest.raises(ValueError, match=r"images of \(10, 12\) are smaller than the window of 11 x 11 pixels"):
        ssim(np.ones((10, 12)), np.ones((10, 12)))
    with pytest.raises(ValueError, match=r"expected images \(H, W\) or \(H, W, C\), got \(12,\)"):
        ssim(np.ones(12), np.ones(12))
    with pytest.raises(ValueError, match=r"window must be odd and sigma positive, got window=8, sigma=1\.5"):
        ssim(np.ones((12, 12)), np.ones((12, 12)), window=8)


def test_the_range_follows_from_the_type():
    truth, image = np.array([[0, 255]], np.uint8), np.array([[3, 250]], np.uint8)
    assert psnr(truth, image) == pytest.approx(psnr(truth / 255, image / 255))
    assert psnr(truth.astype(np.uint16), image.astype(np.uint16)) == pytest.approx(psnr(truth, image, 65535))
    for unclear in (truth.astype(np.int64), truth.astype(np.uint16)):
        with pytest.raises(ValueError, match=r"pixels could range over is not known; give data_range"):
            psnr(unclear, image.astype(np.int64))
