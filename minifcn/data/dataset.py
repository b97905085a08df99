"""What a dataset is, and the ones made of arrays or of other datasets: subsets, samples kept in memory, splits."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minifcn.data.masks import map_binary_masks
from minifcn.data.targets import Target, maps_of, without_weights
from minifcn.io import to_float

Image = NDArray[np.float32]
Label = Target
Sample = tuple[Image, Label]
Task = Literal["segmentation", "classification", "regression"]


class Dataset(ABC):
    """An indexable set of images with labels.

    `dataset[i]` is an image, float32 (H, W, C) in [0, 1], and its label, which depends on the task (see
    `minifcn.data.targets`). "segmentation": int64 (H, W), one class number a pixel, or a `WeightedLabel`;
    "classification": int64 of shape (), one class number an image; "regression": float32 (H, W, K), K values a pixel.
    Class numbers are 0..K-1 with K = `num_classes`. The same index always gives the same sample, from any thread.
    Iterating gives every sample once. Images of a set may differ in size.

    Attributes:
        name: what messages call the set.
        task: what is asked of a network.
        classes: the names of the classes, in the order of their numbers; of the values, where these are asked for.
        channels: C, the number of channels of every image.
        scale: where values are asked for, the sum of those of one object: a density over `scale` adds up to a count.
        notes: what the user should know about how the files were read.
    """

    name: str
    task: Task = "segmentation"
    classes: tuple[str, ...]
    channels: int
    scale: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.classes)

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Return image and label number `index`; negative numbers count from the end. Raises IndexError."""

    def instances(self, index: int) -> NDArray[np.int64]:
        """Return the objects of image `index` as int64 (H, W): 0 between them, then 1, 2, ...

        Unless a data set knows better, an object is a 4-connected component of the pixels whose class is not 0.

        Raises:
            ValueError: the labels are not one class a pixel.
        """
        from scipy import ndimage

        classes = without_weights(self[index][1])
        if classes.ndim != 2 or classes.dtype.kind != "i":
            raise ValueError(f"{self.name}: has no classes of pixels, so no objects either")
        return ndimage.label(classes > 0)[0].astype(np.int64)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self)} images, classes: {', '.join(self.classes)})"


def normalise_index(index: int, length: int, name: str) -> int:
    """Return `index` in 0..length-1, negative ones counted from the end.

    >>> normalise_index(-1, 10, "mnist")
    9

    Raises:
        IndexError: there is no such sample.
    """
    position = operator.index(index)
    if not -length <= position < length:
        raise IndexError(f"{name}: index {position} is out of range for {length} images")
    return position % length


def spread(length: int, count: int | None) -> list[int]:
    """Return `count` indices, evenly spread over 0..length-1: all of them if there are no more, or if it is None.

    >>> spread(10, 4), spread(3, None)
    ([0, 3, 6, 9], [0, 1, 2])

    Raises:
        ValueError: a count below 1.
    """
    if count is None or count >= length:
        return list(range(length))
    if count < 1:
        raise ValueError(f"expected at least 1 sample to look at, got {count}")
    return np.linspace(0, length - 1, count).round().astype(int).tolist()


def as_image(pixels: ArrayLike) -> Image:
    """Return pixels as files hold them as an image: float32 (H, W, C).

    Booleans, uint8 and uint16 are scaled to [0, 1] by `minifcn.io.to_float`; floats are kept, whatever their range: it
    is for `check` to say what is odd about them. A grey image (H, W) gets its channel axis.

    >>> as_image(np.array([[0, 255]], np.uint8)).tolist()
    [[[0.0], [1.0]]]

    Raises:
        ValueError: the array has neither two nor three axes, or is of integers whose range is unknown.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim not in (2, 3):
        raise ValueError(f"image: expected (height, width) or (height, width, channels), got shape {pixels.shape}")
    image = pixels.astype(np.float32) if pixels.dtype.kind == "f" else to_float(pixels)
    return image if image.ndim == 3 else image[:, :, None]


class ArrayDataset(Dataset):
    """Images and labels that are already in memory.

    Args:
        images: (N, H, W) or (N, H, W, C), or a sequence of N arrays (H, W) or (H, W, C) of any sizes; see `as_image`.
        labels: N integer arrays (H, W), or N integers; where values are asked for, N arrays (H, W) or (H, W, K).
        classes: names of the classes, in label order; of the K values, where these are asked for.
        name: what messages call the set.
        task: "segmentation", "classification" or "regression".
        scale: see `Dataset`.
        binary_masks: map masks of 0 and one other value (255) to 0 and 1, and say so in `notes`.

    Raises:
        ValueError: numbers of images and labels differ, or a mask is not binary where `binary_masks` says so.
        TypeError: labels are not integers.

    >>> images, masks = np.zeros((2, 4, 6), np.uint8), np.full((2, 4, 6), 255)
    >>> dataset = ArrayDataset(images, masks, ("background", "cell"), binary_masks=True)
    >>> dataset.notes
    ('masks hold 0 and 255: mapped to 0 and 1',)
    >>> dataset[0][0].shape, int(dataset[0][1].max())
    ((4, 6, 1), 1)
    """

    def __init__(
        self,
        images: Sequence[ArrayLike] | NDArray,
        labels: Sequence[ArrayLike] | NDArray,
        classes: Sequence[str],
        *,
        name: str = "arrays",
        task: Task = "segmentation",
        scale: float = 1.0,
        binary_masks: bool = False,
    ) -> None:
        if len(images) != len(labels):
            raise ValueError(f"{name}: {len(images)} images, but {len(labels)} labels")
        self.name, self.classes, self.task, self.scale = name, tuple(classes), task, scale
        self._images = [np.asarray(image) for image in images]
        convert = self._values if task == "regression" else self._integers
        self._labels = [convert(index, np.asarray(label)) for index, label in enumerate(labels)]
        if binary_masks:
            mapped = [map_binary_masks(label) for label in self._labels]
            self._labels = [label for label, _ in mapped]
            self.notes = tuple(dict.fromkeys(note for _, note in mapped if note))
        first = self._images[0] if self._images else np.empty((0, 0))
        self.channels = first.shape[2] if first.ndim == 3 else 1

    def _integers(self, index: int, label: NDArray) -> NDArray[np.int64]:
        if label.dtype.kind not in "iub":
            raise TypeError(
                f"{self.name}: label {index} is {label.dtype}, expected integers: class numbers; for values, "
                'task="regression"'
            )
        return label.astype(np.int64)

    def _values(self, index: int, label: NDArray) -> NDArray[np.float32]:
        """(H, W) or (H, W, K) -> (H, W, K)."""
        values = label.astype(np.float32)
        values = values if values.ndim == 3 else values[..., None]
        if values.ndim != 3 or values.shape[2] != len(self.classes):
            raise ValueError(
                f"{self.name}: label {index} has shape {label.shape}, expected (height, width, {len(self.classes)}): "
                "one value a pixel for each name in classes"
            )
        return values

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        return as_image(self._images[index]), self._labels[index].copy()


class Derived(Dataset):
    """A dataset made of another, with its name, classes, channels, notes and, unless a subclass says so, length."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.name, self.classes, self.channels = dataset.name, dataset.classes, dataset.channels
        self.notes, self.task, self.scale = dataset.notes, dataset.task, dataset.scale

    def __len__(self) -> int:
        return len(self.dataset)

    def instances(self, index: int) -> NDArray[np.int64]:  # noqa: D102  # as the other dataset has it
        return self.dataset.instances(index)


