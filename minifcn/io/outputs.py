"""Results that are written band by band, under another name until they are complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from minifcn.io.errors import DAMAGE, ImageError
from minifcn.io.images import write_image
from minifcn.io.regions import Regions
from minifcn.io.segments import create_npy, segments_of_npy
from minifcn.io.stores import Store, create_store, is_store, layout_of
from minifcn.io.tiff import create_tiff, segments_of
from minifcn.kernels.shapes import Pair

_TIFF = (".tif", ".tiff")
#: Suffixes of results that are files.
_FILES = (*_TIFF, ".npy", ".png", ".jpg", ".jpeg", ".bmp")


class Bands(Protocol):
    """Where rows go: `Segments` of a file, a `Store`, or memory."""

    def reserve(self) -> None:
        """Ask the disk for all of the space."""

    def write(self, page: int, row: int, band: NDArray) -> None:
        """Write rows from ``row`` on: (h, W)."""

    def read(self, page: int, row: int, count: int) -> NDArray:
        """So many rows from ``row`` on, as they were written."""

    def flush(self) -> None:
        """Return once what was written would survive a power cut."""

    def close(self) -> None:
        """Nothing more is written."""


class Written(NamedTuple):
    """A band of a result, as the journal knows it."""

    page: int
    rows: Pair
    checksum: int


class Output:
    """One map of the results: a value at each pixel of each page of ``source``.

    Args:
        path: what it is called when it is complete; ``path.partial`` until then. Its suffix says the format: .tif,
            .tiff or .npy; .png, which can only be written whole; .zarr, or where the source is a Zarr store any other.
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
        return self._suffix in (*_TIFF, ".npy") or self._is_store

    @property
    def in_memory(self) -> int:
        """How many bytes of it are in memory all the time."""
        return 0 if self.resumable else int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def _suffix(self) -> str:
        return self.path.suffix.lower()

    @property
    def _is_store(self) -> bool:
        return self._suffix == ".zarr" or (self._suffix not in _FILES and "chunk" in self.source.metadata)

    def check(self) -> None:
        """Refuse what could not be written in the end.

        Raises:
            ImageError: the suffix is unknown, the format cannot hold the result, or what has its name is not replaced.
        """
        if not self.resumable and self._suffix != ".png":
            raise ImageError(f"{self.path}: results are .tif, .npy, .zarr or .png, not {self.path.suffix!r}; rename it")
        if not self.resumable and self.source.lead:
            raise ImageError(f"{self.path}: png holds one image, not a stack of {self.shape[0]}; write .tif or .npy")
        if self._is_store and self.path.exists() and not is_store(self.path):
            what = "folder that is no Zarr store" if self.path.is_dir() else "file where a Zarr store should be"
            raise ImageError(f"{self.path}: is a {what}, so it is not replaced; move it away")
        if not self._is_store and self.path.is_dir():
            raise ImageError(f"{self.path}: is a folder where a file should be, so it is not replaced; move it away")

    def open(self) -> None:
        """Begin anew.

        Raises:
            OSError: the disk has not enough space for all of it; it names the result.
        """
        if not self.resumable:
            self.bands = _InMemory(self.shape, self.dtype)
            return
        self.discard()
        shape = (*self.source.lead, *self.shape[1:])
        with self._named():
            if self._is_store:
                create_store(self.partial, shape, self.dtype, self.source)
            elif self._suffix in _TIFF:
                create_tiff(self.partial, shape, self.dtype, self.source)
            else:
                create_npy(self.partial, shape, self.dtype)
            self.bands = self._bands(self.partial)
            self.bands.reserve()

    def open_again(self) -> None:
        """Go on with what is there."""
        self.bands = self._bands(self.partial)

    def layout(self) -> int:
        """What must not have changed where it goes on: of a file its size, of a store what it says of its arrays."""
        path = self._there()
        return 0 if not self.resumable else layout_of(path) if self._is_store else path.stat().st_size

    def holds(self, layout: int, written: Iterable[Written]) -> bool:
        """Whether everything that was written, under either name, is still there: checksums are compared."""
        bands = None
        try:
            if self.layout() != layout:
                return False
            bands = self._bands(self._there())
            return all(checksum(bands.read(page, begin, end - begin)) == known for page, (begin, end), known in written)
        except DAMAGE:
            return False
        finally:
            if bands is not None:
                bands.close()

    def _there(self) -> Path:
        return self.partial if self.partial.exists() else self.path

    def _bands(self, path: Path) -> Bands:
        if self._is_store:
            return Store(path, self.shape)
        return (segments_of if self._suffix in _TIFF else segments_of_npy)(path, self.shape, self.dtype)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = error.filename or str(self.path)
            raise

    def write(self, page: int, row: int, band: NDArray) -> None:
        """Write rows from ``row`` on: (h, W).

        Raises:
            OSError: such as of a full disk; it names the result.
        """
        assert self.bands is not None
        with self._named():
            self.bands.write(page, row, band)
            self.bands.flush()

    def finish(self) -> None:
        """Give it its name, in place of whatever has it."""
        if isinstance(self.bands, _InMemory):
            pages = self.bands.pages
            self.whole(self.path, pages if self.source.lead else pages[0])
            return
        self.close()
        old = self.path.with_name(f".{self.path.name}.old")
        # Where it is gone, the process was killed after this one got its name, before the others did.
        if self.partial.exists():
            if self.path.is_dir():  # which cannot be replaced in one step, as a file can
                shutil.rmtree(old, ignore_errors=True)
                self.path.rename(old)
            self.partial.replace(self.path)
            _fsync_folder(self.path.parent)
        if self._is_store:
            shutil.rmtree(old, ignore_errors=True)

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

    def reserve(self) -> None:
        pass

    def write(self, page: int, row: int, band: NDArray) -> None:
        self.pages[page, row : row + len(band)] = band

    def read(self, page: int, row: int, count: int) -> NDArray:
        return self.pages[page, row : row + count]

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def checksum(band: NDArray) -> int:
    """Of rows (h, W)."""
    return zlib.crc32(np.ascontiguousarray(band).data)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
