"""Every audit of several networks in one run: a report each, and a table that compares the networks."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from minifcn.audit.costs.cost import Cost, cost
from minifcn.audit.costs.memory import memory
from minifcn.audit.costs.parameters import parameters
from minifcn.audit.fields.effective_report import EffectiveReport, effective_receptive_field
from minifcn.audit.fields.field_report import ReceptiveFieldReport, receptive_field_report
from minifcn.audit.report import Report
from minifcn.audit.shifts.borders import borders
from minifcn.audit.shifts.equivariance import equivariance
from minifcn.audit.sizing.sizes import sizes
from minifcn.audit.subject import Subject
from minifcn.kernels.shapes import Pair
from minifcn.limits import Limits, measure
from minifcn.nn import Module
from minifcn.tables import Table

Answers = Mapping[str, Report | str]
"""An audit's name -> its report, or why there is none."""

#: The side of the images whose cost and memory is told: a legal one from here on.
_SIDE = 256


def _sides(subject: Subject) -> Pair:
    images = subject.for_images()
    try:
        return 2 * (images.legal_size(_SIDE, 2 * _SIDE),)
    except ValueError:  # it may take small images only
        return 2 * (images.legal_size(1, _SIDE),)


@functools.cache
def _limits() -> Limits:
    return measure()


#: What is asked of a network, in this order: functions of the network, and whether weights are to be drawn for it.
AUDITS: Mapping[str, Callable[[Subject, bool], Report]] = {
    "params": lambda subject, _: parameters(subject),
    "sizes": lambda subject, _: sizes(subject),
    "receptive-field": lambda subject, _: receptive_field_report(subject),
    "effective-receptive-field": lambda subject, drawn: effective_receptive_field(subject, random_weights=drawn),
    "equivariance": lambda subject, drawn: equivariance(subject, random_weights=drawn),
    "borders": lambda subject, drawn: borders(subject, random_weights=drawn),
    "memory": lambda subject, _: memory(subject.for_images(), _sides(subject), measure=False),
    "cost": lambda subject, _: cost(subject.for_images(), _sides(subject), measure=False, limits=_limits()),
}


@dataclass(frozen=True, eq=False)
class Overview(Report):
    """Networks beside each other.

    Attributes:
        answers: a network's name -> its `Answers`.
    """

    name: ClassVar[str] = "overview"
    figure_size: ClassVar[tuple[float, float]] = (10, 5)

    answers: Mapping[str, Answers]

    def headline(self) -> str:
        """How many were asked, and how many answers are missing."""
        missing = len(self.notes())
        asked = sum(map(len, self.answers.values()))
        return f"{len(self.answers)} network(s), {asked} audits" + (
            f", of which {missing} could not be made." if missing else "."
        )

    def table(self) -> Table:
        """A row a network, a column an audit; a dash where there is no answer."""
        audits = list(dict.fromkeys(audit for answers in self.answers.values() for audit in answers))
        return Table(
            ("network", *(audit.replace("-", " ") for audit in audits)),
            [(name, *(_brief(answers.get(audit)) for audit in audits)) for name, answers in self.answers.items()],
        )

    def notes(self) -> Sequence[str]:
        """Why answers are missing."""
        return [
            f"{name}, {audit}: {answer}"
            for name, answers in self.answers.items()
            for audit, answer in answers.items()
            if isinstance(answer, str)
        ]

    def facts(self) -> dict[str, Any]:
        """All facts of all reports."""
        return {
            "networks": {
                name: {
                    audit: answer.facts() if isinstance(answer, Report) else {"error": answer}
                    for audit, answer in answers.items()
                }
                for name, answers in self.answers.items()
            }
        }

    def draw(self, figure: Any) -> None:
        """What a network sees, and what a pixel of its answer costs."""
        left, right = figure.subplots(1, 2, sharey=True)
        places = range(len(self.answers))
        for place, answers in zip(places, self.answers.values(), strict=True):
            field, effective, work = map(answers.get, ("receptive-field", "effective-receptive-field", "cost"))
            if isinstance(field, ReceptiveFieldReport) and field.field.complete:
                # The root of the area, as the effective size.
                left.barh(place, math.sqrt(math.prod(field.field.size)), color="tab:blue", alpha=0.4)
            elif isinstance(field, ReceptiveFieldReport):
                _mark(left, place, "whole image")
            else:
                _mark(left, place, "no answer")
            if isinstance(effective, EffectiveReport):
                left.barh(place, effective.fields[-1].size, height=0.4, color="tab:blue")
            if isinstance(work, Cost):
                right.barh(place, work.total("multiplications") / (work.images[1] * work.images[2]), color="tab:orange")
            else:
                _mark(right, place, "no answer")
        left.set_yticks(list(places), list(self.answers))
        left.set_ylim(len(self.answers) - 0.5, -0.5)  # also where there are no bars
        left.set(xlabel="root of the area (pixels)", title="receptive field: theoretical (pale), effective (dark)")
        right.set(xlabel="multiplications a pixel of the image, forward", title="cost", xscale="log")
        right.xaxis.set_minor_formatter("")  # of the decades alone there is room
        for axes in (left, right):
            axes.grid(axis="x", alpha=0.3)
            axes.set_axisbelow(True)


def ask(network: Module | Subject, audit: str, random_weights: bool = True) -> Report | str:
    """One audit of one network by its name in `AUDITS`; where it cannot be made, the reason.

    Args:
        network: any module.
        audit: a name in `AUDITS`.
        random_weights: draw weights where they matter: of a fresh network, many may be zero. A trained one is asked as
            it is.

    >>> from minifcn.models import PangCNN
    >>> ask(PangCNN(1, 1), "params").brief()
    '1,321'
    """
    try:
        return AUDITS[audit](Subject.of(network), random_weights)
    except Exception as error:  # of one network and one audit: the others are still worth having
        expected = isinstance(error, (ValueError, NotImplementedError, MemoryError))
        return str(error) if expected else f"{type(error).__name__}: {error}"


def _mark(axes: Any, place: int, words: str) -> None:
    """Words in the place of a bar, at the right, where no shorter bar covers them."""
    transform = axes.get_yaxis_transform()
    axes.text(0.99, place, words, transform=transform, ha="right", va="center", fontsize=8, color="0.3")


def _brief(answer: Report | str | None) -> str:
    return answer.brief() if isinstance(answer, Report) else "–"
