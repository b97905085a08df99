"""Crops: when predicting an image piece by piece gives what the whole image gives.

An answer whose receptive field lies inside the crop is the answer that the whole image gives, if the crop begins at a
multiple of the network's total stride: the network then merely shifts with the image.
Answers nearer to the crop's border saw padding where the image has pixels. So crops must overlap, and may only advance
by as many pixels as they answer surely, rounded down to a multiple of the total stride.
"""

from __future__ import annotations

from dataclasses import dataclass

from minifcn.audit.fields.moves import check_moves
from minifcn.audit.fields.receptive_field import AxisField, receptive_field
from minifcn.audit.fields.uncut import AxisGeometry
from minifcn.audit.subject import Subject
from minifcn.kernels.shapes import Pair


@dataclass(frozen=True)
class AxisCrops:
    """Crops along one axis of an image.

    Attributes:
        length: of a crop, in pixels.
        answers: output rows of a crop.
        field: rows of the largest receptive field.
        sure: rows [begin, end) among the answers whose field the crop's border does not cut.
        advance: pixels from crop to crop without a seam; 0 if there is no such number.
        count: how many crops the padded image takes; 0 if none will do.
    """

    length: int
    answers: int
    field: int
    sure: Pair
    advance: int
    count: int

    @property
    def overlap(self) -> int:
        """Pixels that neighbouring crops share."""
        return self.length - self.advance

    @property
    def sure_share(self) -> float:
        """Share of a crop's answers that are those of the whole image."""
        return (self.sure[1] - self.sure[0]) / self.answers


def axis_crops(field: AxisField, padded: int) -> AxisCrops:
    """How crops of ``field.length`` pixels cover an image that was padded to ``padded``.

    >>> from minifcn.audit import receptive_field
    >>> from minifcn.models import UNet
    >>> field = receptive_field(UNet(1, 2, base=1, depth=2), size=(64, 4)).rows
    >>> crops = axis_crops(field, padded=100)
    >>> crops.sure, crops.advance, crops.count
    ((22, 42), 20, 3)
    """
    along = AxisGeometry.of(field)
    begin, end = along.exact(field.length, len(field.first))
    advance = (end - begin) // along.rows * along.period
    if padded <= field.length:
        count = 1
    else:
        count = 1 + -((padded - field.length) // -advance) if advance else 0
    return AxisCrops(field.length, len(field.first), field.size, (begin, end), advance, count)


def crops(subject: Subject, size: Pair, padded: Pair) -> tuple[AxisCrops, AxisCrops]:
    """Crops of ``size`` for images that were padded to ``padded``, along rows and columns.

    Raises:
        DoesNotMoveError: the network's answers do not move with the image, so that no crop gives those of the whole.
        ValueError: none of a crop's answers is free of its border.
        NotImplementedError: an operation has no rule in `minifcn.audit.fields.rules`.
    """
    found = []
    for axis in (0, 1):
        other = next(n for n in range(1, size[1 - axis] + 1) if subject.output_size(*_strip(size[axis], n, axis)))
        shape = _strip(size[axis], other, axis)
        field = receptive_field(subject.module, (*shape, subject.channels))
        along = (field.rows, field.columns)[axis]
        if not along.complete:
            raise ValueError(f"none of its answers to {size[axis]} pixels is surely free of their border")
        check_moves(subject, AxisGeometry.of(along), shape, axis)
        found.append(axis_crops(along, padded[axis]))
    return found[0], found[1]


def _strip(length: int, width: int, axis: int) -> Pair:
    return (length, width) if axis == 0 else (width, length)
