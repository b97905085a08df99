"""The check before training: wrong masks and wrong sizes, said in one sentence before they cost a night.

Most failed trainings fail before they begin: masks of 0 and 255 where classes are 0 and 1, labels shifted by a resize,
images whose size the network cannot take, a class that never occurs. All of this can be seen in the data.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Image, Label
from minifcn.data.masks import IGNORE_INDEX

SizeRule = Callable[[int, int], str | None]
"""A network's rule for (height, width): None where it takes the size, otherwise the sentence that says why not."""

_DOMINANT = 0.95  # a class that fills more of the pixels than this is worth a word


class DataError(ValueError):
    """A dataset that cannot be trained on; the message says where, why and what mends it."""


@dataclass(frozen=True)
class Report:
    """What the check saw.

    Attributes:
        images: number of images looked at.
        shapes: the distinct (height, width, channels) among them.
        fractions: class name -> share of the labelled pixels.
        notes: what the user should know, in sentences.
    """

    images: int
    shapes: tuple[tuple[int, int, int], ...]
    fractions: dict[str, float]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        sizes = ", ".join("x".join(map(str, shape)) for shape in self.shapes[:4])
        if len(self.shapes) > 4:
            sizes += f" and {len(self.shapes) - 4} more"
        shares = ", ".join(f"{name} {share:.1%}" for name, share in self.fractions.items())
        return "\n".join([f"{self.images} images of {sizes}; {shares}", *self.notes])


def check(
    dataset: Dataset,
    network_size_error: SizeRule | None = None,
    crop: tuple[int, int] | None = None,
    channels: int | None = None,
    samples: int | None = None,
) -> Report:
    """Look at a dataset as training will, and refuse or explain.

    Args:
        dataset: what will be trained on, with one label a pixel.
        network_size_error: the network's rule for image sizes.
        crop: (height, width) of the windows that training cuts: they are what the network then sees.
        channels: the number of channels that the network takes, where it is known.
        samples: how many images to look at, evenly spread; None is all of them.

    Raises:
        DataError: an image or label that cannot be trained on, or labels of a single class throughout.

    >>> from minifcn.data import ArrayDataset
    >>> images, labels = [np.eye(4)] * 2, [[[0] * 4] * 3 + [[1] * 4]] * 2
    >>> print(check(ArrayDataset(images, labels, ("background", "cell", "dirt"))))
    2 images of 4x4x1; background 75.0%, cell 25.0%, dirt 0.0%
    class 'dirt' does not occur in the 2 images looked at: it cannot be learnt
    """
    if len(dataset) == 0:
        raise DataError(f"{dataset.name}: holds no images")
    looked_at = _spread(len(dataset), samples)
    counts = np.zeros(dataset.num_classes, np.int64)
    shapes: dict[tuple[int, int, int], None] = {}  # a set that remembers its order
    notes = dict.fromkeys(dataset.notes)
    for index in looked_at:
        image, label = dataset[index]
        where = f"{dataset.name}: image {index}"
        _check_image(where, image, dataset.channels, channels)
        counts += _count_labels(where, image, label, dataset.classes)
        height, width = image.shape[:2]
        _check_size(where, (height, width), crop, network_size_error)
        shapes[height, width, image.shape[2]] = None
        notes.update(dict.fromkeys(_remarks(index, image, crop)))
    notes.update(dict.fromkeys(_judge_classes(dataset, counts, len(looked_at))))
    fractions = dict(zip(dataset.classes, (counts / counts.sum()).tolist(), strict=True))
    return Report(len(looked_at), tuple(shapes), fractions, tuple(notes))


def _spread(length: int, samples: int | None) -> list[int]:
    """Return `samples` indices, evenly spread over 0..length-1.

    >>> _spread(10, 4), _spread(3, None)
    ([0, 3, 6, 9], [0, 1, 2])
    """
    if samples is None or samples >= length:
        return list(range(length))
    if samples < 1:
        raise ValueError(f"check: expected samples >= 1, got {samples}")
    return np.linspace(0, length - 1, samples).round().astype(int).tolist()


