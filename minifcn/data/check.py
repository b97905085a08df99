"""The check before training: wrong masks and wrong sizes, said in one sentence before they cost a night.

Most failed trainings fail before they begin: masks of 0 and 255 where classes are 0 and 1, labels shifted by a resize,
images whose size the network cannot take, a class that never occurs. All of this can be seen in the data.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Image, Label, spread
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.targets import classes_of

SizeRule = Callable[[int, int], str | None]
"""A network's rule for (height, width): None where it takes the size, otherwise why not.

One line, or one for the height and one for the width.
"""

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
    looked_at = spread(len(dataset), samples)
    counts = np.zeros(dataset.num_classes, np.int64)
    shapes: dict[tuple[int, int, int], None] = {}  # a set that remembers its order
    remarks: defaultdict[str, list[str]] = defaultdict(list)  # kind -> the images that it is said of
    for index in looked_at:
        image, label = dataset[index]
        where = f"{dataset.name}: image {index}"
        _check_image(where, image, dataset.channels, channels)
        counts += _count_labels(where, image, label, dataset.classes)
        height, width = image.shape[:2]
        _check_size(where, (height, width), crop, network_size_error)
        shapes[height, width, image.shape[2]] = None
        for kind, example in _remarks(image, crop):
            remarks[kind].append(f"image {index} of {example}")
    notes = [*dataset.notes, *_sum_up(remarks, len(looked_at)), *_judge_classes(dataset, counts, len(looked_at))]
    fractions = dict(zip(dataset.classes, (counts / counts.sum()).tolist(), strict=True))
    return Report(len(looked_at), tuple(shapes), fractions, tuple(dict.fromkeys(notes)))


def class_fractions(dataset: Dataset, samples: int | None = 200) -> tuple[float, ...]:
    """Return the share of each class in the labelled pixels of `samples` images, evenly spread; None is all of them.

    >>> from minifcn.data import ArrayDataset
    >>> class_fractions(ArrayDataset([np.eye(2)], [[[0, 0], [1, 0]]], ("background", "cell")))
    (0.75, 0.25)

    Raises:
        DataError: a label that is none of the dataset's.
    """
    counts = np.zeros(dataset.num_classes, np.int64)
    for index in spread(len(dataset), samples):
        image, label = dataset[index]
        counts += _count_labels(f"{dataset.name}: image {index}", image, label, dataset.classes)
    return tuple((counts / max(1, counts.sum())).tolist())


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
    label = classes_of(label)
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
    height, width = crop or size
    if problem := rule(height, width) if rule else None:
        lines = problem.splitlines()
        # Of a square, the width's line would repeat the height's.
        said = lines[0] if height == width else "; ".join(lines)
        raise DataError(f"crops of {height}x{width}: {said}" if crop else f"{where}: {said}")


def _remarks(image: Image, crop: tuple[int, int] | None) -> Iterator[tuple[str, str]]:
    """Yield what is odd about one image, but no reason to refuse it: the kind of remark (see `_sum_up`), the fact."""
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        yield "{} outside the range of 0 to 1 that networks here expect, {}", f"{low:g} to {high:g}"
    if low == high:
        yield "{} the same all over, {}", f"{low:g}"
    height, width = image.shape[:2]
    if crop and (height < crop[0] or width < crop[1]):
        yield f"{{}} smaller than the crop of {crop[0]}x{crop[1]}, {{}}: padded, uncounted", f"{height}x{width}"


def _sum_up(remarks: dict[str, list[str]], total: int) -> list[str]:
    """Return one sentence a kind of remark, however many images it is said of.

    >>> _sum_up({"{} too dark, {}": ["image 3 of 0.1", "image 7 of 0.2"]}, 10)
    ['2 of 10 images are too dark, such as image 3 of 0.1']
    """
    return [
        kind.format(
            f"{len(examples)} of {total} images {'is' if len(examples) == 1 else 'are'}", f"such as {examples[0]}"
        )
        for kind, examples in remarks.items()
    ]


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
