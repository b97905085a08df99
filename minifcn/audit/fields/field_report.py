"""The receptive field as a report: of every phase, how it grows from layer to layer, and held against gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from minifcn.audit.fields.receptive_field import AxisField, ReceptiveField, axis_field, receptive_field
from minifcn.audit.fields.recording import ImageShape, record, spans_along
from minifcn.audit.fields.support import AXES, Support, gradient_support
from minifcn.audit.report import Report
from minifcn.audit.subject import Subject
from minifcn.kernels.shapes import Pair
from minifcn.nn import Module
from minifcn.tables import Table


class LayerField(NamedTuple):
    """The field of what a layer, or an operation between layers, gives."""

    path: str  # of the layer, as in `Module.named_modules`; of what lies between layers, that of the module around it
    kind: str  # class of the layer or of the operation
    field: AxisField


@dataclass(frozen=True)
class ReceptiveFieldReport(Report):
    """The receptive field of a network's output pixels.

    Attributes:
        subject: the network's name.
        field: the fields of the output.
        layers: along rows, and along columns: those layers, in the order of computation, that change the field or how
            far apart neighbours are; the output last.
        support: where gradients were found; empty if nobody looked.
        whole: the network is a classifier of windows, and this is about the one made of it for images.
    """

    name: ClassVar[str] = "receptive-field"
    figure_size: ClassVar[tuple[float, float]] = (10, 5)

    subject: str
    field: ReceptiveField
    layers: tuple[tuple[LayerField, ...], tuple[LayerField, ...]]
    support: tuple[Support, ...] = ()
    whole: bool = False

    @property
    def square(self) -> bool:
        """Whether columns are as rows."""
        return str(self.field.rows) == str(self.field.columns) and self.field.rows.phases == self.field.columns.phases

    def headline(self) -> str:
        """How many rows and columns an output pixel sees, and the total stride."""
        rows, columns = self.field.rows, self.field.columns
        if not self.field.complete:
            return f"{self.subject}: an output pixel sees, along rows, {rows}; along columns, {columns}"
        strides = f"{rows.stride}" if self.square else f"{rows.stride} along rows, {columns.stride} along columns"
        seen = f"{_sizes(rows)} row{_plural(rows)} and {_sizes(columns)} column{_plural(columns)}"
        return f"{self.subject}: an output pixel sees {seen} of pixels; total stride {strides}"

    def brief(self) -> str:
        """Size and total stride, of rows."""
        return f"{_sizes(self.field.rows)}, stride {self.field.rows.stride or 'unknown'}"

    def table(self) -> Table:
        """A row a phase: first and last input row of output row ``phase``, were there no border."""
        shown = [(axis, field) for axis, field in zip(AXES, (self.field.rows, self.field.columns), strict=True)]
        lines = [
            [axis, *line] for axis, field in (shown[:1] if self.square else shown) for line in self._lines(axis, field)
        ]
        headings = ("axis", "phase", "first", "last", "size", "gradients reach")
        if not self.square:
            return Table(headings, lines)
        return Table(headings[1:], [line[1:] for line in lines])

    def notes(self) -> Sequence[str]:
        """How phases repeat, what gradients say, and the field of each layer."""
        rows = self.field.rows
        notes = []
        if self.whole:
            notes.append("It classifies windows; this is the network made of it for images (for_images()).")
        if rows.complete and rows.period is not None:
            pixels, period = (f"{n} k" if n > 1 else "k" for n in rows.period)
            row = f"{period} + phase" if rows.period[1] > 1 else period
            notes.append(
                f"Output row {row} sees the input rows first + {pixels} to last + {pixels}, in an image without end; "
                f"offset {rows.offset}."
            )
        elif not rows.complete:
            notes.append(
                f"No output row is surely free of the borders of {rows.length} input rows: fields are cut, or as large "
                "as the image."
            )
        notes += self._about_support()
        for axis, layers in zip(AXES, self.layers[:1] if self.square else self.layers, strict=False):
            along = "" if self.square else f" along {axis}"
            notes += ["", f"How it grows{along} (without layers that change nothing):", "", str(_growth(layers))]
        return notes

    def facts(self) -> dict[str, Any]:
        """Both axes, all layers, and what gradients reached."""
        return {
            "network": self.subject,
            "made_for_images": self.whole,
            "axes": {
                axis: {**_axis_facts(field), "layers": [_layer_facts(layer) for layer in layers]}
                for axis, field, layers in zip(AXES, (self.field.rows, self.field.columns), self.layers, strict=True)
            },
            "support": [{**each._asdict(), "equal": each.equal, "contained": each.contained} for each in self.support],
        }

    def draw(self, figure: Any) -> None:
        """Size by layer, and the extent of each phase."""
        axes = AXES[:1] if self.square else AXES
        figure.set_size_inches(self.figure_size[0], self.figure_size[1] * len(axes))
        panels = figure.subplots(len(axes), 2, width_ratios=(3, 2), squeeze=False)
        fields = self.field.rows, self.field.columns
        for (left, right), axis, field, layers in zip(panels, axes, fields, self.layers, strict=False):
            _draw_growth(left, layers, "" if self.square else f" along {axis}")
            _draw_phases(right, field, [found for found in self.support if found.axis == axis], axis.rstrip("s"))
        figure.suptitle(f"{self.subject}: receptive field")

    def _lines(self, axis: str, field: AxisField) -> list[list[str]]:
        """Phase, first, last, size, and what gradients reached."""
        found = {each.phase: each for each in self.support if each.axis == axis}
        phases = field.phases or ((int(field.first.min()), int(field.last.max())),)
        return [
            [str(phase), str(first), str(last), str(last - first + 1), str(found.get(phase, ""))]
            for phase, (first, last) in enumerate(phases)
        ]

    def _about_support(self) -> list[str]:
        if not self.support:
            return []
        if not all(found.contained for found in self.support):
            return ["Gradients reach pixels outside the field: please report this, with the network."]
        if all(found.equal for found in self.support):
            return ["Gradients reach both ends of every field that was checked, and no further."]
        return [
            "Gradients stay inside every field that was checked. Where they reach less, none of the images that were",
            "drawn sent them further: behind maxima, unpooling and differences that is common, and disproves nothing.",
        ]


def receptive_field_report(
    network: Module | Subject,
    size: int | Pair | tuple[int, int, int] | None = None,
    check: bool = True,
    seed: int = 0,
) -> ReceptiveFieldReport:
    """From which pixels each output pixel is computed, phase by phase and layer by layer, held against gradients.

    Args:
        network: any module from images (1, H, W, C) to a map; of a classifier of windows, the network made for images.
        size: of the image, as for `receptive_field`; None looks for one.
        check: carry gradients back, and say which pixels they reached (`gradient_support`).
        seed: of the random weights and images of the check.

    Raises:
        ValueError: no size is legal; or the module computes its output by other means than operations on Tensors.
        NotImplementedError: an operation has no rule in `minifcn.audit.fields.rules`.

    >>> from minifcn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 1, 3))
    >>> report = receptive_field_report(net)
    >>> print(report.headline())
    Sequential: an output pixel sees 8 rows and 8 columns of pixels; total stride 2
    >>> [(layer.path, layer.field.size) for layer in report.layers[0]]
    [('0', 3), ('1', 4), ('2', 8)]
    """
    given = Subject.of(network)
    subject = given.for_images()
    field = receptive_field(subject, size)
    support = gradient_support(subject, field, seed=seed) if check else []
    rows, columns = (layer_fields(subject, shape, axis) for axis, shape in enumerate(field.images))
    return ReceptiveFieldReport(given.name, field, (rows, columns), tuple(support), subject is not given)


def layer_fields(network: Module | Subject, shape: ImageShape, axis: int) -> tuple[LayerField, ...]:
    """The field of each layer that changes it, along rows (``axis`` 0) or columns (1) of an image (H, W, C)."""
    recording = record(network, shape)
    spans = spans_along(recording, axis)
    module = network.module if isinstance(network, Subject) else network
    modules = dict(module.named_modules())
    of = {application.operation: application for application in recording.graph}
    pixels = np.arange(shape[axis])
    fields: dict[Any, AxisField] = {recording.image: AxisField(shape[axis], pixels, pixels, (1, 1))}
    found = []
    for operation, path in recording.layers.items():  # in the order of computation, which the graph's need not be
        if operation not in spans or operation not in of or len(of[operation].output) != 4:
            continue
        field = fields[operation] = axis_field(recording, spans, axis, of[operation])
        before = [_signature(fields[parent]) for parent in of[operation].parents if parent in fields]
        if _signature(field) not in before or operation is recording.graph[-1].operation:
            leaf = next(modules[path].children(), None) is None
            found.append(LayerField(path, type(modules[path] if leaf else operation).__name__, field))
    return tuple(found)


def _signature(field: AxisField) -> tuple[Any, ...]:
    return tuple(sorted(set(field.sizes))), _step(field), field.complete


def _step(field: AxisField) -> str:
    """How many input rows lie between neighbours."""
    if field.period is None:
        return ""
    pixels, rows = field.period
    return str(pixels // rows) if pixels % rows == 0 else f"{pixels}/{rows}"


def _sizes(field: AxisField) -> str:
    if field.complete:
        return " or ".join(map(str, sorted(set(field.sizes))))
    return f"all {field.length}" if field.size == field.length else f"{field.size} or more"


def _plural(field: AxisField) -> str:
    return "" if _sizes(field) == "1" else "s"


def _growth(layers: Sequence[LayerField]) -> Table:
    headings = ("layer", "kind", "field", "pixels between neighbours")
    return Table(
        headings, [(layer.path or "(itself)", layer.kind, _sizes(layer.field), _step(layer.field)) for layer in layers]
    )


def _axis_facts(field: AxisField) -> dict[str, Any]:
    return {
        "sizes_pixels": field.sizes,
        "phases_first_last": field.phases,
        "period_pixels_rows": field.period,
        "total_stride_pixels": field.stride,
        "offset_pixels": field.offset,
        "complete": field.complete,
        "image_length_pixels": field.length,
    }


def _layer_facts(layer: LayerField) -> dict[str, Any]:
    return {"path": layer.path, "kind": layer.kind, **_axis_facts(layer.field)}


def _draw_growth(axes: Any, layers: Sequence[LayerField], along: str) -> None:
    """Smallest and largest field over the layers."""
    places = range(len(layers))
    least, most = ([f(layer.field.sizes) for layer in layers] for f in (min, max))
    axes.plot(places, most, marker=".", color="C0", label="largest field of a layer")
    if least != most:
        axes.plot(places, least, marker=".", linestyle="--", color="C1", label="smallest, where phases differ")
    labels = [_short(layer.path) or layer.kind for layer in layers]
    every = -(-len(labels) // 45)
    axes.set_xticks(list(places)[::every], labels[::every], rotation=90, fontsize=8)
    axes.set_ylim(0, None)
    axes.set_ylabel("size (input pixels)")
    axes.set_xlabel("layers that change it, in order")
    axes.set_title(f"how it grows{along}")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=9)  # fields grow


def _short(path: str) -> str:
    """The end of a long path."""
    return path if len(path) <= 16 else f"…{path[-15:]}"


def _draw_phases(axes: Any, field: AxisField, support: Sequence[Support], line: str) -> None:
    """From the first to the last input row (or column) of each phase, and where gradients were found."""
    phases = field.phases or ((int(field.first.min()), int(field.last.max())),)
    for phase, (first, last) in enumerate(phases):
        label = "theoretical field" if phase == 0 else None
        axes.plot([first - 0.5, last + 0.5], [phase, phase], color="C0", linewidth=3, label=label)
    for number, found in enumerate(each for each in support if each.rows):
        first = phases[found.phase][0] + found.found[0] - found.field[0]
        last = first + found.found[1] - found.found[0]
        label = "ends that gradients reach" if number == 0 else None
        axes.plot([first, last], [found.phase] * 2, "|", color="black", markersize=9, label=label)
    axes.set_ylim(len(phases) - 0.5, -0.5)
    axes.yaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.set_xlabel(f"input {line} (pixels)")
    axes.set_ylabel(f"output {line} (phase)")
    axes.set_title(f"fields of the first output {line}s")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=9)  # below: no phase is there
