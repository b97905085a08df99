"""Small datasets on disk, in the official layouts, for tests of training and of the command line."""

from pathlib import Path

import numpy as np
import tifffile


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
