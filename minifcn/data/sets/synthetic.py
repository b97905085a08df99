"""Synthetic electron microscopy of neural tissue: the ISBI 2012 task without a download.

A section is drawn the way the real one comes about: cells with membranes between them, organelles inside, then the
microscope's illumination and noise. What makes the real task hard is here too: mitochondria and vesicles are as dark as
membranes but belong to the interior, some membranes are faint or cut obliquely, and noise is strong. Grey values,
noise, cell sizes and the share of membrane pixels follow ISBI 2012 (Arganda-Carreras et al. 2015).
"""

import math

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Sample, normalise_index
from minifcn.data.sets.tissue import Cells, Field, blur, partition, smooth_noise

MEMBRANE, INTERIOR = 0, 1

# Grey values in [0, 1] and lengths in pixels: measured on ISBI 2012, or matched to it by eye.
_CYTOPLASM = 0.61
_MEMBRANE_GREY = 0.17
_LABEL_HALF_WIDTH = 2.9


class SyntheticMembranes(Dataset):
    """Grey sections of synthetic neural tissue, labelled 0 = membrane, 1 = cell interior, as ISBI 2012 is.

    Section i depends on seed, i, size and scale alone, not on `count` or on what was drawn before: sections are drawn
    when they are asked for, in any order, by any thread.

    Args:
        count: number of sections.
        size: height and width in pixels, or one number for both; any value from 1.
        seed: a non-negative integer; sets with different seeds have no section in common.
        scale: magnification: 1 gives cells of ISBI 2012's size, smaller values more and smaller cells.

    Raises:
        ValueError: a negative count, or a size or scale that is not positive.

    >>> dataset = SyntheticMembranes(count=3, size=(65, 80))
    >>> image, label = dataset[2]
    >>> image.shape, image.dtype, label.shape, label.dtype
    ((65, 80, 1), dtype('float32'), (65, 80), dtype('int64'))
    """

    name = "synthetic"
    classes = ("membrane", "interior")
    channels = 1

    def __init__(self, count: int, size: int | tuple[int, int] = 256, seed: int = 0, scale: float = 1.0) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        if count < 0 or min(height, width) < 1 or scale <= 0:
            raise ValueError(f"synthetic: expected count >= 0, size >= 1, scale > 0; got {count}, {size}, {scale}")
        self.count, self.size, self.seed, self.scale = count, (height, width), seed, scale

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        stream = np.random.SeedSequence(self.seed, spawn_key=(index,))
        return draw_section(np.random.default_rng(stream), self.size, self.scale)


def draw_section(rng: np.random.Generator, shape: tuple[int, int], scale: float = 1.0) -> Sample:
    """Draw one section: image (H, W, 1) float32 in [0, 1], label (H, W) int64, 0 = membrane, 1 = interior."""
    cells = partition(rng, shape, scale)
    grey = _cytoplasm(rng, cells)
    grey = _add_vesicles(rng, cells, grey)
    grey = _add_mitochondria(rng, cells, grey, scale)
    grey, label = _add_membranes(rng, cells, grey)
    return _expose(rng, grey)[:, :, None], label


def _cytoplasm(rng: np.random.Generator, cells: Cells) -> Field:
    """Fill the cells: each has its own grey, and a texture of filaments and ribosomes at two scales."""
    shape = cells.wall.shape
    grey = _CYTOPLASM + 0.06 * rng.standard_normal(len(cells.radii), np.float32)[cells.first]
    return grey + 0.04 * smooth_noise(rng, shape, 7.0) + 0.042 * smooth_noise(rng, shape, 2.2)


def _add_vesicles(rng: np.random.Generator, cells: Cells, grey: Field) -> Field:
    """Scatter vesicles (dark rings, 7 pixels wide) and granules (dark dots) over the cells, some rich, some poor."""
    crowding = rng.standard_gamma(0.9, len(cells.radii), np.float32)[cells.first] * (cells.wall > 6)
    for density, draw in ((1 / 260, _rings), (1 / 500, _dots)):
        here = rng.random(grey.shape, np.float32) < density * crowding
        grey = grey - draw(here * (0.5 + 0.8 * rng.random(grey.shape, np.float32)))
    return grey


def _rings(heights: Field) -> Field:
    return 0.46 * blur(heights, 2.2) - 0.52 * blur(heights, 1.35)


def _dots(heights: Field) -> Field:
    return 0.25 * blur(heights, 1.2)


