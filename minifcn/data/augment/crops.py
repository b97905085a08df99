"""Crops: windows of one size out of images of any size.

The lecture ("Dealing with image sizes during training"): extract fixed-sized crops from the training set, and "make
them as large as possible, to reduce border effects"; `largest_crop` says how large that is.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifcn.data.augment.window import Pair, contains, inside, window
from minifcn.data.dataset import Image, Label, Sample
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.targets import Kind, mapped, without_weights


@dataclass(frozen=True, init=False)
class Crop(ABC):
    """A window of (height, width) pixels; a subclass says where it lies.

    Where it reaches beyond the image, as it must if the image is smaller, the image is mirrored. The label is
    `IGNORE_INDEX` there: mirrored pixels give context, but are never counted.
    """

    size: Pair

    def __init__(self, size: int | Pair) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 1:
            raise ValueError(f"{type(self).__name__}: expected a positive size, got {size}")
        object.__setattr__(self, "size", (height, width))

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return the window of image and label."""
        corner = self.corner(image.shape[:2], label, rng)

        def cut(pixels: NDArray, kind: Kind) -> NDArray:
            """Beyond the image classes are unknown, weights are 0, and values are mirrored with the image."""
            part = window(pixels, corner, self.size)
            if kind == "values" or contains(pixels.shape[:2], corner, self.size):
                return part
            return np.where(inside(pixels.shape[:2], corner, self.size), part, IGNORE_INDEX if kind == "classes" else 0)

        return window(image, corner, self.size), mapped(label, cut)

    @abstractmethod
    def corner(self, shape: Pair, label: Label, rng: np.random.Generator) -> Pair:
        """Return row and column of the window's upper left pixel in an image of `shape`; they may be negative."""

    def _spare(self, shape: Pair) -> Pair:
        """Return how many pixels the image has more than the window, or fewer: then negative."""
        return shape[0] - self.size[0], shape[1] - self.size[1]


class RandomCrop(Crop):
    """Cut a window of `size`, one number or (height, width), at a place drawn uniformly.

    An image smaller than the window is padded on all sides by mirroring; its label is padded with `IGNORE_INDEX`.

    >>> image, label = np.zeros((100, 120, 1), np.float32), np.zeros((100, 120), np.int64)
    >>> image, label = RandomCrop((64, 32))(image, label, np.random.default_rng(0))
    >>> image.shape, label.shape
    ((64, 32, 1), (64, 32))
    """

    def corner(self, shape: Pair, label: Label, rng: np.random.Generator) -> Pair:
        """Return a place drawn uniformly; along an axis that is too short, the middle."""
        down, right = (_middle(spare) + int(rng.integers(max(0, spare) + 1)) for spare in self._spare(shape))
        return down, right


