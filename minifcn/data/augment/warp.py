"""Deformations: draw where to look, then look.

A deformation does not move pixels. It says, for every pixel that is to come out, at which place of the image to look:
an offset from the centre of the window, in pixels. `RandomWarp` hands these offsets through any number of
deformations and then looks once. So a composed deformation blurs no more than a single one; a crop reads only the
pixels that it shows; and what comes in at its border is the image around it, not a mirror image.

Image, label, weights and values are looked at in the same places: classes at the nearest pixel, so no new ones arise;
weights and values between pixels, linearly. Beyond the image's border all of them are mirrored together: the mirrored
part is as true a pair of image and label as the rest, unlike a crop's padding.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifcn.data.augment.crops import Crop
from minifcn.data.augment.sampling import Interpolation, sample
from minifcn.data.augment.window import Pair
from minifcn.data.dataset import Image, Label, Sample
from minifcn.data.targets import Kind, mapped

Offsets = NDArray[np.float32]  # (2, h, w): rows and columns, in pixels from the window's centre


class Deformation(ABC):
    """Something that can be done to offsets. By itself it is a transform of a whole image that keeps its size."""

    @abstractmethod
    def deform(self, offsets: Offsets, rng: np.random.Generator) -> Offsets:
        """Return where to look instead of `offsets`, float32 (2, h, w)."""

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return image and label, deformed alike."""
        return RandomWarp(self)(image, label, rng)


@dataclass(frozen=True, init=False)
class RandomWarp:
    """Deform a window of the image, or all of it; see above.

    Values are moved, not rescaled: a density that is enlarged or shrunk adds up to another count than before.

    Args:
        deformations: the offsets pass through them in this order.
        crop: says where the window lies; without one, all of the image comes out.
        interpolation: of images: "cubic", "linear" or "nearest".

    Raises:
        ValueError: an unknown interpolation.

    >>> from minifcn.data import BalancedCrop, ElasticDeformation, RandomAffine
    >>> warp = RandomWarp(ElasticDeformation(4), RandomAffine(15, scale=(0.8, 1.25)), crop=BalancedCrop(64))
    >>> image, label = np.zeros((100, 120, 1), np.float32), np.zeros((100, 120), np.int64)
    >>> image, label = warp(image, label, np.random.default_rng(0))
    >>> image.shape, label.shape
    ((64, 64, 1), (64, 64))
    """

    deformations: tuple[Deformation, ...]
    crop: Crop | None
    interpolation: Interpolation

    def __init__(
        self, *deformations: Deformation, crop: Crop | None = None, interpolation: Interpolation = "cubic"
    ) -> None:
        if interpolation not in ("nearest", "linear", "cubic"):
            raise ValueError(f"RandomWarp: expected interpolation nearest, linear or cubic, got {interpolation!r}")
        object.__setattr__(self, "deformations", deformations)
        object.__setattr__(self, "crop", crop)
        object.__setattr__(self, "interpolation", interpolation)

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return the deformed window of image and label."""
        shape = image.shape[:2]
        corner, size = ((0, 0), shape) if self.crop is None else (self.crop.corner(shape, label, rng), self.crop.size)
        offsets = undeformed(size)
        for deformation in self.deformations:
            offsets = deformation.deform(offsets, rng)
        rows, columns = (
            axis + np.float32(first + (count - 1) / 2) for axis, first, count in zip(offsets, corner, size, strict=True)
        )

        def look(pixels: NDArray, kind: Kind) -> NDArray:
            return sample(pixels, rows, columns, "nearest" if kind == "classes" else "linear")

        return sample(image, rows, columns, self.interpolation), mapped(label, look)


def undeformed(size: Pair) -> Offsets:
    """Return the offsets of a window's own pixels from its centre.

    >>> undeformed((2, 3)).tolist()
    [[[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5]], [[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]]]
    """
    # Halves of pixels are exact in float32: what is not deformed comes out as it was, to the bit.
    offsets = np.indices(size, np.float32)
    offsets -= np.array([[[(length - 1) / 2]] for length in size], np.float32)
    return offsets
