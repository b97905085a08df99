"""What the doctor says: one finding, how bad it is, and of which images it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Severity = Literal["wrong", "warning", "note", "fine", "skipped"]
#: The worst first. Wrong: do not train before it is mended. Warning: to look at. Note: to know.
SEVERITIES: tuple[Severity, ...] = ("wrong", "warning", "note", "fine", "skipped")
_NAMED = 3  # images that a sentence names


class Place(NamedTuple):
    """An image of a part of the data: "train", "validation" or "test", its index in it, and the name of its file."""

    part: str
    number: int
    name: str

    def __str__(self) -> str:
        return f"{self.part} {self.name}"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        severity: one of `SEVERITIES`.
        check: what was looked at, such as "duplicates".
        title: what was found, in one line.
        evidence: the numbers behind it.
        why: why it matters.
        action: what to do.
        images: of which it is said, if not of all.
        numbers: the evidence for programs, units in the keys.
    """

    severity: Severity
    check: str
    title: str
    evidence: str = ""
    why: str = ""
    action: str = ""
    images: tuple[Place, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """All that a user has to know, as a paragraph."""
        lines = [f"{self.severity}: {self.title}"]
        for label, text in (("seen", self.evidence), ("why", self.why), ("do", self.action)):
            if text:
                lines.append(f"  {label}: {text}")
        return "\n".join(lines)


def verb(number: int, one: str, several: str) -> str:
    """The form of a verb for so many.

    >>> verb(1, "is", "are")
    'is'
    """
    return one if number == 1 else several


def listed(items: Sequence[object], most: int = _NAMED) -> str:
    """The first few, and how many there are more.

    >>> listed("abcd", 2), listed("a")
    ('a, b and 2 more', 'a')
    """
    shown = ", ".join(map(str, items[:most]))
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def counted(number: int, noun: str, total: int | None = None) -> str:
    """A number and its noun.

    >>> counted(1, "image"), counted(2, "mask", 10)
    ('1 image', '2 of 10 masks')
    """
    of = number if total is None else total
    return f"{number}{'' if total is None else f' of {total}'} {noun}{'' if of == 1 else 's'}"
