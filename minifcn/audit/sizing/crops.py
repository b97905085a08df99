"""Crops: when predicting an image piece by piece gives what the whole image gives.

An answer whose receptive field lies inside the crop is the answer that the whole image gives, if the crop begins at a
multiple of the network's total stride: the network then merely shifts with the image.
Answers nearer to the crop's border saw padding where the image has pixels. So crops must overlap, and may only advance
by as many pixels as they answer surely, rounded down to a multiple of the total stride.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minifcn.audit.fields.receptive_field import AxisField, receptive_field
from minifcn.audit.subject import Subject
from minifcn.autograd import no_grad
from minifcn.kernels.shapes import Pair
from minifcn.nn.modes import evaluating
from minifcn.tensor import Tensor

#: How far answers to a moved image may be from moved answers, relative to the largest: float32's roundings are below.
_ROUNDINGS = 1e-4


class DoesNotMoveError(ValueError):
    """A network's answers do not move with the image."""


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
    begin, end = _sure(field)
    pixels, rows = field.period or (0, 1)
    advance = (end - begin) // rows * pixels
    if padded <= field.length:
        count = 1
    else:
        count = 1 + -((padded - field.length) // -advance) if advance else 0
    return AxisCrops(field.length, len(field.first), field.size, (begin, end), advance, count)


def _sure(field: AxisField) -> Pair:
    """[begin, end) of the output rows whose field would lie inside the crop were there no border.

    Where a field would lie follows from the fields of rows in the middle. Near a border it does not: a dilated kernel
    that lost a tap there has a field that moves as an uncut one does.
    """
    if not field.complete or field.period is None:
        return 0, 0
    pixels, rows = field.period
    inside, every = np.flatnonzero(field.inside), np.arange(len(field.first))
    first, last = np.empty_like(field.first), np.empty_like(field.last)
    for phase in range(rows):
        same = inside[inside % rows == phase]
        middle = same[np.argmin(np.abs(2 * same - len(every)))]
        moved = (every[phase::rows] - middle) // rows * pixels
        first[phase::rows], last[phase::rows] = field.first[middle] + moved, field.last[middle] + moved
    cut = np.flatnonzero((first < 0) | (last >= field.length))
    edges = np.concatenate(([-1], cut, [len(every)]))
    widest = int(np.argmax(np.diff(edges)))
    return int(edges[widest]) + 1, int(edges[widest + 1])


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
        _check_moves(subject, along, shape, axis)
        found.append(axis_crops(along, padded[axis]))
    return found[0], found[1]


def _strip(length: int, width: int, axis: int) -> Pair:
    return (length, width) if axis == 0 else (width, length)


def _check_moves(subject: Subject, field: AxisField, shape: Pair, axis: int) -> None:
    """Fields move with the image; whether values do is tried on noise, one total stride further."""
    assert field.period is not None
    (pixels, rows), (begin, end) = field.period, _sure(field)
    if end - begin <= rows:
        return
    longer = tuple(side + (pixels if a == axis else 0) for a, side in enumerate(shape))
    noise = np.random.default_rng(0).standard_normal((1, *longer, subject.channels)).astype(subject.dtype)
    still, moved = np.take(noise, range(shape[axis]), axis + 1), np.take(noise, range(pixels, longer[axis]), axis + 1)
    with evaluating(subject.module), no_grad():
        a, b = (np.moveaxis(subject.module(Tensor(image)).data, axis + 1, 0) for image in (still, moved))
    difference = np.abs(a[begin + rows : end] - b[begin : end - rows]).max()
    if not difference <= _ROUNDINGS * max(float(np.abs(a).max()), np.finfo(subject.dtype).tiny):
        raise DoesNotMoveError(
            f"its answers do not move with the image: where that moves by {pixels} pixels, they change by up to "
            f"{difference / np.abs(a).max():.2g} of the largest"
        )
