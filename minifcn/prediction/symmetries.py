"""The eight symmetries of the square, and the mean of what a network says of an image seen in all eight ways.

A network that was not told which way is up may answer a turned or mirrored image otherwise. The mean over all eight,
each turned back, does not: turning the image turns it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Symmetry(NamedTuple):
    """Mirror columns, or not, then turn by so many quarters."""

    turns: int
    mirrored: bool

    def apply(self, images: np.ndarray) -> np.ndarray:
        """(N, H, W, C) -> (N, H, W, C), or (N, W, H, C) after an odd number of quarter turns; a view."""
        return np.rot90(images[:, :, ::-1] if self.mirrored else images, self.turns, axes=(1, 2))

    def undo(self, images: np.ndarray) -> np.ndarray:
        """The inverse of `apply`; a view."""
        images = np.rot90(images, -self.turns, axes=(1, 2))
        return images[:, :, ::-1] if self.mirrored else images


#: All eight; the identity first.
SYMMETRIES = tuple(Symmetry(turns, mirrored) for mirrored in (False, True) for turns in range(4))


def symmetrised(answer: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """The mean over the symmetries of ``answer`` to the image, turned back: (N, H, W, C) -> (N, H', W', K).

    Known as test-time augmentation; it takes eight times as long.

    >>> rows = np.arange(2.0).reshape(1, 2, 1, 1)
    >>> symmetrised(lambda images: images * 0 + images[:, :1, :1], rows).ravel().tolist()
    [0.5, 0.5]
    """
    total = answer(images)
    for symmetry in SYMMETRIES[1:]:
        turned = np.ascontiguousarray(symmetry.apply(images))
        total = total + symmetry.undo(answer(turned))
    return total / np.asarray(len(SYMMETRIES), total.dtype)
