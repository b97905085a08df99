"""How much memory a network takes, before it runs: by kind, by layer, over a step; and the largest image that fits.

Forecast from a rehearsal (`minifcn.audit.costs.rehearsal`), measured beside it by `minifcn.memory.track`. A step's
peak lies where the walk back begins or soon after: all maps that it will read are kept, and its first gradients are as
large as they are. That is why a network that predicts an image may be unable to train on it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minifcn import functional as F
from minifcn.audit.costs.largest import Search, available_memory, needs
from minifcn.audit.costs.measured import inference_peak, training_peak
from minifcn.audit.costs.recorder import Call
from minifcn.audit.costs.rehearsal import Rehearsal, rehearse
from minifcn.audit.report import Report
from minifcn.audit.subject import Subject, sides_of
from minifcn.kernels.shapes import Pair
from minifcn.nn import Module
from minifcn.tables import Table
from minifcn.tensor import Tensor

#: What memory is taken by, from what stays longest to what passes.
KINDS = {
    "parameters": "parameters and buffers",
    "optimizer": "optimiser's state",
    "gradients": "gradients of parameters",
    "images and labels": "images",
    "kept": "maps kept for the walk back",
    "temporary": "temporary maps and workspace",
}
_COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#bbbbbb")  # Paul Tol's "bright": safe for all eyes
_MEASURED = "measured, with parameters"  # in the table and in the figure
_USUAL = 512  # pixels a side, unless somebody says


@dataclass(frozen=True, eq=False)
class Stage:
    """Memory in training or inference, in bytes.

    Attributes:
        name: "training" or "inference".
        images: (N, H, W, C).
        timeline: (calls + 1, kinds): what every kind takes where a call takes most.
        backward: the call with which the walk back begins; None in inference.
        peak: the most at a time, of everything.
        held: the most that the process occupies for it: the peak, and gaps between arrays.
        counted: the most that `minifcn.memory` will count: without parameters and small arrays.
        measured: what it did count, or None.
        at: what computes when the peak is reached: the kernel and the layer that calls it.
        kept: what each layer keeps for the walk back.
        largest: the largest side of a square image that fits in the budget; None if none does.
    """

    name: str
    images: tuple[int, ...]
    timeline: np.ndarray
    backward: int | None
    peak: int
    held: int
    counted: int
    measured: int | None
    at: str
    kept: Mapping[str, int]
    largest: int | None

    @property
    def kinds(self) -> dict[str, int]:
        """What every kind takes at the peak."""
        row = self.timeline[int(self.timeline.sum(axis=1).argmax())]
        return dict(zip(KINDS, map(int, row), strict=True))

    @property
    def measured_with_parameters(self) -> int | None:
        """What was counted, and the parameters, buffers and copies that were there before."""
        return None if not self.measured else self.measured + int(self.timeline[0, 0])

    @property
    def error(self) -> float | None:
        """The forecast of what is counted, relative to what was: 0.1 is a tenth too much."""
        return None if not self.measured else self.counted / self.measured - 1.0


@dataclass(frozen=True, eq=False)
class MemoryReport(Report):
    """What `memory` found."""

    name: ClassVar[str] = "memory"
    figure_size: ClassVar[tuple[float, float]] = (9, 4.5)
    subject: str
    stages: tuple[Stage, ...]
    budget: int
    optimizer: str
    remarks: tuple[str, ...] = ()

    def headline(self) -> str:
        """The peaks, and what fits."""
        peaks = [f"{stage.name} on {_of(stage.images)} takes {in_words(stage.held)}" for stage in self.stages]
        fits = [
            f"{stage.largest} x {stage.largest} pixels in {stage.name}" if stage.largest else f"none in {stage.name}"
            for stage in self.stages
        ]
        batch = self.stages[0].images[0]
        many = "square image" if batch == 1 else f"{batch} square images"
        return (
            f"{self.subject}: {'; '.join(peaks)}. In {in_words(self.budget)} fits, as the largest {many}: "
            f"{', '.join(fits)}."
        )

    def brief(self) -> str:
        """The peaks, of training and of inference."""
        sizes = dict.fromkeys(f"{stage.images[1]} x {stage.images[2]}" for stage in self.stages)
        return " and ".join(in_words(stage.held) for stage in self.stages) + f" on {' and '.join(sizes)}"

    def table(self) -> Table:
        """Kinds at the peak, what the process holds, and what was measured."""
        unit, size = self._unit()

        def row(words: str, *values: int | None) -> list[str]:
            return [words, *("" if value is None else f"{value / size:,.1f}" for value in values)]

        rows = [row(words, *(stage.kinds[kind] for stage in self.stages)) for kind, words in KINDS.items()]
        rows.append(row("in use at the peak", *(stage.peak for stage in self.stages)))
        rows.append(row("held, with gaps between arrays", *(stage.held for stage in self.stages)))
        if any(stage.measured is not None for stage in self.stages):
            rows.append(row("forecast of what minifcn.memory counts", *(stage.counted for stage in self.stages)))
            rows.append(row("what minifcn.memory counted", *(stage.measured for stage in self.stages)))
            errors = (stage.error for stage in self.stages)
            rows.append(
                [
                    "error of that forecast",
                    *("" if error is None else f"{round(error, 3) + 0:+.1%}" for error in errors),
                ]
            )
            rows.append(row(_MEASURED, *(stage.measured_with_parameters for stage in self.stages)))
        return Table((unit, *(stage.name for stage in self.stages)), rows)

    def _unit(self) -> tuple[str, int]:
        """In which no peak is a small fraction: MiB, or KiB where there are hardly any."""
        least = min((stage.held for stage in self.stages), default=0)
        return ("MiB", 2**20) if least >= 8 * 2**20 else ("KiB", 2**10)

    def notes(self) -> Sequence[str]:
        """Where the peak is, who keeps most, and what is left out."""
        notes = list(self.remarks)
        for stage in self.stages:
            notes.append(f"The peak of {stage.name} is reached in {stage.at}.")
            most = [item for item in sorted(stage.kept.items(), key=lambda item: -item[1])[:5] if item[1] >= 2**16]
            if most:
                listed = ", ".join(f"{layer or 'the network itself'} {in_words(size)}" for layer, size in most)
                notes.append(f"The layers that keep most for the walk back: {listed}.")
        notes.append("Python and its libraries come on top (some 200 MiB), and what NumPy makes in a loss or a module.")
        return notes

    def facts(self) -> dict[str, Any]:
        """Everything, in bytes."""
        return {
            "subject": self.subject,
            "budget_bytes": self.budget,
            "optimizer": self.optimizer,
            "stages": {
                stage.name: {
                    "images": stage.images,
                    "peak_bytes": stage.peak,
                    "held_bytes": stage.held,
                    "counted_bytes": stage.counted,
                    "measured_bytes": stage.measured,
                    "relative_error": stage.error,
                    "peak_layer": stage.at,
                    "largest_side_pixels": stage.largest,
                    "at_peak_bytes": stage.kinds,
                    "kept_bytes_by_layer": dict(stage.kept),
                    "walk_back_begins_at_call": stage.backward,
                    "over_calls_bytes": dict(zip(KINDS, stage.timeline.T, strict=True)),
                }
                for stage in self.stages
            },
            "remarks": self.remarks,
        }

    def draw(self, figure: Any) -> None:
        """Bytes alive over the calls of a step, stacked by kind."""
        all_axes = figure.subplots(1, len(self.stages), squeeze=False)[0]
        most = max((stage.held for stage in self.stages), default=0)
        unit, size = ("GiB", 2**30) if most >= 2**30 else ("MiB", 2**20) if most >= 2**20 else ("KiB", 2**10)
        for axes, stage in zip(all_axes, self.stages, strict=True):
            _draw_stage(axes, stage, size)
            axes.set_title(f"{stage.name} on {_of(stage.images)}", fontsize=10)
            axes.set_xlabel("kernel calls")
        all_axes[0].set_ylabel(f"memory in use ({unit})")
        handles = {
            label: handle for axes in all_axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=9, frameon=False)
        figure.suptitle(f"{self.subject}: memory before it runs", fontsize=12)


def memory(
    subject: Module | Subject,
    size: int | Pair | None = None,
    batch: int = 1,
    training: bool | None = None,
    budget: int | None = None,
    measure: bool = True,
    optimizer: str = "adamw",
    progress: Callable[[str], object] = lambda _: None,
) -> MemoryReport:
    """Forecast the memory of a training step and of a prediction, and measure it.

    Inference is what the `Predictor` does: batch normalisation folded in a copy, which is counted, and a softmax.
    Training is forward, cross-entropy (of an output that is no map: its sum), walk back and update.

    Args:
        subject: a module from images (N, H, W, C) to a Tensor. It is not changed.
        size: side, or (height, width), of the images; None is 512, or the smallest legal size from there on.
        batch: N.
        training: True or False for one of the two; None for both.
        budget: bytes, for the largest image; None is the memory that the machine has available.
        measure: also run what fits in the memory that is available.
        optimizer: "adamw", "adam" or "sgd".
        progress: told in words what is being done.

    Raises:
        ValueError: a size that the network takes in neither stage, or impossible arguments.

    >>> from minifcn.models import UNet
    >>> report = memory(UNet(1, 2, base=1), size=64, training=False, budget=2**30, measure=False)
    >>> report.stages[0].images, report.stages[0].kinds["images and labels"]
    ((1, 64, 64, 1), 16384)
    """
    subject = Subject.of(subject)
    if batch < 1 or (size is not None and min(_pair(size)) < 1) or (budget is not None and budget < 1):
        raise ValueError(f"memory: size, batch and budget must be positive, got {size}, {batch} and {budget}")
    budget, remarks, stages = available_memory() if budget is None else budget, [], []
    for name in [n for n, wanted in (("training", training is not False), ("inference", not training)) if wanted]:
        if name == "training" and training is None and not any(p.requires_grad for p in subject.module.parameters()):
            remarks.append(f"No training: {subject.name} has no parameter that requires grad.")
            continue
        asked = subject if name == "training" else predicting(subject)
        sides = _sides(asked, size, batch, name == "training")
        if sides is None:
            refused = " x ".join(map(str, _pair(size))) if size is not None else "any size"
            remarks.append(f"No {name} on images of {refused}: {subject.name} does not take them there.")
            continue
        progress(f"{name} on {sides[0]} x {sides[1]} pixels")
        stage, said = _stage(name, asked, subject, (batch, *sides), budget, measure, optimizer)
        stages.append(stage)
        remarks += said
    if not stages and size is not None:
        height, width = _pair(size)
        rehearse(subject, (batch, height, width), training is not False)  # says what is wrong
    return MemoryReport(subject.name, tuple(stages), budget, optimizer, tuple(remarks))


def predicting(subject: Subject) -> Subject:
    """The network as the `Predictor` runs it: a copy for whole images, folded, with the softmax of its maps."""
    folded = subject.for_images().module.fold_batch_norm()
    folded.register_forward_hook(lambda _, inputs, output: F.softmax(output) if _is_map(output) else output)
    return Subject(folded, subject.name, subject.channels)


def in_words(size: int) -> str:
    """Bytes, readable.

    >>> in_words(3 * 2**29), in_words(100 * 2**20), in_words(100 * 2**10)
    ('1.5 GiB', '100.0 MiB', '100.0 KiB')
    """
    unit, factor = ("GiB", 2**30) if size >= 2**30 else ("MiB", 2**20) if size >= 2**20 else ("KiB", 2**10)
    return f"{size / factor:,.1f} {unit}"


def _stage(
    name: str,
    asked: Subject,
    original: Subject,
    shape: tuple[int, int, int],
    budget: int,
    measure: bool,
    optimizer: str,
) -> tuple[Stage, list[str]]:
    """The forecast of one stage, the measurement, and what is to be said of what is missing."""
    training = name == "training"
    # The Predictor's copy lies beside the network that it was made of.
    own = _bytes_of(asked.module) + (0 if training else _bytes_of(original.module))

    rehearsal = rehearse(asked, shape, training, optimizer=optimizer)
    timeline, counted = follow(rehearsal, own)
    peak = int(timeline.sum(axis=1).max())
    at = min(int(timeline.sum(axis=1).argmax()), len(rehearsal.calls) - 1)

    def need(side: int) -> int | None:
        tried = needs(asked, side, side, training, batch=shape[0], optimizer=optimizer)
        return None if tried is None else own + tried.held

    measured, remarks, search = None, [], Search(need)
    largest = search.largest(budget)
    if search.end is not None:
        remarks.append(
            f"The largest image for {name} was sought up to {search.end} pixels a side: beyond, what the module makes "
            "with NumPy would take more memory than a forecast should."
        )
    if measure and own + rehearsal.held > available_memory():
        needed, free = in_words(own + rehearsal.held), in_words(available_memory())
        remarks.append(f"Not measured: {name} needs {needed}, {free} are free.")
    elif measure:
        measured = _measured(asked, shape, optimizer if training else None)
    return Stage(
        name=name,
        images=rehearsal.images,
        timeline=timeline,
        backward=next((i for i, call in enumerate(rehearsal.calls) if call.backward), None),
        peak=peak,
        held=max(peak, own + rehearsal.held),
        counted=counted,
        measured=measured,
        at=_place(rehearsal.calls[at]) if rehearsal.calls else "what calls no kernel",
        kept=_kept(rehearsal),
        largest=largest,
    ), remarks


def _measured(subject: Subject, shape: tuple[int, int, int], optimizer: str | None) -> int:
    """Of the second run: the first compiles, and what others left is collected before it."""
    for _ in range(2):
        gc.collect()
        peak = inference_peak(subject, shape) if optimizer is None else training_peak(subject, shape, optimizer)
    return peak


def _place(call: Call) -> str:
    return f"{call.kernel} of {call.layer or 'the network itself, outside its layers'}"


def follow(rehearsal: Rehearsal, parameters: int) -> tuple[np.ndarray, int]:
    """(calls + 1, kinds) bytes where each call takes most; and the most that `minifcn.memory` counts."""
    kinds = list(KINDS)
    now, counted, most_counted = np.zeros(len(kinds), np.int64), 0, 0
    now[0] = parameters
    timeline = np.zeros((len(rehearsal.calls) + 1, len(kinds)), np.int64)
    before = 0  # the last call with an event
    for position, call, born in rehearsal.events:
        timeline[before + 1 : call + 1] = now  # calls that made nothing
        before = max(before, call)
        allocation = rehearsal.allocations[position]
        now[kinds.index(allocation.kind)] += allocation.bytes if born else -allocation.bytes
        if allocation.counted:
            counted += allocation.bytes if born else -allocation.bytes
            most_counted = max(most_counted, counted)
        if now.sum() > timeline[call].sum():
            timeline[call] = now
    timeline[before + 1 :] = now
    return timeline, most_counted


def _kept(rehearsal: Rehearsal) -> dict[str, int]:
    """Bytes that each layer keeps, in the order of the layers."""
    kept: dict[str, int] = {}
    for allocation in rehearsal.allocations:
        if allocation.kind == "kept":
            kept[allocation.layer] = kept.get(allocation.layer, 0) + allocation.bytes
    return kept


def _sides(subject: Subject, size: int | Pair | None, batch: int, training: bool) -> Pair | None:
    """Height and width; None if the subject does not take those that were given."""

    def takes(height: int, width: int) -> bool:
        return needs(subject, height, width, training, batch=batch) is not None

    if size is not None:
        height, width = _pair(size)
        return (height, width) if takes(height, width) else None
    for least in (_USUAL, 1):
        found = next((n for n in range(least, 2 * _USUAL) if takes(n, n)), None)
        if found:
            return found, found
    raise ValueError(f"{subject.name}: takes no square image of 1 to {2 * _USUAL} pixels a side; give a size")


def _pair(size: int | Pair) -> Pair:
    height, width = sides_of(size)
    return int(height), int(width)


def _is_map(output: Any) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4


def _bytes_of(module: Module) -> int:
    return sum(tensor._data.nbytes for tensor in (*module.parameters(), *module.buffers()))


def _of(images: tuple[int, ...]) -> str:
    return " x ".join(map(str, images))


def _draw_stage(axes: Any, stage: Stage, size: int) -> None:
    calls = np.arange(len(stage.timeline))
    axes.stackplot(
        calls, *(stage.timeline.T / size), labels=list(KINDS.values()), colors=_COLOURS, step="mid", linewidth=0
    )
    if stage.backward is not None:
        axes.axvline(stage.backward - 0.5, color="black", linewidth=1, linestyle=":", label="the walk back begins")
    measured = stage.measured_with_parameters
    if measured:
        axes.axhline(measured / size, color="black", linewidth=1, linestyle="--", label=_MEASURED)
    axes.set_xlim(0, max(1, len(calls) - 1))
    axes.set_ylim(0, 1.1 * max(stage.peak, measured or 0) / size)
    axes.margins(0)
