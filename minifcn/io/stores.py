"""Zarr stores (formats 2 and 3, OME-Zarr among them), read and written part by part."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minifcn.io.errors import DAMAGE, ImageError, explain
from minifcn.io.regions import Regions, unnamed_axes

_MARKS = ("zarr.json", ".zarray", ".zgroup")
_CHUNK = 512  # rows and columns of a result's chunk, where the source has none of a sensible size
_LARGEST_CHUNK = 4096
#: What `create_store` takes over from sources of other formats.
_PLAIN: dict[str, Any] = {"format": 3, "chunk": (_CHUNK, _CHUNK), "attributes": {}, "names": None, "image": None}


def is_store(path: Path) -> bool:
    """Whether a path is a folder in the Zarr format."""
    return any((path / mark).is_file() for mark in _MARKS)


def layout_of(path: Path) -> int:
    """A checksum of what a store says of its arrays."""
    files = sorted(file for file in path.rglob("*") if file.name in (*_MARKS, ".zattrs"))
    return zlib.crc32(b"".join(file.read_bytes() for file in files))


def open_store(path: Path, channels: int = 1) -> Regions:
    """Open a Zarr array, or the finest level of an OME-Zarr group.

    Raises:
        ImageError: a group of anything else; damaged, or compressed in an unknown way.
    """
    import zarr

    try:
        node = zarr.open(path, mode="r")
        image = None
        if isinstance(node, zarr.Group):
            image = _multiscale(path, dict(node.attrs))
            array: Any = node[image["datasets"][0]["path"]]
        else:
            array = node
        attributes = dict(array.attrs)
        names = (
            [axis["name"] for axis in image.get("axes", ())]
            if image
            else getattr(array.metadata, "dimension_names", None)
        )
        axes = _letters(names, array.shape, channels)
    except ImageError as error:
        raise error if str(error).startswith(str(path)) else ImageError(f"{path}: {error}") from None
    except DAMAGE as error:
        raise ImageError(f"{path}: {explain('.zarr', error)}") from error
    metadata = {
        "format": array.metadata.zarr_format,
        "chunk": tuple(array.chunks[axes.index(letter)] for letter in "YX" if letter in axes),
        "attributes": attributes,
        "names": list(names) if names else None,
        "image": image,
    }
    return Regions(path, array, axes, metadata)


def create_store(path: Path, shape: tuple[int, ...], dtype: Any, source: Regions) -> None:
    """Make a Zarr store of zeros like ``source``: its format, chunks, attributes and names, without its channels.

    A source of another format has none of these: the store is of Zarr 3 then, in chunks of 512 x 512.
    """
    import zarr

    meta = source.metadata if "chunk" in source.metadata else _PLAIN
    kept = [k for k in range(len(source.axes)) if k != source.channel]
    rows_and_columns = tuple(length if length <= _LARGEST_CHUNK else _CHUNK for length in meta["chunk"])
    options: dict[str, Any] = {
        "shape": shape,
        "dtype": dtype,
        "chunks": (1,) * (len(shape) - 2) + tuple(min(a, b) for a, b in zip(rows_and_columns, shape[-2:], strict=True)),
        "attributes": meta["attributes"],
    }
    if meta["format"] == 3 and meta["names"] and all(meta["names"]):
        options["dimension_names"] = [meta["names"][k] for k in kept]
    if meta["image"] is None:
        zarr.create_array(path, zarr_format=meta["format"], **options)
        return
    group = zarr.create_group(path, zarr_format=meta["format"])
    multiscales = [_without_channels(meta["image"], kept)]
    if meta["format"] == 3:
        group.attrs["ome"] = {"version": meta["image"].get("version", "0.5"), "multiscales": multiscales}
    else:
        group.attrs["multiscales"] = multiscales
    group.create_array("0", **options)


class Store:
    """A Zarr store that is written band by band; ``shape`` is (pages, H, W)."""

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        import zarr

        node = zarr.open(path, mode="r+")
        self.path, self._array = path, node
        self._folder = path
        if isinstance(node, zarr.Group):
            self._array, self._folder = node["0"], path / "0"
        self._lead = self._array.shape[:-2]
        self._touched: set[Path] = set()

    def write(self, page: int, row: int, band: NDArray) -> None:
        """Write rows from ``row`` on: (h, W)."""
        index = tuple(int(k) for k in np.unravel_index(page, self._lead))
        self._array[(*index, slice(row, row + len(band)), slice(None))] = band
        height, width = self._array.chunks[-2:]
        for down in range(row // height, -(-(row + len(band)) // height)):
            for across in range(-(-self._array.shape[-1] // width)):
                key = self._array.metadata.encode_chunk_key((*index, down, across))
                self._touched.add(self._folder / key)

    def read(self, page: int, row: int, count: int) -> NDArray:
        """So many rows from ``row`` on: (h, W)."""
        index = tuple(int(k) for k in np.unravel_index(page, self._lead))
        return np.asarray(self._array[(*index, slice(row, row + count), slice(None))])

    def reserve(self) -> None:
        """Nothing: how much space compressed chunks take is not known before."""

    def flush(self) -> None:
        """Return once what was written would survive a power cut."""
        for path in sorted(self._touched | {path.parent for path in self._touched}):
            if path.exists():  # chunks of zeros have no file
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        self._touched.clear()

    def close(self) -> None:
        """Nothing is open between two writes."""


def _multiscale(path: Path, attributes: dict[str, Any]) -> dict[str, Any]:
    """The image of an OME-Zarr group (https://ngff.openmicroscopy.org; versions 0.4 and 0.5)."""
    found = attributes.get("ome", attributes).get("multiscales")
    if not found:
        raise ImageError(f"{path}: is a Zarr group, and no OME-Zarr image; name an array in it")
    return dict(found[0])


def _letters(names: Any, shape: tuple[int, ...], channels: int) -> str:
    """A letter for each axis, by the axes' names or, where these say nothing of rows and columns, by the shape."""
    letters = [str(name).upper()[:1] for name in names or ()]
    if len(letters) == len(shape) == len(set(letters)) and {"Y", "X"} <= set(letters):
        return "".join(letters)
    return unnamed_axes(shape, channels)


def _without_channels(image: dict[str, Any], kept: list[int]) -> dict[str, Any]:
    """What OME-Zarr says of an image, for its finest level alone and without the axis of its channels."""
    level = image["datasets"][0]
    transformations = [
        {key: [value[k] for k in kept] if isinstance(value, list) else value for key, value in transformation.items()}
        for transformation in level.get("coordinateTransformations", ())
    ]
    said = {key: value for key, value in image.items() if key in ("name", "version")}
    datasets = [{"path": "0", "coordinateTransformations": transformations}]
    return {**said, "axes": [image["axes"][k] for k in kept], "datasets": datasets}
