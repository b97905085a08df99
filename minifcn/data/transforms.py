"""Paired transforms: whatever moves the pixels of an image moves those of its label.

A transform is called with (image, label, rng) and returns (image, label): image (H, W, C), label (H, W), rng a
`numpy.random.Generator` from which all its randomness comes. It changes nothing in place, but may return views. What
becomes of each kind of label is said in `minifcn.data.targets`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Image, Label, Sample
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.targets import Kind, mapped


class Transform(Protocol):
    """What the loader calls on every sample."""

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return the transformed image and label."""
        ...


@dataclass(frozen=True, init=False)
class Compose:
    """Apply transforms one after the other.

    >>> Compose(RandomCrop(128), RandomFlip())
    Compose(transforms=(RandomCrop(size=(128, 128)), RandomFlip()))
    """

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform) -> None:
        object.__setattr__(self, "transforms", transforms)

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return what the last transform returns."""
        for transform in self.transforms:
            image, label = transform(image, label, rng)
        return image, label


@dataclass(frozen=True, init=False)
class _Crop(ABC):
    """A window of (height, width) pixels.

    An image smaller than the window is first padded on all sides by mirroring. Its label is padded with `IGNORE_INDEX`:
    mirrored pixels give context, but are never counted.
    """

    size: tuple[int, int]

    def __init__(self, size: int | tuple[int, int]) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 1:
            raise ValueError(f"{type(self).__name__}: expected a positive size, got {size}")
        object.__setattr__(self, "size", (height, width))

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return the window of image and label."""
        image, label = _pad_to(image, label, self.size)
        slack = image.shape[0] - self.size[0], image.shape[1] - self.size[1]
        top, left = self._corner(slack, rng)
        window = np.s_[top : top + self.size[0], left : left + self.size[1]]
        return image[window], mapped(label, lambda pixels, kind: pixels[window])

    @abstractmethod
    def _corner(self, slack: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
        """Return the window's top and left, given by how much the image is higher and wider."""


class RandomCrop(_Crop):
    """Cut a window of `size`, one number or (height, width), at a place drawn uniformly.

    An image smaller than the window is padded on all sides by mirroring; its label is padded with `IGNORE_INDEX`.

    >>> image, label = np.zeros((100, 120, 1), np.float32), np.zeros((100, 120), np.int64)
    >>> image, label = RandomCrop((64, 32))(image, label, np.random.default_rng(0))
    >>> image.shape, label.shape
    ((64, 32, 1), (64, 32))
    """

    def _corner(self, slack: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
        return int(rng.integers(slack[0] + 1)), int(rng.integers(slack[1] + 1))


class CenterCrop(_Crop):
    """Cut a window of `size`, one number or (height, width), from the middle; of two middles, the upper left one.

    An image smaller than the window is padded on all sides by mirroring; its label is padded with `IGNORE_INDEX`.
    """

    def _corner(self, slack: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
        return slack[0] // 2, slack[1] // 2


@dataclass(frozen=True)
class RandomFlip:
    """Flip up-down with probability 1/2, and left-right with probability 1/2, independently."""

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return image and label, flipped alike."""
        down, right = (-1 if flip else 1 for flip in rng.integers(2, size=2))
        return image[::down, ::right], mapped(label, lambda pixels, kind: pixels[::down, ::right])


@dataclass(frozen=True)
class RandomRot90:
    """Turn by 0, 90, 180 or 270 degrees, equally likely.

    An image that is not square is turned by 0 or 180 degrees only: a quarter turn would swap its height and width, and
    images of two shapes do not go into one batch.
    """

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return image and label, turned alike."""
        square = image.shape[0] == image.shape[1]
        turns = int(rng.integers(4)) if square else 2 * int(rng.integers(2))
        return np.rot90(image, turns), mapped(label, lambda pixels, kind: np.rot90(pixels, turns))


def _pad_to(image: Image, label: Label, size: tuple[int, int]) -> Sample:
    """Pad an image to at least `size`, the same on either side of an axis, or one pixel more after than before."""
    missing = [max(0, wanted - actual) for wanted, actual in zip(size, image.shape[:2], strict=True)]
    if not any(missing):
        return image, label
    margins = [(count // 2, count - count // 2) for count in missing]
    image = np.pad(image, [*margins, (0, 0)], mode="reflect")
    return image, mapped(label, lambda pixels, kind: _pad(pixels, kind, margins))


def _pad(pixels: NDArray, kind: Kind, margins: list[tuple[int, int]]) -> NDArray:
    """Beyond the image classes are unknown, weights are 0, and values are mirrored with the image."""
    if kind == "values":
        return np.pad(pixels, [*margins, (0, 0)], mode="reflect")
    return np.pad(pixels, margins, constant_values=IGNORE_INDEX if kind == "classes" else 0)
