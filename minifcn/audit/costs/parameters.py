"""What a network learns, counted layer by layer, with the formulas of the lecture.

A layer that gives K maps, each from kh × kw pixels of C channels, learns a number for each tap and one bias a map:
(kh·kw·C + 1)·K in all. The lecture counts the plain network of Pang et al. 2010 so (section 2): (9 + 1)·d, (9·d + 1)·d
and 9·d + 1 for d maps. A transposed convolution has the weights of the convolution that it transposes, and the same
count; a dense layer is the case of one pixel; batch normalisation learns two numbers a channel, and measures two more.

Everything is read from the tree of modules. A parameter that several layers use is counted where it is met first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from minifcn.audit.costs import bars
from minifcn.audit.report import Report
from minifcn.audit.subject import Subject, called
from minifcn.io.figures import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from minifcn.nn import BatchNorm2d, Conv2d, ConvTranspose2d, Linear, Module
from minifcn.tables import Table

#: What layers are called, in the order in which subtotals are listed.
_KINDS: dict[type[Module], str] = {
    Conv2d: "convolution",
    ConvTranspose2d: "transposed convolution",
    Linear: "dense",
    BatchNorm2d: "batch norm",
}
#: What the original U-Net learns, with its transposed convolutions and without.
_UNET = (31_030_658, 28_244_418)
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)


@dataclass(frozen=True)
class LayerParameters:
    """The numbers of one layer, without those of the layers inside it.

    Attributes:
        layer: its path, as in `Module.named_modules`; "" is the network itself.
        kind: what it is, such as "convolution"; for other modules, their class.
        formula: how many numbers its parameters have; parts that are shared count here too.
        learnt: numbers that training changes and that no layer above in the list has.
        fixed: the same, of frozen parameters, such as bilinear interpolation's.
        buffers: numbers that are stored and not learnt, such as running statistics.
        bytes: that those three take.
        biases: of ``learnt``, those added to the outputs of convolutions and dense layers.
        shared_with: paths of layers above that own some of its parameters.
    """

    layer: str
    kind: str
    formula: str
    learnt: int
    fixed: int
    buffers: int
    bytes: int
    biases: int
    shared_with: tuple[str, ...]


@dataclass(frozen=True)
class Parameters(Report):
    """How many numbers a network has, by layer and by kind of layer."""

    name: ClassVar[str] = "params"
    figure_size: ClassVar[tuple[float, float]] = (10, 6.5)

    subject: str
    layers: tuple[LayerParameters, ...]

    @property
    def learnt(self) -> int:
        """Numbers that training changes."""
        return sum(layer.learnt for layer in self.layers)

    @property
    def fixed(self) -> int:
        """Numbers in frozen parameters."""
        return sum(layer.fixed for layer in self.layers)

    @property
    def buffers(self) -> int:
        """Numbers that are stored and not learnt."""
        return sum(layer.buffers for layer in self.layers)

    @property
    def bytes(self) -> int:
        """Of all three together, in memory."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def by_kind(self) -> dict[str, int]:
        """Learnt numbers, for each kind of layer that has some."""
        kinds = dict.fromkeys([*_KINDS.values(), *(layer.kind for layer in self.layers)], 0)
        for layer in self.layers:
            kinds[layer.kind] += layer.learnt
        return {kind: count for kind, count in kinds.items() if count}

    def headline(self) -> str:
        """Totals, and subtotals by kind."""
        kinds = "; ".join(f"{_plural(kind)} {count:,}" for kind, count in self.by_kind.items())
        return f"{self.subject} learns {self.learnt:,} numbers" + (f": {kinds}." if kinds else ".")

    def brief(self) -> str:
        """How many it learns."""
        return f"{self.learnt:,}"

    def table(self) -> Table:
        """A row a layer."""
        rows = [
            (
                layer.layer or "(itself)",
                layer.kind,
                layer.formula,
                f"{layer.learnt:,}",
                f"{layer.fixed:,}" if layer.fixed else "",
                f"{layer.buffers:,}" if layer.buffers else "",
                _million_bytes(layer.bytes),
            )
            for layer in self.layers
        ]
        totals = (f"{self.learnt:,}", f"{self.fixed:,}", f"{self.buffers:,}", _million_bytes(self.bytes))
        return Table(
            ("layer", "kind", "formula", "learnt", "fixed", "buffers", "MB"), [*rows, ("all", "", "", *totals)]
        )

    def notes(self) -> Sequence[str]:
        """What the columns mean, what is shared, and what other ways of counting give."""
        notes = [
            "A layer of K maps that read kh x kw pixels of C channels learns (kh·kw·C + 1)·K numbers, biases counted."
        ]
        if self.fixed:
            notes.append("Fixed numbers are parameters that do not require a gradient: no training changes them.")
        if self.buffers:
            notes.append("Buffers are stored with the network, and measured, not learnt: running means and variances.")
        for layer in self.layers:
            if layer.shared_with:
                owners = ", ".join(owner or "the network itself" for owner in layer.shared_with)
                notes.append(f"{layer.layer or '(itself)'} shares parameters with {owners}; they are counted there.")
        return [*notes, *self._other_counts()]

    def _other_counts(self) -> list[str]:
        """Counts that papers and slides give when they leave something out."""
        biases = sum(layer.biases for layer in self.layers)
        notes: list[str] = []
        counts = [f"{self.learnt:,} with everything"] + [f"{self.learnt - biases:,} without biases"] * bool(biases)
        for left_out in (_KINDS[BatchNorm2d], _KINDS[ConvTranspose2d]):
            rest = self.learnt - self.by_kind.get(left_out, 0)
            if rest not in (0, self.learnt):
                counts.append(f"{rest:,} without {_plural(left_out)}")
            if (self.learnt, rest) == _UNET:
                notes.append(
                    f"The lecture's 28 million for U-Net agree with the last: {_plural(left_out)} have "
                    f"{self.learnt - rest:,} more."
                )
        return [f"Other ways of counting: {', '.join(counts)}.", *notes] if len(counts) > 1 else []

    def facts(self) -> dict[str, Any]:
        """Totals and layers."""
        return {
            "subject": self.subject,
            "learnt": self.learnt,
            "fixed": self.fixed,
            "buffers": self.buffers,
            "bytes": self.bytes,
            "learnt_by_kind": self.by_kind,
            "layers": [vars(layer) for layer in self.layers],
        }

    def draw(self, figure: Any) -> None:
        """A bar for each layer, or group of layers where there are many; beside it, the share of each kind."""
        counts, shares = figure.subplots(1, 2, width_ratios=(3, 1))
        colours = {kind: _COLOURS[k % len(_COLOURS)] for k, kind in enumerate(self.by_kind)}
        learning = [layer for layer in self.layers if layer.learnt]
        groups: dict[str, list[LayerParameters]] = {}
        for layer, shown in zip(learning, bars.groups(layer.layer for layer in learning).values(), strict=True):
            groups.setdefault(shown, []).append(layer)
        left = dict.fromkeys(groups, 0)
        for kind, colour in colours.items():
            widths = [sum(layer.learnt for layer in group if layer.kind == kind) for group in groups.values()]
            counts.barh(list(groups), widths, left=list(left.values()), color=colour, label=_plural(kind))
            left = {name: begin + width for (name, begin), width in zip(left.items(), widths, strict=True)}
        for row, total in enumerate(left.values()):
            counts.annotate(f" {total:,}", (total, row), va="center", fontsize=7)
        unit, prefix = (1e6, "million ") if max([0, *left.values()]) >= 1e6 else (1, "")
        counts.xaxis.set_major_formatter(lambda value, _: f"{value / unit:,g}")
        counts.set(xlabel=f"{prefix}learnt numbers", title=f"{self.subject}: {self.learnt:,} learnt numbers by layer")
        counts.set_xlim(0, 1.2 * max([1, *left.values()]))
        counts.set_ylim(max(len(groups), 1) - 0.4, -0.6)
        counts.tick_params(axis="y", labelsize=8)
        below = 0.0
        for kind, count in self.by_kind.items():
            share = 100 * count / self.learnt
            shares.bar([0], [share], bottom=below, color=colours[kind], width=0.6)
            if share > 3:
                shares.annotate(f"{share:.1f} %", (0, below + share / 2), ha="center", va="center", color="white")
            below += share
        shares.set(xlim=(-0.6, 0.6), xticks=[], ylim=(0, 100), ylabel="share of the learnt numbers (%)")
        if colours:
            figure.legend(loc="outside lower center", ncols=min(len(colours), 4))


