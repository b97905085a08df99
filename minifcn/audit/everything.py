"""Every audit of several networks in one run: a folder of reports, and a table that compares the networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from minifcn.audit.report import Report, Table
from minifcn.audit.subject import Subject

#: What is asked of every network, in this order: the audit's name, and how it is called.
AUDITS: Mapping[str, Callable[[Subject], Report]] = {}

Answers = Mapping[str, Report | str]
"""An audit's name -> its report, or why there is none."""


@dataclass(frozen=True)
class Overview(Report):
    """Networks beside each other.

    Attributes:
        answers: a network's name -> its `Answers`.
    """

    name: ClassVar[str] = "overview"

    answers: Mapping[str, Answers]

    def headline(self) -> str:
        """How many were asked, and how many answers are missing."""
        missing = sum(isinstance(answer, str) for answers in self.answers.values() for answer in answers.values())
        asked = sum(map(len, self.answers.values()))
        return f"{len(self.answers)} networks, {asked} audits" + (f", {missing} without an answer." if missing else ".")

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
                    audit: {"error": answer} if isinstance(answer, str) else answer.facts()
                    for audit, answer in answers.items()
                }
                for name, answers in self.answers.items()
            }
        }

    def draw(self, figure: Any) -> None:
        """The table, as a picture."""


def ask(subject: Subject, audits: Iterable[str] = AUDITS) -> dict[str, Report | str]:
    """Every audit of one network; where one is refused, the reason."""
    answers: dict[str, Report | str] = {}
    for name in audits:
        try:
            answers[name] = AUDITS[name](subject)
        except (ValueError, NotImplementedError, MemoryError) as error:
            answers[name] = str(error)
    return answers


def _brief(answer: Report | str | None) -> str:
    return answer.brief() if isinstance(answer, Report) else "–"
