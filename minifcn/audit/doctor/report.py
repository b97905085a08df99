"""The doctor's report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from minifcn.audit.doctor.figure import draw
from minifcn.audit.doctor.finding import SEVERITIES, Finding, Severity, counted
from minifcn.audit.doctor.network import Candidate
from minifcn.audit.doctor.survey import Part
from minifcn.audit.report import Report
from minifcn.tables import Table

_TITLE = 110  # characters of a title in the table


@dataclass(frozen=True, eq=False)
class Diagnosis(Report):
    """What is wrong with a data set, why it matters, and what to do.

    Attributes:
        findings: the worst first.
        parts: what was looked at.
        network: what it was held against, if anything.
        crop: side of the windows that training cuts, in pixels; None: whole images.
    """

    name: ClassVar[str] = "doctor"
    figure_size: ClassVar[tuple[float, float]] = (9, 8)

    findings: tuple[Finding, ...]
    parts: tuple[Part, ...]
    network: Candidate | None = None
    crop: int | None = None

    def of(self, severity: Severity) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def headline(self) -> str:
        """How many things are wrong, and how many to look at."""
        wrong, warnings = len(self.of("wrong")), len(self.of("warning"))
        verdict = {0: "Nothing is wrong", 1: "1 thing is wrong"}.get(wrong, f"{wrong} things are wrong")
        return f"{verdict}, {warnings or 'nothing'} to look at. {self._looked_at()}"

    def table(self) -> Table:
        """A row for each finding."""
        rows = [
            (f.severity, f.check, f.title if len(f.title) <= _TITLE else f"{f.title[: _TITLE - 3]}...")
            for f in self.findings
        ]
        return Table(("", "looked at", "found"), rows)

    def notes(self) -> Sequence[str]:
        """Evidence, reason and mend of each finding that asks for something."""
        told = [finding for finding in self.findings if finding.severity in ("wrong", "warning", "note")]
        return [line for number, f in enumerate(told) for line in (*([""] if number else []), str(f))]

    def facts(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            **{severity: len(self.of(severity)) for severity in SEVERITIES},
            "parts": {
                part.name: {"images": len(part.dataset), "looked_at": len(part.images)} for part in self.parts
            },
            "network": None if self.network is None else self.network.name,
            "receptive_field_pixels": None if self.network is None else self.network.field,
            "crop_pixels": self.crop,
            "findings": [
                {
                    "severity": f.severity, "check": f.check, "title": f.title, "evidence": f.evidence, "why": f.why,
                    "action": f.action, "images": [str(place) for place in f.images], **f.numbers,
                }
                for f in self.findings
            ],
        }  # fmt: skip

    def draw(self, figure: Any) -> None:
        """Classes, sizes, objects, and examples of what the findings name."""
        draw(figure, self.parts, self.findings, self.network, self.crop)

    def _looked_at(self) -> str:
        said = [
            f"{part.name} {len(part.images)}" + ("" if part.complete else f" of {len(part.dataset)}, evenly spread")
            for part in self.parts
        ]
        if not said:
            return "No image could be looked at."
        against = f" Held against {self.network.name}." if self.network is not None else ""
        total = sum(len(part.images) for part in self.parts)
        return f"{counted(total, 'image')} looked at ({'; '.join(said)}).{against}"
