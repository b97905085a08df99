"""The doctor's figure: shares of the classes, sizes of images and objects, and images that the findings name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minifcn.audit.doctor.field import all_objects
from minifcn.audit.doctor.finding import Finding, Place
from minifcn.audit.doctor.network import Candidate, in_words
from minifcn.audit.doctor.survey import Part
from minifcn.data.targets import without_weights
from minifcn.io.figures import BLUE, GREEN, ORANGE, PURPLE, VERMILION

_COLOURS = (BLUE, ORANGE, GREEN)
_LINE, _OTHER_LINE = VERMILION, PURPLE
_EXAMPLES = 5
_SIDE = 256  # of an example, in pixels
_MOST_BARS = 12
_TITLE = 20  # characters of a file's name


def draw(
    figure: Any, parts: Sequence[Part], findings: Sequence[Finding], network: Candidate | None, crop: int | None
) -> None:
    """Three plots above; examples below, if there are any."""
    panels = _panels(parts, findings)
    above = figure
    if panels:
        above, below = figure.subfigures(2, 1, height_ratios=(1.9, 1))
        _draw_examples(below, panels)
    left, right = above.subfigures(1, 2)
    _draw_classes(left.subplots(), parts)
    sizes, objects = right.subplots(2, 1)
    _draw_sizes(sizes, parts, crop)
    _draw_objects(objects, parts, network)


def _draw_classes(axes: Any, parts: Sequence[Part]) -> None:
    axes.set_title("share of the labelled pixels")
    shown = [part for part in parts if part.dataset.task == "segmentation" and part.totals.sum()]
    if not shown:
        _say(axes, "no classes to count")
        return
    names = shown[0].dataset.classes
    order = np.argsort(-shown[0].totals, kind="stable")[:_MOST_BARS]
    height = 0.8 / len(shown)
    most = 0.0
    for number, part in enumerate(shown):
        shares = 100 * part.totals[order] / part.totals.sum()
        most = max(most, float(shares.max()))
        places = np.arange(len(order)) + number * height
        bars = axes.barh(places, shares, height, label=part.name, color=_COLOURS[number % 3])
        values = [f"{share:.0f}" if share >= 10 else f"{share:.2g}" for share in shares]
        axes.bar_label(bars, values, padding=2, fontsize=7)
    axes.set_xlim(0, 1.15 * most)
    axes.set_yticks(np.arange(len(order)) + height * (len(shown) - 1) / 2, [names[i][:18] for i in order])
    axes.set_ylim(len(order) + 0.2, -0.6)
    more = f"; {len(names) - len(order)} more classes" if len(names) > len(order) else ""
    axes.set_xlabel(f"share of pixels (%){more}")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower right")


def _draw_sizes(axes: Any, parts: Sequence[Part], crop: int | None) -> None:
    axes.set_title("sizes of the images")
    for number, part in enumerate(parts):
        shapes = [image.shape for image in part.images if image.shape is not None]
        if shapes:
            heights, widths = zip(*(shape[:2] for shape in shapes), strict=True)
            marker = "o+x"[number % 3]
            axes.scatter(
                widths, heights, 36 + 36 * number, _COLOURS[number % 3], marker=marker, label=part.name, alpha=0.7
            )
    if crop:
        axes.axvline(crop, color=_LINE, linestyle="--", label=f"crop of {crop}")
        axes.axhline(crop, color=_LINE, linestyle="--")
    shapes = [image.shape for part in parts for image in part.images if image.shape is not None]
    axes.set_xlim(0, 1.15 * max([1, crop or 0, *(shape[1] for shape in shapes)]))
    axes.set_ylim(0, 1.15 * max([1, crop or 0, *(shape[0] for shape in shapes)]))
    axes.set_xlabel("width, pixels")
    axes.set_ylabel("height, pixels")
    axes.grid(alpha=0.3)
    if crop or shapes:
        axes.legend(fontsize="small")


def _draw_objects(axes: Any, parts: Sequence[Part], network: Candidate | None) -> None:
    axes.set_title("sizes of the objects")
    objects = all_objects(parts)
    if not len(objects.areas):
        _say(axes, "no objects to measure")
        return
    field = network.field if network is not None else None
    stride = network.stride if network is not None else None
    most = max(2, int(objects.extents.max()), *(field or ()))
    bins = np.unique(np.geomspace(1, most * 1.1, 18).round())
    axes.hist(objects.extents, bins, color=_COLOURS[0], alpha=0.8, label="longer side")
    axes.hist(objects.widths, bins, color="black", histtype="step", label="width: largest square in it")
    for value, name, colour in ((field, "receptive field", _LINE), (stride, "total stride", _OTHER_LINE)):
        if value:
            for side, label in zip(dict.fromkeys(value), (f"{name} {in_words(value)}", None), strict=False):
                axes.axvline(side, color=colour, linestyle="--", label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda pixels, _: f"{pixels:g}")
    axes.set_xlabel("pixels, logarithmic")
    axes.set_ylabel("number")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(top=1.45 * axes.get_ylim()[1])  # room for the legend
    axes.legend(fontsize="small", ncols=2, loc="upper center", framealpha=1)


def _panels(parts: Sequence[Part], findings: Sequence[Finding]) -> list[tuple[str, Any, Any]]:
    """Title, image and label: of each finding that names images the first, then of each the second, and so on."""
    named = [f for f in findings if f.images and f.severity in ("wrong", "warning", "note")]
    turns = max((len(f.images) for f in named), default=0)
    queue = [(f, f.images[turn]) for turn in range(turns) for f in named if turn < len(f.images)]
    panels: dict[Place, tuple[str, Any, Any]] = {}
    for finding, place in queue:
        if len(panels) == _EXAMPLES:
            break
        if place not in panels and (found := _read(parts, place)):
            panels[place] = f"{finding.check}\n{place.part}\n{_short(place.name)}", *found
    return list(panels.values())


def _short(name: str) -> str:
    return name if len(name) <= _TITLE else f"{name[: _TITLE // 2]}...{name[-_TITLE // 2 + 3 :]}"


def _draw_examples(figure: Any, panels: Sequence[tuple[str, Any, Any]]) -> None:
    grid = figure.subplots(1, _EXAMPLES)
    for axes in grid:
        axes.set_axis_off()
    for axes, (title, image, label) in zip(grid, panels, strict=False):
        axes.set_title(title, fontsize="small")
        colour = image.shape[2] == 3
        axes.imshow(image if colour else image[:, :, 0], cmap=None if colour else "gray")
        if label is not None and label.min() < label.max():
            axes.contour(label, levels=np.unique(label)[1:] - 0.5, colors=_LINE, linewidths=1)
    figure.suptitle("images to look at, their classes outlined", fontsize="medium")


def _read(parts: Sequence[Part], place: Place) -> tuple[Any, Any] | None:
    part = next((part for part in parts if part.name == place.part), None)
    try:
        if part is None:
            return None
        image, label = part.dataset[place.number]
    except (ValueError, OSError):
        return None
    step = max(1, max(image.shape[:2]) // _SIDE)
    label = without_weights(label)
    same = label.shape[:2] == image.shape[:2] and label.ndim == 2
    return np.clip(image[::step, ::step], 0, 1), label[::step, ::step] if same else None


def _say(axes: Any, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
