"""What an image file is that is read part by part, so that it may be larger than memory; see `minifcn.io.opening`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from minifcn.io.errors import DAMAGE, ImageError, explain
from minifcn.kernels.shapes import Pair


class Sliceable(Protocol):
    """What `Regions` needs of an array in a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""

    @property
    def dtype(self) -> Any:
        """The type of its numbers."""

    def __getitem__(self, key: tuple[int | slice, ...]) -> Any:
        """The part that the key names, read from the file."""


class Mapped:
    """An uncompressed array in a file, mapped anew for each part: what was read does not stay in memory."""

    def __init__(self, path: Path, dtype: Any, offset: int, shape: tuple[int, ...], order: str = "C") -> None:
        self.path, self.dtype, self.offset, self.shape, self.order = path, np.dtype(dtype), offset, shape, order

    def __getitem__(self, key: tuple[int | slice, ...]) -> NDArray:
        order: Any = self.order
        return np.array(np.memmap(self.path, self.dtype, "r", self.offset, self.shape, order)[key])


@dataclass
class Regions:
    """An image file, of which parts are read: pages of H rows and W columns with C channels.

    Attributes:
        array: its numbers, in any order of axes.
        axes: a letter for each axis: Y rows, X columns, S or C channels; all others count pages.
        metadata: what results in the same format take over, such as the size of a pixel.
    """

    path: Path
    array: Sliceable
    axes: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        if "Y" not in self.axes or "X" not in self.axes or len(self.axes) != len(self.array.shape):
            raise ImageError(f"{self.path}: its axes {self.axes!r} have no rows (Y) and columns (X); is it an image?")
        if self.dtype.kind not in "biuf":
            raise ImageError(f"{self.path}: {self.dtype} of shape {self.array.shape} is no image: pixels are numbers")
        if math.prod(self.array.shape) == 0:
            raise ImageError(f"{self.path}: holds no pixels: its shape is {self.array.shape}")

    @property
    def dtype(self) -> np.dtype:
        """The type of its numbers."""
        return np.dtype(self.array.dtype)

    @property
    def channel(self) -> int | None:
        """Which axis counts channels, if one does."""
        return next((self.axes.index(letter) for letter in "SC" if letter in self.axes), None)

    @property
    def page_axes(self) -> tuple[int, ...]:
        """Which axes count pages."""
        return tuple(k for k, letter in enumerate(self.axes) if letter not in "YX" and k != self.channel)

    @property
    def lead(self) -> tuple[int, ...]:
        """The lengths of the axes that count pages; () is a single image."""
        return tuple(self.array.shape[axis] for axis in self.page_axes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(pages, H, W, C)."""
        rows, columns = (self.array.shape[self.axes.index(letter)] for letter in "YX")
        return math.prod(self.lead), rows, columns, 1 if self.channel is None else self.array.shape[self.channel]

    @property
    def in_memory(self) -> int:
        """How many bytes of it are in memory all the time."""
        return self.array.nbytes if isinstance(self.array, np.ndarray) else 0

    def read(self, page: int, rows: Pair, columns: Pair) -> NDArray:
        """Rows and columns [begin, end) of a page, as the file has them: (h, w, C).

        Raises:
            ImageError: the file is damaged there.
        """
        key: list[int | slice] = [slice(None)] * len(self.axes)
        for axis, index in zip(self.page_axes, np.unravel_index(page, self.lead), strict=True):
            key[axis] = int(index)
        key[self.axes.index("Y")], key[self.axes.index("X")] = slice(*rows), slice(*columns)
        try:
            part = np.asarray(self.array[tuple(key)])
        except DAMAGE as error:
            suffix = self.path.suffix.lower()
            raise ImageError(
                f"{self.path}: {explain(suffix, error)}; it failed in rows {rows} of page {page}"
            ) from error
        left = [
            letter for k, letter in enumerate(self.axes) if k not in self.page_axes
        ]  # a permutation of Y, X, channel
        wanted = [left.index("Y"), left.index("X")]
        wanted += [k for k in range(len(left)) if k not in wanted]
        part = part.transpose(wanted).reshape(rows[1] - rows[0], columns[1] - columns[0], -1)
        return part.astype(part.dtype.newbyteorder("="), copy=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unnamed_axes(shape: tuple[int, ...], channels: int) -> str:
    """What the axes of an array without names are.

    >>> unnamed_axes((8, 9), 1), unnamed_axes((8, 9, 3), 1), unnamed_axes((5, 8, 9), 1), unnamed_axes((5, 8, 9, 2), 1)
    ('YX', 'YXS', 'ZYX', 'ZYXS')

    Raises:
        ImageError: fewer than two axes, or more than four.
    """
    if len(shape) not in (2, 3, 4):
        raise ImageError(
            f"an array of shape {shape} is no image, which has 2 to 4 axes; save one channel or time a file"
        )
    if len(shape) == 3:
        return "YXS" if shape[-1] in (1, 2, 3, 4, channels) else "ZYX"
    return {2: "YX", 4: "ZYXS"}[len(shape)]