def parameters(subject: Module | Subject) -> Parameters:
    """Count what a network learns, layer by layer.

    Values play no part, so a wide network may be made under `minifcn.nn.init.skipped`: it then takes no memory.

    Args:
        subject: any module.

    >>> from minifcn.models import PangCNN
    >>> report = parameters(PangCNN(1, 1))
    >>> [layer.formula for layer in report.layers], report.learnt
    (['(3·3·1 + 1)·8 = 80', '(3·3·8 + 1)·8 = 584', '(3·3·8 + 1)·8 = 584', '3·3·8 + 1 = 73'], 1321)
    """
    name = subject.name if isinstance(subject, Subject) else called(subject)
    module = subject.module if isinstance(subject, Subject) else subject
    owners: dict[int, str] = {}
    layers = [_layer(path, layer, owners) for path, layer in module.named_modules()]
    return Parameters(name, tuple(layer for layer in layers if layer is not None))


def _layer(path: str, layer: Module, owners: dict[int, str]) -> LayerParameters | None:
    """Of one module; ``owners`` grows by what it owns. None if it has nothing of its own."""
    own = list(layer.named_parameters(recurse=False))
    stored = [buffer for _, buffer in layer.named_buffers(recurse=False) if id(buffer) not in owners]
    if not own and not stored:
        return None
    new = [(name, parameter) for name, parameter in own if id(parameter) not in owners]
    shared = tuple(dict.fromkeys(owners[id(parameter)] for _, parameter in own if id(parameter) in owners))
    owners |= {id(tensor): path for tensor in [*(parameter for _, parameter in new), *stored]}
    return LayerParameters(
        layer=path,
        kind=next((kind for known, kind in _KINDS.items() if isinstance(layer, known)), type(layer).__name__),
        formula=_formula(layer) if own else "",
        learnt=sum(parameter.size for _, parameter in new if parameter.requires_grad),
        fixed=sum(parameter.size for _, parameter in new if not parameter.requires_grad),
        buffers=sum(buffer.size for buffer in stored),
        bytes=sum(tensor.data.nbytes for tensor in [*(parameter for _, parameter in new), *stored]),
        biases=sum(p.size for name, p in new if name == "bias" and p.requires_grad and _has_taps(layer)),
        shared_with=shared,
    )


