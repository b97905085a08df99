"""Paired transforms: whatever moves the pixels of an image moves those of its label. Here are those that lose nothing.

A transform is called with (image, label, rng) and returns (image, label): image (H, W, C), label (H, W), rng a
`numpy.random.Generator` from which all its randomness comes. It changes nothing in place, but may return views. What
becomes of each kind of label is said in `minifcn.data.targets`. Others cut (`minifcn.data.augment.crops`), deform
(`minifcn.data.augment.warp`), or change grey values and no label (`minifcn.data.augment.intensity`).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from minifcn.data.dataset import Image, Label, Sample
from minifcn.data.targets import mapped


class Transform(Protocol):
    """What the loader calls on every sample."""

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return the transformed image and label."""
        ...


@dataclass(frozen=True, init=False)
class Compose:
    """Apply transforms one after the other.

    >>> Compose(RandomFlip(), RandomRot90())
    Compose(transforms=(RandomFlip(vertical=True), RandomRot90()))
    """

    transforms: tuple[Transform, ...]

    def __init__(self, *transforms: Transform) -> None:
        object.__setattr__(self, "transforms", transforms)

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return what the last transform returns."""
        for transform in self.transforms:
            image, label = transform(image, label, rng)
        return image, label


@dataclass(frozen=True)
class RandomFlip:
    """Flip left-right with probability 1/2 and, independently, up-down with probability 1/2.

    Args:
        vertical: whether images are flipped up-down too: not where gravity can be seen in them.
    """

    vertical: bool = True

    def __call__(self, image: Image, label: Label, rng: np.random.Generator) -> Sample:
        """Return image and label, flipped alike."""
        down, right = (-1 if flip else 1 for flip in rng.integers(2, size=2))
        down = down if self.vertical else 1
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
