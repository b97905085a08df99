"""Data sets of files: an image, and a mask of the same size beside it. Which belong together, and how they are read."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minifcn.data.dataset import Dataset, Image, Sample, as_image, normalise_index
from minifcn.data.sets.label_table import LabelTable
from minifcn.io import ImageError, read_image

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy")
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow and OpenCV convert
_SHOWN = 3  # files that a message names
_MOST_CHANNELS = 16  # more are a stack of pages that looks like channels


class Pair(NamedTuple):
    """The files of one sample."""

    image: Path
    mask: Path


class PairDataset(Dataset):
    """Images with masks in files, read when they are asked for.

    Args:
        name: what messages call the set.
        pairs: the files, in order.
        table: what the masks' values or colours mean.
        channels: images are converted to that many; see `with_channels`.

    Indexing raises ImageError: a file cannot be read, a mask holds what the table lacks, or sizes differ.
    """

    def __init__(self, name: str, pairs: Iterable[Pair], table: LabelTable, channels: int) -> None:
        self.name, self.pairs, self.table, self.channels = name, tuple(pairs), table, channels
        self.classes = table.classes

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[normalise_index(index, len(self), self.name)]
        image, label = self.read_image(pair.image), self.table.read(pair.mask)
        check_sizes(pair.mask, label.shape, pair.image, image.shape)
        return image, label

    def read_image(self, path: Path) -> Image:
        """An image file as float32 (H, W, C) in [0, 1], with the channels of this data set."""
        return with_channels(read_pixels(path), self.channels, path)


def read_pixels(path: Path) -> Image:
    """Read an image file as float32 (H, W, C) in [0, 1]; of a PNG the opacity is dropped.

    Raises:
        ImageError: the file cannot be read, is a stack, or its numbers have no standard range.
    """
    pixels = read_image(path)
    if pixels.ndim == 4 or (pixels.ndim == 3 and pixels.shape[2] > _MOST_CHANNELS):
        raise ImageError(f"{path}: shape {pixels.shape} is a stack, expected one image; save every page as a file")
    if path.suffix.lower() == ".png" and pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        pixels = pixels[:, :, :-1]
    try:
        return as_image(pixels)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def with_channels(image: Image, channels: int, path: Path) -> Image:
    """Return an image from a file `converted` to so many channels.

    Raises:
        ImageError: a conversion of other channels than grey and RGB.
    """
    try:
        return converted(image, channels)
    except ValueError as error:
        raise ImageError(f"{path}: {error}") from None


def converted(images: Image, channels: int) -> Image:
    """Return images (..., C) with so many channels: grey as RGB, or RGB as its luminance.

    The luminance is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601); RGB whose channels are the same gives them exactly.

    Raises:
        ValueError: a conversion of other channels.

    >>> converted(np.ones((2, 2, 1), np.float32), 3).shape
    (2, 2, 3)
    """
    actual = images.shape[-1]
    if actual == channels:
        return images
    if (actual, channels) == (1, 3):
        return np.repeat(images, 3, axis=-1)
    if (actual, channels) == (3, 1):
        grey = images[..., :1]
        return grey.copy() if (images == grey).all() else (images @ _LUMINANCE)[..., None]
    raise ValueError(f"has {actual} channels, which cannot be converted to {channels}; save it as RGB or grey")


def check_sizes(mask: Path, mask_shape: tuple[int, ...], image: Path, image_shape: tuple[int, ...]) -> None:
    """Refuse a mask that is not as large as its image.

    Raises:
        ImageError: height or width differ.
    """
    if mask_shape[:2] != image_shape[:2]:
        (height, width), (rows, columns) = mask_shape[:2], image_shape[:2]
        raise ImageError(
            f"{mask}: is {height} x {width} pixels, but its image {image.name} is {rows} x {columns}; they must match "
            "pixel by pixel"
        )


def files_by_stem(folder: Path, name: str, suffixes: Iterable[str] = SUFFIXES) -> dict[str, Path]:
    """Return the image files of a folder by name without suffix, in the order of the names; hidden files do not count.

    Raises:
        ValueError: two files of one name.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            if path.stem in files:
                raise ValueError(f"{name}: {path} and {files[path.stem].name} have the same name; which one is meant?")
            files[path.stem] = path
    return files


def paired(name: str, images: Mapping[str, Path], masks: Mapping[str, Path]) -> list[Pair]:
    """Join images and masks of the same key, in the order of the images.

    Raises:
        ValueError: an image without mask, or the other way round; the message names the first few.
    """
    for missing, files, others in (("mask", images, masks), ("image", masks, images)):
        if alone := [path for key, path in files.items() if key not in others]:
            shown = ", ".join(path.name for path in alone[:_SHOWN]) + (", ..." if len(alone) > _SHOWN else "")
            raise ValueError(
                f"{name}: {len(alone)} of {len(files)} files in {alone[0].parent} have no {missing} of the same name: "
                f"{shown}; add the {missing}s, or move these files away"
            )
    return [Pair(path, masks[key]) for key, path in images.items()]


def missing_layout(name: str, root: str | os.PathLike[str], expected: str, published: str) -> FileNotFoundError:
    """Return the error for a folder that does not hold a data set: what was expected there, and where it is published.

    The licences of these sets are for their readers to accept, so nothing is fetched from there.
    """
    state = "has no such files" if Path(root).is_dir() else "does not exist"
    return FileNotFoundError(
        f"{name}: expected {expected} in {root}, which {state}: get the data from {published} and unpack it there; "
        "--data FOLDER (in Python: root=...) or $MINIFCN_DATA name another folder"
    )
