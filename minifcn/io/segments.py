"""A file whose pixels lie uncompressed at known places, so that any rows of it can be written, and written again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minifcn.kernels.shapes import Pair


class Segments:
    """Pages of tiles, in row order, or of strips, which are tiles as wide as the image.

    Rows [a, b) of a tile lie in one piece, whatever a and b are. So a band of rows is one write for each tile that it
    crosses, and nothing that belongs to other bands is touched. Not a memory map: on a full disk that ends the process.

    Args:
        path: the file, which exists and has its full size.
        shape: (pages, H, W).
        dtype: of the pixels, in the machine's byte order.
        tile: (rows, columns) of a tile.
        offsets: for each page the places of its tiles, in bytes.
    """

    def __init__(
        self, path: Path, shape: tuple[int, int, int], dtype: Any, tile: Pair, offsets: Sequence[Sequence[int]]
    ) -> None:
        self.path, self.shape, self.dtype, self.tile, self.offsets = path, shape, np.dtype(dtype), tile, offsets
        self._file = os.open(path, os.O_RDWR)

    def reserve(self) -> None:
        """Ask the disk for all of the file now, not when it turns out to be full after hours.

        Raises:
            OSError: it has not enough space.
        """
        os.posix_fallocate(self._file, 0, os.fstat(self._file).st_size)

    def write(self, page: int, row: int, band: NDArray) -> None:
        """Write rows from ``row`` on: (h, W)."""
        for rows, columns, place in self._pieces(page, row, len(band)):
            part = band[rows, columns]
            if missing := self.tile[1] - part.shape[1]:  # the last tile reaches beyond the image
                part = np.pad(part, ((0, 0), (0, missing)))
            self._put(np.ascontiguousarray(part, self.dtype).tobytes(), place)

    def read(self, page: int, row: int, count: int) -> NDArray:
        """So many rows from ``row`` on: (h, W).

        Raises:
            ValueError: the file ends before.
        """
        band = np.empty((count, self.shape[2]), self.dtype)
        for rows, columns, place in self._pieces(page, row, count):
            size = (rows.stop - rows.start, self.tile[1])
            data = os.pread(self._file, size[0] * size[1] * self.dtype.itemsize, place)
            part = np.frombuffer(data, self.dtype).reshape(size)
            band[rows, columns] = part[:, : columns.stop - columns.start]
        return band

    def _pieces(self, page: int, row: int, count: int) -> Iterator[tuple[slice, slice, int]]:
        """Rows of the band, columns, and the place of what of each tile belongs to it."""
        width, (tile_height, tile_width) = self.shape[2], self.tile
        across = -(-width // tile_width)
        for down in range(row // tile_height, -(-(row + count) // tile_height)):
            top = down * tile_height
            begin, end = max(row, top), min(row + count, top + tile_height)
            for k in range(across):
                place = self.offsets[page][down * across + k] + (begin - top) * tile_width * self.dtype.itemsize
                columns = slice(k * tile_width, min((k + 1) * tile_width, width))
                yield slice(begin - row, end - row), columns, place

    def _put(self, data: bytes, place: int) -> None:
        left = memoryview(data)
        while left:
            written = os.pwrite(self._file, left, place)
            left, place = left[written:], place + written

    def flush(self) -> None:
        """Return once what was written would survive a power cut."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


def create_npy(path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    """Write a .npy file of zeros."""
    np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)


def segments_of_npy(path: Path, shape: tuple[int, int, int], dtype: Any) -> Segments:
    """Where the pages of a file that `create_npy` made lie; ``shape`` is (pages, H, W)."""
    mapped: Any = np.lib.format.open_memmap(path, "r")
    pages, height, width = shape
    size = height * width * np.dtype(dtype).itemsize
    return Segments(path, shape, dtype, (height, width), [[mapped.offset + k * size] for k in range(pages)])
