"""Grey values change, labels do not: exposure and noise differ from one image to the next.

All sizes are relative to the range of the image's own values, highest - lowest. So it makes no difference whether
images come in [0, 1] or normalised, as the training normalises them before it transforms them; and nothing is cut off.
"""

from dataclasses import dataclass

import numpy as np

from minifcn.data.dataset import Image, Label, Sample


@dataclass(frozen=True)
class RandomIntensity:
    """Change gamma, then contrast, then brightness, all channels alike.

    With v in [0, 1], the place of a value in the image's range, and m the mean of v^g: v becomes m + c (v^g - m) + b.

    Args:
        gamma: g is drawn from [1 / gamma, gamma], uniformly by its logarithm; 1 changes nothing.
        contrast: c is drawn uniformly from [1 - contrast, 1 + contrast]; contrast at most 1.
        brightness: b is drawn uniformly from [-brightness, brightness].

    Raises:
        ValueError: an argument out of range.

    >>> image, label = np.linspace(0, 1, 5, dtype=np.float32).reshape(1, 5, 1), np.zeros((1, 5), np.int64)
    >>> image, label = RandomIntensity(gamma=2, contrast=0, brightness=0)(image, label, np.random.default_rng(0))
    >>> float(image.min()), float(image.max())
    (0.0, 1.0)
    """

    gamma: float = 1.25
    contrast: float = 0.2
    brightness: float = 0.1

    def __post_init__(self) -> None:
        if self.gamma < 1 or not 0 <= self.contrast <= 1 or self.brightness < 0:
            wanted = "gamma >= 1, 0 <= contrast <= 1, brightness >= 0"
            raise ValueError(f"RandomIntensity: expected {wanted}; got {self}")

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return the image with other values, and the label as it is."""
        gamma = np.exp(rng.uniform(-1, 1) * np.log(self.gamma))
        contrast = rng.uniform(1 - self.contrast, 1 + self.contrast)
        brightness = rng.uniform(-self.brightness, self.brightness)
        low, span = _range(image)
        if span == 0:
            return image, label  # a range without extent: there is nothing to be relative to
        value = ((image - low) / span) ** image.dtype.type(gamma)
        mean = value.mean(dtype=np.float64)
        # low + span · (mean + contrast · (value - mean) + brightness), with everything constant gathered
        constant = low + span * (mean * (1 - contrast) + brightness)
        return value * image.dtype.type(span * contrast) + image.dtype.type(constant), label


@dataclass(frozen=True)
class RandomNoise:
    """Add independent Gaussian noise to every value.

    Args:
        sigma: the standard deviation is drawn uniformly from [0, sigma], for each image, as a part of its range.

    Raises:
        ValueError: a negative sigma.
    """

    sigma: float = 0.05

    def __post_init__(self) -> None:
        if self.sigma < 0:
            raise ValueError(f"RandomNoise: expected sigma >= 0, got {self.sigma}")

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return the image with noise, and the label as it is."""
        sigma = rng.uniform(0, self.sigma) * _range(image)[1]
        noise = rng.standard_normal(image.shape, np.float32)
        return image + noise.astype(image.dtype) * image.dtype.type(sigma), label


def _range(image: Image) -> tuple[float, float]:
    """Return the lowest value, and how far above it the highest lies."""
    low = float(image.min())
    return low, float(image.max()) - low
