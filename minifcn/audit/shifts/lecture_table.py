"""The lecture's table of operators that are equivariant to translations, and its quiz, answered with numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from minifcn.audit.report import Report
from minifcn.audit.shifts.equivariance import Equivariance, equivariance, in_words, number
from minifcn.audit.subject import Subject
from minifcn.nn import (
    AvgPool2d,
    BlurPool2d,
    Conv2d,
    ConvTranspose2d,
    MaxBlurPool2d,
    MaxPool2d,
    Module,
    Upsample,
)
from minifcn.tables import Table

_CHANNELS = 2

#: (name, layer, what the lecture answers; "" for layers that its table does not have). In the order of the table.
_LAYERS: tuple[tuple[str, Callable[[], Module], str], ...] = (
    ("convolution 3 x 3, stride 1", lambda: Conv2d(_CHANNELS, 2, 3, padding=1), "yes"),
    ("max-pooling 2 x 2, stride 2", lambda: MaxPool2d(2), "no"),
    ("transposed convolution, stride 1", lambda: ConvTranspose2d(_CHANNELS, 2, 3, padding=1), "yes"),
    ("transposed convolution, stride 2", lambda: ConvTranspose2d(_CHANNELS, 2, 2, stride=2), "yes"),
    ("transposed convolution, stride 3", lambda: ConvTranspose2d(_CHANNELS, 2, 3, stride=3), "yes"),
    ("upsampling x 2, nearest", lambda: Upsample(scale_factor=2), "yes"),
    ("upsampling x 2, bilinear", lambda: Upsample(scale_factor=2, mode="bilinear"), "yes"),
    ("convolution 3 x 3, stride 2", lambda: Conv2d(_CHANNELS, 2, 3, stride=2, padding=1), ""),
    ("average pooling 2 x 2, stride 2", lambda: AvgPool2d(2), ""),
    ("max-pooling 2 x 2, stride 1", lambda: MaxPool2d(2, stride=1), ""),
    ("BlurPool 4 x 4, stride 2", lambda: BlurPool2d(), ""),
    ("max-pooling, then BlurPool, stride 2", lambda: MaxBlurPool2d(2), ""),
)


class Row(NamedTuple):
    """One layer: what it is, what the lecture says of it, and what was measured."""

    name: str
    lecture: str
    measured: Equivariance

    @property
    def answer(self) -> str:
        """Equivariant to all shifts in the general sense?"""
        return "yes" if self.measured.step() == (1, 1) else "no"


@dataclass(frozen=True)
class LectureTable(Report):
    """Layers, the measured errors of equivariance in both senses, and the lecture's answers.

    Attributes:
        rows: one a layer; those without an answer of the lecture are not in its table.
    """

    name: ClassVar[str] = "equivariance-table"
    figure_size: ClassVar[tuple[float, float]] = (9.5, 4.8)

    rows: tuple[Row, ...]

    def headline(self) -> str:
        """The quiz's answer."""
        asked = [row for row in self.rows if row.lecture]
        not_equivariant = [row for row in asked if row.answer == "no"]
        agrees = all(row.answer == row.lecture for row in asked)
        worst = max(row.measured.worst() for row in asked if row.answer == "yes")
        names = "; ".join(f"{row.name} (error up to {number(row.measured.worst())})" for row in not_equivariant)
        return (
            f"Quiz: which operator is NOT translation equivariant? Measured: {names}; the largest error of the others "
            f"is {number(worst)}.\n"
            + ("The lecture's answers are confirmed, in the general sense." if agrees else "THE LECTURE DIFFERS.")
            + " In the strict sense, what enlarges the image is not equivariant either."
        )

    def table(self) -> Table:
        """The facts, rounded."""
        headings = ("layer", "lecture", "measured", "error", "equivariant to", "t_F = ", "strict error", "strict")
        return Table(headings, [self._cells(row) for row in self.rows])

    def _cells(self, row: Row) -> tuple[str, ...]:
        measured, (pixels, rows) = row.measured, row.measured.periods[0]
        return (
            row.name,
            row.lecture or "-",
            row.answer,
            number(measured.worst()),
            in_words(measured.step()),
            f"{rows} t" if pixels == 1 else f"{rows}/{pixels} t",
            number(measured.worst(strict=True)),
            in_words(measured.step(strict=True)),
        )

    def notes(self) -> Sequence[str]:
        """How the numbers came about."""
        return (
            "error: the largest of all shifts t by up to 4 pixels a side, of max |f(T_t x) - f(x) shifted by t_F| over "
            "max |f(x)|, on noise in float64, away from borders.",
            "t_F: by how much the output shifts for a shift of t; where that is no integer, by the better of its "
            "neighbours. strict: t_F = t.",
        )

    def facts(self) -> dict[str, Any]:
        """All numbers."""
        return {
            "layers": [
                {"layer": row.name, "lecture": row.lecture or None, "measured": row.answer, **row.measured.facts()}
                for row in self.rows
            ]
        }

    def draw(self, figure: Any) -> None:
        """Draw on an empty figure."""
        from minifcn.io.figures import BLUE, ORANGE

        axes = figure.subplots()
        positions = range(len(self.rows))
        for strict, colour, marker, offset in ((False, BLUE, "o", -0.14), (True, ORANGE, "D", 0.14)):
            errors = [row.measured.worst(strict=strict) for row in self.rows]
            places = [position + offset for position in positions]
            label = "strict sense: same translation" if strict else "general sense: scaled translation"
            axes.hlines(places, 0, errors, color=colour, linewidth=2)
            axes.plot(errors, places, marker, color=colour, label=label)
        names = [f"{row.name}  [{row.lecture}]" if row.lecture else row.name for row in self.rows]
        axes.set_yticks(list(positions), names)
        axes.invert_yaxis()
        axes.set(
            xlabel="largest error over all shifts, relative to max |f(x)|",
            title="Which operators are translation equivariant?  [the lecture's answer]",
        )
        axes.grid(axis="x", alpha=0.3)
        axes.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)  # below: points are anywhere


def lecture_table(seed: int = 0, track: Callable[[Sequence[Any]], Iterable[Any]] = iter) -> LectureTable:
    """Measure every layer of the lecture's table (section 3, translation equivariance), and a few beside it.

    Args:
        seed: of weights and noise.
        track: wraps the list of layers, to show progress.

    >>> lecture_table().rows[1].answer
    'no'
    """
    rows = []
    for name, layer, lecture in track(_LAYERS):
        subject = Subject(layer(), name, _CHANNELS)
        rows.append(Row(name, lecture, equivariance(subject, seed=seed, random_weights=True)))
    return LectureTable(tuple(rows))