def _add_mitochondria(rng: np.random.Generator, cells: Cells, grey: Field, scale: float) -> Field:
    """Put a mitochondrion into some of the large cells, away from their walls."""
    bend = 0.12 * np.stack([smooth_noise(rng, grey.shape, 14.0 * scale) for _ in range(2)])
    grey = grey.copy()
    for cell in np.flatnonzero((cells.radii > 17 * scale) & (rng.random(len(cells.radii)) < 0.5)):
        semi = min(cells.radii[cell] * rng.uniform(0.45, 0.8), 42 * scale)
        deep = np.argwhere((cells.first == cell) & (cells.wall > 0.45 * cells.radii[cell]))
        if len(deep):
            top, left = rng.choice(deep)
            box = tuple(slice(max(0, int(at - 1.6 * semi)), int(at + 1.6 * semi) + 1) for at in (top, left))
            y, x = np.indices(grey[box].shape)
            offset = np.stack([y + box[0].start - top, x + box[1].start - left]).astype(np.float32) / semi
            room = np.where(cells.first[box] == cell, cells.wall[box], 0) - 6.5
            grey[box] = _mitochondrion(rng, offset, bend[:, *box], semi, room, grey[box])
    return grey


def _mitochondrion(
    rng: np.random.Generator, offset: Field, bend: Field, semi: float, room: Field, grey: Field
) -> Field:
    """Draw a dark ellipse, darker at its rim and striped by its cristae, over `grey` (h, w) where `room` is positive.

    Args:
        rng: where its angle, shape and grey come from.
        offset: (2, h, w) from the centre, in units of the long half-axis.
        bend: (2, h, w) what makes outline and cristae irregular, in the same units.
        semi: long half-axis in pixels.
        room: (h, w) distance in pixels to where the mitochondrion must end.
        grey: (h, w) what it is drawn over.
    """
    angle, slim = rng.uniform(0, np.pi), rng.uniform(0.45, 0.9)
    spacing, contrast, darkness = rng.uniform(5.5, 8.0), rng.uniform(0.02, 0.09), rng.uniform(0.34, 0.46)
    along = offset[0] * math.sin(angle) + offset[1] * math.cos(angle) + bend[0]
    across = (offset[0] * math.cos(angle) - offset[1] * math.sin(angle)) / slim + bend[1]
    depth = np.minimum((1 - np.hypot(along, across)) * semi * slim, room)  # pixels inside the outline, to first order
    rim = np.exp(-0.5 * ((depth - 1.5) / 1.3) ** 2)
    cristae = np.sin(2 * np.pi * (across * semi * slim / spacing + 1.5 * bend[0]))
    matrix = darkness + contrast * cristae - 0.14 * rim + 0.5 * (grey - _CYTOPLASM)
    return grey + _step(depth) * (matrix - grey)


def _step(x: Field) -> Field:
    """Return 0 well below zero, 1 well above, smooth within a pixel or so."""
    return 0.5 * (1 + np.tanh(x))


def _add_membranes(rng: np.random.Generator, cells: Cells, grey: Field) -> tuple[Field, NDArray[np.int64]]:
    """Draw the walls, every one with its own contrast and sharpness, and trace them as an annotator would."""
    contrast, tilt, width = (_of_wall(rng, cells) for _ in range(3))
    oblique = tilt < 0.13  # cut at a slant, a membrane is a broad grey band
    strength = np.where(contrast < 0.08, 0.5, 0.82 + 0.16 * contrast)  # one wall in twelve is faint
    strength = np.where(oblique, 0.7 * strength, strength)
    half_width = np.where(oblique, 4.5, 1.7 + 0.8 * width) * np.exp(0.22 * smooth_noise(rng, grey.shape, 10.0))
    cover = strength * np.exp(-0.5 * (cells.wall / half_width) ** 2)
    grey = grey + cover * (_MEMBRANE_GREY - grey)
    # The hand that traces is not exact: it wavers, and follows a broad band only in part.
    traced = _LABEL_HALF_WIDTH * np.where(oblique, 1.15, 0.95 + 0.1 * width) + 0.4 * smooth_noise(rng, grey.shape, 8.0)
    return grey, np.where(cells.wall > traced, INTERIOR, MEMBRANE).astype(np.int64)


def _of_wall(rng: np.random.Generator, cells: Cells) -> Field:
    """Draw a number in [0, 1) for every wall, and return it at every pixel (H, W), by the wall nearest to the pixel.

    The fractional part of a sum of two uniform numbers is uniform, and the same from either side of the wall.
    """
    of_cell = rng.random(len(cells.radii), np.float32)
    return (of_cell[cells.first] + of_cell[cells.second]) % 1.0


def _expose(rng: np.random.Generator, grey: Field) -> NDArray[np.float32]:
    """Photograph the section: uneven staining and illumination, shot noise, 8 bits of grey."""
    shape = grey.shape
    gain = 1 + 0.10 * smooth_noise(rng, shape, max(shape) / 3 + 1) + 0.03 * rng.standard_normal()
    offset = 0.05 * smooth_noise(rng, shape, 30.0)
    noise = 0.075 * smooth_noise(rng, shape, 1.1) + 0.025 * rng.standard_normal(shape, np.float32)
    exposed = gain * grey + offset + noise * np.sqrt(grey.clip(0.05) / _CYTOPLASM)
    # Eight bits, as the real sections have: rounding also hides the last bits in which platforms differ.
    return np.rint(255 * exposed.clip(0, 1)) / np.float32(255)
