"""Windows of an image that may reach beyond its border, where the image goes on as in a mirror.

The mirror stands in the middle of the outermost pixels, which are not repeated: d c b | a b c d | c b a. Only what lies
in the window is read, so a small window of a large image costs little.
"""

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]


def reflected(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Return the indices in 0..length-1 of pixels that may lie beyond an axis, however far.

    >>> reflected(np.arange(-3, 6), 3).tolist()
    [1, 2, 1, 0, 1, 2, 1, 0, 1]
    """
    period = max(1, 2 * (length - 1))
    index = index % period
    return np.minimum(index, period - index)


def window(pixels: NDArray, corner: Pair, size: Pair) -> NDArray:
    """Return the window of `size` whose upper left pixel is `corner`: a view where it lies inside the image.

    Args:
        pixels: (H, W) or (H, W, C).
        corner: its row and column, which may be negative.
        size: (height, width) of the window.

    >>> window(np.arange(12).reshape(3, 4), (1, -1), (2, 3)).tolist()
    [[5, 4, 5], [9, 8, 9]]
    """
    (top, left), (height, width) = corner, size
    if contains(pixels.shape[:2], corner, size):
        return pixels[top : top + height, left : left + width]
    rows = reflected(np.arange(top, top + height), pixels.shape[0])
    columns = reflected(np.arange(left, left + width), pixels.shape[1])
    return pixels[rows[:, None], columns]


def contains(shape: Pair, corner: Pair, size: Pair) -> bool:
    """Say whether a window lies inside an image of `shape`."""
    return all(0 <= first <= length - count for length, first, count in zip(shape, corner, size, strict=True))


def inside(shape: Pair, corner: Pair, size: Pair) -> NDArray[np.bool_]:
    """Say which pixels of a window lie inside an image of `shape`.

    >>> inside((3, 4), (1, -1), (2, 3)).tolist()
    [[False, True, True], [False, True, True]]
    """
    rows, columns = (np.arange(first, first + count) for first, count in zip(corner, size, strict=True))
    return ((rows >= 0) & (rows < shape[0]))[:, None] & (columns >= 0) & (columns < shape[1])
