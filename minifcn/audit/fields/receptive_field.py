"""Receptive fields: from which pixels each output pixel is computed.

Nothing is assumed about the network. Its operations are recorded on a blank image, and the span of input rows (and
columns) is carried through each of them, exactly, for all rows of every map at once (by `rules`). So skips, crops,
dilations and fractional strides need no formula of their own, and phases come out by themselves: the pixels of a
U-Net's output see 188 or 204 rows, depending on where they lie in the grid of the deepest pooling.

It is the theoretical field: what could matter. Weights, and which element of a window was largest, play no part. Of an
unpooling's output only the value counts, and not what decided its place.

Source of the usual recursion for plain chains: Araujo, Norris & Sim 2019, doi 10.23915/distill.00021.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minifcn.audit.fields.recording import ImageShape, Recording, record, spans_along
from minifcn.audit.fields.spans import NOTHING, Span
from minifcn.audit.subject import Subject, sides_of
from minifcn.autograd import Node
from minifcn.graph.applications import Application
from minifcn.kernels.shapes import Pair, Window
from minifcn.models.network import Network
from minifcn.nn import Module

#: Where the search for a size ends at which some output pixel is free of the borders.
_LARGEST = 2048
#: Where it ends if all output pixels depend on the whole image, and nothing says that the output shifts with it.
_HOPELESS = 512
#: How many lengths a module that is no `Network` is tried at, from one that would do to the next legal one.
_FURTHEST = 128


@dataclass(frozen=True, eq=False)
class AxisField:
    """The receptive fields along one axis (here called rows) of an image of ``length`` rows.

    Attributes:
        length: rows of the image.
        first: (P,) the first input row that each of P output rows depends on; a row that depends on none, as zero
            padding does not, has ``last`` < ``first``.
        last: (P,) the last one.
        period: (input rows, output rows) by which image and output shift together; None if they do not, or if the image
            is too small to tell.
    """

    length: int
    first: np.ndarray
    last: np.ndarray
    period: Pair | None

    @property
    def inside(self) -> np.ndarray:
        """(P,) bool: rows whose field no border has cut, so that one period further it is the same, shifted."""
        inside = np.zeros(len(self.first), bool)
        if self.period is not None and 0 < self.period[1] < len(inside):
            pixels, rows = self.period
            same = (self.first[rows:] - self.first[:-rows] == pixels) & (self.last[rows:] - self.last[:-rows] == pixels)
            same &= self.last[rows:] >= self.first[rows:]
            inside[rows:] |= same
            inside[:-rows] |= same
            lengths = self.last - self.first
            for phase in range(rows):  # where dilation leaves gaps, a border cuts several rows alike
                inside[phase::rows] &= lengths[phase::rows] == lengths[phase::rows].max(initial=0)
        return inside

    @property
    def complete(self) -> bool:
        """Whether an uncut field of every phase was seen."""
        return (
            self.period is not None and len(np.unique(np.flatnonzero(self.inside) % self.period[1])) == self.period[1]
        )

    @property
    def whole(self) -> bool:
        """Whether every output row depends on the first input row and on the last, and on no shift."""
        return self.period is None and bool((self.first == 0).all() and (self.last == self.length - 1).all())

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows in the field of an output row, for each phase: index modulo the period. One number if not complete."""
        lengths = np.maximum(self.last - self.first + 1, 0)
        if not self.complete or self.period is None:
            return (int(lengths.max(initial=0)),)
        rows = np.flatnonzero(self.inside)
        sizes = dict(zip((rows % self.period[1]).tolist(), lengths[rows].tolist(), strict=True))
        return tuple(sizes[phase] for phase in range(self.period[1]))

    @property
    def size(self) -> int:
        """Rows in the largest field."""
        return max(self.sizes)

    @property
    def stride(self) -> int | None:
        """Total stride: the shift of the image, in pixels, under which the output merely shifts; None if unknown."""
        return None if self.period is None else self.period[0]

    @property
    def phases(self) -> tuple[Pair, ...]:
        """(first, last) input row of the first output row of every phase, were there no border; () if not complete."""
        if not self.complete or self.period is None:
            return ()
        (pixels, rows), inside = self.period, np.flatnonzero(self.inside)
        found = {}
        for row in inside.tolist():
            moved = pixels * (row // rows)
            found[row % rows] = int(self.first[row]) - moved, int(self.last[row]) - moved
        return tuple(found[phase] for phase in range(rows))

    @property
    def offset(self) -> int | None:
        """Input row at which the field of output row 0 begins, were there no border: negative where there is padding.

        >>> from minifcn import nn
        >>> receptive_field(nn.Conv2d(1, 1, 5, padding=2), size=16).rows.offset
        -2
        """
        return self.phases[0][0] if self.complete else None

    def __str__(self) -> str:
        if not self.complete:
            return f"{self.size} pixels of {self.length}, of which none is surely free of the borders"
        return f"{' or '.join(map(str, sorted(set(self.sizes))))} pixels, stride {self.stride}"


@dataclass(frozen=True, eq=False)
class ReceptiveField:
    """The receptive fields of a network's output pixels: the product of ``rows`` and ``columns``.

    ``images`` are the shapes (H, W, C) of the images on which the one and the other were found.
    """

    rows: AxisField
    columns: AxisField
    images: tuple[ImageShape, ImageShape]

    @property
    def size(self) -> Pair:
        """Height and width of the largest field."""
        return self.rows.size, self.columns.size

    @property
    def complete(self) -> bool:
        """Whether an uncut field of every phase was seen, along both axes."""
        return self.rows.complete and self.columns.complete

    def __str__(self) -> str:
        rows, columns = str(self.rows), str(self.columns)
        return rows if rows == columns else f"rows: {rows}; columns: {columns}"


def receptive_field(network: Module | Subject, size: int | Pair | tuple[int, int, int] | None = None) -> ReceptiveField:
    """From which pixels of an image each output pixel of a network is computed.

    The network runs once for each size that is tried, in evaluation mode, on a blank image. Its weights do not matter,
    so one with few channels (see `Network.narrow`) gives the same answer sooner.

    Args:
        network: any module from images (1, H, W, C) to a map (1, P, Q, K); another output counts as one pixel.
        size: of the image: one number, (H, W) or (H, W, C); C is what the layers take, or 1, unless given. None
            looks for a legal size at which there are output pixels of every phase that no border changes, up to 2048;
            where there is none, the result is not `complete`. A module that is no `Network` is asked by running it.

    Raises:
        ValueError: no size is legal; or the module computes its output by other means than operations on Tensors.
        NotImplementedError: an operation has no rule in `minifcn.audit.fields.rules`.

    >>> from minifcn.models import UNet
    >>> net = UNet(1, 2, base=1, padding="valid")
    >>> field = receptive_field(net)
    >>> print(field)
    188 or 204 pixels, stride 16
    >>> field.rows.sizes[:6]
    (188, 188, 188, 188, 204, 204)
    """
    if size is not None:
        shape = _image_shape(network, size)
        recording = record(network, shape)
        rows, columns = (axis_field(recording, spans_along(recording, axis), axis) for axis in (0, 1))
        return ReceptiveField(rows, columns, (shape, shape))
    return _searched(Subject.of(network))


def _searched(subject: Subject) -> ReceptiveField:
    """Along each axis, on strips that are as narrow as the network allows."""
    known = isinstance(subject.module, Network)
    if not known:
        _check_map(subject)
    most = _LARGEST if known else min(_LARGEST, _HOPELESS)
    side = next((length for length in range(1, most + 1) if subject.output_size(length, length)), None)
    if side is None:
        raise ValueError(f"receptive_field: {subject.name} takes no size up to {most}{_complaint(subject)}")
    rows, tall = _long_enough(subject, side, 0)
    columns, wide = _long_enough(subject, side, 1)
    return ReceptiveField(rows, columns, (tall, wide))


def _long_enough(subject: Subject, side: int, axis: int) -> tuple[AxisField, ImageShape]:
    """Along one axis, at twice the length until that is enough, or hopeless, or the largest; with the image's shape."""
    height, width = side, side
    while True:
        recording = record(subject, (height, width, subject.channels))
        spans = spans_along(recording, axis)
        field = axis_field(recording, spans, axis)
        # On less than that, the borders may cut all rows, and all alike, where dilation leaves gaps.
        enough = _reach(recording, spans, axis) + 2 * (field.stride or 0)
        if (field.complete and field.length >= enough) or (field.length >= _HOPELESS and field.whole):
            return field, recording.shape
        longer = _legal_size(subject, 2 * field.length, side, axis)
        if longer is None:
            return field, recording.shape
        height, width = longer


def _reach(recording: Recording, spans: Mapping[Node, Span], axis: int) -> int:
    """Pixels that all windows together reach over, which no field exceeds; of a map that does not shift, none."""
    reach = 0.0
    for application in recording.graph:
        window = getattr(application.operation, "window", None)
        nodes = [node for node in (application.operation, *application.parents) if node is not None]
        maps = [spans[node] for node in nodes if node in spans]
        steps = [span.shift.pixels / span.shift.rows for span in maps if span.shift is not None]
        if isinstance(window, Window) and steps:
            reach += (window.kernel_size[axis] - 1) * window.dilation[axis] * min(steps)
    return math.ceil(reach)


def _legal_size(subject: Subject, least: int, side: int, axis: int) -> Pair | None:
    """The shortest legal strip of at least that length; of networks that take squares alone, a square."""
    # Whoever has to be asked by running is not asked for ever: a total stride of more than that has not been seen.
    most = _LARGEST if isinstance(subject.module, Network) else min(_LARGEST, least + _FURTHEST)
    for length in range(least, most + 1):
        strip = (length, side) if axis == 0 else (side, length)
        for size in (strip, (length, length)):
            if subject.output_size(*size):
                return size
    return None


def _check_map(subject: Subject) -> None:
    """Raise ValueError if the module makes something else than a map, of which no size would ever do."""
    for side in (32, 64, 128, 256):
        try:
            output = record(subject, (side, side, subject.channels)).output
        except (ValueError, RuntimeError, IndexError):
            continue
        if output.ndim != 4:
            raise ValueError(
                f"receptive_field: {subject.name} makes {output.shape} of {side} x {side} pixels, and no map "
                "(1, P, Q, K); give size=(height, width), or --size, and the output counts as one pixel"
            )
        return


def _complaint(subject: Subject) -> str:
    """What the module says of an image that it does not take."""
    if isinstance(subject.module, Network):
        return ""
    try:
        record(subject, (_HOPELESS, _HOPELESS, subject.channels))
    except (ValueError, RuntimeError, IndexError) as error:
        return f" with {subject.channels} channel(s); of {_HOPELESS} x {_HOPELESS} pixels it says: {error}"
    return ""


def _image_shape(network: Module | Subject, size: int | Pair | tuple[int, int, int]) -> ImageShape:
    sides = sides_of(size)
    if len(sides) == 2:
        sides = (*sides, _channels(network))
    if len(sides) != 3 or not all(isinstance(side, (int, np.integer)) and side > 0 for side in sides):
        raise ValueError(f"receptive_field: size must be an int, (H, W) or (H, W, C), all positive, got {size!r}")
    height, width, channels = sides
    return height, width, channels


def _channels(network: Module | Subject) -> int:
    """As its layers say; 1 where none does: a function of any image has fields, too."""
    try:
        return Subject.of(network).channels
    except ValueError:
        return 1


def axis_field(
    recording: Recording, spans: Mapping[Node, Span], axis: int, application: Application | None = None
) -> AxisField:
    """The fields of the output of an operation (the last one, if None) that `spans_along` the axis have reached."""
    chosen = recording.graph[-1] if application is None else application
    span, shape = spans[chosen.operation], chosen.output
    if application is not None and span.first.shape[0] > 1:  # one of the fragments into which an image was cut
        span = span.mapped(lambda array: array[:1], span.shift)
    return _axis_field(span, shape, axis, recording.shape[axis])


def _axis_field(span: Span, shape: tuple[int, ...], axis: int, length: int) -> AxisField:
    """Of the output's span: channels and the other axis do not matter."""
    if len(shape) != 4:
        whole = span.over(range(span.ndim))
        return AxisField(length, whole.first.reshape(1), whole.last.reshape(1), None)
    span = span.over([a for a in range(4) if a != axis + 1])
    first, last = (np.broadcast_to(array.reshape(-1), shape[axis + 1]) for array in (span.first, span.last))
    period = None if span.shift is None else (span.shift.pixels, span.shift.rows)
    return AxisField(length, first, last, period or _seen_period(first, last, length))


def _seen_period(first: np.ndarray, last: np.ndarray, length: int) -> Pair | None:
    """The smallest period of all fields that touch no border: for maps that were cut up and put together again."""
    free = np.flatnonzero((first > 0) & (first != NOTHING[0]) & (last < length - 1))
    if len(free) < 3 or free[-1] - free[0] + 1 != len(free):
        return None
    first, last = first[free], last[free]
    for rows in range(1, len(free) // 2 + 1):
        steps = np.concatenate([first[rows:] - first[:-rows], last[rows:] - last[:-rows]])
        if steps[0] > 0 and (steps == steps[0]).all():
            return int(steps[0]), rows
    return None
