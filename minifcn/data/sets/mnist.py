"""MNIST: handwritten digits, for classification and, pixel by pixel, for segmentation.

The lecture's grey-level image of 28 x 28 pixels is one of these. Source: LeCun, Bottou, Bengio, Haffner,
"Gradient-based learning applied to document recognition", 1998; files under CC BY-SA 3.0.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Sample, as_image, normalise_index
from minifcn.data.sets.download import OfficialFile, dataset_root, fetch, missing_file
from minifcn.data.sets.idx import read_idx
from minifcn.data.targets import without_weights

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_SIDE = 28

# split -> (images, labels)
_FILES = {
    "train": (
        OfficialFile("train-images-idx3-ubyte.gz", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        OfficialFile("train-labels-idx1-ubyte.gz", "md5:d53e105ee54ea40749a09fcbcd1e9432"),
    ),
    "test": (
        OfficialFile("t10k-images-idx3-ubyte.gz", "md5:9fb629c4189551a2d022fa330f9573f3"),
        OfficialFile("t10k-labels-idx1-ubyte.gz", "md5:ec29112dd5afa0611ce80d1b7f02629c"),
    ),
}


class MNIST(Dataset):
    """Handwritten digits, 28 x 28 grey pixels, white ink on black; the label is the digit, int64 of shape ().

    Args:
        root: folder of the four official IDX files, gzipped or not; by default `data_home() / "mnist"`.
        split: "train" (60,000 digits) or "test" (10,000).
        download: fetch what is missing; otherwise a missing file is an error.
        url: where to fetch from.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: unknown split, or a file that is damaged or not what its name says.
        DownloadError: a file cannot be fetched, or its checksum is not the official one.
    """

    name = "mnist"
    classes = tuple("0123456789")
    channels = 1

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        split: str = "train",
        *,
        download: bool = False,
        url: str = MNIST_URL,
    ) -> None:
        if split not in _FILES:
            raise ValueError(f"mnist: expected split 'train' or 'test', got {split!r}")
        folder = dataset_root(root, "mnist")
        images, labels = (_locate(folder, file, url, download) for file in _FILES[split])
        self.images, self.digits = _read(images, labels)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        return as_image(self.images[index]), np.asarray(self.digits[index], np.int64)


class MNISTSegmentation(Dataset):
    """Handwritten digits with a label for every pixel: 0 is background, d + 1 is ink of the digit d.

    Args:
        root: see `MNIST`, as for `split`, `download` and `url`.
        split: "train" (60,000 images) or "test" (10,000).
        threshold: ink is what is brighter than this, on [0, 1]; the default is half of the grey scale.
        size: side of the images; more than 28 puts the digit in the middle of more background (32 suits a network that
            halves its images five times).
        download: fetch what is missing.
        url: where to fetch from.

    Raises:
        ValueError: a size below 28, and what `MNIST` raises.
    """

    name = "mnist"
    classes = ("background", *"0123456789")
    channels = 1

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        split: str = "train",
        *,
        threshold: float = 127 / 255,
        size: int = _SIDE,
        download: bool = False,
        url: str = MNIST_URL,
    ) -> None:
        if size < _SIDE:
            raise ValueError(f"mnist: expected size >= {_SIDE}, got {size}")
        self.threshold, self.size = threshold, size
        self._digits = MNIST(root, split, download=download, url=url)

    def __len__(self) -> int:
        return len(self._digits)

    def __getitem__(self, index: int) -> Sample:
        image, digit = self._digits[index]
        before, after = (self.size - _SIDE) // 2, (self.size - _SIDE + 1) // 2
        image = np.pad(image, [(before, after), (before, after), (0, 0)])
        return image, np.where(image[:, :, 0] > np.float32(self.threshold), without_weights(digit) + 1, 0)


def _locate(folder: Path, file: OfficialFile, url: str, download: bool) -> Path:
    """Return the path of an IDX file, gzipped or not."""
    gzipped = folder / file.name
    for path in (gzipped, gzipped.with_suffix("")):
        if path.exists():
            return path
    address = url.rstrip("/") + "/" + file.name
    if download:
        return fetch(file, address, folder)
    raise missing_file(gzipped, "mnist", address)


def _read(images: Path, labels: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    pixels, digits = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if pixels.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(f"{images}: images are {pixels.shape[1:]}, expected ({_SIDE}, {_SIDE})")
    if len(pixels) != len(digits):
        raise ValueError(f"{labels}: {len(digits)} labels for {len(pixels)} images")
    if digits.size and digits.max() > 9:
        raise ValueError(f"{labels}: label {digits.max()} is not a digit")
    return pixels, digits
