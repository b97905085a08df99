"""Border effects, measured: how far inside an image what is made up beyond its edge changes the output.

The truth is the network on a larger image, of which the image is a window. It is compared with the network on the
window alone, which pads as its layers do, and with the network on the window surrounded by mirrored pixels, repeated
pixels or zeros, so far that the padding of its layers plays no part. An error depends on the distance from the window's
edge; it is exactly zero where the receptive field lies inside the window. (Lecture, section 3: "If padding is used in
the network, border effects can be important.")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from minifcn.audit.fields.receptive_field import AxisField
from minifcn.audit.report import Report
from minifcn.audit.shifts.equivariance import number
from minifcn.audit.shifts.probe import ROUNDING, Interior, Probe, input_image
from minifcn.audit.subject import Subject
from minifcn.kernels.shapes import Pair
from minifcn.nn import Module
from minifcn.tables import Table

#: What surrounds the window, and NumPy's name for it; the network's own padding has none.
MODES: dict[str, str | None] = {"own padding": None, "reflect": "reflect", "replicate": "edge", "zeros": "constant"}
#: A window is at least that large, in pixels a side.
_SMALLEST = 32

Track = Callable[[Sequence[str]], Iterable[str]]


@dataclass(frozen=True, eq=False)
class BorderError:
    """Errors under one kind of padding, by distance.

    Attributes:
        mode: "own padding", "reflect", "replicate" or "zeros".
        distances: (D,) in pixels; 1 is the outermost pixel of the window. Those that have an output.
        largest: (D,) largest |error| over max |truth|, of all pixels at that distance from the edge.
        mean: (D,) mean |error| over max |truth|.
        theory: the first distance from which no receptive field reaches what was made up.
    """

    mode: str
    distances: np.ndarray
    largest: np.ndarray
    mean: np.ndarray
    theory: int

    @property
    def first_zero(self) -> int | None:
        """The first distance from which all errors are exactly 0; None if there is none."""
        wrong = np.flatnonzero(self.largest != 0.0)
        first = 0 if len(wrong) == 0 else int(wrong[-1]) + 1
        return int(self.distances[first]) if first < len(self.distances) else None

    @property
    def beyond(self) -> float:
        """Largest error from ``theory`` on, where there should be none."""
        return float(self.largest[self.distances >= self.theory].max(initial=0.0))

    @property
    def band(self) -> float:
        """Mean error over the distances below ``theory``; 0 if no output lies there."""
        near = self.distances < self.theory
        return float(self.mean[near].mean()) if near.any() else 0.0


@dataclass(frozen=True, eq=False)
class Borders(Report):
    """Error against distance from the border, under each kind of padding.

    Attributes:
        subject: the network's name.
        window: pixels a side of the image whose borders are studied.
        margin: pixels around it in the larger image that gives the truth.
        errors: one a mode, the network's own padding first.
        random_weights: whether weights were drawn.
    """

    name: ClassVar[str] = "borders"
    figure_size: ClassVar[tuple[float, float]] = (9.5, 4.4)

    subject: str
    window: int
    margin: int
    errors: tuple[BorderError, ...]
    random_weights: bool

    def headline(self) -> str:
        """The answer."""
        own, best = self.errors[0], min(self.errors[1:], key=lambda error: error.band)
        if not own.largest.any():
            text = f"{self.subject}: without anything around it, the window's outputs, which begin at its pixel "
            text += f"{own.distances[0]}, are exactly those of the larger image."
        elif own.first_zero is None:
            text = f"{self.subject}: with its own padding, the error is nowhere exactly 0 "
            text += f"(theory: from pixel {own.theory} on, counted from the border)."
        else:
            text = f"{self.subject}: with its own padding, the error is exactly 0 from pixel {own.first_zero} on, "
            text += f"counted from the border (theory: {own.theory})."
        if best.band > 0.0:
            text += f" Of what can be put around an image, {best.mode!r} costs least here."
        return text

    def brief(self) -> str:
        """From which pixel on the border is not felt."""
        first = self.errors[0].first_zero
        return "nowhere exact" if first is None else f"exact from pixel {first}"

    def table(self) -> Table:
        """The facts, rounded."""
        headings = (
            "border", "answers from, px", "exactly 0 from, px", "theory, px", "largest error", "mean, outermost",
            "mean, below theory",
        )  # fmt: skip
        rows = [
            (
                error.mode,
                str(error.distances[0]),
                "nowhere" if error.first_zero is None else str(error.first_zero),
                str(error.theory),
                number(error.largest.max()),
                number(error.mean[0]),
                number(error.band),
            )
            for error in self.errors
        ]
        return Table(headings, rows)

    def notes(self) -> Sequence[str]:
        """How the numbers came about."""
        lines = [
            "Distances: 1 is the outermost pixel. Errors: |output - truth| over max |truth|, in float64; the truth is "
            f"the network on {self.window + 2 * self.margin} x {self.window + 2 * self.margin} pixels, of which the "
            f"middle {self.window} x {self.window} are the window.",
            "own padding: the window alone. Otherwise it is surrounded, so far that the network's own padding plays no "
            "part.",
        ]
        beyond = max(error.beyond for error in self.errors)
        if beyond > ROUNDING:
            lines.append(
                f"Beyond the theory, errors reach {number(beyond)}: the network does not depend on the pixels alone "
                "that it sees. Does it know where they are, as from coordinates, or how large the image is?"
            )
        elif beyond > 0.0:
            lines.append(f"Beyond the theory there are roundings, at most {number(beyond)}.")
        if self.random_weights:
            lines.append("Weights were drawn at random: trained ones give other errors, and zeros from the same pixel.")
        return lines

    def facts(self) -> dict[str, Any]:
        """All numbers."""
        return {
            "subject": self.subject,
            "window_pixels": self.window,
            "margin_pixels": self.margin,
            "random_weights": self.random_weights,
            "borders": [
                {
                    "mode": error.mode,
                    "first_zero_pixels": error.first_zero,
                    "theory_pixels": error.theory,
                    "mean_below_theory": error.band,
                    "distances_pixels": error.distances,
                    "largest_error": error.largest,
                    "mean_error": error.mean,
                }
                for error in self.errors
            ],
        }

    def draw(self, figure: Any) -> None:
        """Draw on an empty figure."""
        from minifcn.audit.shifts.borders_figure import draw_borders

        draw_borders(self, figure)


class _Axis(NamedTuple):
    """Where the output rows of an image lie, along one axis, as seen from a window of it."""

    distance: np.ndarray  # (P,) pixels from the window's edge; 1 is the outermost, below 1 is outside
    free: np.ndarray  # (P,) bool: the receptive field is that in the larger image, and lies in the window


class _Placed(NamedTuple):
    """A window and the larger image, along one axis."""

    alone: AxisField
    around: AxisField
    period: Pair
    window: int
    margin: int

    @property
    def window_rows(self) -> slice:
        """Which rows of the larger image's output are those of the window's.

        An image shifted by the margin, a multiple of the period, shifts the output by as many periods.
        """
        begin = self.margin * self.period[1] // self.period[0]
        return slice(begin, begin + len(self.alone.first))

    def of_window(self) -> _Axis:
        """The output of the window alone. A field is cut where it differs from that in the larger image."""
        rows, alone = self.window_rows, self.alone
        free = (alone.first + self.margin == self.around.first[rows]) & (
            alone.last + self.margin == self.around.last[rows]
        )
        return _Axis(_distances(_positions(alone, self.period), self.window), free)

    def of_whole(self) -> _Axis:
        """The output of the window and what surrounds it."""
        free = (self.around.first >= self.margin) & (self.around.last < self.margin + self.window)
        return _Axis(_distances(_positions(self.around, self.period) - self.margin, self.window), free)


def borders(
    subject: Module | Subject,
    *,
    image: np.ndarray | None = None,
    seed: int = 0,
    random_weights: bool = False,
    track: Track = iter,
) -> Borders:
    """Measure the error of a network's output against the distance from the border, for each kind of padding.

    Args:
        subject: any module from images to maps. A classifier of windows is measured as the network that answers every
            pixel (`Network.for_images`).
        image: (H, W, C), prepared as the network is used to; its middle is taken. None draws noise.
        seed: of the noise and the weights.
        random_weights: draw weights: of a fresh network, many may be zero. The subject keeps its own.
        track: wraps the list of modes, to show progress.

    Raises:
        ValueError: the output is no map, does not change with it, or depends on the whole image; or the image is too
            small.
        NotImplementedError: an operation has no rule in `minifcn.audit.fields.rules`.

    >>> from minifcn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 1, 3, padding=1))
    >>> own = borders(net, random_weights=True).errors[0]
    >>> own.first_zero, own.theory
    (4, 4)
    """
    probe = Probe(Subject.of(subject), seed if random_weights else None)
    found = probe.interior(1, 1)
    if found is None:
        raise ValueError(
            f"borders: no output pixel of {probe.subject.name} is known to be free of the borders in images of up to "
            "1024 pixels a side: it depends on the whole image, or does not shift with it, so there is no truth to "
            "compare with"
        )
    window, margin = _sizes(probe, found)
    whole = window + 2 * margin
    pixels = input_image((whole, whole), probe.subject.channels, seed, image)
    probe.enliven(pixels)
    alone, around = probe.field_at(window), probe.field_at(whole)
    placed = [_Placed(*each, window, margin) for each in zip(alone.axes, around.axes, _periods(found), strict=True)]
    truth = probe(pixels)
    inside = pixels[margin : margin + window, margin : margin + window]
    errors = []
    for mode in track(list(MODES)):
        extension: Any = MODES[mode]
        if extension is None:
            rows, columns = (axis.window_rows for axis in placed)
            difference, axes = probe(inside) - truth[rows, columns], [axis.of_window() for axis in placed]
        else:
            padded = np.pad(inside, ((margin, margin), (margin, margin), (0, 0)), mode=extension)
            difference, axes = probe(padded) - truth, [axis.of_whole() for axis in placed]
        errors.append(_by_distance(mode, difference, axes, float(np.abs(truth).max())))
    return Borders(probe.subject.name, window, margin, tuple(errors), random_weights)


def _sizes(probe: Probe, found: Interior) -> tuple[int, int]:
    """Of the window, whose middle no border reaches, and of the margin around it: multiples of both periods."""
    step = math.lcm(*(pixels for pixels, _ in _periods(found)))
    reach = max(_reach(axis, period) for axis, period in zip(found.axes, _periods(found), strict=True))
    window = probe.subject.legal_size(max(2 * reach + 2 * step, _SMALLEST))
    first = -(-reach // step)
    for multiple in range(first, first + 64):
        if probe.subject.output_size(window + 2 * multiple * step, window + 2 * multiple * step):
            return window, multiple * step
    raise ValueError(
        f"borders: {probe.subject.name} takes images of {window} pixels a side, and none that is larger by an even "
        f"multiple of its total stride, {step}; so nothing larger shows it the same pixels"
    )


def _periods(found: Interior) -> tuple[Pair, ...]:
    """Along both axes; a smaller image may be too small to tell them."""
    return tuple(axis.period for axis in found.axes if axis.period is not None)


def _positions(axis: AxisField, period: Pair) -> np.ndarray:
    """(P,) where output rows lie among the input rows: the output's middle is the image's."""
    step, count = period[0] / period[1], len(axis.first)
    return (np.arange(count) + 0.5) * step - 0.5 + (axis.length - count * step) / 2


def _reach(axis: AxisField, period: Pair) -> int:
    """How far fields extend from where their outputs lie, in pixels, rounded up."""
    free, at = axis.inside, _positions(axis, period)
    return math.ceil(max((at - axis.first)[free].max(), (axis.last - at)[free].max(), 0.0))


def _distances(positions: np.ndarray, window: int) -> np.ndarray:
    """To the nearer edge; a position between two pixels counts as the outer one."""
    return np.floor(np.minimum(positions, window - 1 - positions) + 1e-9).astype(int) + 1


def _by_distance(mode: str, difference: np.ndarray, axes: Sequence[_Axis], scale: float) -> BorderError:
    """Of the pixels inside the window; their distance is that from the nearest of its four edges."""
    rows, columns = axes
    distance = np.minimum(rows.distance[:, None], columns.distance[None, :])  # (P, Q)
    error = np.abs(difference).max(axis=2) / scale
    kept = distance >= 1
    distance, error = distance[kept], error[kept]
    count = np.bincount(distance)
    largest = np.zeros(len(count))
    np.maximum.at(largest, distance, error)
    mean = np.bincount(distance, error) / np.maximum(count, 1)
    there = np.flatnonzero(count)
    reached = [int(axis.distance[~axis.free & (axis.distance >= 1)].max(initial=0)) for axis in axes]
    theory = max(max(reached) + 1, int(there[0]))
    return BorderError(mode, there, largest[there], mean[there], theory)