class CenterCrop(Crop):
    """Cut a window of `size`, one number or (height, width), from the middle; of two middles, the upper left one.

    An image smaller than the window is padded on all sides by mirroring; its label is padded with `IGNORE_INDEX`.
    """

    def corner(self, shape: Pair, label: Label, rng: np.random.Generator) -> Pair:
        """Return the middle."""
        down, right = (_middle(spare) + max(0, spare) // 2 for spare in self._spare(shape))
        return down, right


@dataclass(frozen=True, init=False)
class BalancedCrop(Crop):
    """Cut a window around a pixel whose class is drawn uniformly from those in the label: rare classes are seen often.

    First a class is drawn, then one of its pixels (any pixel, where all are to be ignored); the pixel at
    ((height − 1) // 2, (width − 1) // 2) of the window is to be that one. A classifier of windows is trained on equal
    numbers of either class in this way, as Ciresan et al. 2012 did; `CentreClass` then leaves the class of that pixel
    alone.

    Args:
        size: one number or (height, width).
        exact: the pixel is in the centre even if part of the window then lies beyond the image: mirrored, and not
            counted. Otherwise the window is moved to lie inside, as far as the image is large enough.

    Raises:
        ValueError: a size that is not positive; on a sample: the label is not one of pixels.

    >>> image, label = np.zeros((100, 120, 1), np.float32), np.zeros((100, 120), np.int64)
    >>> label[3, 117] = 1
    >>> crop, rng = BalancedCrop(5, exact=True), np.random.default_rng(0)
    >>> {int(crop(image, label, rng)[1][2, 2]) for _ in range(20)}
    {0, 1}
    """

    exact: bool

    def __init__(self, size: int | Pair, *, exact: bool = False) -> None:
        super().__init__(size)
        object.__setattr__(self, "exact", exact)

    def corner(self, shape: Pair, label: Label, rng: np.random.Generator) -> Pair:
        """Return the place that has the pixel drawn in its centre, or as near to it as the image allows."""
        pixel = self._pixel(without_weights(label), rng)
        wanted = pixel[0] - (self.size[0] - 1) // 2, pixel[1] - (self.size[1] - 1) // 2
        if self.exact:
            return wanted
        down, right = (
            min(max(0, start), spare) if spare >= 0 else _middle(spare)
            for start, spare in zip(wanted, self._spare(shape), strict=True)
        )
        return down, right

    def _pixel(self, classes: NDArray, rng: np.random.Generator) -> Pair:
        if classes.ndim != 2 or classes.dtype.kind not in "iu":
            given = f"{classes.dtype} {classes.shape}"
            raise ValueError(f"BalancedCrop: expected a label of one class a pixel (H, W), got {given}; use RandomCrop")
        # Class numbers are small, so counting them is much faster than sorting them. What is ignored counts as class 0.
        present = np.flatnonzero(np.bincount(np.maximum(classes, IGNORE_INDEX).ravel() - IGNORE_INDEX))
        present = present[present > 0] + IGNORE_INDEX
        if not present.size:  # nothing to balance, and nothing to learn: any place will do
            return int(rng.integers(classes.shape[0])), int(rng.integers(classes.shape[1]))
        places = np.flatnonzero(classes == rng.choice(present))
        row, column = divmod(int(rng.choice(places)), classes.shape[1])
        return row, column


@dataclass(frozen=True)
class CentreClass:
    """Keep of a label (H, W) the class at ((H − 1) // 2, (W − 1) // 2): of shape (), for a classifier of windows.

    >>> image, label = np.zeros((3, 3, 1), np.float32), np.arange(9).reshape(3, 3)
    >>> CentreClass()(image, label, np.random.default_rng(0))[1]
    array(4)
    """

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return the image as it is, and the class of its centre."""
        classes = without_weights(label)
        if classes.ndim != 2:
            raise ValueError(f"CentreClass: expected a label of one class a pixel (H, W), got {classes.shape}")
        return image, np.asarray(classes[(classes.shape[0] - 1) // 2, (classes.shape[1] - 1) // 2])


def largest_crop(sizes: Iterable[Pair], pixels: int, legal: Callable[[int], object] = bool) -> int:
    """Return the side of the largest square crop that lies inside all images, has no more than `pixels`, and is legal.

    Args:
        sizes: (height, width) of the images.
        pixels: how many pixels a crop may have: a step's memory grows with them.
        legal: whether a network takes this side: its `output_length`.

    Raises:
        ValueError: there are no images, or no side is small enough and legal.

    >>> from minifcn.models import UNet
    >>> network = UNet(1, 2, base=1, padding="valid")
    >>> largest_crop([(512, 512), (390, 700)], pixels=400 * 400, legal=network.output_length)
    380
    """
    shortest = min((min(size) for size in sizes), default=0)
    if shortest < 1 or pixels < 1:
        raise ValueError(f"largest_crop: expected images and pixels >= 1, got a shortest side of {shortest}, {pixels}")
    limit = min(shortest, math.isqrt(pixels))
    for side in range(limit, 0, -1):
        if legal(side):
            return side
    why = f"the shortest side of an image is {shortest}, and {pixels} pixels are allowed"
    raise ValueError(f"largest_crop: no side up to {limit} is legal: {why}; pad the images, or allow more")


def _middle(spare: int) -> int:
    """Where a window starts along an axis that is too short for it: as far outside on either side, or one less."""
    return min(0, -((-spare) // 2))
