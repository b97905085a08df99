"""What a network costs: multiplications, bytes moved, and the seconds that this machine cannot do without.

The kernels of a rehearsal say what is computed (`minifcn.audit.costs.rehearsal`), `work` counts it. A call of n
multiplications that moves b bytes takes max(n / peak, b / bandwidth) seconds at least, plus what launching a kernel
takes; the intensity n / b decides which of the two. Peak and bandwidth are measured here (`minifcn.limits`). This is
the roofline of Williams, Waterman & Patterson 2009.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np

from minifcn import limits as machine
from minifcn.audit.costs import bars
from minifcn.audit.costs.largest import available_memory
from minifcn.audit.costs.rehearsal import Rehearsal, rehearse
from minifcn.audit.costs.step import step
from minifcn.audit.costs.untouched import untouched
from minifcn.audit.costs.work import work_of
from minifcn.audit.report import Report
from minifcn.audit.sizing.fitting import for_images
from minifcn.audit.subject import Subject, sides_of
from minifcn.autograd import no_grad
from minifcn.io.figures import BLUE, GREY, ORANGE
from minifcn.kernels.shapes import Pair
from minifcn.limits import Limits
from minifcn.nn import Module
from minifcn.nn.modes import evaluating
from minifcn.tables import Table
from minifcn.tensor import Tensor

#: Seconds that measuring may take, by the forecast; and share of the memory that is free that it may take.
_PATIENCE, _SHARE = 60.0, 0.5
#: From which ratio of measured to forecast on a note says why.
_FAR = 3.0


@dataclass(frozen=True)
class LayerCost:
    """Of one layer's kernels, without those of the layers inside it, in one direction.

    Attributes:
        layer: its path, as in `Module.named_modules`; "" is the network itself.
        backward: whether in the walk back.
        kernels: what is called, each name once.
        calls: how many.
        multiplications: by the definitions.
        used: multiplications that the algorithms take.
        bytes: that must be read and written at least.
        compute_seconds: of the calls that multiplications decide.
        memory_seconds: of those that bytes decide.
        launch_seconds: of all calls, whatever they do.
    """

    layer: str
    backward: bool
    kernels: tuple[str, ...]
    calls: int
    multiplications: int
    used: int
    bytes: int
    compute_seconds: float
    memory_seconds: float
    launch_seconds: float

    @property
    def seconds(self) -> float:
        """Forecast."""
        return self.compute_seconds + self.memory_seconds + self.launch_seconds

    @property
    def intensity(self) -> float:
        """Multiplications that the algorithms take, for each byte."""
        return self.used / self.bytes if self.bytes else 0.0


@dataclass(frozen=True)
class Cost(Report):
    """What a batch of images costs, forward or in a step of training.

    Attributes:
        subject: the network's name.
        images: (N, H, W, C).
        training: whether gradients are computed.
        layers: in the order in which they are first called.
        limits: of this machine.
        measured_seconds: the median of a few runs; None if nothing was measured.
        obstacle: why not; else empty.
        windows: that the network classifies windows, if it was made to take images; else empty.
    """

    name: ClassVar[str] = "cost"
    figure_size: ClassVar[tuple[float, float]] = (10, 6.5)

    subject: str
    images: tuple[int, ...]
    training: bool
    layers: tuple[LayerCost, ...]
    limits: Limits
    measured_seconds: float | None
    obstacle: str
    windows: str = ""

    def total(self, attribute: str, backward: bool | None = None) -> Any:
        """Sum of an attribute over layers: of both directions, or of one."""
        return sum(getattr(layer, attribute) for layer in self.layers if backward in (None, layer.backward))

    @property
    def seconds(self) -> float:
        """Forecast."""
        return float(self.total("seconds"))

    @property
    def ratio(self) -> float | None:
        """Seconds measured for each second forecast."""
        return None if self.measured_seconds is None else self.measured_seconds / self.seconds

    def headline(self) -> str:
        """Totals, forecast and measurement."""
        size, what = " x ".join(map(str, self.images)), "a step of training" if self.training else "forward"
        counts = [_number(self.total(name)) for name in ("multiplications", "used")]
        text = (
            f"{self.subject} on {size}, {what}: {counts[0]} multiplications, of which {counts[1]} are made; "
            f"{_number(self.total('bytes'), 'B')} moved."
        )
        text += f"\nForecast {_time(self.seconds)}"
        if self.measured_seconds is None:
            return f"{text}."
        return f"{text}, measured {_time(self.measured_seconds)}: {self.ratio:.1f} times the forecast."

    def brief(self) -> str:
        """Multiplications."""
        return f"{_number(self.total('multiplications'))} on {self.images[1]} x {self.images[2]}"

    def table(self) -> Table:
        """A row a layer; in training, one a direction."""
        both = any(layer.backward for layer in self.layers)
        rows = [
            (
                layer.layer or "(itself)",
                *(("back" if layer.backward else "forward",) if both else ()),
                ", ".join(layer.kernels),
                _number(layer.multiplications),
                _number(layer.used),
                _number(layer.bytes, "B"),
                f"{layer.intensity:.2g}" if layer.intensity < 10 else f"{layer.intensity:.0f}",
                f"{1000 * layer.seconds:.3g}",
                f"{layer.seconds / self.seconds:.1%}",
            )
            for layer in self.layers
        ]
        total = (_number(self.total("multiplications")), _number(self.total("used")), _number(self.total("bytes"), "B"))
        end = ("", f"{1000 * self.seconds:.3g}", "")
        headings = ("multiplications", "made", "moved", "per byte", "forecast (ms)", "share")
        direction = ("direction",) if both else ()
        rows.append(("all", *(("",) if both else ()), "", *total, *end))
        return Table(("layer", *direction, "kernels", *headings), rows)

    def notes(self) -> Sequence[str]:
        """How it was counted, what the machine can do, and what to make of the ratio."""
        found = self.limits
        notes = [
            "Multiplications are those of the definitions; those made are fewer where Winograd's algorithm convolves "
            "(36 for 144). Bytes are those of every array that a kernel takes and gives, once.",
            f"This machine, measured now on {found.threads} thread(s): {_number(found.direct)} multiplications/s in "
            f"direct convolutions, {_number(found.winograd)} in Winograd's, {_number(found.matmul)} in matrix "
            f"products; {_number(found.bandwidth, 'B/s')} copied; {_time(found.launch)} to launch a kernel.",
            "A forecast is the sum over kernels of the longer of computing and moving, plus launching. Few channels "
            "fill only a part of each vector: slower than forecast. Maps that fit into the caches are quicker.",
        ]
        if self.training:
            backward = self.total("multiplications", True) / max(self.total("multiplications", False), 1)
            notes.append(
                f"The walk back takes {backward:.2f} times the multiplications of forward and loss; no optimiser is "
                "counted."
            )
        if (self.ratio or 0.0) > _FAR:
            notes.append(
                f"Measured is more than {_FAR:.0f} times the forecast: of small networks and images, Python and "
                "threads that wait for each other take most of the time; or the machine is busy with something else."
            )
        return [*notes, *(note for note in (self.obstacle, self.windows) if note)]

    def facts(self) -> dict[str, Any]:
        """Totals, limits and layers."""
        sums = ("multiplications", "used", "bytes", "compute_seconds", "memory_seconds", "launch_seconds", "calls")
        return {
            "subject": self.subject,
            "images": self.images,
            "training": self.training,
            "forward": {name: self.total(name, False) for name in sums},
            "backward": {name: self.total(name, True) for name in sums},
            "forecast_seconds": self.seconds,
            "measured_seconds": self.measured_seconds,
            "measured_by_forecast": self.ratio,
            "limits_per_second": asdict(self.limits),
            "layers": [
                {**asdict(layer), "intensity": layer.intensity, "seconds": layer.seconds} for layer in self.layers
            ],
        }

    def draw(self, figure: Any) -> None:
        """Forecast milliseconds by layer, and below which roof each layer stands."""
        times, roof = figure.subplots(1, 2, width_ratios=(3, 2))
        shown = bars.groups(layer.layer for layer in self.layers)
        names = list(dict.fromkeys(shown.values()))
        left = np.zeros(len(names))
        parts = (("compute", BLUE, "multiplications"), ("memory", ORANGE, "memory"), ("launch", GREY, "launching"))
        for part, colour, label in parts:
            widths = np.zeros(len(names))
            for layer in self.layers:
                widths[names.index(shown[layer.layer])] += 1000 * getattr(layer, f"{part}_seconds")
            times.barh(names, widths, left=left, color=colour, label=f"decided by {label}")
            left += widths
        times.set(xlabel="forecast (ms)", title=f"{self.subject}: forecast {_time(self.seconds)}, by layer")
        times.set_ylim(max(len(names), 1) - 0.4, -0.6)
        times.tick_params(axis="y", labelsize=8)
        times.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=3)  # below: bars are anywhere
        self._draw_roof(roof)

    def _draw_roof(self, axes: Any) -> None:
        points = [layer for layer in self.layers if layer.used and layer.bytes]
        intensity = np.array([layer.intensity for layer in points] or [1.0])
        peak, bandwidth = self.limits.direct, self.limits.bandwidth
        x = np.geomspace(min(intensity.min(), 0.1) / 2, max(intensity.max(), 2 * peak / bandwidth) * 2, 200)
        label = f"{peak / 1e9:.0f} G/s, {bandwidth / 1e9:.0f} GB/s"
        axes.plot(x, np.minimum(peak, x * bandwidth) / 1e9, color="black", label=label)
        axes.axhline(self.limits.winograd / 1e9, color="black", lw=1, ls=":", label="Winograd's algorithm")
        for backward, marker, colour in ((False, "s", BLUE), (True, "^", ORANGE)):
            chosen = [layer for layer in points if layer.backward == backward]
            if chosen:
                reached = [layer.used / layer.seconds / 1e9 for layer in chosen]
                label = "walk back" if backward else "layers, forward"
                axes.plot([layer.intensity for layer in chosen], reached, marker, color=colour, alpha=0.8, label=label)
        axes.set(xscale="log", yscale="log", title="the roof, and layers below it")
        axes.set(xlabel="multiplications made per byte", ylabel="multiplications (10⁹/s)")
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)


def cost(
    subject: Module | Subject,
    size: int | Pair | tuple[int, int, int],
    training: bool = False,
    measure: bool = True,
    limits: Limits | None = None,
) -> Cost:
    """Count what a network does with images of a size, forecast how long that takes here, and measure it.

    Args:
        subject: any module from images (N, H, W, C) to one Tensor.
        size: of the images: one number, (H, W) or (N, H, W). A classifier of windows that does not take this size is
            replaced by its form for images.
        training: a forward, a cross-entropy and the walk back, instead of a forward in evaluation mode.
        measure: run it, if the forecast is less than a minute and it does not take half of the free memory; the median
            of a few runs. The weights should then be numbers: those of `minifcn.nn.init.skipped` may be slow ones.
        limits: of the machine; None measures them, in some seconds.

    Raises:
        ValueError: the network does not take the size, returns no Tensor, or, in training, has nothing to learn.

    >>> from minifcn.models import PangCNN
    >>> quick = Limits(matmul=1e10, direct=1e10, winograd=1e10, bandwidth=1e10, launch=1e-6, threads=1)
    >>> report = cost(PangCNN(1, 1), size=28, measure=False, limits=quick)
    >>> report.total("multiplications") == 28 * 28 * (9 * 8 + 9 * 8 * 8 + 9 * 8 * 8 + 9 * 8)
    True
    """
    subject = Subject.of(subject)
    sides = sides_of(size)
    images, windows = for_images(subject)
    if windows and len(sides) in (2, 3):
        taken = subject.output_size(sides[-2], sides[-1]) is not None
        subject, windows = (subject, "") if taken else (images, windows)
    rehearsal = rehearse(subject, sides, training)  # type: ignore[arg-type]  # it checks how many there are
    limits = limits or machine.measure()
    layers = _layers(rehearsal, limits)
    forecast = sum(layer.seconds for layer in layers)
    obstacle = _obstacle(rehearsal, forecast) if measure else ""
    measured = _measured(subject, rehearsal.images, training) if measure and not obstacle else None
    return Cost(subject.name, rehearsal.images, training, layers, limits, measured, obstacle, windows)


def _layers(rehearsal: Rehearsal, limits: Limits) -> tuple[LayerCost, ...]:
    """Calls summed by layer and direction."""
    summed: dict[tuple[str, bool], dict[str, Any]] = {}
    for call in rehearsal.calls:
        work = work_of(call)
        compute, memory = work.used / getattr(limits, work.algorithm), work.bytes / limits.bandwidth
        bound = "compute_seconds" if compute > memory else "memory_seconds"
        entry = summed.setdefault(
            (call.layer, call.backward), {field.name: 0 for field in fields(LayerCost)} | {"kernels": {}}
        )
        entry["kernels"][call.kernel] = None
        entry["calls"] += 1
        entry[bound] += max(compute, memory)
        entry["launch_seconds"] += limits.launch
        for name in ("multiplications", "used", "bytes"):
            entry[name] += getattr(work, name)
    return tuple(
        LayerCost(**{**entry, "layer": layer, "backward": backward, "kernels": tuple(entry["kernels"])})
        for (layer, backward), entry in summed.items()
    )


def _obstacle(rehearsal: Rehearsal, forecast: float) -> str:
    """Why this is not to be run here; empty if it may be."""
    if forecast > _PATIENCE:
        return f"Not measured: it would take {_time(forecast)} or more a run; give a smaller size."
    if rehearsal.held > _SHARE * available_memory():
        takes, has = _number(rehearsal.held, "B"), _number(available_memory(), "B")
        return f"Not measured: it takes {takes}, too much of the free {has} of memory; give a smaller size."
    return ""


def _measured(subject: Subject, shape: tuple[int, ...], training: bool) -> float:
    """Seconds of one run: the median of up to nine within two seconds or so, after one that warms up."""
    images = Tensor(np.random.default_rng(0).standard_normal(shape).astype(subject.dtype))
    run = _step if training else _forward
    seconds: list[float] = []
    begun = time.perf_counter()
    run(subject.module, images)
    while len(seconds) < 3 or (len(seconds) < 9 and time.perf_counter() - begun < 2):
        begin = time.perf_counter()
        run(subject.module, images)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def _forward(module: Module, images: Tensor) -> None:
    with evaluating(module), no_grad():
        module(images)


def _step(module: Module, images: Tensor) -> None:
    with untouched(module):
        step(module, images)


def _number(count: float, unit: str = "") -> str:
    """With a thousand's prefix: 150.8 G."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(count) >= factor:
            return f"{count / factor:.4g} {prefix}{unit}"
    return f"{count:.4g} {unit}".rstrip()


def _time(seconds: float) -> str:
    for factor, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
