"""What the parts saved, as one page of Markdown, and as a few lines with the targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from minifcn.benchmarks.gpu.parts import Part
from minifcn.benchmarks.gpu.record import load

#: The table that parts put what is aimed at into: what, value, target.
TARGETS = "targets"


def status(out: Path, part: Part) -> str:
    """ "done", "crashed", "killed", "left out", "running", or "not run"."""
    saved = load(out / f"{part.name}.json")
    return "not run" if saved is None else str(saved["status"])


def all_well(out: Path, parts: Sequence[Part]) -> bool:
    """Whether every part is done, without failures; speed that no time was left for is no failure."""
    return all(_well(load(out / f"{part.name}.json"), part) for part in parts)


def verdict(out: Path, part: Part) -> str:
    """A part in a line."""
    saved = load(out / f"{part.name}.json")
    if saved is None:
        return "not run"
    failures = saved["failures"]
    first = f": {_last_line(failures[0])}" if failures else ""
    return f"{saved['status']} in {saved['seconds']:.0f} s, {len(failures)} failure(s){first}"


def write(out: Path, parts: Sequence[Part]) -> None:
    """Write report.md anew from what there is."""
    lines = ["# GPU check", "", "```", summary(out, parts), "```", ""]
    for part in parts:
        saved = load(out / f"{part.name}.json")
        if saved is not None:
            lines += section(part, saved)
    (out / "report.md").write_text("\n".join(lines), encoding="utf-8")


def section(part: Part, saved: dict[str, Any]) -> list[str]:
    """A part's notes, failures and tables."""
    lines = [f"## {part.title}", "", f"{part.name}: {saved['status']}, {saved['seconds']:.0f} s.", ""]
    for text in saved["failures"]:
        lines += ["FAILED:", "", "```", text.rstrip(), "```", ""]
    lines += [f"- {text}" for text in saved["notes"]] + [""] * bool(saved["notes"])
    for name, rows in saved["tables"].items():
        lines += [f"### {name}", "", *_table(rows), ""]
    return lines


def summary(out: Path, parts: Sequence[Part]) -> str:
    """The parts, a line each, and PASS or MISS for every target."""
    lines = []
    for part in parts:
        right = _well(load(out / f"{part.name}.json"), part)
        lines.append(f"{'ok  ' if right else 'FAIL'} {part.name:22} {verdict(out, part)}")
    for part in parts:
        saved = load(out / f"{part.name}.json")
        for row in saved["tables"].get(TARGETS, []) if saved else []:
            reached = not isinstance(row["value"], str) and row["value"] >= row["target"]
            value = row["value"] if isinstance(row["value"], str) else f"{row['value']:.2f}"
            lines.append(f"{'PASS' if reached else 'MISS'} {row['what']}: {value} (target {row['target']})")
    return "\n".join(lines)


def _well(saved: dict[str, Any] | None, part: Part) -> bool:
    if saved is None or saved["status"] == "left out":
        return saved is not None and not part.together  # figures may be missing for lack of time, proofs may not
    return saved["status"] == "done" and not saved["failures"]


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][:160] if text.strip() else ""


def _table(rows: Iterable[dict[str, Any]]) -> list[str]:
    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |" for row in rows]
    return lines


def _cell(value: Any) -> str:
    """
    >>> _cell(0.000012345), _cell(1234.5678), _cell(0.5), _cell("a|b")
    ('1.2e-05', '1235', '0.500', 'a\\\\|b')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e6):
            return f"{value:.1e}"
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"
    return str(value).replace("|", "\\|").replace("\n", " ")
