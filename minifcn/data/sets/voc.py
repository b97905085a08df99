"""PASCAL VOC 2012: photographs with twenty kinds of objects, the benchmark of FCN-8s.

Source: Everingham, Van Gool, Williams, Winn, Zisserman, "The PASCAL Visual Object Classes Challenge 2012". Objects are
outlined by a band of pixels that do not count, "void", which the files give index 255. The photographs come from
Flickr and are subject to its terms.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import normalise_index
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.sets.download import dataset_root
from minifcn.data.sets.label_table import Colour, LabelTable
from minifcn.data.sets.pairs import PairDataset, check_sizes, files_by_stem, missing_layout, paired
from minifcn.io import read_image

VOC2012_URL = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_VOID = 255
_SPLITS = ("train", "val", "trainval")


def voc_colour(index: int) -> Colour:
    """Return the colour of VOC's palette for an index 0..255: its bits, three at a time, dealt to R, G, B from the top.

    >>> [voc_colour(index) for index in (0, 1, 2, 15, 255)]
    [(0, 0, 0), (128, 0, 0), (0, 128, 0), (192, 128, 128), (224, 224, 192)]
    """
    red, green, blue = (
        sum((index >> (3 * place + channel) & 1) << (7 - place) for place in range(8)) for channel in range(3)
    )
    return red, green, blue


def _table(classes: tuple[str, ...]) -> LabelTable:
    numbers = {index: index for index in range(len(classes))} | {_VOID: IGNORE_INDEX}
    return LabelTable(
        classes,
        values=numbers,
        colours={voc_colour(index): number for index, number in numbers.items()},
        advice="masks are in VOC's colour map, as palette, RGB or grey files of the indices; save this one so",
    )


_OBJECTS = _table(tuple(map(str, range(_VOID))))


class VOC2012(PairDataset):
    """Photographs of 21 classes, background among them; void is `IGNORE_INDEX`. Sizes differ, up to 500 x 500.

    Masks may be the official palette files, RGB in VOC's colours, or grey files of the indices. The colour decides,
    so a file whose palette is another's is refused, not misread.

    Args:
        root: folder that holds JPEGImages and SegmentationClass, or VOCdevkit/VOC2012 or VOC2012 above them; by default
            `data_home() / "voc2012"`.
        split: "train" (1,464 images), "val" (1,449) or "trainval", as listed in ImageSets/Segmentation; None is
            whatever has a mask.

    Raises:
        FileNotFoundError: a folder, a list or a listed file is missing.
        ValueError: unknown split, or a mask without photograph.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None, split: str | None = None) -> None:
        if split not in (None, *_SPLITS):
            raise ValueError(f"voc2012: expected split {', '.join(map(repr, _SPLITS))} or None, got {split!r}")
        self.folder = voc_folder(root)
        images, masks = (files_by_stem(self.folder / name, "voc2012") for name in ("JPEGImages", "SegmentationClass"))
        # Most photographs of the challenge are for detection, and have no mask.
        wanted = list(masks) if split is None else self._listed(split)
        for stem in wanted if split else ():
            for name, files in (("JPEGImages", images), ("SegmentationClass", masks)):
                if stem not in files:
                    raise FileNotFoundError(
                        f"voc2012: {stem} is listed in {split}.txt, but not in {self.folder / name}"
                    )
        images = {stem: path for stem, path in images.items() if stem in masks}
        pairs = {pair.mask.stem: pair for pair in paired("voc2012", images, masks)}
        super().__init__("voc2012", [pairs[stem] for stem in wanted], _table(VOC_CLASSES), channels=3)

    def instances(self, index: int) -> NDArray[np.int64]:
        """Return the objects of an image, int64 (H, W): 0 is background or void, then 1, 2, ...

        They come from SegmentationObject; an image that has no file there is treated as by `Dataset.instances`.

        Raises:
            ImageError: the file cannot be read, or is not as large as the mask.
        """
        mask = self.pairs[normalise_index(index, len(self), self.name)].mask
        path = self.folder / "SegmentationObject" / mask.name
        if not path.exists():
            return super().instances(index)
        objects = _OBJECTS.read(path)
        check_sizes(path, objects.shape, mask, read_image(mask).shape)
        return np.where(objects == IGNORE_INDEX, 0, objects)

    def _listed(self, split: str) -> list[str]:
        path = self.folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        if not path.exists():
            raise FileNotFoundError(f"voc2012: {path} not found; split=None takes all images that have a mask")
        return path.read_text(encoding="utf-8").split()


def voc_folder(root: str | os.PathLike[str] | None) -> Path:
    """Return the folder that holds JPEGImages and SegmentationClass.

    Raises:
        FileNotFoundError: there is none at or below `root`.
    """
    top = dataset_root(root, "voc2012")
    for folder in (top, top / "VOC2012", top / "VOCdevkit" / "VOC2012"):
        if all((folder / name).is_dir() for name in ("JPEGImages", "SegmentationClass")):
            return folder
    raise missing_layout("voc2012", top, "folders JPEGImages and SegmentationClass", VOC2012_URL)
