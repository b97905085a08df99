"""The data sets that the command line knows by name, each in its parts: training, validation and, perhaps, test."""

import difflib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from minifcn.data.dataset import Cached, Dataset, split
from minifcn.data.sets.bsds import BSDS500, BSDS_SPLITS, bsds_folder
from minifcn.data.sets.camvid import CamVid
from minifcn.data.sets.digit_scenes import DigitScenes
from minifcn.data.sets.discs import TwoDiscs
from minifcn.data.sets.download import dataset_root
from minifcn.data.sets.dsb import DSB2018
from minifcn.data.sets.folder import FolderDataset
from minifcn.data.sets.isbi import ISBI2012
from minifcn.data.sets.mnist import MNIST, MNISTSegmentation
from minifcn.data.sets.synthetic import SyntheticMembranes
from minifcn.data.sets.vgg_cells import VGGCells
from minifcn.data.sets.voc import VOC2012, voc_folder

Root = str | os.PathLike[str] | None
_OFFICIAL = {"train": "train", "validation": "val", "test": "test"}  # what data sets call their parts


class Source(NamedTuple):
    """A data set with a name.

    Attributes:
        splits: the parts it has, all of them with labels and no two with an image in common.
        open: called with (root, split, download) and options; `split` is one of `splits` or of `perhaps`.
        options: names of the options that `open` takes.
        perhaps: parts that not every copy of the data has.
    """

    splits: tuple[str, ...]
    open: Callable[..., Dataset]
    options: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()

    @property
    def scored(self) -> str:
        """The part that a finished network is scored on: "test" where there is one, otherwise "validation".

        Validation images had a say in training: they chose the best checkpoint.

        >>> SOURCES["mnist"].scored, SOURCES["isbi"].scored
        ('test', 'validation')
        """
        return "test" if "test" in self.splits else "validation"


class MissingPartError(FileNotFoundError):
    """A part that this copy of a data set does not have."""


def _synthetic(root: Root, part: str, download: bool) -> Dataset:
    """Nothing lies on disk: `root` and `download` say nothing here."""
    # A section takes some 40 ms to draw, which a small network would wait for in every epoch but the first.
    count, seed = {"train": (64, 0), "validation": (8, 1), "test": (8, 2)}[part]
    return Cached(SyntheticMembranes(count, size=256, seed=seed))