class Cached(Derived):
    """A dataset whose samples are kept in memory once they were asked for: what is slow to make is made once.

    The arrays are read-only, because all who ask get the same.
    """

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self._samples: dict[int, Sample] = {}

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        if index not in self._samples:
            # Two threads may both make the sample: it is the same, and either will do.
            image, label = self.dataset[index]
            for array in (image, *maps_of(label)):
                array.flags.writeable = False
            self._samples[index] = image, label
        return self._samples[index]


class Repeated(Derived):
    """A dataset several times over: sample i is `dataset[i mod n]`, where n is its length.

    For batches of more crops than there are images.

    >>> data = ArrayDataset(np.zeros((2, 4, 4)), np.zeros((2, 4, 4), int), ("background", "cell"))
    >>> len(Repeated(data, 3))
    6

    Raises:
        ValueError: fewer than one time.
    """

    def __init__(self, dataset: Dataset, times: int) -> None:
        super().__init__(dataset)
        if times < 1:
            raise ValueError(f"{dataset.name}: cannot be repeated {times} times")
        self.times = times

    def __len__(self) -> int:
        return self.times * len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[normalise_index(index, len(self), self.name) % len(self.dataset)]

    def instances(self, index: int) -> NDArray[np.int64]:  # noqa: D102  # as the other dataset has it
        return self.dataset.instances(normalise_index(index, len(self), self.name) % len(self.dataset))


class Subset(Derived):
    """Some samples of a dataset, in the order given: sample i is `dataset[indices[i]]`.

    Raises:
        IndexError: the dataset has no such sample.
    """

    def __init__(self, dataset: Dataset, indices: Iterable[int]) -> None:
        super().__init__(dataset)
        self.indices = tuple(normalise_index(index, len(dataset), dataset.name) for index in indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[normalise_index(index, len(self), self.name)]]

    def instances(self, index: int) -> NDArray[np.int64]:  # noqa: D102  # as the other dataset has it
        return self.dataset.instances(self.indices[normalise_index(index, len(self), self.name)])


def split(dataset: Dataset, validation: float | Iterable[int], seed: int = 0) -> tuple[Subset, Subset]:
    """Split a dataset into a training and a validation part; every sample is in exactly one, both keep their order.

    Args:
        dataset: what to split.
        validation: the fraction of the samples to validate on, 0 < fraction < 1 (rounded, at least one sample on either
            side), drawn at random; or the indices of these samples.
        seed: seed of the draw: the same seed and length give the same split on every machine.

    Raises:
        ValueError: fraction out of range, fewer than two samples, or an empty part.

    >>> data = ArrayDataset(np.zeros((10, 4, 4)), np.zeros((10, 4, 4), int), ("background", "cell"))
    >>> train, validation = split(data, 0.2)
    >>> len(train), len(validation)
    (8, 2)
    """
    count = len(dataset)
    if isinstance(validation, (int, float)):
        if not 0 < validation < 1 or count < 2:
            raise ValueError(f"split: expected 0 < fraction < 1 of at least 2 images, got {validation} of {count}")
        size = min(max(round(validation * count), 1), count - 1)
        held_out = set(np.random.default_rng(seed).permutation(count)[:size].tolist())
    else:
        held_out = {normalise_index(index, count, dataset.name) for index in validation}
        if not 0 < len(held_out) < count:
            raise ValueError(f"split: {len(held_out)} of {count} images for validation leaves an empty part")
    return (
        Subset(dataset, (index for index in range(count) if index not in held_out)),
        Subset(dataset, sorted(held_out)),
    )
