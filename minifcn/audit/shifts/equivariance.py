"""Equivariance, measured: is the output of a shifted image the shifted output?

f is equivariant to the shift T_t if f(T_t x) = T_u f(x) (lecture, section 3). In the strict sense, image and output
shift by the same, u = t. In the general one, by what the operations say: an image shifted by one period of p pixels
shifts the output by r rows (`AxisField.period`), so u = t r / p. Where that is no integer no shift of the output is
right; the error is then that of the better of its two neighbours.

The shift is a real one: two windows of one larger image, so that nothing is wrapped around or made up. Only output
pixels are compared whose receptive fields lie inside both windows, so that no border plays a part.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

import numpy as np

from minifcn.audit.report import Report
from minifcn.audit.shifts.probe import ROUNDING, Interior, Probe, input_image, reach_of
from minifcn.audit.subject import Subject
from minifcn.kernels.shapes import Pair
from minifcn.nn import Module
from minifcn.nn.antialias import antialiased
from minifcn.tables import Table

Track = Callable[[Sequence[Pair]], Iterable[Pair]]
#: Every image is shifted this far at least, also where a shift of one pixel is the period.
_FAR = 4
#: Without a period, half of a map is compared; with shifts by up to four rows for a pixel, and some rows to spare.
_SMALLEST_MAP = 4 * _FAR
#: All shifts of a period along both axes are measured if there are no more of them.
_ALL = 64


class Error(NamedTuple):
    """|f(T_t x) − T_u f(x)|: its maximum over max |f(x)|, and its root mean square over that of f(x)."""

    largest: float
    rms: float


class ShiftError(NamedTuple):
    """What came of one shift, of ``rows`` and ``columns`` pixels."""

    rows: int
    columns: int
    general: Error
    strict: Error


@dataclass(frozen=True, eq=False)
class Equivariance(Report):
    """Errors of equivariance of a network for every shift.

    Attributes:
        subject: its name.
        periods: ((pixels, rows), (pixels, columns)): an image shifted by so many pixels shifts the output by so many.
        known: whether the operations say so; otherwise it is the ratio of the sizes.
        size: pixels a side of the windows that were compared.
        shifts: the errors, (0, 0) first.
        random_weights: whether weights were drawn.
        blurred: the same for the network with `nn.MaxBlurPool2d` in place of its poolings; None if not asked for.
    """

    name: ClassVar[str] = "equivariance"
    figure_size: ClassVar[tuple[float, float]] = (9.5, 4.6)

    subject: str
    periods: tuple[Pair, Pair]
    known: bool
    size: int
    shifts: tuple[ShiftError, ...]
    random_weights: bool
    blurred: Equivariance | None = None

    def step(self, strict: bool = False) -> Pair | None:
        """(d, e) such that the network is equivariant to the shifts in d Z × e Z, the smallest; None if to none."""
        rows, columns = self._axis_step(0, strict), self._axis_step(1, strict)
        if rows is None or columns is None:
            return None
        lattice = [shift for shift in self.shifts if shift.rows % rows == 0 and shift.columns % columns == 0]
        return (rows, columns) if all(_error(shift, strict) <= self.rounding for shift in lattice) else None

    @property
    def rounding(self) -> float:
        """Up to where an error is a rounding.

        If those of whole periods are exactly 0, sums have one order wherever they are, and any other error is real.
        """
        (p, _), (q, _) = self.periods
        whole = [shift.general.largest for shift in self.shifts if shift.rows % p == 0 and shift.columns % q == 0]
        return ROUNDING if any(whole) else 0.0

    def _axis_step(self, axis: int, strict: bool) -> int | None:
        errors = self.along(axis, strict)
        last = max(errors)
        passing = (d for d in range(1, last + 1) if all(errors[t] <= self.rounding for t in range(0, last + 1, d)))
        return next(passing, None)

    def along(self, axis: int | None, strict: bool = False) -> dict[int, float]:
        """Largest error by shift: of rows alone (axis 0), of columns alone (1), or of both by as much (None)."""
        errors = {}
        for shift in self.shifts:
            if (shift.columns, shift.rows, shift.rows - shift.columns)[2 if axis is None else axis] == 0:
                errors[shift.columns if axis == 1 else shift.rows] = _error(shift, strict)
        return errors

    def worst(self, strict: bool = False) -> float:
        """The largest error of all shifts."""
        return max(_error(shift, strict) for shift in self.shifts)

    @property
    def scaled(self) -> bool:
        """Whether the general sense differs from the strict one."""
        return any(pixels != rows for pixels, rows in self.periods)

    def headline(self) -> str:
        """The answer."""
        text = f"{self.subject}: equivariant to {in_words(self.step())}"
        if self.scaled:
            text += f" (general sense: {self._rate()}); in the strict sense, to {in_words(self.step(strict=True))}"
        text += f". {self._sizes_of_errors()}"
        if self.blurred is not None:
            before, after = self._rms(), self.blurred._rms()
            text += f"\nWith BlurPool: equivariant to {in_words(self.blurred.step())}; " + (
                f"the mean RMS error of the other shifts goes from {number(before)} to {number(after)}."
            )
        return text

    def _rate(self) -> str:
        rates = [f"{pixels} pixels shift the output by {rows}" for pixels, rows in dict.fromkeys(self.periods)]
        return ", ".join(rates)

    def _sizes_of_errors(self) -> str:
        step = self.step()
        if step is None:
            return f"Errors reach {number(self.worst())} of the largest output."
        fitting = [shift for shift in self.shifts if shift.rows % step[0] == 0 and shift.columns % step[1] == 0]
        largest = max(shift.general.largest for shift in fitting)
        there = "exactly 0" if largest == 0.0 else f"rounding, at most {number(largest)},"
        if step == (1, 1):
            return f"The error is {there} at every shift."
        return f"The error is {there} there, and up to {number(self.worst())} of the largest output elsewhere."

    def _rms(self) -> float:
        """Mean over the shifts of less than a period, but for (0, 0)."""
        (p, _), (q, _) = self.periods
        errors = [s.general.rms for s in self.shifts if (s.rows or s.columns) and s.rows < p and s.columns < q]
        return float(np.mean(errors)) if errors else 0.0

    def brief(self) -> str:
        """To which shifts."""
        return in_words(self.step())

    def table(self) -> Table:
        """The facts, rounded."""
        headings = ["shift, pixels", "rows", "columns", "both", "both, RMS"]
        headings += ["both, strict"] if self.scaled else []
        headings += ["both, BlurPool", "RMS, BlurPool"] if self.blurred is not None else []
        columns = [self.along(0), self.along(1), self.along(None), self.diagonal_rms()]
        columns += [self.along(None, strict=True)] if self.scaled else []
        columns += [self.blurred.along(None), self.blurred.diagonal_rms()] if self.blurred is not None else []
        shifts = sorted(set(columns[0]) | set(columns[1]) | set(columns[2]))
        rows = [[str(t), *(number(column[t]) if t in column else "" for column in columns)] for t in shifts]
        return Table(headings, rows)

    def diagonal_rms(self) -> dict[int, float]:
        """RMS error by shift, of both axes by as much."""
        return {shift.rows: shift.general.rms for shift in self.shifts if shift.rows == shift.columns}

    def notes(self) -> Sequence[str]:
        """How the numbers came about."""
        lines = ["Errors: max |f(T x) - T f(x)| over max |f(x)|, and RMS over RMS, away from borders, in float64."]
        if self.random_weights:
            lines.append("Weights were drawn at random: trained ones give other errors, and zeros at the same shifts.")
        if not self.known:
            lines.append("By its operations the output does not shift with the image; the middle half was compared.")
        return lines

    def facts(self) -> dict[str, Any]:
        """All numbers."""
        return {
            "subject": self.subject,
            "period_pixels": [pixels for pixels, _ in self.periods],
            "period_output": [rows for _, rows in self.periods],
            "period_known": self.known,
            "window_pixels": self.size,
            "random_weights": self.random_weights,
            "equivariant_to_multiples_of_pixels": self.step(),
            "strictly_equivariant_to_multiples_of_pixels": self.step(strict=True),
            "shifts": [
                {
                    "rows_pixels": shift.rows,
                    "columns_pixels": shift.columns,
                    "general": shift.general._asdict(),
                    "strict": shift.strict._asdict(),
                }
                for shift in self.shifts
            ],
            "blurred": None if self.blurred is None else self.blurred.facts(),
        }

    def draw(self, figure: Any) -> None:
        """Draw on an empty figure."""
        from minifcn.audit.shifts.equivariance_figure import draw_equivariance

        draw_equivariance(self, figure)


def equivariance(
    subject: Module | Subject,
    *,
    image: np.ndarray | None = None,
    seed: int = 0,
    random_weights: bool = False,
    blur: bool = False,
    full: bool | None = None,
    track: Track = iter,
) -> Equivariance:
    """Measure how far the output of a shifted image is from the shifted output, for all shifts within a period.

    Args:
        subject: any module from images to maps. A classifier of windows is measured as the network that answers every
            pixel (`Network.for_images`).
        image: (H, W, C), prepared as the network is used to; its middle is taken. None draws noise.
        seed: of the noise and the weights.
        random_weights: draw weights: of a fresh network, many may be zero. The subject keeps its own.
        blur: measure the network with `nn.antialiased` poolings beside it.
        full: measure all shifts along both axes together; otherwise those of rows, of columns, and of both by as much.
            None does if there are at most 64.
        track: wraps the list of shifts, to show progress.

    Raises:
        ValueError: the output is no map; it does not change with the image; the image is too small; or, with ``blur``,
            there are no poolings to replace.
        NotImplementedError: an operation has no rule in `minifcn.audit.fields.rules`.

    >>> from minifcn import nn
    >>> print(equivariance(Subject(nn.MaxPool2d(2), channels=1)).headline().split(" (")[0])
    MaxPool2d: equivariant to shifts in 2 Z²
    """
    subject = Subject.of(subject)
    weights = seed if random_weights else None
    smooth = Subject(antialiased(subject.module), subject.name, subject.channels) if blur else None
    while True:
        before = Probe(subject, weights)
        found = _measured(before, image, seed, full, track)
        if smooth is None:
            return found
        # The same draw of the same shapes: the same weights.
        blurred = Probe(smooth, before.seed)
        after = _measured(blurred, image, seed, full, track)
        if before.seed == blurred.seed:
            return Equivariance(**{**vars(found), "blurred": after})
        weights = blurred.seed  # what was drawn first is dead with BlurPool: both take the next that is not


def _measured(probe: Probe, image: np.ndarray | None, seed: int, full: bool | None, track: Track) -> Equivariance:
    interior = probe.interior(_FAR, 8)
    if interior is None:
        size, periods, inside = _without_period(probe)
    else:
        size, periods, inside = interior.size, _periods(interior), tuple(axis.inside for axis in interior.axes)
    reach = (reach_of(periods[0], _FAR), reach_of(periods[1], _FAR))
    pixels = input_image((size + reach[0], size + reach[1]), probe.subject.channels, seed, image)
    probe.enliven(pixels[:size, :size])
    still = probe(pixels[:size, :size])
    errors = []
    for rows, columns in track(_shifts(reach, full)):
        moved = probe(pixels[rows : rows + size, columns : columns + size])
        exact = (Fraction(rows * periods[0][1], periods[0][0]), Fraction(columns * periods[1][1], periods[1][0]))
        near = itertools.product(*(sorted({math.floor(u), math.ceil(u)}) for u in exact))
        general = min(_compared(still, moved, inside, (u, v)) for u, v in near)
        errors.append(ShiftError(rows, columns, general, _compared(still, moved, inside, (rows, columns))))
    random = probe.seed is not None
    return Equivariance(probe.subject.name, periods, interior is not None, size, tuple(errors), random)


def _periods(interior: Interior) -> tuple[Pair, Pair]:
    rows, columns = interior.rows.period, interior.columns.period
    assert rows is not None
    assert columns is not None
    return rows, columns


def _without_period(probe: Probe) -> tuple[int, tuple[Pair, Pair], tuple[np.ndarray, ...]]:
    """Of a network that does not shift with the image, by its operations: the ratio of sizes, and the middle half."""
    size = probe.subject.legal_size(64)
    sides = probe(np.zeros((size, size, probe.subject.channels))).shape[:2]
    if min(sides) < _SMALLEST_MAP:
        raise ValueError(
            f"equivariance: {probe.subject.name} gives a map of {sides[0]} x {sides[1]} of an image of {size} x {size} "
            "pixels, and its operations do not say that it shifts with the image; there is too little to compare"
        )
    ratios = [Fraction(size, side) for side in sides]
    simple = [max(ratio.numerator, ratio.denominator) <= _FAR for ratio in ratios]
    periods = [(r.numerator, r.denominator) if few else (1, 1) for r, few in zip(ratios, simple, strict=True)]
    inside = tuple((np.arange(side) >= side // 4) & (np.arange(side) < side - side // 4) for side in sides)
    return size, (periods[0], periods[1]), inside


def _shifts(reach: Pair, full: bool | None) -> list[Pair]:
    """(0, 0) first; of all of them, or along both axes and the diagonal."""
    every = list(itertools.product(range(reach[0] + 1), range(reach[1] + 1)))
    if full or (full is None and len(every) <= (math.isqrt(_ALL) + 1) ** 2):
        return every
    return [(i, j) for i, j in every if i == 0 or j == 0 or i == j]


def _compared(still: np.ndarray, moved: np.ndarray, inside: Sequence[np.ndarray], shift: tuple[int, int]) -> Error:
    """Over the pixels inside both maps: ``moved`` at p and ``still`` at p + shift."""
    rows, columns = (
        np.flatnonzero(free[: max(len(free) - by, 0)] & free[by:]) for free, by in zip(inside, shift, strict=True)
    )
    expected = still[np.ix_(rows + shift[0], columns + shift[1])]
    difference = moved[np.ix_(rows, columns)] - expected
    largest, rms = float(np.abs(expected).max()), float(np.sqrt(np.mean(expected**2)))
    if largest == 0.0:
        return Error(0.0, 0.0) if not difference.any() else Error(math.inf, math.inf)
    return Error(float(np.abs(difference).max()) / largest, float(np.sqrt(np.mean(difference**2))) / rms)


def _error(shift: ShiftError, strict: bool) -> float:
    return (shift.strict if strict else shift.general).largest


def in_words(step: Pair | None) -> str:
    """Which shifts.

    >>> in_words((1, 1)), in_words((16, 16)), in_words((2, 1)), in_words(None)
    ('all shifts', 'shifts in 16 Z²', 'shifts in 2 Z × 1 Z', 'no shift')
    """
    if step is None:
        return "no shift"
    if step == (1, 1):
        return "all shifts"
    return f"shifts in {step[0]} Z²" if step[0] == step[1] else f"shifts in {step[0]} Z × {step[1]} Z"


def number(error: float) -> str:
    """An error in a table: 0 only where it is exactly that.

    >>> number(0.0), number(0.1234), number(3e-16)
    ('0', '0.123', '3.0e-16')
    """
    if error == 0.0:
        return "0"
    return f"{error:.3f}" if error >= 1e-3 else f"{error:.1e}"
