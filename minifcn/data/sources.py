"""The data sets that the command line knows by name, each with its training and validation part."""

import difflib
import os
from collections.abc import Callable
from typing import NamedTuple

from minifcn.data.dataset import Cached, Dataset
from minifcn.data.isbi import ISBI2012
from minifcn.data.mnist import MNISTSegmentation
from minifcn.data.synthetic import SyntheticMembranes

Root = str | os.PathLike[str] | None


class Source(NamedTuple):
    """A data set with a name.

    Attributes:
        summary: one line for a list of sources.
        splits: the parts it has.
        open: called with (root, split, download); `split` is one of `splits`.
    """

    summary: str
    splits: tuple[str, ...]
    open: Callable[[Root, str, bool], Dataset]


def _synthetic(root: Root, split: str, download: bool) -> Dataset:
    """Nothing lies on disk: `root` and `download` say nothing here."""
    # A section takes some 40 ms to draw, which a small network would wait for in every epoch but the first.
    count, seed = {"train": (64, 0), "validation": (8, 1), "test": (8, 2)}[split]
    return Cached(SyntheticMembranes(count, size=256, seed=seed))


def _isbi(root: Root, split: str, download: bool) -> Dataset:
    sections = {"train": slice(0, 20), "validation": slice(20, None)}[split]
    return ISBI2012(root, sections, download=download)


def _mnist(root: Root, split: str, download: bool) -> Dataset:
    # MNIST has no third part. 32 pixels a side instead of 28: five halvings instead of two.
    return MNISTSegmentation(root, "train" if split == "train" else "test", size=32, download=download)


SOURCES: dict[str, Source] = {
    "synthetic": Source(
        "synthetic membranes, made up as they are asked for", ("train", "validation", "test"), _synthetic
    ),
    "isbi": Source("ISBI 2012, membranes in electron microscopy", ("train", "validation"), _isbi),
    "mnist": Source("MNIST, handwritten digits by the pixel", ("train", "validation", "test"), _mnist),
}


def open_source(name: str, root: Root = None, split: str = "train", *, download: bool = False) -> Dataset:
    """Open a part of a data set by name.

    - synthetic: train is 64 images of 256 x 256, validation and test are 8 others each;
    - isbi: train is sections 0 to 19, validation the rest of the stack (the challenge keeps its test labels);
    - mnist: train is the official 60,000 digits, validation and test are both the official 10,000.

    Args:
        name: a key of `SOURCES`.
        root: folder of the files; by default the data set's own folder in `data_home()`.
        split: "train", "validation" or "test".
        download: fetch what is missing.

    Raises:
        ValueError: no such source, or no such split.
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
