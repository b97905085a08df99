"""The data sets that the command line knows by name, each in its parts: training, validation and, perhaps, test."""

import difflib
import os
from collections.abc import Callable
from typing import NamedTuple

from minifcn.data.dataset import Cached, Dataset, split
from minifcn.data.isbi import ISBI2012
from minifcn.data.mnist import MNIST, MNISTSegmentation
from minifcn.data.synthetic import SyntheticMembranes

Root = str | os.PathLike[str] | None


class Source(NamedTuple):
    """A data set with a name.

    Attributes:
        splits: the parts it has, all of them with labels and no two with an image in common.
        open: called with (root, split, download); `split` is one of `splits`.
    """

    splits: tuple[str, ...]
    open: Callable[[Root, str, bool], Dataset]

    @property
    def scored(self) -> str:
        """The part that a finished network is scored on: "test" where there is one, otherwise "validation".

        Validation images had a say in training: they chose the best checkpoint.

        >>> SOURCES["mnist"].scored, SOURCES["isbi"].scored
        ('test', 'validation')
        """
        return "test" if "test" in self.splits else "validation"


def _synthetic(root: Root, part: str, download: bool) -> Dataset:
    """Nothing lies on disk: `root` and `download` say nothing here."""
    # A section takes some 40 ms to draw, which a small network would wait for in every epoch but the first.
    count, seed = {"train": (64, 0), "validation": (8, 1), "test": (8, 2)}[part]
    return Cached(SyntheticMembranes(count, size=256, seed=seed))


def _isbi(root: Root, part: str, download: bool) -> Dataset:
    stack = ISBI2012(root, download=download)
    count = len(stack)
    return _hold_out(stack, count - 20 if count > 20 else count // 5, part)


def _mnist(root: Root, part: str, download: bool) -> Dataset:
    if download:
        MNIST(root, "test", download=True)  # with the others, so that evaluation finds it
    # 32 pixels a side instead of 28: five halvings instead of two.
    digits = MNISTSegmentation(root, "test" if part == "test" else "train", size=32, download=download)
    return digits if part == "test" else _hold_out(digits, len(digits) // 12, part)


def _hold_out(dataset: Dataset, count: int, part: str) -> Dataset:
    """Return the last `count` samples (at least one) for validation, the others for training."""
    if len(dataset) < 2:
        raise ValueError(f"{dataset.name}: too few images, {len(dataset)}: training and validation need one each")
    train, validation = split(dataset, range(len(dataset) - max(1, count), len(dataset)))
    return train if part == "train" else validation


SOURCES: dict[str, Source] = {
    "synthetic": Source(("train", "validation", "test"), _synthetic),
    "isbi": Source(("train", "validation"), _isbi),
    "mnist": Source(("train", "validation", "test"), _mnist),
}


def open_source(name: str, root: Root = None, split: str = "train", *, download: bool = False) -> Dataset:
    """Open a part of a data set by name.

    - synthetic: train is 64 images of 256 x 256, validation and test are 8 others each;
    - isbi: train is sections 0 to 19, validation the rest of the stack; of 20 sections or fewer, the last fifth is for
      validation. The challenge keeps its test labels, so there is no test;
    - mnist: train is the first 55,000 of the official training digits, validation the last 5,000 (of another number of
      digits, the last twelfth); test is the official 10,000.

    Args:
        name: a key of `SOURCES`.
        root: folder of the files; by default the data set's own folder in `data_home()`.
        split: "train", "validation" or "test".
        download: fetch what is missing, for all parts.

    Raises:
        ValueError: no such source, no such split, or too few images to hold any out for validation.
        FileNotFoundError: a file is missing.

    >>> open_source("synthetic", split="validation")
    Cached('synthetic', 8 images, classes: membrane, interior)
    >>> open_source("sinthetic")
    Traceback (most recent call last):
    ValueError: unknown data source 'sinthetic': did you mean 'synthetic'? There are synthetic, isbi, mnist
    """
    if name not in SOURCES:
        close = difflib.get_close_matches(name, SOURCES, n=1, cutoff=0.4)
        suggestion = f"did you mean {close[0]!r}? There" if close else "there"
        raise ValueError(f"unknown data source {name!r}: {suggestion} are {', '.join(SOURCES)}")
    source = SOURCES[name]
    if split not in source.splits:
        raise ValueError(f"{name}: no split {split!r}: there are {', '.join(source.splits)}")
    return source.open(root, split, download)