def _formula(layer: Module) -> str:
    """(taps + 1)·maps for what convolves or is dense; n·C for n numbers a channel; else a sum of products."""
    own = dict(layer.named_parameters(recurse=False))
    total = sum(parameter.size for parameter in own.values())
    weight, bias = own.get("weight"), own.get("bias")
    shapes = {parameter.shape for parameter in own.values()}
    if _has_taps(layer) and weight is not None and set(own) <= {"weight", "bias"}:
        *kernel, inner, outer = weight.shape
        outputs = inner * layer.groups if isinstance(layer, ConvTranspose2d) else outer
        taps = "·".join(map(str, [*kernel, weight.size // (math.prod(kernel) * outputs)]))
        terms = taps if bias is None else f"{taps} + 1"
        if outputs == 1:
            text = terms
        else:
            text = f"{terms}·{outputs}" if bias is None else f"({terms})·{outputs}"
    elif len(shapes) == 1:
        (shape,) = shapes
        text = "·".join(map(str, [len(own), *shape] if len(own) > 1 else shape or (1,)))
    else:
        text = " + ".join("·".join(map(str, parameter.shape or (1,))) for parameter in own.values())
    return f"{text} = {total:,}" if text != f"{total}" else text


def _has_taps(layer: Module) -> bool:
    return isinstance(layer, (Conv2d, ConvTranspose2d, Linear))


def _plural(kind: str) -> str:
    return {"dense": "dense layers", "batch norm": "batch norms"}.get(kind, f"{kind}s")


def _million_bytes(count: int) -> str:
    return f"{count / 1e6:.2g}" if count < 1e6 else f"{count / 1e6:,.1f}"
