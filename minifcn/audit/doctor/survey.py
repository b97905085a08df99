"""One look at every image: all that the checks need to know of it, and none of its pixels.

The rules of what can be trained on are those of `minifcn.data.check`; here an image that breaks one does not end the
look, but is remembered with what was said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minifcn.audit.doctor.finding import Place
from minifcn.audit.doctor.likeness import thumbnail
from minifcn.audit.doctor.objects import Objects, find_objects
from minifcn.data.check import DataError, check_image, look_at
from minifcn.data.dataset import Dataset, Derived, Image, Label, Subset, spread
from minifcn.data.sets.pairs import PairDataset
from minifcn.data.targets import without_weights

#: Called with how many images were looked at, of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Examined:
    """What was seen of one image.

    Attributes:
        place: which one.
        shape: (H, W, C); None if it could not be read.
        refused: "file", "image" or "label": what training would refuse; None if nothing.
        refusal: what it would say.
        counts: (K,) pixels of each class, or sums of each value; None if the label was refused.
        frame: (K,) pixels of each class on the image's border of one pixel.
        contrast: mean grey of class 1 less that of class 0, in standard deviations of the image's grey; NaN if one is
            absent or there are not two classes.
        low, high: of all values.
        saturated: share of the values that are 1.
        grey: of three channels, whether they are the same.
        digest: of the pixels; the second is the same for an image flipped or turned, the third is of the label.
        thumbnail: (S, S) mean greys.
        objects: connected regions of the classes that are no background.
    """

    place: Place
    shape: tuple[int, int, int] | None = None
    refused: Literal["file", "image", "label"] | None = None
    refusal: str = ""
    counts: NDArray | None = None
    frame: NDArray | None = None
    contrast: float = float("nan")
    low: float = 0.0
    high: float = 0.0
    saturated: float = 0.0
    grey: bool = False
    digest: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    thumbnail: NDArray | None = None
    objects: Objects | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the data, as far as it was looked at."""

    name: str
    dataset: Dataset
    images: tuple[Examined, ...]

    @property
    def complete(self) -> bool:
        """Whether every image was looked at."""
        return len(self.images) == len(self.dataset)

    @property
    def labelled(self) -> list[Examined]:
        """The images whose labels could be counted."""
        return [image for image in self.images if image.counts is not None]

    @property
    def totals(self) -> NDArray:
        """(K,) pixels of each class in all images."""
        counts = [image.counts for image in self.labelled if image.counts is not None]
        return np.sum(counts, axis=0) if counts else np.zeros(self.dataset.num_classes)


def survey(parts: Mapping[str, Dataset], limit: int | None = None, progress: Progress | None = None) -> list[Part]:
    """Look at up to ``limit`` images of each part, evenly spread."""
    chosen = {name: spread(len(dataset), limit) if len(dataset) else [] for name, dataset in parts.items()}
    total, done = sum(map(len, chosen.values())), 0
    looked: list[Part] = []
    for name, dataset in parts.items():
        images = []
        for index in chosen[name]:
            images.append(examine(dataset, Place(name, index, image_name(dataset, index))))
            done += 1
            if progress is not None:
                progress(done, total)
        looked.append(Part(name, dataset, tuple(images)))
    return looked


def examine(dataset: Dataset, place: Place) -> Examined:
    """Look at one image and its label."""
    try:
        image, label = dataset[place.number]
    except (ValueError, OSError) as error:
        return _without_label(dataset, place, "file", str(error))
    try:
        check_image(str(place), image, dataset.channels, None)
    except DataError as error:
        shape = image.shape if image.ndim == 3 else None
        return Examined(place, shape, "image", str(error))
    try:
        counts = look_at(str(place), image, label, dataset) if dataset.task != "classification" else None
    except DataError as error:
        return Examined(**_of_image(image, place), refused="label", refusal=str(error))
    return Examined(**_of_image(image, place, label), **_of_label(dataset, image, label), counts=counts)


