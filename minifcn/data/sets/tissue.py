"""Geometry of a synthetic tissue section: smooth random fields, and a partition of the plane into cells.

Neural tissue in cross-section is a few large, round neurites with many small ones squeezed between them. Discs of
log-normal radii, packed largest first, have that distribution; the partition is their additively weighted Voronoi
diagram (the point belongs to the cell whose *circle* is nearest), in which large cells bulge into small ones and walls
are arcs of hyperbolas. Stretching and warping the plane does the rest.

Lengths are pixels throughout, arrays are float32: twice as fast, and a ten-thousandth of a pixel is exact enough.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]

# Median, log-normal spread and range of a neurite's radius; ISBI 2012 has cells of 100 to 17,000 square pixels.
_RADIUS, _RADIUS_LOG_SIGMA, _RADIUS_RANGE = 15.5, 0.70, (8.0, 75.0)
_CANDIDATES = 24  # positions tried for every disc: enough for a dense packing, few enough for a millisecond
_TILE = 32  # pixels a side, for the search of the nearest cells
_BAND = 8  # rows a product, see _sum_bumps


@lru_cache(maxsize=64)
def _bumps(length: int, start: float, step: float, sigma: float) -> Field:
    """Return Gaussian bumps of height 1 on the axis 0..length-1: a matrix with one row a pixel, one column a bump.

    The bumps stand at start, start + step, ... as far beyond the axis as they start before it.
    """
    centres = np.arange(start, length - start, step)
    bumps = np.exp(-0.5 * ((np.arange(length)[:, None] - centres) / sigma) ** 2).astype(np.float32)
    bumps[bumps < 1e-7] = 0  # below rounding; and denormal numbers would make the products many times slower
    bumps.flags.writeable = False  # it is shared by all who ask again
    return bumps


def _sum_bumps(heights: Field, length: int, start: float, step: float, sigma: float) -> Field:
    """Sum bumps of the given heights along the first axis: (bumps, W) -> (length, W); see `_bumps`.

    Some rows at a time, because only bumps within 6 sigma count; and because BLAS computes such small products in the
    thread that asks, where larger ones would wake a thread a core, to compete with the training that waits for them.
    """
    bumps = _bumps(length, start, step, sigma)
    total = np.empty((length, heights.shape[1]), np.float32)
    for top in range(0, length, _BAND):
        low = max(0, int((top - 6 * sigma - start) / step))
        high = int((top + _BAND + 6 * sigma - start) / step) + 1
        total[top : top + _BAND] = bumps[top : top + _BAND, low:high] @ heights[low:high]
    return total


def _sum_bumps_2d(heights: Field, shape: tuple[int, int], start: float, step: float, sigma: float) -> Field:
    """Sum round bumps that stand on a grid: (rows of bumps, columns of bumps) -> (H, W)."""
    down = _sum_bumps(heights, shape[0], start, step, sigma)  # (rows, columns) -> (H, columns)
    return np.ascontiguousarray(_sum_bumps(down.T, shape[1], start, step, sigma).T)  # -> (H, W)


def blur(image: Field, sigma: float) -> Field:
    """Replace every pixel of (H, W) by a Gaussian bump of its own height: values add up, they do not average."""
    height, width = image.shape
    return _sum_bumps_2d(image, (height, width), 0.0, 1.0, sigma)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Field:
    """Return a Gaussian random field (H, W) of mean 0, variance 1 and correlation exp(-d² / 4 sigma²).

    The field is a sum of bumps of random height on a grid of spacing `sigma`: cheap, whatever the sigma. The grid
    reaches 4 sigma beyond the image, so the border is no different from the middle.

    >>> field = smooth_noise(np.random.default_rng(0), (200, 300), sigma=2.0)
    >>> field.shape, round(float(field.std()), 1)
    ((200, 300), 1.0)
    """
    start = -4 * sigma
    rows, columns = (_bumps(length, start, sigma, sigma).shape[1] for length in shape)
    heights = rng.standard_normal((rows, columns), np.float32)
    # A sum over a grid of spacing sigma of squared bumps, exp(-n²), is sqrt(pi) to four digits on each axis.
    return _sum_bumps_2d(heights, shape, start, sigma, sigma) / np.float32(np.sqrt(np.pi))


@dataclass(frozen=True)
class Cells:
    """A partition of an (H, W) section into cells.

    Attributes:
        radii: (M,) radius of each cell's disc.
        first: (H, W) number of the cell that a pixel lies in.
        second: (H, W) number of the cell across the nearest wall.
        wall: (H, W) distance to that wall, in pixels, to first order.
    """

    radii: Field
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    wall: Field


def partition(rng: np.random.Generator, shape: tuple[int, int], scale: float = 1.0) -> Cells:
    """Draw the cells of an (H, W) section.

    Args:
        rng: where all the randomness comes from.
        shape: height and width in pixels, both at least 1.
        scale: magnification: 1 gives cells of ISBI 2012's size, 0.5 half as wide.
    """
    plane, slopes = _stretched_plane(rng, shape, scale)
    low, high = plane.min(axis=(1, 2)) - 40.0, plane.max(axis=(1, 2)) + 40.0
    centres, radii = (drawn.astype(np.float32) for drawn in _pack(rng, low, high))
    first, second, wall = np.empty(shape, np.intp), np.empty(shape, np.intp), np.empty(shape, np.float32)
    for top in range(0, shape[0], _TILE):
        for left in range(0, shape[1], _TILE):
            tile = np.s_[..., top : top + _TILE, left : left + _TILE]
            first[tile], second[tile], wall[tile] = _two_nearest(plane[tile], slopes[tile], centres, radii)
    return Cells(radii * scale, first, second, wall)


def _stretched_plane(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> tuple[Field, Field]:
    """Return the pixels' places in tissue, stretched along a random axis and warped, and their derivatives.

    Returns:
        (2, H, W), the coordinates, and (2, 2, H, W), the derivative of coordinate i along image axis j at [i, j].
    """
    height, width = shape[0] + 2, shape[1] + 2  # a pixel more on every side, for differences across the border
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.35)
    axis = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-axis[1], axis[0]])
    # Area is kept: what is squeezed along one axis is stretched along the other.
    metric = stretch * np.outer(axis, axis) + np.outer(across, across) / stretch
    plane = np.einsum("ij,jhw->ihw", metric, np.indices((height, width)) / scale).astype(np.float32)
    for sigma, amplitude in ((45.0, 14.0), (14.0, 4.0), (6.0, 1.1)):
        plane += amplitude * np.stack([smooth_noise(rng, (height, width), sigma * scale) for _ in range(2)])
    down = (plane[:, 2:, 1:-1] - plane[:, :-2, 1:-1]) / 2
    right = (plane[:, 1:-1, 2:] - plane[:, 1:-1, :-2]) / 2
    return plane[:, 1:-1, 1:-1], np.stack([down, right], axis=1)


def _pack(rng: np.random.Generator, low: Field, high: Field) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fill a box with discs, largest first, each at the roomiest of a few random places; return centres, radii."""
    area = float(np.prod(high - low))
    mean_area = np.pi * _RADIUS**2 * np.exp(2 * _RADIUS_LOG_SIGMA**2)
    count = int(np.ceil(area / mean_area)) + 2  # two cells at least, or there is no wall
    radii = np.sort(_RADIUS * np.exp(_RADIUS_LOG_SIGMA * rng.standard_normal(count)))[::-1].clip(*_RADIUS_RANGE)
    candidates = rng.uniform(low, high, (count, _CANDIDATES, 2))
    centres = candidates[:, 0].copy()
    for i in range(1, count):
        gaps = np.linalg.norm(candidates[i][:, None] - centres[:i], axis=-1) - radii[:i]  # (candidates, discs so far)
        centres[i] = candidates[i][gaps.min(axis=1).argmax()]
    return centres, radii


