"""Data Science Bowl 2018: nuclei of cells under many microscopes, each nucleus outlined.

Source: Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", 2019; image set
BBBC038 of the Broad Bioimage Benchmark Collection (CC0).
"""

import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Sample, normalise_index
from minifcn.data.sets.download import dataset_root
from minifcn.data.sets.pairs import check_sizes, files_by_stem, missing_layout, paired, read_pixels, with_channels
from minifcn.io import read_image

DSB2018_URL = "https://bbbc.broadinstitute.org/BBBC038"
_COLOUR_NOTE = "images are read as grey, colour among them by its luminance: channels=3 keeps it"


class DSB2018(Dataset):
    """Nuclei in images of various sizes.

    Args:
        root: folder that holds either layout, by default `data_home() / "dsb2018"`:
            as published, `stage1_train/<id>/images/<id>.png` and one file `masks/*.png` a nucleus (`root` may also be
            stage1_train itself); or `images/*.png` and `labels/*.png` (or .tif) of the same names with 0 outside
            nuclei and a number for every nucleus.
        target: "semantic": background and nucleus. "border": background, interior and border, so that nuclei that
            touch come apart: border are the pixels of a nucleus with a pixel that is not of it within `border` rows and
            columns; the image's edge is none.
        border: width of the border in pixels.
        channels: 1 reads colour by its luminance; 3 repeats grey.

    Raises:
        FileNotFoundError: neither layout is there.
        ValueError: unknown target, a border below 1, other channels; an image without labels or the other way round.
    """

    name = "dsb2018"

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        target: Literal["semantic", "border"] = "semantic",
        *,
        border: int = 2,
        channels: int = 1,
    ) -> None:
        if target not in ("semantic", "border"):
            raise ValueError(f"dsb2018: expected target 'semantic' or 'border', got {target!r}")
        if border < 1:
            raise ValueError(f"dsb2018: expected a border of at least 1 pixel, got {border}")
        if channels not in (1, 3):
            raise ValueError(f"dsb2018: expected 1 or 3 channels, got {channels}")
        self.target, self.border, self.channels = target, border, channels
        self.classes = ("background", "nucleus") if target == "semantic" else ("background", "interior", "border")
        self.files, self.published = _find(dataset_root(root, "dsb2018"))
        self.notes = (_COLOUR_NOTE,) if self.published and channels == 1 else ()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        path, masks = self.files[index]
        image, nuclei = with_channels(read_pixels(path), self.channels, path), self.instances(index)
        check_sizes(masks[0], nuclei.shape, path, image.shape)
        return image, with_border(nuclei, self.border) if self.target == "border" else (nuclei > 0).astype(np.int64)

    def instances(self, index: int) -> NDArray[np.int64]:
        """Return the nuclei of image `index`, int64 (H, W): 0 between them, then 1, 2, ...

        Where two files of masks both claim a pixel, the later name has it.
        """
        masks = self.files[normalise_index(index, len(self), self.name)][1]
        first = read_image(masks[0], labels=True).astype(np.int64)
        if not self.published:  # a map of labels
            return np.unique(first, return_inverse=True)[1].reshape(first.shape) + (first.min() > 0)
        nuclei = (first != 0).astype(np.int64)
        for number, path in enumerate(masks[1:], start=2):
            mask = read_image(path, labels=True)
            check_sizes(path, mask.shape, masks[0], nuclei.shape)
            nuclei[mask != 0] = number
        return nuclei


def with_border(instances: NDArray[np.int64], border: int = 2) -> NDArray[np.int64]:
    """Return three classes, (H, W): 0 background, 1 interior of an object, 2 its border.

    A pixel of an object is border where the square of 2 `border` + 1 pixels around it holds anything else: background
    or another object. Pixels beyond the image count as the nearest ones in it.

    >>> with_border(np.array([[0, 1, 1, 1, 2, 2]]), border=1)
    array([[0, 2, 1, 2, 2, 1]])
    """
    from scipy import ndimage

    side = 2 * border + 1
    least = ndimage.minimum_filter(instances, side, mode="nearest")
    most = ndimage.maximum_filter(instances, side, mode="nearest")
    return np.where(instances == 0, 0, np.where(least == most, 1, 2)).astype(np.int64)


def _find(root: Path) -> tuple[list[tuple[Path, tuple[Path, ...]]], bool]:
    """Return the files of every image, (image, its masks), and whether they are as published."""
    if all((root / name).is_dir() for name in ("images", "labels")):
        images, labels = (files_by_stem(root / name, "dsb2018") for name in ("images", "labels"))
        if pairs := paired("dsb2018", images, labels):
            return [(pair.image, (pair.mask,)) for pair in pairs], False
    top = root / "stage1_train" if (root / "stage1_train").is_dir() else root
    folders = sorted(top.iterdir()) if top.is_dir() else []
    folders = [folder for folder in folders if (folder / "images").is_dir()]
    if any((folder / "masks").is_dir() for folder in folders):
        return [_sample(folder) for folder in folders], True
    raise missing_layout("dsb2018", root, "stage1_train/<id>/images and masks, or images and labels", DSB2018_URL)


def _sample(folder: Path) -> tuple[Path, tuple[Path, ...]]:
    images, there = files_by_stem(folder / "images", "dsb2018"), (folder / "masks").is_dir()
    if len(images) != 1 or not there:
        raise ValueError(
            f"dsb2018: {folder} holds {len(images)} images and {'a' if there else 'no'} folder masks, expected one "
            "image and a folder with a mask for every nucleus (empty where there is none); unpack it again"
        )
    masks = files_by_stem(folder / "masks", "dsb2018")
    return next(iter(images.values())), tuple(masks.values())
