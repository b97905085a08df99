"""A network that is measured: a copy in float64, whose sums have one order wherever in the image they are.

Two windows of one image that overlap show a network the same pixels at different places. Where no border matters, an
equivariant network gives exactly the same numbers for both, bit by bit, if its convolutions add in the same order
everywhere; Winograd's do not, because they cut the image into tiles.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from minifcn import settings
from minifcn.audit.fields.receptive_field import AxisField, ReceptiveField, receptive_field
from minifcn.audit.subject import Subject
from minifcn.audit.weights import draw_weights
from minifcn.autograd import no_grad
from minifcn.kernels.shapes import Pair
from minifcn.models.network import Network
from minifcn.nn import Module
from minifcn.tensor import Tensor

#: Relative errors up to here are roundings: of sums whose order may differ, such as those of a matrix product.
ROUNDING = 1e-13
#: Where the search for an image begins, in pixels a side.
_FIRST = 32
#: Where the search for an image with output pixels that are free of its borders ends.
_LARGEST = 1024
#: Where it ends if the output is not known to shift with the image.
_HOPELESS = 256
#: How often weights are drawn until the output changes with the image: narrow networks with ReLU may be dead.
_ATTEMPTS = 64


class Interior(NamedTuple):
    """A square image and the output pixels that no border of it touches."""

    size: int
    rows: AxisField
    columns: AxisField

    @property
    def axes(self) -> tuple[AxisField, AxisField]:
        """Both fields."""
        return self.rows, self.columns


class Probe:
    """A copy of a network in float64 and in evaluation mode, for whole images.

    Args:
        subject: what is measured; a classifier of windows becomes the network that answers every pixel.
        seed: draws weights at random, so that no layer is zero as many are at first; None keeps those it has.
    """

    def __init__(self, subject: Subject, seed: int | None = None):
        self.module: Module = copy.deepcopy(subject.for_images().module).astype(np.float64).eval()
        self.subject = Subject(self.module, subject.name, subject.channels)
        self.seed = seed

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W, C) -> (P, Q, K).

        Raises:
            ValueError: the output is no map of one image.
        """
        with no_grad(), settings.override(conv="direct"):
            output = self.module(Tensor(np.ascontiguousarray(image[None], np.float64)))
        if not isinstance(output, Tensor) or output.ndim != 4 or len(output) != 1 or output.size == 0:
            what = f"of shape {output.shape}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
            raise ValueError(
                f"audit: {self.subject.name} must give a map (1, P, Q, K) of an image {(1, *image.shape)}, and its "
                f"output is {what}; what has no pixels has nothing to shift"
            )
        return output.data[0]

    def interior(self, pixels: int, count: int) -> Interior | None:
        """The smallest image found in which, along both axes, enough output rows are free of the borders.

        Args:
            pixels: how far the image is going to be shifted, at least.
            count: how many rows are to be left then, at least; there will be those of one period.

        Returns:
            None if the output is not known to shift with the image, or depends on all of it.
        """
        size = self._first_size()
        while size <= _LARGEST:
            field = self._field(size)
            excess = min(_excess(axis, pixels, count) for axis in (field.rows, field.columns))
            if excess >= 0:
                return self._smaller(Interior(size, field.rows, field.columns), excess, pixels, count)
            if size >= _HOPELESS and None in (field.rows.period, field.columns.period):
                return None
            size = self.subject.legal_size(2 * size)
        return None

    def field_at(self, size: int) -> Interior:
        """Receptive fields for a square image of this size."""
        field = self._field(size)
        return Interior(size, field.rows, field.columns)

    def enliven(self, image: np.ndarray) -> None:
        """Draw weights, if that was asked for, until the output changes with the image; ``seed`` is then that draw's.

        Raises:
            ValueError: it does not, with the network's own weights or all that were drawn.
        """
        seeds = [None] if self.seed is None else [self.seed + 1000 * attempt for attempt in range(_ATTEMPTS)]
        for seed in seeds:
            if seed is not None:
                draw_weights(self.module, seed)
            output = self(image)
            # Of another image; padding alone would make an output that is not the same everywhere.
            with np.errstate(invalid="ignore"):  # where both are infinite
                change = np.abs(output - self(image[::-1, ::-1])).max(axis=2)
            # Weights are drawn until half of the pixels change, not a few in a map that is dead elsewhere.
            least, seen = (1e-6, change.max()) if seed is None else (1e-3, np.median(change))
            if np.isfinite(output).all() and seen > least * np.abs(output).max():
                self.seed = seed
                return
        raise ValueError(
            f"audit: the output of {self.subject.name} does not change with the image, or is not finite, so nothing "
            "can be measured: its weights are zero, its units dead, or the image is blank; "
            + ("draw random weights instead" if self.seed is None else "make it wider, such as -o base=4")
        )

    def _first_size(self) -> int:
        """A small legal size; for a module that takes none, what is wrong is found before many are tried."""
        if not isinstance(self.module, Network):
            sizes = range(_FIRST, _FIRST + 129)  # a multiple of any total stride up to 128 is among them
            if not any(self.subject.output_size(size, size) for size in sizes):
                self(np.zeros((2 * _FIRST, 2 * _FIRST, self.subject.channels)))  # it fails, and says why
        return self.subject.legal_size(_FIRST)

    def _field(self, size: int) -> ReceptiveField:
        with settings.override(conv="direct"):  # it runs the network; Winograd's kernels need not be compiled for that
            return receptive_field(self.module, (size, size, self.subject.channels))

    def _smaller(self, found: Interior, excess: int, pixels: int, count: int) -> Interior:
        """As much smaller as rows were left over, if that does it."""
        size = self.subject.legal_size(max(found.size - excess, 1))
        if size >= found.size:
            return found
        field = self._field(size)
        enough = min(_excess(axis, pixels, count) for axis in (field.rows, field.columns)) >= 0
        return Interior(size, field.rows, field.columns) if enough else found


def _excess(axis: AxisField, pixels: int, count: int) -> int:
    """In pixels: how much smaller the image might be; negative if it is too small."""
    if axis.period is None:
        return -1
    step, rows = axis.period
    reach = reach_of(axis.period, pixels)
    wanted = max(reach, -(-reach * rows // step)) + max(count, rows)  # rows by which the output may be shifted, too
    left = int(axis.inside.sum()) - wanted
    return left * step // rows if left >= 0 else -1


def reach_of(period: Pair, pixels: int) -> int:
    """The first multiple of the period that is at least so many pixels."""
    return -(-pixels // period[0]) * period[0]


def input_image(size: Pair, channels: int, seed: int, given: np.ndarray | None = None) -> np.ndarray:
    """(H, W, C) in float64: white noise, of mean 0 and deviation 1, or the middle of a given image.

    Raises:
        ValueError: the given image has other channels, or is smaller.
    """
    if given is None:
        return np.random.default_rng(seed).standard_normal((*size, channels))
    if given.ndim != 3 or given.shape[2] != channels:
        raise ValueError(f"audit: the image must be (H, W, {channels}), as the network takes it; got {given.shape}")
    if given.shape[0] < size[0] or given.shape[1] < size[1]:
        raise ValueError(
            f"audit: {size[0]} x {size[1]} pixels are needed to be free of borders, and the image has "
            f"{given.shape[0]} x {given.shape[1]}; give a larger one, or none to use noise"
        )
    top, left = ((length - wanted) // 2 for length, wanted in zip(given.shape[:2], size, strict=True))
    return given[top : top + size[0], left : left + size[1]].astype(np.float64)
