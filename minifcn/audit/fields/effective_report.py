"""The effective receptive field of a network as a report, and beside it that of one with fresh weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minifcn.audit.fields.effective import THRESHOLD, EffectiveField, bell, centre_gradient, fitted
from minifcn.audit.fields.receptive_field import receptive_field
from minifcn.audit.report import Report
from minifcn.audit.subject import Subject
from minifcn.audit.weights import draw_weights
from minifcn.kernels.shapes import Pair
from minifcn.nn import Module
from minifcn.tables import Table

#: Draws of weights an image, at most, until a gradient arrives.
_DRAWS = 8


@dataclass(frozen=True)
class EffectiveReport(Report):
    """Effective receptive fields of the centre of an output: of one network, or before and after training.

    Attributes:
        subject: the network's name.
        fields: what was measured; before training comes first, where it was measured.
        images: what was shown to the network, in words.
        runs: over how many images (and weights, where they are drawn) each is averaged; those without a gradient are
            left out.
        random_weights: whether weights were drawn for each image.
    """

    name: ClassVar[str] = "effective-receptive-field"
    figure_size: ClassVar[tuple[float, float]] = (10, 4.8)

    subject: str
    fields: tuple[EffectiveField, ...]
    images: str
    runs: tuple[int, ...]
    random_weights: bool = False

    def headline(self) -> str:
        """Effective sizes beside the theoretical one."""
        theoretical = self.fields[0].theoretical_size
        sizes = ", ".join(f"{field.size:.1f} pixels {field.label}".rstrip() for field in self.fields)
        return f"{self.subject}: effective receptive field {sizes}; theoretical {theoretical:.0f} pixels"

    def brief(self) -> str:
        """Effective sizes in pixels."""
        return " then ".join(f"{field.size:.0f}" for field in self.fields)

    def table(self) -> Table:
        """A column a field."""
        rows = [
            ("effective size, pixels", *(f"{field.size:.1f}" for field in self.fields)),
            ("theoretical size, pixels", *(f"{field.theoretical_size:.1f}" for field in self.fields)),
            ("effective / theoretical", *(f"{field.share:.3f}" for field in self.fields)),
            ("Gaussian σ, rows and columns", *(_two(field.gaussian) for field in self.fields)),
            ("standard deviation by moments", *(_two(field.spread) for field in self.fields)),
            ("centre of mass", *(_two(field.centre) for field in self.fields)),
        ]
        return Table(("", *(field.label or "network" for field in self.fields)), rows)

    def notes(self) -> Sequence[str]:
        """How it was measured."""
        return (
            f"Mean absolute gradient of the output's central pixel, over {' and '.join(map(str, self.runs))} of: "
            f"{self.images}{', each with weights of its own' if self.random_weights else ''}.",
            f"Effective size: √(number of pixels above {THRESHOLD:.4f} of the largest).",
            "Gaussian σ: least squares on the sums over columns, and over rows.",
        )

    def facts(self) -> dict[str, Any]:
        """Sizes and deviations, and the marginals; maps are in the figure alone."""
        return {
            "network": self.subject,
            "images": self.images,
            "runs": self.runs,
            "random_weights": self.random_weights,
            "threshold_of_largest": THRESHOLD,
            "fields": [
                {
                    "label": field.label,
                    "effective_size_pixels": field.size,
                    "theoretical_size_pixels": field.theoretical_size,
                    "theoretical_first_last_pixels": field.theoretical,
                    "share": field.share,
                    "gaussian_sigma_pixels": field.gaussian,
                    "standard_deviation_pixels": field.spread,
                    "centre_pixels": field.centre,
                    "marginal_rows": field.map.sum(axis=1),
                    "marginal_columns": field.map.sum(axis=0),
                }
                for field in self.fields
            ],
        }

    def draw(self, figure: Any) -> None:
        """Heat maps with the theoretical square and the ellipse of 2 σ; cross-sections beside them."""
        panels = figure.subplots(1, len(self.fields) + 1)
        for axes, field in zip(panels, self.fields, strict=False):
            drawn = _draw_map(axes, field)
        figure.colorbar(
            drawn, ax=list(panels[:-1]), label="|gradient| / largest", shrink=0.85, location="bottom", pad=0.02
        )
        _draw_sections(panels[-1], self.fields)
        figure.suptitle(f"{self.subject}: effective receptive field of the output's centre")


def effective_receptive_field(
    network: Module | Subject,
    images: np.ndarray | None = None,
    fresh: Callable[[int], Module] | None = None,
    runs: int = 4,
    random_weights: bool = False,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> EffectiveReport:
    """Measure what the pixels around the centre weigh (see `minifcn.audit.fields.effective`).

    Args:
        network: from images (1, H, W, C) to a map; of a classifier of windows, the network made for images.
        images: (N, H, W, C), as the network takes them, normalised; crops as large as the theoretical field are cut
            out of them at random, and what is smaller is mirrored at its borders. None draws N(0, 1).
        fresh: makes the same network with weights of its own for run 0, 1, ...: what it was before training.
        runs: images to average over.
        random_weights: draw weights for each image: of a fresh network, many may be zero. The subject keeps its own.
        seed: of images, crops and weights.
        advance: called after each image.

    Raises:
        ValueError: images of the wrong shape; a network without a legal size; or no gradient arrives.

    >>> from minifcn import nn
    >>> report = effective_receptive_field(nn.Conv2d(1, 1, 3))
    >>> report.fields[0].theoretical_size
    3.0
    """
    subject = Subject.of(network).for_images()
    if runs < 1:
        raise ValueError(f"effective_receptive_field: runs must be at least 1, got {runs}")
    if images is not None and (images.ndim != 4 or images.shape[3] != subject.channels or images.size == 0):
        raise ValueError(
            f"effective_receptive_field: images must be (N, H, W, {subject.channels}), got shape {images.shape}"
        )
    side, theoretical = _side(subject)
    random = np.random.default_rng(seed)
    shown = [_shown(images, side, subject.channels, random) for _ in range(runs)]
    if random_weights:
        trained = _with_drawn_weights(subject.module, shown, seed)
    else:
        trained = ((subject.module, image) for image in shown)
    measured = []
    if fresh is not None:
        made = ((Subject(fresh(run)).for_images().module, image) for run, image in enumerate(shown))
        measured.append(_measured(made, theoretical, "before training", runs, advance))
    measured.append(_measured(trained, theoretical, "after training" if fresh else "", runs, advance))
    fields, counts = zip(*measured, strict=True)
    what = "random images" if images is None else f"crops of {len(images)} image(s)"
    return EffectiveReport(subject.name, fields, what, counts, random_weights)


def _with_drawn_weights(module: Module, shown: list[np.ndarray], seed: int) -> Iterator[tuple[Module, np.ndarray]]:
    """More than are needed, because narrow networks are often dead."""
    module = copy.deepcopy(module)
    for draw in range(_DRAWS * len(shown)):
        draw_weights(module, seed + draw)
        yield module, shown[draw % len(shown)]


def _measured(
    pairs: Iterable[tuple[Module, np.ndarray]],
    theoretical: tuple[Pair, Pair],
    label: str,
    runs: int,
    advance: Callable[[], object],
) -> tuple[EffectiveField, int]:
    """Mean over pairs of a network and an image (H, W, C), divided by their largest (weights differ), and of how many.

    Of pairs in which all units on the way are at zero there is nothing to see; it ends when enough others were seen.
    """
    total: Any = 0.0
    seen = 0
    for module, image in pairs:
        gradient = centre_gradient(module, image[None])
        if gradient.max() != 0:
            total, seen = total + gradient / gradient.max(), seen + 1
            advance()
        if seen == runs:
            break
    if not (np.isfinite(total).all() and np.max(total) > 0):
        raise ValueError(
            "effective_receptive_field: no gradient of the output's centre reaches the image, or it is not finite; "
            "units on the way may all be at zero: try other images, or more --runs"
        )
    return EffectiveField(total / total.max(), label, theoretical), seen


def _side(subject: Subject) -> tuple[int, tuple[Pair, Pair]]:
    """Of a square image around all of the field of the output's central pixel; and that field."""
    found = receptive_field(subject)
    # The central one of few output pixels may lie up to a stride off the image's centre.
    wanted = max(found.size) + max(field.stride or 0 for field in (found.rows, found.columns))
    try:
        side = subject.legal_size(wanted)
    except ValueError:  # of one size only
        side = subject.legal_size(1)
    field = receptive_field(subject, (side, side, subject.channels))
    rows, columns = (_middle(axis.first, axis.last) for axis in (field.rows, field.columns))
    return side, (rows, columns)


