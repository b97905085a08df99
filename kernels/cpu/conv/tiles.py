"""Where Winograd's tiles lie, and how one is read, whether or not it reaches over the border.

The result (rows × columns) is cut into tiles of 4 × 4, counted image by image and row by row; each reads 6 × 6 pixels
of the padded image. A tile that reaches beyond either is completed with zeros in a small ``patch``: no padded copy of
the whole image is made.
"""

from typing import NamedTuple

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.brgemm import TILE_ROWS
from minifcn.kernels.cpu.conv.blocks import whole_vectors
from minifcn.kernels.cpu.conv.transforms import transform_gradient, transform_input
from minifcn.kernels.cpu.copying import copy_numbers
from minifcn.kernels.cpu.jit import helper

#: Tiles that are transformed before their products are taken: whole tiles of the micro-kernel.
TILES = 2 * TILE_ROWS[0] if TILE_ROWS[0] == 14 else 4 * TILE_ROWS[0]
#: Numbers between the places of a block of transformed tiles, beyond its own: without them the 36 places of a tile
#: would often fall on the same lines of the first-level cache.
GAP = 16


class Tiling(NamedTuple):
    """A 3 × 3 convolution of stride 1: sizes, strides in numbers, padding, and how channels are cut into blocks."""

    images: int
    height: int
    width: int
    channels: int
    image_x: int  # from image to image of x
    row_x: int
    pixel_x: int
    rows: int  # of the result
    columns: int
    outputs: int
    image_y: int
    row_y: int
    pixel_y: int
    top: int
    left: int
    block_c: int
    block_k: int
    vector: int  # numbers in a SIMD vector

    @staticmethod
    def of(x: Array, y: Array, padding: tuple[int, int], block_c: int, block_k: int, vector: int) -> "Tiling":
        """The tiling for images x and results y, both `pixelwise`."""
        strides_x, strides_y = ([s // a.itemsize for s in a.strides[:3]] for a in (x, y))
        return Tiling._make(
            (*x.shape, *strides_x, *y.shape[1:], *strides_y, *padding, block_c, block_k, vector),
        )


@helper
def count_tiles(tiling: Tiling) -> int:
    """Tiles of all images."""
    return tiling.images * ((tiling.rows + 3) // 4) * ((tiling.columns + 3) // 4)


@helper
def place(tiling: Tiling, tile: int) -> tuple[int, int, int]:
    """Image, row and column of the result at which a tile begins."""
    across, down = (tiling.columns + 3) // 4, (tiling.rows + 3) // 4
    return tile // across // down, tile // across % down * 4, tile % across * 4


@helper
def read_input(
    x: Array, tiling: Tiling, tile: int, c: int, count: int, patch: Array, v: Array, to: int, step: int
) -> None:
    """v[to + p · step :] = place p of Bᵀ d B, for channels c to c + count of one tile."""
    n, i, j = place(tiling, tile)
    i, j = i - tiling.top, j - tiling.left
    wide, rest = whole_vectors(count, tiling.vector), count % tiling.vector
    source, row, pixel = x, tiling.row_x, tiling.pixel_x
    at = n * tiling.image_x + i * row + j * pixel + c
    if i < 0 or j < 0 or i + 6 > tiling.height or j + 6 > tiling.width:
        for r in range(6):
            for s in range(6):
                if 0 <= i + r < tiling.height and 0 <= j + s < tiling.width:
                    copy_numbers(x, at + r * row + s * pixel, count, tiling.vector, patch, (6 * r + s) * wide)
                else:
                    patch[(6 * r + s) * wide : (6 * r + s + 1) * wide] = 0.0
        source, at, row, pixel = patch, 0, 6 * wide, wide
    for k in range(0, count - rest, tiling.vector):
        transform_input(source, at + k, row, pixel, None, v, to + k, step)
    if rest:
        k = count - rest
        transform_input(source, at + k, row, pixel, rest, v, to + k, step)


@helper
def read_gradient(
    y: Array, tiling: Tiling, tile: int, k: int, count: int, patch: Array, v: Array, to: int, step: int
) -> None:
    """v[to + p · step :] = place p of A y Aᵀ, for channels k to k + count of one tile."""
    n, i, j = place(tiling, tile)
    wide, rest = whole_vectors(count, tiling.vector), count % tiling.vector
    source, row, pixel = y, tiling.row_y, tiling.pixel_y
    at = n * tiling.image_y + i * row + j * pixel + k
    if i + 4 > tiling.rows or j + 4 > tiling.columns:
        for r in range(4):
            for s in range(4):
                if i + r < tiling.rows and j + s < tiling.columns:
                    copy_numbers(y, at + r * row + s * pixel, count, tiling.vector, patch, (4 * r + s) * wide)
                else:
                    patch[(4 * r + s) * wide : (4 * r + s + 1) * wide] = 0.0
        source, at, row, pixel = patch, 0, 4 * wide, wide
    for q in range(0, count - rest, tiling.vector):
        transform_gradient(source, at + q, row, pixel, None, v, to + q, step)
    if rest:
        q = count - rest
        transform_gradient(source, at + q, row, pixel, rest, v, to + q, step)
