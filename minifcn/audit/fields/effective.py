"""The effective receptive field: how much each pixel of the theoretical one really weighs.

Luo, Li, Urtasun & Zemel 2017 (arXiv:1701.04128): the gradient is 1 at the centre of the output and 0 elsewhere; carried
back to the image, its absolute value, averaged over weights or images, is about a Gaussian. The effective size is the
square root of the number of pixels that have more than 1 − 95.45 % of the largest value: those within two standard
deviations, were it Gaussian along one axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minifcn.audit.subject import dtype_of
from minifcn.autograd import enable_grad, grad
from minifcn.kernels.shapes import Pair
from minifcn.nn import Module
from minifcn.nn.modes import evaluating
from minifcn.tensor import Tensor

#: Of the largest value: what lies beyond two standard deviations of a Gaussian.
THRESHOLD = 1 - 0.9545


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """What the pixels of an image weigh for the centre of the output.

    Attributes:
        map: (H, W) mean absolute gradient, summed over channels and divided by its largest value.
        label: what it is of.
        theoretical: rows and columns (first, last) of the theoretical field of that output pixel.
    """

    map: np.ndarray
    label: str
    theoretical: tuple[Pair, Pair]

    @property
    def size(self) -> float:
        """√(number of pixels above 1 − 95.45 % of the largest), in pixels."""
        return math.sqrt(np.count_nonzero(self.map > THRESHOLD))

    @property
    def theoretical_size(self) -> float:
        """√(rows · columns) of the theoretical field."""
        rows, columns = (last - first + 1 for first, last in self.theoretical)
        return math.sqrt(rows * columns)

    @property
    def share(self) -> float:
        """Effective size over theoretical size."""
        return self.size / self.theoretical_size

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of mass: row and column."""
        return _moments(self.map.sum(axis=1))[0], _moments(self.map.sum(axis=0))[0]

    @property
    def spread(self) -> tuple[float, float]:
        """Standard deviation along rows and columns, by moments: √(mean of squared distances from the centre)."""
        return _moments(self.map.sum(axis=1))[1], _moments(self.map.sum(axis=0))[1]

    @property
    def gaussian(self) -> tuple[float, float]:
        """Standard deviations along rows and columns of Gaussians fitted to the marginals by least squares; NaN: none.

        A fit follows the middle, where the weight is; moments follow the tails as well.
        """
        return fitted(self.map.sum(axis=1)).sigma, fitted(self.map.sum(axis=0)).sigma


def centre_gradient(module: Module, image: np.ndarray) -> np.ndarray:
    """(H, W) absolute gradient, summed over channels, of the sum of all channels of the output's central pixel."""
    dtype = dtype_of(module)
    given = Tensor(np.asarray(image, dtype), requires_grad=True)
    with evaluating(module), enable_grad():
        output = module(given)
        if not isinstance(output, Tensor) or output.ndim != 4:
            raise ValueError(
                "effective_receptive_field: the network must return one map (N, P, Q, K), whose centre is looked at"
            )
        seed = np.zeros(output.shape, output.dtype)
        seed[0, output.shape[1] // 2, output.shape[2] // 2] = 1.0
        (gradient,) = grad(output, given, Tensor(seed))
    assert gradient is not None
    return np.abs(gradient.data[0]).sum(axis=-1, dtype=np.float64)


class Bell(NamedTuple):
    """a · exp(−(x − m)² / (2 σ²)), x in pixels; NaN where there was nothing to fit."""

    height: float
    mean: float
    sigma: float


def fitted(profile: np.ndarray) -> Bell:
    """The bell of least squares through a profile; NaN if there is none, or it is wider than the profile.

    >>> x = np.arange(41.0)
    >>> round(fitted(np.exp(-((x - 20) ** 2) / 18)).sigma, 6)
    3.0
    """
    from scipy.optimize import curve_fit

    x = np.arange(len(profile), dtype=np.float64)
    mean, deviation = _moments(profile)
    if len(profile) < 4 or np.count_nonzero(profile) < 4 or deviation == 0:
        return Bell(math.nan, math.nan, math.nan)
    start = (float(profile.max()), mean, deviation)
    try:
        (height, mean, sigma), _ = curve_fit(bell, x, profile, start, maxfev=2000)
    except RuntimeError:
        return Bell(math.nan, math.nan, math.nan)
    if abs(sigma) > len(profile):  # as good as flat: what lies outside was not seen
        return Bell(math.nan, math.nan, math.nan)
    return Bell(float(height), float(mean), float(abs(sigma)))


def bell(x: np.ndarray, height: float, mean: float, sigma: float) -> np.ndarray:
    """The values of a `Bell`."""
    return height * np.exp(-((x - mean) ** 2) / (2 * sigma**2 + 1e-300))


def _moments(profile: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of positions, weighted by a profile."""
    x, weight = np.arange(len(profile)), profile / profile.sum()
    mean = float((x * weight).sum())
    return mean, math.sqrt(float(((x - mean) ** 2 * weight).sum()))


def mean_field(fields: Callable[[int], np.ndarray], runs: int) -> np.ndarray:
    """Mean of maps (H, W) over runs, divided by its largest value."""
    total = np.sum([fields(run) for run in range(runs)], axis=0)
    return total / total.max()


def loglog_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the line of least squares through (log x, log y).

    >>> round(loglog_slope([1, 2, 4], [3, 6, 12]), 6)
    1.0
    """
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