def _middle(first: np.ndarray, last: np.ndarray) -> Pair:
    return int(first[len(first) // 2]), int(last[len(last) // 2])


def _shown(images: np.ndarray | None, side: int, channels: int, random: np.random.Generator) -> np.ndarray:
    """(side, side, C): noise, or a crop at random of an image at random."""
    if images is None:
        return random.standard_normal((side, side, channels))
    image = images[random.integers(len(images))]
    missing = [max(0, side - length) for length in image.shape[:2]]
    image = np.pad(image, [(m // 2, m - m // 2) for m in missing] + [(0, 0)], mode="symmetric")
    top, left = (int(random.integers(length - side + 1)) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def _two(values: tuple[float, float]) -> str:
    return " and ".join("none" if np.isnan(value) else f"{value:.1f}" for value in values)


def _draw_map(axes: Any, field: EffectiveField) -> Any:
    from matplotlib.colors import LogNorm
    from matplotlib.patches import Ellipse, Rectangle

    drawn = axes.imshow(np.maximum(field.map, 1e-4), norm=LogNorm(1e-4, 1), cmap="viridis", interpolation="nearest")
    (top, bottom), (left, right) = field.theoretical
    box = Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, fill=False, color="white", lw=1.5)
    box.set_label("theoretical")
    axes.add_patch(box)
    sigma_rows, sigma_columns = field.gaussian
    if not np.isnan([sigma_rows, sigma_columns]).any():
        ellipse = Ellipse(field.centre[::-1], 4 * sigma_columns, 4 * sigma_rows, fill=False, color="C1", lw=1.5)
        ellipse.set_label("Gaussian, 2 σ")
        axes.add_patch(ellipse)
    # A small field's box and ellipse may be larger than the image.
    axes.set_xlim(-0.5, field.map.shape[1] - 0.5)
    axes.set_ylim(field.map.shape[0] - 0.5, -0.5)
    axes.set_title(f"{field.label or 'network'}: {field.size:.1f} pixels")
    axes.set_xlabel("column (pixels)")
    axes.set_ylabel("row (pixels)")
    axes.legend(loc="lower right", fontsize=8, facecolor="0.3", labelcolor="white")
    return drawn


def _draw_sections(axes: Any, fields: Sequence[EffectiveField]) -> None:
    """Marginals along rows, each divided by its largest value, beside their Gaussians."""
    for number, field in enumerate(fields):
        profile, colour = field.map.sum(axis=1), f"C{number}"
        rows, fit = np.arange(len(profile)), fitted(profile)
        axes.plot(rows, profile / profile.max(), color=colour, label=field.label or "sum over columns")
        if not np.isnan(fit.sigma):
            axes.plot(
                rows, bell(rows, *fit) / profile.max(), "--", color=colour, lw=1, label=f"Gaussian, σ = {fit.sigma:.1f}"
            )
    axes.set_title("sum over columns")
    axes.set_xlabel("row (pixels)")
    axes.set_ylabel("|gradient| / largest")
    axes.set_ylim(0, 1.1)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))  # below: curves are anywhere
    axes.grid(alpha=0.3)
