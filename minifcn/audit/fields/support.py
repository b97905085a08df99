"""The support of gradients: which pixels are really reached, to hold the theoretical receptive field against.

The gradient of one output pixel is carried back to the image, in float64. It can only be other than zero inside the
field. To find all of the field, nothing may cancel and no unit may sleep: on a copy of the network, weights are random
and positive, and so scaled that maps keep about the size of the image, whose pixels are positive too. A maximum passes
its gradient to one place of its window, so images are drawn until all is found, or as often as was allowed. A network
that subtracts or saturates may hide pixels all the same: support that is smaller than the field disproves nothing.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minifcn import settings
from minifcn.audit.fields.receptive_field import AxisField, ReceptiveField, receptive_field
from minifcn.audit.fields.recording import ImageShape
from minifcn.audit.subject import Subject
from minifcn.autograd import enable_grad, grad, no_grad
from minifcn.kernels.shapes import Pair
from minifcn.nn import Module
from minifcn.tensor import Tensor

AXES = ("rows", "columns")
#: Images rise along the axis, fall, or do neither, in turn.
_SLOPES = (1, -1, 0)
#: How many pixels across strips should have.
_WIDTH = 32


class Support(NamedTuple):
    """What the gradient of one output pixel reached, along one axis.

    ``found`` is (0, -1) where the gradient was zero everywhere.
    """

    axis: str  # "rows" or "columns"
    phase: int  # of the output row: its index modulo the period
    row: int  # of the output
    field: Pair  # first and last input row of the theoretical field
    found: Pair  # first and last input row with a gradient
    rows: int  # with a gradient: fewer than the field's size also where dilation leaves gaps

    @property
    def equal(self) -> bool:
        """Whether the gradient reached both ends of the field, and nothing beyond."""
        return self.found == self.field

    @property
    def contained(self) -> bool:
        """Whether the gradient reached nothing outside the field."""
        return self.rows == 0 or (self.field[0] <= self.found[0] and self.found[1] <= self.field[1])

    @property
    def size(self) -> int:
        """Rows of the field."""
        return max(0, self.field[1] - self.field[0] + 1)

    def __str__(self) -> str:
        reached = self.found[1] - self.found[0] + 1
        gaps = f", {reached - self.rows} of them skipped" if self.rows < reached else ""
        return f"{reached} of {self.size}{gaps}" + ("" if self.contained else ", outside the field")


def gradient_support(
    network: Module | Subject,
    field: ReceptiveField | None = None,
    phases: int = 4,
    draws: int = 32,
    seed: int = 0,
) -> list[Support]:
    """Hold receptive fields against gradients: those of one output pixel for each of a few phases, along both axes.

    Args:
        network: any module from images (1, H, W, C) to a map (1, P, Q, K); a copy of it runs, in evaluation mode.
        field: what `receptive_field` found; None finds it.
        phases: how many are looked at along each axis, at most: first those whose fields differ in size.
        draws: of weights and image, at most; fewer where all is found before.
        seed: of the random numbers.

    >>> from minifcn import nn
    >>> [found] = gradient_support(nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2)), phases=1)[:1]
    >>> str(found), found.equal
    ('4 of 4', True)
    """
    subject = Subject.of(network)
    field = receptive_field(subject) if field is None else field
    module = copy.deepcopy(subject.module).astype(np.float64).eval()
    random = np.random.default_rng(seed)
    return [
        found
        for axis, (along, shape) in enumerate(zip((field.rows, field.columns), field.images, strict=True))
        for found in _along(module, along, _widened(subject, shape, axis), axis, _chosen(along, phases), draws, random)
    ]


def _widened(subject: Subject, shape: ImageShape, axis: int) -> ImageShape:
    """The strip at least `_WIDTH` across, if that is legal: more ways to every row."""
    for across in range(max(_WIDTH, shape[1 - axis]), shape[1 - axis] + _WIDTH):
        height, width = (shape[0], across) if axis == 0 else (across, shape[1])
        if subject.output_size(height, width):
            return height, width, shape[2]
    return shape


def _chosen(field: AxisField, phases: int) -> list[Pair]:
    """(phase, output row) of uncut rows in the middle, phases of different sizes first; the middle row if all are."""
    if not field.complete or field.period is None:
        return [(0, len(field.first) // 2)]
    inside, sizes = np.flatnonzero(field.inside), field.sizes
    firsts = [sizes.index(size) for size in sorted(set(sizes))]
    lasts = [len(sizes) - 1 - sizes[::-1].index(size) for size in sorted(set(sizes))]
    wanted = sorted(list(dict.fromkeys([*firsts, *lasts]))[:phases])
    rows = {phase: inside[inside % field.period[1] == phase] for phase in wanted}
    return [(phase, int(rows[phase][len(rows[phase]) // 2])) for phase in wanted]


def _along(
    module: Module,
    field: AxisField,
    shape: ImageShape,
    axis: int,
    chosen: Sequence[Pair],
    draws: int,
    random: np.random.Generator,
) -> list[Support]:
    reached = np.zeros((len(chosen), shape[axis]), bool)
    results: list[Support] = []
    for draw in range(draws):
        _make_positive(module, random)
        image = Tensor(_drawn(shape, axis, _SLOPES[draw % len(_SLOPES)], random), requires_grad=True)
        # Winograd's transforms add what lies outside a window and take it away again, and leave rounding errors there.
        with settings.override(conv="direct"), enable_grad(), np.errstate(all="ignore"):
            output = module(image)
            for index, (_, row) in enumerate(chosen):
                if not results or not results[index].equal:
                    reached[index] |= _reached(output, image, axis, row, random)
        results = [
            _support(field, AXES[axis], phase, row, rows) for (phase, row), rows in zip(chosen, reached, strict=True)
        ]
        if all(found.equal for found in results):
            break
    return results


def _drawn(shape: ImageShape, axis: int, slope: int, random: np.random.Generator) -> np.ndarray:
    """An image (1, H, W, C) from 1 to 2. On a slope, which averages keep, every maximum is at one end of its window."""
    noise = random.uniform(0.0, 1.0, (1, *shape))
    if slope == 0:
        return 1.0 + noise
    ramp = np.arange(shape[axis])[::slope].reshape((1, -1, 1, 1) if axis == 0 else (1, 1, -1, 1))
    return 1.0 + (ramp + noise) / (shape[axis] + 1)


def _support(field: AxisField, axis: str, phase: int, row: int, reached: np.ndarray) -> Support:
    rows = np.flatnonzero(reached)
    found = (int(rows[0]), int(rows[-1])) if len(rows) else (0, -1)
    return Support(axis, phase, row, (int(field.first[row]), int(field.last[row])), found, len(rows))


def _reached(output: Tensor, image: Tensor, axis: int, row: int, random: np.random.Generator) -> np.ndarray:
    """(H,) or (W,) bool: where the gradient of one output pixel, its channels weighted at random, is not zero."""
    seed = np.zeros(output.shape)
    if output.ndim == 4:
        centre = (row, output.shape[2] // 2) if axis == 0 else (output.shape[1] // 2, row)
        seed[0, *centre] = random.uniform(1.0, 2.0, output.shape[3])
    else:
        seed[:] = random.uniform(1.0, 2.0, output.shape)
    (gradient,) = grad(output, image, Tensor(seed), retain_graph=True)
    assert gradient is not None
    return (gradient.data != 0.0).any(axis=tuple(a for a in range(4) if a != axis + 1))


def _make_positive(module: Module, random: np.random.Generator) -> None:
    """Weights that average, and vectors of about 1, so drawn that batch normalisation in between stays positive."""
    with no_grad():
        for parameter in module.parameters():
            fan = math.prod(parameter.shape[:-1]) if parameter.ndim > 1 else 1
            parameter.copy_(random.uniform(0.1, 1.9, parameter.shape) / fan if fan > 1 else _about_one(parameter))
        for buffer in module.buffers():
            if buffer.dtype.kind == "f":
                buffer.copy_(random.uniform(0.5, 1.0, buffer.shape))


def _about_one(parameter: Tensor) -> np.ndarray:
    """Above 1, so that (x - mean) · scale + shift stays positive for x and means that `_make_positive` makes."""
    return np.linspace(1.5, 1.0, parameter.size).reshape(parameter.shape)
