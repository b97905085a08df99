"""ISBI 2012: segmentation of neuronal structures in electron microscopy stacks.

Serial sections of a fruit fly's ventral nerve cord, 4 x 4 nm a pixel: the challenge that Ciresan's sliding window won
and on which the U-Net was shown. Source: Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation
algorithms for connectomics", 2015. The data may be used for non-commercial segmentation software only.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Sample, as_image, normalise_index
from minifcn.data.sets.download import OfficialFile, dataset_root, fetch_from_zip, missing_file
from minifcn.io import read_image

ISBI2012_URL = "https://downloads.imagej.net/ISBI-2012-challenge.zip"
_VOLUME = OfficialFile("train-volume.tif", "sha256:c42268d985d224aafa2de75a3f071088ba05eb557ee16425b75cdb5aa5ead2c2")
_LABELS = OfficialFile("train-labels.tif", "sha256:8a8b61139ebcf558822b2a6911eca6c3077e23db205d7ffbf0e528884611ea9c")
_FILE_INTERIOR = 255  # in train-labels.tif; membrane is 0


class ISBI2012(Dataset):
    """The labelled stack of the challenge: 30 sections of 512 x 512 grey pixels, each pixel membrane or cell interior.

    Args:
        root: folder of train-volume.tif and train-labels.tif; by default `data_home() / "isbi2012"`. A stack of another
            number of sections, or of another size, is read as well.
        sections: which sections, by number from 0: a slice, a range or any sequence of numbers; None is all of them.
            A slice stops at the end of the stack, as slices do; any other number that the stack lacks is an error.
        foreground: the class that is number 1. "interior" (the files' own polarity: white is 1) or "membrane", what
            a membrane detector predicts.
        download: fetch what is missing; otherwise a missing file is an error.
        url: where to fetch the challenge's zip archive from.

    Raises:
        FileNotFoundError: a file is missing.
        IndexError: the stack has no such section.
        ValueError: unknown foreground, or files that are no TIFF stack of sections with masks of 0 and 255.
        DownloadError: the archive cannot be fetched, or a checksum is not the official one.
    """

    name = "isbi"
    channels = 1

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        sections: slice | Iterable[int] | None = None,
        *,
        foreground: str = "interior",
        download: bool = False,
        url: str = ISBI2012_URL,
    ) -> None:
        if foreground not in ("interior", "membrane"):
            raise ValueError(f"isbi: expected foreground 'interior' or 'membrane', got {foreground!r}")
        self.foreground = foreground
        self.classes = ("membrane", "interior") if foreground == "interior" else ("interior", "membrane")
        self.notes = (f"label 255 is cell interior, 0 is membrane: mapped to class 1 = {foreground}",)
        volume, labels = _read(dataset_root(root, "isbi2012"), download, url)
        self.sections = _section_numbers(sections, len(volume))
        self._volume, self._labels = volume, labels

    def __len__(self) -> int:
        return len(self.sections)

    def __getitem__(self, index: int) -> Sample:
        section = self.sections[normalise_index(index, len(self), self.name)]
        interior = self._labels[section] == _FILE_INTERIOR
        label = interior if self.foreground == "interior" else ~interior
        return as_image(self._volume[section]), label.astype(np.int64)


def _section_numbers(sections: slice | Iterable[int] | None, count: int) -> tuple[int, ...]:
    """Return section numbers 0..count-1.

    >>> _section_numbers(slice(20, None), 24)
    (20, 21, 22, 23)
    >>> _section_numbers([24], 24)
    Traceback (most recent call last):
    IndexError: isbi: section 24 is out of range: the stack has sections 0 to 23
    """
    if sections is None:
        sections = slice(None)
    if isinstance(sections, slice):
        return tuple(range(count)[sections])
    numbers = tuple(int(number) for number in sections)
    for number in numbers:
        if not 0 <= number < count:
            raise IndexError(f"isbi: section {number} is out of range: the stack has sections 0 to {count - 1}")
    return numbers


def _read(folder: Path, download: bool, url: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read both stacks, (N, H, W) each."""
    paths = [folder / file.name for file in (_VOLUME, _LABELS)]
    for path in paths:
        if not path.exists():
            if not download:
                raise missing_file(path, "isbi", url)
            fetch_from_zip((_VOLUME, _LABELS), url, folder)
    volume, labels = _read_stack(paths[0]), _read_stack(paths[1], labels=True)
    if volume.shape != labels.shape:
        raise ValueError(f"{paths[1]}: shape {labels.shape}, but {paths[0].name} has {volume.shape}")
    if stray := sorted(set(np.unique(labels).tolist()) - {0, _FILE_INTERIOR}):
        raise ValueError(f"{paths[1]}: expected labels 0 and 255, found {stray[0]}")
    return volume, labels


def _read_stack(path: Path, labels: bool = False) -> NDArray[np.uint8]:
    stack = read_image(path, labels)
    if stack.ndim == 2:  # a stack of one section is read without its first axis
        stack = stack[None]
    if stack.ndim != 3 or stack.dtype != np.uint8:
        raise ValueError(f"{path}: expected sections (N, H, W) of uint8, found {stack.shape} of {stack.dtype}")
    return stack
