"""Opening an image file of any format to read parts of it: tiled or striped .tif, .zarr, .npy.

Other formats (.png, .jpg, .bmp) can only be read whole, and are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minifcn.io.errors import DAMAGE, ImageError, explain
from minifcn.io.images import read_image
from minifcn.io.regions import Mapped, Regions, unnamed_axes
from minifcn.io.stores import is_store, open_store
from minifcn.io.tiff import open_tiff


def open_regions(path: str | Path, channels: int = 1) -> Regions:
    """Open an image file to read parts of it.

    Args:
        path: .tif, .tiff, .npy, .png, .jpg, .jpeg, .bmp, or a folder in the Zarr format (2 or 3; of an OME-Zarr group
            the finest level).
        channels: how many are expected. Where a file has three axes and no names for them, the last is channels if it
            has so many or at most 4, and the first counts images otherwise.

    Raises:
        FileNotFoundError: no such file.
        ImageError: a folder that is no Zarr store; an unknown suffix; a damaged file, or one that holds no image.
    """
    path = Path(path)
    if is_store(path):
        return open_store(path, channels)
    if path.is_file() and path.stat().st_size:
        try:
            if path.suffix.lower() in (".tif", ".tiff"):
                return open_tiff(path)
            if path.suffix.lower() == ".npy":
                return _open_npy(path, channels)
        except ImageError as error:
            raise error if str(error).startswith(str(path)) else ImageError(f"{path}: {error}") from error
        except DAMAGE as error:
            raise ImageError(f"{path}: {explain(path.suffix.lower(), error)}") from error
    image = read_image(path)  # which also says what is wrong with other paths
    return Regions(path, image, unnamed_axes(image.shape, channels))


def _open_npy(path: Path, channels: int) -> Regions:
    mapped: Any = np.lib.format.open_memmap(path, mode="r")  # never unpickles
    order = "C" if mapped.flags.c_contiguous else "F"
    array = Mapped(path, mapped.dtype, mapped.offset, mapped.shape, order)
    return Regions(path, array, unnamed_axes(mapped.shape, channels))
