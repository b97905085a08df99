"""U-Net's weight map: pixels between objects that nearly touch weigh more, so that these are kept apart.

    w(x) = w_c(x) + w0 · exp(−(d1(x) + d2(x))² / (2 σ²))

d1 and d2 are the distances to the nearest and to the second nearest object, w_c balances classes. Ronneberger,
Fischer & Brox 2015, eq. 2, with w0 = 10 and σ of about 5 pixels.
"""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minifcn.data.dataset import Dataset, Derived, Sample, normalise_index
from minifcn.data.targets import WeightedLabel
from minifcn.io.atomic import replacing

ClassWeights = tuple[float, float] | Literal["balanced"] | None

_NEGLIGIBLE = 1e-7  # smaller terms are lost when float32 adds them to w_c = 1


def border_weight_map(
    instances: ArrayLike, w0: float = 10.0, sigma: float = 5.0, class_weights: ClassWeights = None
) -> NDArray[np.float32]:
    """Compute w of objects: (H, W) integers, 0 between objects -> (H, W) float32.

    The border term is added between objects, and on pixels of an object that have another object above, below, left or
    right of them: where objects touch, nothing lies between, d1 is 0 and d2 is 1. Elsewhere inside objects, and
    where there are fewer than two of them, it is 0. Distances are Euclidean, in pixels, from centre to centre.
    A label whose pixels are not connected is one object.

    Terms below 1e-7 are taken as 0, which bounds how far from an object one has to look (6 σ for w0 = 10): each
    object's distances are computed in its bounding box, grown by that much.

    Args:
        instances: 0, and a positive number for each object.
        w0: the term's largest value, at least 0.
        sigma: σ > 0, in pixels.
        class_weights: w_c: None for 1 everywhere; (between objects, inside objects); or "balanced", for which both of
            these kinds of pixels weigh the same in all, 1 on average over the map.

    Raises:
        ValueError: not integers (H, W), negative numbers, or arguments out of range.

    >>> border_weight_map([[1, 0, 2, 0, 0]], w0=10, sigma=2).round(2)  # 1 + 10 exp(−(1 + 1)² / 8), then 1 + 3, 2 + 4
    array([[1.  , 7.07, 1.  , 2.35, 1.11]], dtype=float32)
    """
    labels = np.asarray(instances)
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        mend = "; number the objects of a mask with scipy.ndimage.label first" if labels.dtype == np.bool_ else ""
        raise ValueError(
            f"border_weight_map: expected integers (H, W), got {labels.dtype} of shape {labels.shape}{mend}"
        )
    if labels.size and labels.min() < 0:
        raise ValueError(f"border_weight_map: objects are numbered from 1, but there is {labels.min()}")
    if not (0 <= w0 < math.inf and 0 < sigma < math.inf):
        raise ValueError(f"border_weight_map: expected finite w0 >= 0 and sigma > 0, got {w0} and {sigma}")
    reach = math.ceil(sigma * math.sqrt(2 * math.log(w0 / _NEGLIGIBLE))) if w0 > _NEGLIGIBLE else 0
    nearest, second = _two_distances(labels, reach)
    term = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    term[(term < _NEGLIGIBLE) | ~((labels == 0) | _touching(labels))] = 0.0
    return (_class_weight(labels > 0, class_weights) + term).astype(np.float32)


