"""What a membrane segmentation scores without any learning: rows to print beside the results of a network.

In an electron micrograph cells are bright and membranes dark, so that the image itself is a crude map of the
probability of "interior". One threshold serves the whole stack, so slices of unequal brightness cost these rows dear.
"""

import numpy as np


def raw_threshold(images: np.ndarray) -> np.ndarray:
    """The images themselves as probability of interior; the metric then finds the best threshold.

    Args:
        images: (N, H, W) or (H, W); boolean, uint8, uint16, or floating point in 0..1.

    Returns:
        The same shape, float32 in 0..1.

    >>> raw_threshold(np.array([[0, 255]], dtype=np.uint8))
    array([[0., 1.]], dtype=float32)
    """
    from minifcn.io.images import to_float

    images = np.asarray(images)
    if images.ndim not in (2, 3):
        raise ValueError(f"raw_threshold: expected (H, W) or (N, H, W), got {images.shape}")
    return to_float(images)


def gaussian_threshold(images: np.ndarray, sigma: float = 3.0) -> np.ndarray:
    """The images after a Gaussian filter as probability of interior: noise goes, thin membranes too.

    Args:
        images: as for `raw_threshold`; slices are filtered one by one.
        sigma: standard deviation of the filter in pixels, 0 or more.

    Returns:
        The same shape, float32 in 0..1.

    >>> gaussian_threshold(np.full((8, 8), 51, dtype=np.uint8)).round(3)[0, 0]
    np.float32(0.2)
    """
    from scipy import ndimage

    if not sigma >= 0:
        raise ValueError(f"gaussian_threshold: sigma must be 0 or more, got {sigma}")
    probability = ndimage.gaussian_filter(raw_threshold(images), sigma, axes=(-2, -1))
    # The filter's weights sum to 1 only up to rounding, and a probability above 1 is refused by the metrics.
    return probability.clip(0.0, 1.0)
