"""Random affine maps: the same object, turned, larger or smaller, slanted, elsewhere."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifcn.data.augment.warp import Deformation, Offsets


@dataclass(frozen=True)
class RandomAffine(Deformation):
    """Turn, scale, slant and shift around the window's centre.

    What lies at p from the centre comes to A p + t, with A = scale · rotation · shear; what comes out at q is therefore
    found at A⁻¹ (q - t).

    Args:
        degrees: the angle is drawn uniformly from [-degrees, degrees].
        scale: lowest and highest magnification, drawn uniformly by its logarithm: twice and half are as likely.
        shear: the angle by which columns slant is drawn uniformly from [-shear, shear], in degrees below 90.
        translate: the shift along either axis is drawn uniformly from [-translate, translate], in pixels.

    Raises:
        ValueError: an argument out of range.

    >>> RandomAffine(15, scale=(0.8, 1.25))
    RandomAffine(degrees=15, scale=(0.8, 1.25), shear=0.0, translate=0.0)
    """

    degrees: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0
    translate: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.scale
        if min(self.degrees, self.translate) < 0 or not 0 <= self.shear < 90 or not 0 < low <= high < math.inf:
            wanted = "degrees, translate >= 0, 0 <= shear < 90, 0 < scale[0] <= scale[1]"
            raise ValueError(f"RandomAffine: expected {wanted}; got {self}")

    def deform(self, offsets: Offsets, rng: np.random.Generator) -> Offsets:
        """Return A⁻¹ (q - t) for every offset q."""
        inverse = np.linalg.inv(self._matrix(rng)).astype(np.float32)
        shift = rng.uniform(-self.translate, self.translate, (2, 1, 1)).astype(np.float32)
        return np.einsum("ab,bhw->ahw", inverse, offsets - shift)

    def _matrix(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw A, which acts on (row, column)."""
        angle = math.radians(rng.uniform(-self.degrees, self.degrees))
        slant = math.tan(math.radians(rng.uniform(-self.shear, self.shear)))
        scale = math.exp(rng.uniform(*np.log(self.scale)))
        rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        return scale * rotation @ np.array([[1.0, 0.0], [slant, 1.0]])
