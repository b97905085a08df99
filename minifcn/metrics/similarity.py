"""How near an image is to another: peak signal-to-noise ratio and structural similarity.

Both compare a restored image with the true one: (H, W), or (H, W, C) with the channels taken one by one.
"""

import math

import numpy as np


def psnr(truth: np.ndarray, image: np.ndarray, data_range: float | None = None) -> float:
    """Peak signal-to-noise ratio in decibels, 10 log10(L² / MSE); infinite for equal images.

    Args:
        truth: any shape, real numbers.
        image: the same shape.
        data_range: L, the largest value minus the smallest one that the images could have; None is 1 for floating point
            and booleans, 255 for uint8, 65535 for uint16.

    Raises:
        ValueError: shapes differ, there are no pixels, values are not real; ``data_range`` is not positive, or None for
            other types.

    >>> psnr(np.zeros((2, 2)), np.full((2, 2), 0.1))
    20.0
    >>> psnr(np.ones((2, 2)), np.ones((2, 2)))
    inf
    """
    truth, image, data_range = _as_pair("psnr", truth, image, data_range)
    error = float(np.mean((truth - image) ** 2))
    return 10.0 * math.log10(data_range**2 / error) if error > 0.0 else math.inf


def ssim(
    truth: np.ndarray,
    image: np.ndarray,
    data_range: float | None = None,
    sigma: float = 1.5,
    window: int = 11,
    k1: float = 0.01,
    k2: float = 0.03,
) -> float:
    """Structural similarity, the mean over pixels and channels of

        (2 μx μy + c1) (2 σxy + c2) / ((μx² + μy² + c1) (σx² + σy² + c2)),   c1 = (k1 L)²,   c2 = (k2 L)²

    where μ and σ are means and (co)variances under a Gaussian window. Windows that reach beyond the image are left out.
    1 for equal images, and for no others.

    Args:
        truth: (H, W) or (H, W, C), real numbers, at least ``window`` pixels high and wide.
        image: the same shape.
        data_range: L, as for `psnr`.
        sigma: standard deviation of the Gaussian, in pixels.
        window: its side in pixels, an odd number.
        k1: keeps the quotient of means from 0 / 0.
        k2: keeps the quotient of variances from 0 / 0.

    Raises:
        ValueError: as `psnr`; or the images are smaller than the window, or are not (H, W) or (H, W, C).

    Source: Wang, Bovik, Sheikh & Simoncelli 2004, doi 10.1109/TIP.2003.819861, whose window and constants are the
    defaults.

    >>> image = np.random.default_rng(0).random((16, 16))
    >>> round(ssim(image, image), 12), ssim(image, 1 - image) < 0
    (1.0, True)
    """
    truth, image, data_range = _as_pair("ssim", truth, image, data_range)
    if truth.ndim not in (2, 3):
        raise ValueError(f"ssim: expected images (H, W) or (H, W, C), got {truth.shape}")
    if window < 1 or window % 2 == 0 or not sigma > 0:
        raise ValueError(f"ssim: window must be odd and sigma positive, got window={window}, sigma={sigma}")
    if min(truth.shape[:2]) < window:
        raise ValueError(f"ssim: images of {truth.shape} are smaller than the window of {window} x {window} pixels")

    def mean(values: np.ndarray) -> np.ndarray:
        return _windowed_mean(values, sigma, window // 2)

    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2
    mean_x, mean_y = mean(truth), mean(image)
    var_x, var_y = mean(truth * truth) - mean_x**2, mean(image * image) - mean_y**2
    covariance = mean(truth * image) - mean_x * mean_y
    numerator = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    denominator = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return float(np.mean(numerator / denominator))


def _windowed_mean(values: np.ndarray, sigma: float, radius: int) -> np.ndarray:
    """Under the Gaussian window, wherever it fits: (H, W, ...) -> (H − 2 radius, W − 2 radius, ...)."""
    from scipy import ndimage

    # The filter's radius is ⌊truncate · sigma + ½⌋: a quarter more keeps rounding from making it one less.
    filtered = ndimage.gaussian_filter(values, sigma, truncate=(radius + 0.25) / sigma, axes=(0, 1))
    height, width = values.shape[:2]
    inside: np.ndarray = filtered[radius : height - radius, radius : width - radius]
    return inside


def _as_pair(
    name: str, truth: np.ndarray, image: np.ndarray, data_range: float | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Both images in float64, and what their values could range over, checked."""
    truth, image = np.asarray(truth), np.asarray(image)
    if truth.shape != image.shape:
        raise ValueError(f"{name}: truth {truth.shape} and image {image.shape} must have the same shape")
    if truth.size == 0:
        raise ValueError(f"{name}: images of shape {truth.shape} have no pixels to compare")
    if truth.dtype.kind not in "biuf" or image.dtype.kind not in "biuf":
        raise ValueError(f"{name}: images must hold real numbers, got {truth.dtype} and {image.dtype}")
    data_range = _range(name, truth, image) if data_range is None else data_range
    if not data_range > 0:
        raise ValueError(f"{name}: data_range must be positive, got {data_range}; it is 255 for uint8")
    return truth.astype(np.float64), image.astype(np.float64), data_range


def _range(name: str, truth: np.ndarray, image: np.ndarray) -> float:
    """What the values of these types could range over."""
    dtype = np.result_type(truth, image)
    if dtype.kind in "bf":
        return 1.0
    if dtype.kind == "u" and dtype.itemsize <= 2 and truth.dtype == image.dtype:
        return float(np.iinfo(dtype).max)
    raise ValueError(f"{name}: what {dtype} pixels could range over is not known; give data_range")