def _isbi(root: Root, part: str, download: bool, **options: Any) -> Dataset:
    stack = ISBI2012(root, download=download, **options)
    count = len(stack)
    return _hold_out_last(stack, count - 20 if count > 20 else count // 5, part)


def _mnist(root: Root, part: str, download: bool, *, size: int = 32, **options: Any) -> Dataset:
    if download:
        MNIST(root, "test", download=True)  # with the others, so that evaluation finds it
    # 32 pixels a side instead of 28: five halvings instead of two.
    official = "test" if part == "test" else "train"
    digits = MNISTSegmentation(root, official, size=size, download=download, **options)
    return digits if part == "test" else _hold_out_last(digits, len(digits) // 12, part)


def _camvid(root: Root, part: str, download: bool) -> Dataset:
    folder = dataset_root(root, "camvid")
    if part == "test" and not (folder / "test").is_dir():
        raise MissingPartError(f"camvid: there is no test in {folder}")
    return CamVid(root, _OFFICIAL[part])


def _voc2012(root: Root, part: str, download: bool) -> Dataset:
    if (voc_folder(root) / "ImageSets" / "Segmentation").is_dir():
        return VOC2012(root, _OFFICIAL[part])
    return _hold_out_every(VOC2012(root), 4, part)


def _bsds500(root: Root, part: str, download: bool, **options: Any) -> Dataset:
    if part == "test" and not (bsds_folder(root) / "images" / "test").is_dir():
        raise MissingPartError(f"bsds500: there is no images/test in {bsds_folder(root)}")
    if part == "test" or any((bsds_folder(root) / "images" / name).is_dir() for name in BSDS_SPLITS):
        return BSDS500(root, _OFFICIAL[part], **options)
    return _hold_out_every(BSDS500(root, **options), 4, part)


def _dsb2018(root: Root, part: str, download: bool, **options: Any) -> Dataset:
    return _hold_out_every(DSB2018(root, **options), 5, part)


def _vgg_cells(root: Root, part: str, download: bool, **options: Any) -> Dataset:
    cells = VGGCells(root, **options)
    return _hold_out_last(cells, len(cells) // 3, part)


def _folder(root: Root, part: str, download: bool, **options: Any) -> Dataset:
    if root is None:
        raise ValueError("folder: which one? Name it with --data FOLDER (in Python: root=...)")
    top = Path(root).expanduser()
    parts = {name: next(filter(Path.is_dir, (top / _OFFICIAL[name], top / name)), None) for name in _OFFICIAL}
    if part == "all":
        return FolderDataset(top, **options)
    if part == "test" and parts[part] is None:
        raise MissingPartError(f"folder: {top} has no folder test")
    if not (parts["train"] and parts["validation"]):
        if found := ", ".join(path.name for path in parts.values() if path):
            raise FileNotFoundError(f"folder: {top}: expected train and val, and test to score on; found {found}")
        return _fifth_of(FolderDataset(top, **options), part)
    folder = parts[part]
    assert folder is not None
    train = FolderDataset(parts["train"], **options)
    # One table for all parts: a part that lacks a class would otherwise be numbered differently.
    return train if part == "train" else FolderDataset(folder, **options | {"classes": train.table})


def _fifth_of(dataset: Dataset, part: str) -> Dataset:
    """Hold out a fifth of a folder that is not divided."""
    if len(dataset) < 2:
        raise ValueError(f"{dataset.name}: too few images, {len(dataset)}: training and validation need one each")
    return split(dataset, 0.2, seed=0)[part == "validation"]


def _digits(root: Root, part: str, download: bool, **options: Any) -> Dataset:
    if download:
        MNIST(root, "test", download=True)  # with the others, so that evaluation finds it
    count, seed = {"train": (1000, 0), "validation": (100, 1), "test": (200, 2)}[part]
    official = "test" if part == "test" else "train"
    return Cached(DigitScenes(root, count, seed=seed, split=official, download=download, **options))


def _discs(root: Root, part: str, download: bool, **options: Any) -> Dataset:
    """Nothing lies on disk."""
    count, seed = {"train": (64, 0), "validation": (16, 1), "test": (64, 2)}[part]
    return Cached(TwoDiscs(count, seed=seed, **options))


def _hold_out_last(dataset: Dataset, count: int, part: str) -> Dataset:
    """Return the last `count` samples (at least one) for validation, the others for training."""
    return _hold_out(dataset, range(len(dataset) - max(1, count), len(dataset)), part)


def _hold_out_every(dataset: Dataset, step: int, part: str) -> Dataset:
    """Return samples `step` - 1, 2 `step` - 1, ... for validation (of fewer, the last), the others for training."""
    count = len(dataset)
    return _hold_out(dataset, range(step - 1, count, step) if count >= step else [count - 1], part)


def _hold_out(dataset: Dataset, validation: Iterable[int], part: str) -> Dataset:
    if len(dataset) < 2:
        raise ValueError(f"{dataset.name}: too few images, {len(dataset)}: training and validation need one each")
    train, held_out = split(dataset, validation)
    return train if part == "train" else held_out


SOURCES: dict[str, Source] = {
    "synthetic": Source(("train", "validation", "test"), _synthetic),
    "isbi": Source(("train", "validation"), _isbi, ("foreground",)),
    "mnist": Source(("train", "validation", "test"), _mnist, ("size", "threshold")),
    "camvid": Source(("train", "validation"), _camvid, perhaps=("test",)),
    "voc2012": Source(("train", "validation"), _voc2012),
    "bsds500": Source(("train", "validation"), _bsds500, ("target", "consensus"), ("test",)),
    "dsb2018": Source(("train", "validation"), _dsb2018, ("target", "border", "channels")),
    "vgg_cells": Source(("train", "validation"), _vgg_cells, ("sigma", "scale")),
    "digits": Source(("train", "validation", "test"), _digits, ("size", "target", "overlap", "degrees", "blur")),
    "discs": Source(("train", "validation", "test"), _discs, ("size",)),
    "folder": Source(("train", "validation"), _folder, ("classes", "images", "masks", "channels"), ("test", "all")),
}


def open_source(
    name: str, root: Root = None, split: str = "train", *, download: bool = False, **options: Any
) -> Dataset:
    """Open a part of a data set by name.

    - synthetic: train is 64 images of 256 x 256, validation and test are 8 others each;
    - isbi: train is sections 0 to 19, validation the rest of the stack; of 20 sections or fewer, the last fifth is for
      validation. The challenge keeps its test labels, so there is no test;
    - mnist: train is the first 55,000 of the official training digits, validation the last 5,000 (of another number of
      digits, the last twelfth); test is the official 10,000;
    - camvid: train, validation and, where it is there, test are the official ones;
    - voc2012: train and validation are the official lists; without lists, every fourth image with a mask is for
      validation. The challenge keeps its test labels;
    - bsds500: train, validation and test are the official ones; where the images are not divided, every fourth is for
      validation;
    - dsb2018: every fifth image of stage1_train is for validation; which images come from the same experiment, the
      files do not say;
    - vgg_cells: the last third is for validation;
    - digits: MNIST's digits scattered over 128 x 128 pixels: 1,000 scenes to train on and 100 to validate on, both of
      official training digits, and 200 of test digits;
    - discs: 64 images to train on, 16 and 64 others to validate and to test on;
    - folder: the subfolders train and val (and test); without them, a fifth of the images, drawn with seed 0, is for
      validation. Images that belong together, such as frames of one film, need the subfolders. All images of a folder
      that is not divided are the part "all".

    Where a set is listed by file name, "every fourth" and "last" are by name.

    Args:
        name: a key of `SOURCES`.
        root: folder of the files; by default the data set's own folder in `data_home()`, which "folder" has not.
        split: "train", "validation" or "test"; of a folder, also "all".
        download: fetch what is missing, for all parts; of isbi and mnist.
        options: what the data set's class takes, by name: `target` of dsb2018, `classes` of folder, ...

    Raises:
        ValueError: no such source, split or option, no root where one is needed, or too few images to hold any out.
        FileNotFoundError: a file is missing.

    >>> open_source("synthetic", split="validation")
    Cached('synthetic', 8 images, classes: membrane, interior)
    >>> open_source("sinthetic")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown data source 'sinthetic': did you mean 'synthetic'? There are synthetic, isbi, mnist, ...
    """
    if name not in SOURCES:
        close = difflib.get_close_matches(name, SOURCES, n=1, cutoff=0.4)
        suggestion = f"did you mean {close[0]!r}? There" if close else "there"
        raise ValueError(f"unknown data source {name!r}: {suggestion} are {', '.join(SOURCES)}")
    source = SOURCES[name]
    parts = (*source.splits, *source.perhaps)
    if split not in parts:
        raise ValueError(f"{name}: no split {split!r}: there are {', '.join(parts)}")
    for option in options:
        if option not in source.options:
            known = f"there are {', '.join(source.options)}" if source.options else "it takes none"
            raise ValueError(f"{name}: no option {option!r}: {known}")
    try:
        return source.open(root, split, download, **options)
    except TypeError as error:
        if not options:
            raise
        given = ", ".join(f"{option}={value!r}" for option, value in options.items())
        raise ValueError(f"{name}: an option is of the wrong kind, of {given}: {error}") from error