def image_name(dataset: Dataset, index: int) -> str:
    """The name of the image's file, or its number where a data set has no files.

    >>> from minifcn.data import TwoDiscs
    >>> image_name(Subset(TwoDiscs(4, size=32), [3]), 0)
    'image 3'
    """
    dataset, index = origin(dataset, index)
    for attribute in ("pairs", "files"):
        entries = getattr(dataset, attribute, None)
        if isinstance(entries, (tuple, list)) and len(entries) == len(dataset):
            path = entries[index][0]
            # Files of the same name in several folders are told apart by the folder.
            return getattr(path, "name", f"image {index}")
    return f"image {index}"


def origin(dataset: Dataset, index: int = 0) -> tuple[Dataset, int]:
    """The data set at the bottom of subsets and the like, and the index there."""
    while isinstance(dataset, Derived):
        index = dataset.indices[index] if isinstance(dataset, Subset) else index % max(1, len(dataset.dataset))
        dataset = dataset.dataset
    return dataset, index


def _without_label(dataset: Dataset, place: Place, kind: Literal["file"], said: str) -> Examined:
    """A broken mask does not keep its image from being looked at."""
    source, index = origin(dataset, place.number)
    if isinstance(source, PairDataset):
        try:
            image = source.read_image(source.pairs[index].image)
            check_image(str(place), image, dataset.channels, None)
        except (ValueError, OSError):
            return Examined(place, refused=kind, refusal=said)
        return Examined(**_of_image(image, place), refused=kind, refusal=said)
    return Examined(place, refused=kind, refusal=said)


def _of_image(image: Image, place: Place, label: Label | None = None) -> dict:
    return {
        "place": place,
        "shape": image.shape,
        "low": float(image.min()),
        "high": float(image.max()),
        "saturated": float((image >= 1).mean()),
        "grey": image.shape[2] == 3 and bool((image == image[:, :, :1]).all()),
        "digest": _digests(image, label),
        "thumbnail": thumbnail(image.mean(axis=2)),
    }


def _of_label(dataset: Dataset, image: Image, label: Label) -> dict:
    classes = without_weights(label)
    if dataset.task != "segmentation":
        return {}
    names = dataset.classes
    return {
        "frame": np.bincount(_frame(classes)[_frame(classes) >= 0], minlength=len(names)),
        "contrast": _contrast(image, classes) if len(names) == 2 else float("nan"),
        "objects": find_objects(classes, foreground(names)),
    }


def foreground(classes: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers of the classes that are things: all but the first if it is one of two, or called background."""
    first = classes[0].lower() if classes else ""
    start = 1 if len(classes) == 2 or "background" in first or first == "class 0" else 0
    return tuple(range(start, len(classes)))


def _frame(labels: NDArray) -> NDArray:
    """The labels of the outermost rows and columns."""
    return np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])


def _contrast(image: Image, classes: NDArray) -> float:
    grey = image.mean(axis=2)
    on, off, spread_ = grey[classes == 1], grey[classes == 0], float(grey.std())
    if not on.size or not off.size or spread_ == 0:
        return float("nan")
    return float(on.mean() - off.mean()) / spread_


def turned(pixels: NDArray) -> Iterator[NDArray]:
    """The eight ways to turn and flip (H, W, ...)."""
    for quarter in range(4):
        rotated = np.rot90(pixels, quarter)
        yield rotated
        yield rotated[:, ::-1]


def _digests(image: Image, label: Label | None) -> tuple[bytes, bytes, bytes]:
    # Rounded to 16 bits: what no file could tell apart is the same.
    in_range = image.min() >= 0 and image.max() <= 1
    pixels = np.rint(image * 65535).astype(np.uint16) if in_range else image
    every = [_digest(version) for version in turned(pixels)]
    return every[0], min(every), b"" if label is None else _digest(without_weights(label))


def _digest(pixels: NDArray) -> bytes:
    return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