def _two_nearest(
    plane: Field, slopes: Field, centres: Field, radii: Field
) -> tuple[NDArray[np.intp], NDArray[np.intp], Field]:
    """For the pixels of a tile: the nearest and second nearest disc, and the distance to the wall between, (h, w) each.

    With d the distance in tissue to a disc's centre less its radius, the wall is where d1 = d2. The gradient of d2 - d1
    in tissue is u2 - u1, the difference of the unit vectors that point away from the centres; in the image it is that
    times the derivatives J of the tissue's coordinates. So the wall is (d2 - d1) / |J' (u2 - u1)| pixels away, to
    first order.
    """
    middle = plane.mean(axis=(1, 2))
    reach = np.linalg.norm(plane - middle[:, None, None], axis=0).max()
    from_middle = np.linalg.norm(centres - middle, axis=1) - radii
    # A disc that is one of the two nearest anywhere in the tile is at most this far from its middle.
    near = np.flatnonzero(from_middle <= np.partition(from_middle, 1)[1] + 2 * reach)
    away = plane[:, None] - centres[near].T[:, :, None, None]  # (2, discs, h, w)
    d = np.sqrt(away[0] ** 2 + away[1] ** 2) - radii[near][:, None, None]
    first, d1 = _take_smallest(d)
    second, d2 = _take_smallest(d)
    rows, columns = np.indices(first.shape)
    u1 = away[:, first, rows, columns] / (d1 + radii[near[first]])  # (2, h, w)
    u2 = away[:, second, rows, columns] / (d2 + radii[near[second]])
    along = slopes[0] * (u2 - u1)[0] + slopes[1] * (u2 - u1)[1]  # (2, h, w), along the image's axes
    slope = np.sqrt(along[0] ** 2 + along[1] ** 2)
    # Behind a small disc the two directions agree and the estimate diverges: bounded, walls there stay thin.
    return near[first], near[second], (d2 - d1) / np.maximum(slope, 0.35)


def _take_smallest(d: Field) -> tuple[NDArray[np.intp], Field]:
    """Return the index and value of the smallest along axis 0, and strike them out of `d`."""
    index = d.argmin(axis=0)[None]
    smallest = np.take_along_axis(d, index, axis=0)
    np.put_along_axis(d, index, np.inf, axis=0)
    return index[0], smallest[0]
