"""Results that are written band by band, under another name until they are complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minifcn.io.errors import ImageError
from minifcn.io.images import write_image
from minifcn.io.regions import Regions
from minifcn.io.segments import create_npy, segments_of_npy
from minifcn.io.stores import Store, create_store, is_store
from minifcn.io.tiff import create_tiff, segments_of
from minifcn.kernels.shapes import Pair


class Bands(Protocol):
    """Where rows go: `Segments` of a file, a `Store`, or memory."""

    def write(self, page: int, row: int, band: NDArray) -> None:
        """Write rows from ``row`` on: (h, W)."""

    def flush(self) -> None:
        """Return once what was written would survive a power cut."""

    def close(self) -> None:
        """Nothing more is written."""


class Output:
    """One map of the results: a value at each pixel of each page of ``source``.

    Args:
        path: what it is called when it is complete; ``path.partial`` until then.
        dtype: of its values.
        source: the image that it is about; gives pages, rows and columns, and what its file says of its pixels.
        size: its rows and columns, if they are not the source's.
        whole: writes formats that can only be written whole (png), and are kept in memory until then.
    """

    def __init__(
        self,
        path: Path,
        dtype: Any,
        source: Regions,
        size: Pair | None = None,
        whole: Callable[[Path, NDArray], None] = write_image,
    ) -> None:
        self.path, self.dtype, self.source, self.whole = path, np.dtype(dtype), source, whole
        self.shape = source.shape[0], *(size or source.shape[1:3])
        self.bands: Bands | None = None

    @property
    def partial(self) -> Path:
        """Where it is written."""
        return self.path.with_name(f"{self.path.name}.partial")

    @property
    def resumable(self) -> bool:
        """Whether what is written stays when the process is killed."""
        return self.path.suffix.lower() in (".tif", ".tiff", ".npy") or self._is_store

    @property
    def in_memory(self) -> int:
        """How many bytes of it are in memory all the time."""
        return 0 if self.resumable else int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def _is_store(self) -> bool:
        return "chunk" in self.source.metadata

    def open(self, resume: bool) -> None:
        """Begin, or go on with what is there.

        Raises:
            OSError: the disk has not enough space for all of it.
        """
        if not self.resumable:
            self.bands = _InMemory(self.shape, self.dtype)
            return
        shape = (*self.source.lead, *self.shape[1:])
        tiff = self.path.suffix.lower() in (".tif", ".tiff")
        if not resume:
            self.discard()
            if self._is_store:
                create_store(self.partial, shape, self.dtype, self.source)
            elif tiff:
                create_tiff(self.partial, shape, self.dtype, self.source)
            else:
                create_npy(self.partial, shape, self.dtype)
        if self._is_store:
            self.bands = Store(self.partial, self.shape)
        else:
            self.bands = (segments_of if tiff else segments_of_npy)(self.partial, self.shape, self.dtype)

    def write(self, page: int, row: int, band: NDArray) -> None:
        """Write rows from ``row`` on: (h, W).

        Raises:
            OSError: such as of a full disk; it names the result.
        """
        assert self.bands is not None
        try:
            self.bands.write(page, row, band)
            self.bands.flush()
        except OSError as error:
            error.filename = error.filename or str(self.path)
            raise

    def finish(self) -> None:
        """Give it its name, in place of whatever has it."""
        if isinstance(self.bands, _InMemory):
            pages = self.bands.pages
            self.whole(self.path, pages if self.source.lead else pages[0])
            return
        self.close()
        if not self.partial.exists() and self.path.exists():
            return  # killed after this one got its name, before the others did
        if self.path.is_dir():
            if not is_store(self.path):
                raise ImageError(f"{self.path}: is a folder that is no Zarr store, so it is not replaced; move it away")
            old = self.path.with_name(f".{self.path.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            self.path.rename(old)
            self.partial.rename(self.path)
            shutil.rmtree(old)
        else:
            self.partial.replace(self.path)
        _fsync_folder(self.path.parent)

    def discard(self) -> None:
        """Delete what is not complete."""
        if self.partial.is_dir():
            shutil.rmtree(self.partial)
        else:
            self.partial.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self.bands is not None:
            self.bands.close()


class _InMemory:
    """The whole result."""

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype) -> None:
        self.pages: NDArray = np.zeros(shape, dtype)

    def write(self, page: int, row: int, band: NDArray) -> None:
        self.pages[page, row : row + len(band)] = band

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
