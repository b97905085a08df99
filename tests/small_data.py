"""Small datasets on disk, in the official layouts, for tests of training and of the command line."""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from minifcn.io import write_image


def write_isbi(folder: Path, sections: int = 24, size: int = 32) -> Path:
    """An ISBI 2012 stack of little sections: dark lines on bright noise, labels 0 on the lines and 255 elsewhere."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.full((sections, size, size), 255, np.uint8)
    for section, (row, column) in zip(labels, rng.integers(4, size - 4, (sections, 2)), strict=True):
        section[row - 2 : row + 2] = 0
        section[:, column - 2 : column + 2] = 0
    volume = np.where(labels == 255, 170, 80) + rng.normal(0, 20, labels.shape)
    tifffile.imwrite(folder / "train-volume.tif", np.clip(volume, 0, 255).astype(np.uint8), photometric="minisblack")
    tifffile.imwrite(folder / "train-labels.tif", labels, photometric="minisblack")
    return folder


def _photograph(path: Path, height: int, width: int, seed: int = 0) -> None:
    """A file of smooth colours and noise, different for every seed."""
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    ramp = np.linspace(0, 180, height * width).reshape(height, width, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, (ramp + noise).astype(np.uint8))


def _labels(height: int, width: int, *values: int) -> np.ndarray:
    """Columns of equal width, one a value, uint8 (H, W)."""
    return np.broadcast_to(np.array(values, np.uint8)[np.arange(width) * len(values) // width], (height, width)).copy()


def write_camvid(folder: Path, splits: tuple[str, ...] = ("train", "val"), images: int = 3) -> Path:
    """CamVid as prepared for SegNet: columns of Sky, Road, Car and void in scenes of 24 x 32 pixels."""
    for number, split in enumerate(splits):
        (folder / f"{split}annot").mkdir(parents=True)
        for scene in range(images):
            name = f"0016E5_{number}{scene:04}.png"
            _photograph(folder / split / name, 24, 32, 10 * number + scene)
            write_image(folder / f"{split}annot" / name, _labels(24, 32, 0, 3, 8, 11))
    return folder


def write_voc(folder: Path, images: int = 5, lists: bool = False) -> Path:
    """VOC 2012 with palette masks of two sheep and void between them; one photograph more has no mask.

    With lists, the last fifth is val.
    """
    from minifcn.data.sets.voc import voc_colour

    for kind in ("SegmentationClass", "SegmentationObject"):
        (folder / kind).mkdir(parents=True)
    palette = [level for index in range(256) for level in voc_colour(index)]
    names = [f"2007_{number:06}" for number in range(images + 1)]
    for number, name in enumerate(names):
        width = 30 + 2 * number
        _photograph(folder / "JPEGImages" / f"{name}.jpg", 20, width, number)
        if number == images:
            continue
        for kind, values in (("SegmentationClass", (0, 17, 255, 17)), ("SegmentationObject", (0, 1, 255, 2))):
            mask = Image.fromarray(_labels(20, width, *values))
            mask.putpalette(palette)
            mask.save(folder / kind / f"{name}.png")
    if lists:
        cut = images - max(1, images // 5)
        for split, part in (("train", names[:cut]), ("val", names[cut:images]), ("trainval", names[:images])):
            path = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(part) + "\n")
    return folder


def write_bsds(folder: Path, splits: tuple[str, ...] = (".",), images: int = 4) -> Path:
    """BSDS500: two halves; of three annotators the first two put the boundary in one column, the third in the next."""
    from scipy import io

    for number, split in enumerate(splits):
        (folder / "groundTruth" / split).mkdir(parents=True, exist_ok=True)
        for image in range(images):
            name = f"{100 * number + image:05}"
            _photograph(folder / "images" / split / f"{name}.jpg", 16 + image, 24, int(name))
            people = np.empty((1, 3), object)
            for person, column in enumerate((11, 11, 12)):
                segments = np.ones((16 + image, 24), np.uint16)
                segments[:, column + 1 :] = 2
                boundary = np.zeros(segments.shape, np.uint8)
                boundary[:, column] = 1
                people[0, person] = {"Segmentation": segments, "Boundaries": boundary}
            io.savemat(folder / "groundTruth" / split / f"{name}.mat", {"groundTruth": people})
    return folder


def write_dsb(folder: Path, images: int = 5, published: bool = False) -> Path:
    """Data Science Bowl 2018: two square nuclei that touch, in images that differ in width.

    Published: RGBA, a file a nucleus; otherwise: grey, and 16-bit maps of labels.
    """
    for number in range(images):
        name = f"{number:08x}"
        nuclei = np.zeros((20, 24 + 4 * number), np.uint16)
        nuclei[4:12, 3:11], nuclei[4:12, 11:19] = 3, 7
        grey = np.where(nuclei > 0, 150, 20).astype(np.uint8)
        grey[0, 0] = number
        if published:
            for part in ("images", "masks"):
                (folder / "stage1_train" / name / part).mkdir(parents=True)
            opaque = np.full((*grey.shape, 4), 255, np.uint8)
            opaque[:, :, :3] = grey[:, :, None]
            write_image(folder / "stage1_train" / name / "images" / f"{name}.png", opaque)
            for label in (3, 7):
                mask = 255 * (nuclei == label).astype(np.uint8)
                write_image(folder / "stage1_train" / name / "masks" / f"{label}.png", mask)
        else:
            for part, pixels in (("images", grey), ("labels", nuclei)):
                (folder / part).mkdir(parents=True, exist_ok=True)
                write_image(folder / part / f"{name}.png", pixels)
    return folder


def write_vgg_cells(folder: Path, images: int = 6) -> Path:
    """VGG cells: image i, counted from 0, has i + 1 dots, the first in the corner; 24 x 24 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(images):
        _photograph(folder / f"{number + 1:03}cell.png", 24, 24, number)
        dots = np.zeros((24, 24, 3), np.uint8)
        dots[np.arange(number + 1) * 3, np.arange(number + 1) * 2, 0] = 255
        write_image(folder / f"{number + 1:03}dots.png", dots)
    return folder


def write_folder(folder: Path, images: int = 5, values: tuple[int, ...] = (0, 255), masks: str = "masks") -> Path:
    """Images and masks of the same names in two subfolders; sizes differ, mask columns hold `values`."""
    (folder / masks).mkdir(parents=True)
    for number in range(images):
        _photograph(folder / "images" / f"{number}.png", 16, 20 + number, number)
        write_image(folder / masks / f"{number}.png", _labels(16, 20 + number, *values))
    return folder