def _check_image(where: str, image: Image, declared: int, wanted: int | None) -> None:
    if image.ndim != 3 or image.dtype != np.float32:
        raise DataError(f"{where} is {image.dtype} {image.shape}, expected float32 (height, width, channels)")
    if image.size == 0:
        raise DataError(f"{where} is empty: shape {image.shape}")
    for source, expected in (("the dataset declares", declared), ("the network takes", wanted)):
        if expected is not None and image.shape[2] != expected:
            raise DataError(f"{where} has {image.shape[2]} channels, {source} {expected}")
    bad = ~np.isfinite(image)
    if bad.any():
        row, column, channel = np.argwhere(bad)[0].tolist()
        value = image[row, column, channel]
        raise DataError(f"{where} holds {value} at row {row}, column {column}: a single one spoils every weight")


def _count_labels(where: str, image: Image, label: Label, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the number of pixels of each class, (K,)."""
    if label.dtype != np.int64:
        raise DataError(f"{where} has labels of type {label.dtype}, expected int64")
    if label.ndim == 0:
        raise DataError(f"{where} has one label for the whole image: segmentation needs one a pixel")
    if label.shape != image.shape[:2]:
        raise DataError(f"{where} is {image.shape[:2]}, but its label is {label.shape}: they must have the same size")
    counted = label[label != IGNORE_INDEX]
    if counted.size and not 0 <= counted.min() <= counted.max() < len(classes):
        values = np.unique(counted)
        stray = int(values[(values < 0) | (values >= len(classes))][0])
        named = ", ".join(f"{number} = {name}" for number, name in enumerate(classes[:4]))
        if len(classes) > 4:
            named += f", ..., {len(classes) - 1} = {classes[-1]}"
        raise DataError(f"{where} has label {stray}; classes are {named}; {_mend(values.tolist(), stray)}")
    return np.bincount(counted.ravel(), minlength=len(classes))


def _mend(values: list[int], stray: int) -> str:
    if values in ([0, 255], [255]):
        return "masks of 0 and 255 are mapped to 0 and 1 by map_binary_masks, or ArrayDataset(..., binary_masks=True)"
    if stray == 255:
        return f"if 255 marks pixels that do not count, replace it by {IGNORE_INDEX}"
    return f"renumber the labels, or give pixels that do not count the label {IGNORE_INDEX}"


def _check_size(where: str, size: tuple[int, int], crop: tuple[int, int] | None, rule: SizeRule | None) -> None:
    problem = rule(*(crop or size)) if rule else None
    if problem:
        raise DataError(f"crops of {crop[0]}x{crop[1]}: {problem}" if crop else f"{where}: {problem}")


def _remarks(index: int, image: Image, crop: tuple[int, int] | None) -> list[str]:
    """Return what is odd about one image, but no reason to refuse it."""
    remarks = []
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        remarks.append(f"image {index} holds values from {low:g} to {high:g}: networks here expect 0 to 1")
    if low == high:
        remarks.append(f"image {index} is {low:g} all over")
    if crop and (image.shape[0] < crop[0] or image.shape[1] < crop[1]):
        size = f"{image.shape[0]}x{image.shape[1]}"
        remarks.append(f"image {index} is {size}, smaller than the crop of {crop[0]}x{crop[1]}: padded, uncounted")
    return remarks


def _judge_classes(dataset: Dataset, counts: NDArray[np.int64], images: int) -> list[str]:
    """Return what is odd about the classes' shares; refuse what leaves nothing to learn."""
    if counts.sum() == 0:
        raise DataError(f"{dataset.name}: every pixel of the {images} images looked at is ignored: nothing to learn")
    shares = dict(zip(dataset.classes, counts / counts.sum(), strict=True))
    absent = [name for name, share in shares.items() if share == 0]
    if len(absent) == len(shares) - 1:
        only = max(shares, key=lambda name: shares[name])
        raise DataError(f"{dataset.name}: all {images} images looked at hold nothing but {only!r}: nothing to learn")
    notes = [f"class {name!r} does not occur in the {images} images looked at: it cannot be learnt" for name in absent]
    for name, share in shares.items():
        if share > _DOMINANT:
            notes.append(f"class {name!r} fills {share:.0%} of the pixels: judge by Dice or IoU, not by accuracy")
    return notes
