"""Two identical discs, told apart by where they are alone: a task in which translation equivariance is not welcome.

The lecture's example is the papilla in a picture of the eye's fundus: a bright disc, which lies on one side. Here the
image has a bright disc on either side of its middle, and only the left one counts. A network that is equivariant to
translations, and whose receptive field does not reach from one disc to the other, must answer the same at both; it is
right about half of what it finds, at best. One that is told the coordinates of pixels can learn to look at the left.
"""

from __future__ import annotations

import numpy as np

from minifcn.data.dataset import Dataset, Sample, normalise_index

BACKGROUND, PAPILLA = 0, 1

# In units of the image's side. Discs stay clear of each other and of the border, whose padding tells where it is.
_RADIUS = 0.08
_ROWS = (0.35, 0.65)
_COLUMNS = (0.28, 0.32)  # of the left disc; the right one's are mirrored
_GREY, _CONTRAST, _NOISE = 0.35, 0.3, 0.06


class TwoDiscs(Dataset):
    """Noisy grey images with one bright disc left of the middle, labelled 1, and its equal right of it, labelled 0.

    The discs are at least 0.2 of the image's side away from each other and from its borders.
    Flips, turns and random crops take away what the labels depend on.

    Image i depends on seed, i and size alone.

    Args:
        count: number of images.
        size: height and width in pixels, at least 16.
        seed: a non-negative integer; sets with different seeds have no image in common.

    Raises:
        ValueError: a negative count, or too small a size.

    >>> image, label = TwoDiscs(1, size=32)[0]
    >>> image.shape, label.shape, bool(label[:, :16].any()), bool(label[:, 16:].any())
    ((32, 32, 1), (32, 32), True, False)
    """

    name = "discs"
    classes = ("background", "papilla")
    channels = 1

    def __init__(self, count: int, size: int = 64, seed: int = 0) -> None:
        if count < 0 or size < 16:
            raise ValueError(f"discs: expected count >= 0 and size >= 16; got {count}, {size}")
        self.count, self.size, self.seed = count, size, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(index,)))
        left = self._disc(rng, mirrored=False)
        right = self._disc(rng, mirrored=True)
        grey = _GREY + _CONTRAST * (left | right) + _NOISE * rng.standard_normal((self.size, self.size))
        image = (np.rint(255 * grey.clip(0, 1)) / 255).astype(np.float32)
        return image[:, :, None], np.where(left, PAPILLA, BACKGROUND).astype(np.int64)

    def _disc(self, rng: np.random.Generator, mirrored: bool) -> np.ndarray:
        """Return which pixels (H, W) lie in a disc; pixel i's centre is at (i + ½) / size."""
        row, column = rng.uniform(*_ROWS), rng.uniform(*_COLUMNS)
        centre = (np.arange(self.size) + 0.5) / self.size
        across = centre[::-1] if mirrored else centre
        return np.hypot(centre[:, None] - row, across - column) < _RADIUS
