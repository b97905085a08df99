"""Scenes of several digits: MNIST's, scattered over a canvas.

What is asked of a network grows with the target: which digit every pixel belongs to; which pixels belong to the same
one, with the boxes that detectors learn; how many there are. The same scenes serve all of these, with exact truth.
"""

import math
import os
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from minifcn.data.augment.affine import RandomAffine
from minifcn.data.augment.sampling import sample
from minifcn.data.augment.warp import undeformed
from minifcn.data.augment.window import Pair
from minifcn.data.dataset import Dataset, Image, Label, Sample, normalise_index
from minifcn.data.sets.mnist import MNIST, MNIST_URL

Goal = Literal["semantic", "instance", "count"]

_SIDE = 28
_INK = np.float32(127 / 255)  # brighter is ink, as in MNISTSegmentation
_TRIES = 100


class Scene(NamedTuple):
    """What was drawn.

    Attributes:
        image: float32 (H, W) in [0, 1].
        instances: int64 (H, W): 0 is background, k is the ink of object k = 1, 2, ... that can be seen.
        digits: int64 (n,): which digit object k is, at k - 1.
    """

    image: NDArray[np.float32]
    instances: NDArray[np.int64]
    digits: NDArray[np.int64]


class DigitScenes(Dataset):
    """Digits of MNIST at random places of a canvas, white ink on black.

    Scene i depends on the split, the seed, i and how scenes are to look, not on `count`. Targets:

        semantic   int64 (H, W): 0 is background, d + 1 is ink of the digit d
        instance   int64 (H, W): 0 is background, 1 is ink; `instances` says which ink belongs together
        count      float32 (H, W, 1): a density that sums to the number of digits, a Gaussian around each box's centre

    `instances`, `boxes` and `count` are there whatever the target.

    Args:
        root: see `MNIST`, as for `split`, `download` and `url`.
        count: number of scenes.
        size: height and width of the canvas, or one number for both.
        digits: least and greatest number of digits, drawn uniformly; a full canvas takes fewer.
        seed: a non-negative integer.
        split: "train" or "test": whose digits.
        target: "semantic", "instance" or "count".
        overlap: later digits may cover earlier ones; one that is covered altogether is not counted. Otherwise there is
            at least one pixel of background between any two.
        scale: lowest and highest magnification.
        degrees: digits are turned by up to as much, either way.
        blur: standard deviation of the density's Gaussians, in pixels.
        download: fetch what is missing.
        url: where to fetch from.

    Raises:
        ValueError: an argument out of range, a canvas smaller than a digit, and what `MNIST` raises.
        FileNotFoundError: a file of MNIST is missing.
    """

    name = "digit scenes"
    channels = 1

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        count: int = 1000,
        size: int | Pair = 128,
        digits: Pair = (3, 8),
        seed: int = 0,
        split: str = "train",
        target: Goal = "semantic",
        overlap: bool = False,
        *,
        scale: tuple[float, float] = (1.0, 1.0),
        degrees: float = 0.0,
        blur: float = 3.0,
        download: bool = False,
        url: str = MNIST_URL,
    ) -> None:
        self.size = (size, size) if isinstance(size, int) else size
        if count < 0 or seed < 0 or not 0 <= digits[0] <= digits[1] or blur <= 0:
            wanted = "count, seed >= 0, 0 <= digits[0] <= digits[1], blur > 0"
            raise ValueError(f"{self.name}: expected {wanted}; got {count}, {seed}, {digits}, {blur}")
        if target not in get_args(Goal):
            raise ValueError(f"{self.name}: expected target semantic, instance or count, got {target!r}")
        self._affine = RandomAffine(degrees, scale)
        self._stamp = math.ceil(_SIDE * scale[1] * (math.sqrt(2) if degrees else 1))
        if min(self.size) < self._stamp:
            raise ValueError(
                f"{self.name}: expected a canvas of {self._stamp} x {self._stamp} pixels at least, which a digit may "
                f"need, got {self.size[0]} x {self.size[1]}"
            )
        self._length, self.digits, self.seed, self.target = count, digits, seed, target
        self.overlap, self.blur, self.split = overlap, blur, split
        self.task = "regression" if target == "count" else "segmentation"
        self.classes = {
            "semantic": ("background", *"0123456789"),
            "instance": ("background", "digit"),
            "count": ("digits",),
        }[target]
        self._mnist = MNIST(root, split, download=download, url=url)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        scene = self.scene(index)
        return scene.image[:, :, None], self._label(scene)

    def scene(self, index: int) -> Scene:
        """Draw scene `index` and say what is in it."""
        index = normalise_index(index, len(self), self.name)
        stream = np.random.SeedSequence(self.seed, spawn_key=(int(self.split == "test"), index))
        return self._draw(np.random.default_rng(stream))

    def instances(self, index: int) -> NDArray[np.int64]:
        """Return the digits of scene `index` as int64 (H, W): 0 between them, then 1, 2, ..., as `boxes` has them."""
        return self.scene(index).instances

    def boxes(self, index: int) -> NDArray[np.int64]:
        """Return int64 (n, 5): x0, y0, x1, y1 and d + 1 for each digit d, in the order of `instances`.

        A box bounds the ink that can be seen: columns x0 to x1 - 1, rows y0 to y1 - 1.
        """
        scene = self.scene(index)
        return np.column_stack([_boxes(scene), scene.digits + 1])

    def count(self, index: int) -> int:
        """Return how many digits can be seen in scene `index`."""
        return len(self.scene(index).digits)

    def _label(self, scene: Scene) -> Label:
        if self.target == "instance":
            return (scene.instances > 0).astype(np.int64)
        if self.target == "semantic":
            return np.concatenate([[0], scene.digits + 1])[scene.instances]
        centres = (_boxes(scene)[:, [1, 0]] + _boxes(scene)[:, [3, 2]] - 1) / 2
        return density(centres, self.size, self.blur)[:, :, None]

    def _draw(self, rng: np.random.Generator) -> Scene:
        image, instances = np.zeros(self.size, np.float32), np.zeros(self.size, np.int64)
        digits: list[int] = []
        for _ in range(rng.integers(self.digits[0], self.digits[1] + 1)):
            chosen = int(rng.integers(len(self._mnist)))
            stamp = self._stamped(self._mnist[chosen][0], rng)
            place = self._place(image, stamp.shape, rng)
            if place is None:
                continue
            digits.append(int(self._mnist.digits[chosen]))
            image[place] += stamp * (1 - image[place])  # as far as it is ink, it covers
            instances[place][stamp > _INK] = len(digits)
        seen, instances = np.unique(np.append(instances, 0), return_inverse=True)
        kept = np.array(digits, np.int64)[seen[seen > 0] - 1]
        return Scene(image, instances[:-1].reshape(self.size).astype(np.int64), kept)

    def _stamped(self, digit: Image, rng: np.random.Generator) -> NDArray[np.float32]:
        """Turn and scale a digit, and cut off the black around it."""
        offsets = self._affine.deform(undeformed((self._stamp, self._stamp)), rng)
        rows, columns = offsets + np.float32((_SIDE - 1) / 2)
        stamp = sample(digit[:, :, 0], rows, columns, "linear")
        stamp[np.abs(offsets).max(axis=0) > (_SIDE - 1) / 2] = 0  # beyond the digit's image, which would be mirrored
        rows, columns = (np.flatnonzero(stamp.any(axis=axis)) for axis in (1, 0))
        return stamp[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else stamp[:0, :0]

    def _place(self, image: NDArray, stamp: Pair, rng: np.random.Generator) -> tuple[slice, slice] | None:
        """Draw where a stamp goes: inside the canvas and, unless digits may overlap, where there is none yet."""
        for _ in range(_TRIES):
            top, left = (int(rng.integers(length - side + 1)) for length, side in zip(image.shape, stamp, strict=True))
            around = image[max(0, top - 1) : top + stamp[0] + 1, max(0, left - 1) : left + stamp[1] + 1]
            if self.overlap or not around.any():
                return np.s_[top : top + stamp[0], left : left + stamp[1]]
        return None


def _boxes(scene: Scene) -> NDArray[np.int64]:
    """Return x0, y0, x1, y1 of every object, (n, 4)."""
    from scipy import ndimage

    found = ndimage.find_objects(scene.instances)
    return np.array([(x.start, y.start, x.stop, y.stop) for y, x in found], np.int64).reshape(-1, 4)


def density(centres: NDArray[np.float64], size: Pair, sigma: float) -> NDArray[np.float32]:
    """Return a map (H, W) in which every one of `centres` (n, 2), row and column, counts 1: a sampled Gaussian.

    Each Gaussian is divided by its sum over the map, so none loses mass beyond the border.

    >>> bool(np.isclose(density(np.array([[0.0, 0.0], [5.0, 2.5]]), (8, 6), 2.0).sum(), 2))
    True
    """
    rows, columns = (
        np.exp(-0.5 * ((np.arange(length) - centres[:, axis, None]) / sigma) ** 2) for axis, length in enumerate(size)
    )
    rows, columns = (along / along.sum(axis=1, keepdims=True) for along in (rows, columns))
    return np.einsum("nh,nw->hw", rows, columns).astype(np.float32)