def _two_distances(labels: NDArray, reach: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances to the nearest and the second nearest object, where that is within reach; else any larger, or ∞."""
    from scipy import ndimage

    nearest, second = np.full(labels.shape, np.inf), np.full(labels.shape, np.inf)
    if not labels.any():
        return nearest, second
    compact = np.zeros(labels.shape, np.int64)  # numbers 1, 2, ...: those of labels may be huge
    compact[labels > 0] = np.unique(labels[labels > 0], return_inverse=True)[1] + 1
    for number, box in enumerate(ndimage.find_objects(compact), start=1):
        around = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        distance = ndimage.distance_transform_edt(compact[around] != number)
        # In this order: what was nearest so far may now be second.
        second[around] = np.minimum(second[around], np.maximum(nearest[around], distance))
        nearest[around] = np.minimum(nearest[around], distance)
    return nearest, second


def _touching(labels: NDArray) -> NDArray[np.bool_]:
    """Which pixels of objects have another object above, below, left or right of them."""
    touching = np.zeros(labels.shape, bool)
    for a, b in (((slice(1, None),), (slice(-1),)), ((slice(None), slice(1, None)), (slice(None), slice(-1)))):
        differ = (labels[a] != labels[b]) & (labels[a] > 0) & (labels[b] > 0)
        touching[a] |= differ
        touching[b] |= differ
    return touching


def _class_weight(inside: NDArray[np.bool_], class_weights: ClassWeights) -> NDArray[np.float64] | float:
    if class_weights is None:
        return 1.0
    if class_weights == "balanced":
        share = float(inside.mean()) if inside.size else 0.0
        if share in (0.0, 1.0):
            return 1.0
        class_weights = 0.5 / (1.0 - share), 0.5 / share
    if isinstance(class_weights, str) or len(class_weights) != 2 or not min(class_weights) >= 0:
        raise ValueError(
            "border_weight_map: class_weights must be None, 'balanced' or two numbers that are not negative, "
            f"got {class_weights!r}"
        )
    return np.where(inside, class_weights[1], class_weights[0])


class Weighted(Derived):
    """A dataset whose labels carry U-Net's weight map of their objects: `WeightedLabel`.

    A map is computed when its image is first asked for, from `Dataset.instances`, and kept in memory; its array is
    read-only, because all who ask get the same. Weights that labels carry already multiply it.

    Args:
        dataset: of a segmentation.
        w0: see `border_weight_map`, as for `sigma` and `class_weights`.
        sigma: in pixels.
        class_weights: w_c.
        cache: a folder that keeps the maps for the next time, made if need be; None keeps them in memory only. A file's
            name is a hash of the objects and all arguments, so it cannot be stale; a damaged one is computed again.

    Raises:
        ValueError: the dataset is not of a segmentation.

    >>> from minifcn.data import ArrayDataset
    >>> masks = np.array([[[1, 0, 1, 1]]])
    >>> dataset = Weighted(ArrayDataset(np.zeros((1, 1, 4)), masks, ("background", "cell")))
    >>> dataset[0][1].weight.round(1)
    array([[ 1. , 10.2,  1. ,  1. ]], dtype=float32)
    """

    def __init__(
        self,
        dataset: Dataset,
        w0: float = 10.0,
        sigma: float = 5.0,
        cache: str | os.PathLike[str] | None = None,
        class_weights: ClassWeights = None,
    ) -> None:
        super().__init__(dataset)
        if dataset.task != "segmentation":
            raise ValueError(f"{dataset.name}: weight maps are for segmentation, but its task is {dataset.task}")
        border_weight_map(np.zeros((1, 1), np.int64), w0, sigma, class_weights)  # bad arguments are refused here
        self.w0, self.sigma, self.class_weights = w0, sigma, class_weights
        self.cache = None if cache is None else Path(cache)
        self._maps: dict[int, NDArray[np.float32]] = {}

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        image, label = self.dataset[index]
        if index not in self._maps:
            # Two threads may both compute the map: it is the same, and either will do.
            weight = self._map(self.dataset.instances(index))
            weight.flags.writeable = False
            self._maps[index] = weight
        weight = self._maps[index]
        if isinstance(label, WeightedLabel):
            return image, WeightedLabel(label.classes, label.weight * weight)
        return image, WeightedLabel(label, weight)

    def _map(self, instances: NDArray[np.int64]) -> NDArray[np.float32]:
        if self.cache is None:
            return border_weight_map(instances, self.w0, self.sigma, self.class_weights)
        path = self.cache / f"{self._key(instances)}.npz"
        weight = _read(path, instances.shape)
        if weight is None:
            weight = border_weight_map(instances, self.w0, self.sigma, self.class_weights)
            self.cache.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, weight=weight)
        return weight

    def _key(self, instances: NDArray[np.int64]) -> str:
        """Name everything that the map depends on."""
        options = (instances.shape, float(self.w0), float(self.sigma), self.class_weights)
        content = hashlib.sha256(f"weight map 1: {options!r}".encode())
        content.update(np.ascontiguousarray(instances, "<i8").tobytes())
        return content.hexdigest()[:32]


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """Return the map in a file; None if there is none or it is damaged (zip files carry checksums)."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            weight = file["weight"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return weight if weight.shape == shape and weight.dtype == np.float32 else None
