"""What a part found: tables of rows, notes and failures, saved as JSON after every row."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Record:
    """What a part hands over. ``seconds`` is its share of the time: it should stop when `has_time` says no.

    Saved again with every row: a part that is killed leaves what it had.
    """

    def __init__(self, out: Path, part: str, seconds: float):
        self.path, self.part, self.seconds = out / f"{part}.json", part, seconds
        self.tables: dict[str, list[Row]] = {}
        self.notes: list[str] = []
        self.failures: list[str] = []
        self.status = "running"
        self._began = self._saved = time.monotonic()
        self.save()

    def add(self, table: str, **row: Any) -> None:
        """A row of a table; columns are those of all its rows."""
        self.tables.setdefault(table, []).append({key: _plain(value) for key, value in row.items()})
        if time.monotonic() - self._saved > 0.2:
            self.save()

    def note(self, text: str) -> None:
        """Something to know about the figures."""
        self.notes.append(text)
        self.save()

    def fail(self, text: str) -> None:
        """Something that is wrong: the whole check fails, but goes on."""
        self.failures.append(text)
        self.save()

    def check(self, right: bool, text: str) -> None:
        """Fail with ``text`` unless ``right``."""
        if not right:
            self.fail(text)

    def elapsed(self) -> float:
        """Seconds since the part began."""
        return time.monotonic() - self._began

    def has_time(self, share: float = 1.0) -> bool:
        """Whether less than this share of the part's seconds is used up."""
        return self.elapsed() < share * self.seconds

    def finish(self, status: str) -> None:
        """The part is over: "done", or "crashed"."""
        self.status = status
        self.save()

    def save(self) -> None:
        """Write all to the part's JSON file, whole or not at all."""
        self._saved = time.monotonic()
        content = {
            "part": self.part,
            "status": self.status,
            "seconds": round(self.elapsed(), 1),
            "failures": self.failures,
            "notes": self.notes,
            "tables": self.tables,
        }
        beside = self.path.with_suffix(".tmp")
        beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
        os.replace(beside, self.path)


def load(path: Path) -> dict[str, Any] | None:
    """What a part saved, or None if it saved nothing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def mark(path: Path, part: str, status: str, failure: str) -> None:
    """Say of a part that could not say so itself that it failed; what it had saved is kept."""
    content = load(path) or {"part": part, "seconds": 0.0, "failures": [], "notes": [], "tables": {}}
    content["status"] = status
    content["failures"].append(failure)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _plain(value: Any) -> Any:
    """A value that JSON knows."""
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value
