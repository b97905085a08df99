"""The check before training: wrong masks and wrong sizes, said in one sentence before they cost a night.

Most failed trainings fail before they begin: masks of 0 and 255 where classes are 0 and 1, labels shifted by a resize,
images whose size the network cannot take, a class that never occurs. All of this can be seen in the data.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Image, Label, spread
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.targets import without_weights

SizeRule = Callable[[int, int], str | None]
"""A network's rule for (height, width): None where it takes the size, otherwise why not.

One line, or one for the height and one for the width.
"""

_DOMINANT = 0.95  # a class that fills more of the pixels than this is worth a word
_NAMED = 3  # classes that do not occur and are named one by one


class DataError(ValueError):
    """A dataset that cannot be trained on; the message says where, why and what mends it."""


@dataclass(frozen=True)
class Report:
    """What the check saw.

    Attributes:
        images: number of images looked at.
        shapes: the distinct (height, width, channels) among them.
        fractions: class name -> share of the labelled pixels; empty for regression.
        notes: what the user should know, in sentences.
        sums: for regression, name of the value -> its sum over an image, on average.
    """

    images: int
    shapes: tuple[tuple[int, int, int], ...]
    fractions: dict[str, float]
    notes: tuple[str, ...]
    sums: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        sizes = ", ".join("x".join(map(str, shape)) for shape in self.shapes[:4])
        if len(self.shapes) > 4:
            sizes += f" and {len(self.shapes) - 4} more"
        labels = [f"{name} {share:.1%}" for name, share in self.fractions.items()]
        labels += [f"{name} sums to {total:.6g} an image" for name, total in self.sums.items()]
        return "\n".join([f"{self.images} images of {sizes}; {', '.join(labels)}", *self.notes])


def check(
    dataset: Dataset,
    network_size_error: SizeRule | None = None,
    crop: tuple[int, int] | None = None,
    channels: int | None = None,
    samples: int | None = None,
    training: bool = True,
) -> Report:
    """Look at a dataset as training will, and refuse or explain.

    Args:
        dataset: what will be trained on, with one label a pixel or, for regression, its values.
        network_size_error: the network's rule for image sizes.
        crop: (height, width) of the windows that training cuts: they are what the network then sees.
        channels: the number of channels that the network takes, where it is known.
        samples: how many images to look at, evenly spread; None is all of them.
        training: False if networks are only scored on the images: then classes may be missing.

    Raises:
        DataError: an image or label that cannot be trained on, labels of a single class or values of 0 throughout.

    >>> from minifcn.data import ArrayDataset
    >>> images, labels = [np.eye(4)] * 2, [[[0] * 4] * 3 + [[1] * 4]] * 2
    >>> print(check(ArrayDataset(images, labels, ("background", "cell", "dirt"))))
    2 images of 4x4x1; background 75.0%, cell 25.0%, dirt 0.0%
    class 'dirt' does not occur in the 2 images looked at: it cannot be learnt
    """
    if len(dataset) == 0:
        raise DataError(f"{dataset.name}: holds no images")
    looked_at = spread(len(dataset), samples)
    totals: list[NDArray] = []  # (K,) of each image: pixels of a class, or the sum of a value
    shapes: dict[tuple[int, int, int], None] = {}  # a set that remembers its order
    remarks: defaultdict[str, list[str]] = defaultdict(list)  # kind -> the images that it is said of
    for index in looked_at:
        image, label = dataset[index]
        where = f"{dataset.name}: image {index}"
        check_image(where, image, dataset.channels, channels)
        totals.append(look_at(where, image, label, dataset))
        height, width = image.shape[:2]
        _check_size(where, (height, width), crop, network_size_error)
        shapes[height, width, image.shape[2]] = None
        for kind, example in _remarks(image, crop):
            remarks[kind].append(f"image {index} of {example}")
    images, table = len(looked_at), np.stack(totals)
    regression = dataset.task == "regression"
    judged: list[str] = []
    if training and regression:
        judged = _judge_values(dataset, table, looked_at)
    elif training:
        judged = _judge_classes(dataset, table.sum(axis=0), images)
    elif not regression and not table.any():
        raise DataError(f"{dataset.name}: every pixel of the {images} images looked at is ignored: nothing to score on")
    notes = tuple(dict.fromkeys([*dataset.notes, *_sum_up(remarks, images), *judged]))
    shares = table.mean(axis=0) if regression else table.sum(axis=0) / max(1, table.sum())
    named = dict(zip(dataset.classes, shares.tolist(), strict=True))
    return Report(images, tuple(shapes), {} if regression else named, notes, named if regression else {})


def class_fractions(dataset: Dataset, samples: int | None = 200) -> tuple[float, ...]:
    """Return the share of each class in the labelled pixels of `samples` images, evenly spread; None is all of them.

    >>> from minifcn.data import ArrayDataset
    >>> class_fractions(ArrayDataset([np.eye(2)], [[[0, 0], [1, 0]]], ("background", "cell")))
    (0.75, 0.25)

    Raises:
        DataError: a label that is none of the dataset's, or labels that are values, not classes.
    """
    counts = class_counts(dataset, samples).sum(axis=0)
    return tuple((counts / max(1, counts.sum())).tolist())


def class_counts(dataset: Dataset, samples: int | None = None) -> NDArray[np.int64]:
    """Return how many labelled pixels of each class each image has, (images, K); arguments as for `class_fractions`.

    Raises:
        DataError: a label that is none of the dataset's, or labels that are values, not classes.
    """
    if dataset.task == "regression":
        raise DataError(f"{dataset.name}: its labels are values, not classes, so no class has a share")
    rows = [np.zeros((0, dataset.num_classes), np.int64)]
    for index in spread(len(dataset), samples):
        image, label = dataset[index]
        rows.append(_count_labels(f"{dataset.name}: image {index}", image, label, dataset.classes)[None])
    return np.concatenate(rows)


def check_image(where: str, image: Image, declared: int, wanted: int | None) -> None:
    """Raise DataError unless it is float32 (H, W, C), finite, with the channels that its data set declares.

    ``wanted`` is how many channels the network takes, None if there is none.
    """
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
    label = without_weights(label)
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


def look_at(where: str, image: Image, label: Label, dataset: Dataset) -> NDArray:
    """Return how many pixels each class has, or what each value sums to: (K,)."""
    if dataset.task == "regression":
        return _sum_values(where, image, label, dataset.classes)
    return _count_labels(where, image, label, dataset.classes)


def _sum_values(where: str, image: Image, label: Label, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the sum of each value over the pixels, (K,)."""
    if not isinstance(label, np.ndarray) or label.dtype != np.float32:
        kind = label.dtype if isinstance(label, np.ndarray) else "classes and weights"
        raise DataError(f"{where} has labels of type {kind}, expected float32 values for regression")
    expected = (*image.shape[:2], len(names))
    if label.shape != expected:
        raise DataError(
            f"{where} has labels of shape {label.shape}, expected {expected}: as the image, {len(names)} deep"
        )
    if (bad := ~np.isfinite(label)).any():
        row, column, value = np.argwhere(bad)[0].tolist()
        found = f"{names[value]} {label[row, column, value]}"
        raise DataError(f"{where} has {found} at row {row}, column {column}: a single one spoils every weight")
    return label.sum(axis=(0, 1), dtype=np.float64)


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
        yield f"{{}} smaller than the crop of {crop[0]}x{crop[1]}, {{}}: mirrored to fill it", f"{height}x{width}"


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
    if len(absent) > _NAMED:
        shown = ", ".join(map(repr, absent[:_NAMED]))
        notes = [
            f"{len(absent)} of {len(shares)} classes do not occur in the {images} images looked at, such as {shown}: "
            "they cannot be learnt"
        ]
    else:
        notes = [
            f"class {name!r} does not occur in the {images} images looked at: it cannot be learnt" for name in absent
        ]
    for name, share in shares.items():
        if share > _DOMINANT:
            notes.append(f"class {name!r} fills {share:.0%} of the pixels: judge by Dice or IoU, not by accuracy")
    return notes


def _judge_values(dataset: Dataset, sums: NDArray[np.float64], indices: list[int]) -> list[str]:
    """Return what is odd about the sums of values, (images, K); refuse what leaves nothing to learn."""
    notes = []
    for name, column in zip(dataset.classes, sums.T, strict=True):
        empty = [index for index, total in zip(indices, column.tolist(), strict=True) if total == 0]
        if len(empty) == len(indices):
            raise DataError(f"{dataset.name}: {name} is 0 in all {len(indices)} images looked at: nothing to learn")
        if empty:
            verb = "sums" if len(empty) == 1 else "sum"
            notes.append(f"{len(empty)} of {len(indices)} images {verb} to {name} 0, such as image {empty[0]}")
    return notes
