"""What a run says: a table for the terminal, one in Markdown, and everything in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from minifcn.benchmarks.cases import GROUPS, ConvCase, StartupCase
from minifcn.benchmarks.machine import BUSY
from minifcn.benchmarks.suite import OURS, Result, geometric_mean, mean_reached

HEADINGS = ("case", "minifcn", "its best peer", "", "ratio", "target", "GFLOP/s", "others")


def by_group(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Results under the names of their groups, in the table's order."""
    results = list(results)
    groups = {name: [r for r in results if r.case.group == name] for name in GROUPS}
    return {name: found for name, found in groups.items() if found}


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """A line of cells for each case."""
    return [_row(result) for result in results]


def _row(result: Result) -> tuple[str, ...]:
    case = result.case
    if result.error is not None:
        return (case.label, "failed", "", "", "", _target(result), "", _others(result))
    peer = result.best_peer
    return (
        case.label,
        quantity(result, OURS),
        peer or "",
        quantity(result, peer) if peer else "",
        f"{result.ratio:.2f}" if result.ratio is not None else "",
        _target(result),
        f"{case.flops / result.ours / 1e9:.0f}" if isinstance(case, ConvCase) and result.ours else "",
        _others(result),
    )


def _others(result: Result) -> str:
    """What other processes used of the machine, where it was too much."""
    return f"{result.bystanders:.0%}" if result.bystanders is not None and result.bystanders > BUSY else ""


def quantity(result: Result, name: str) -> str:
    """Median with its unit, and half the distance of the quartiles: ``12.3 ms ± 2%``."""
    timing = result.timings[name]
    factor, unit = _scale(result)
    if timing.rounds == 1:
        return f"{timing.median * factor:.4g} {unit}"
    return f"{timing.median * factor:.4g} {unit} ± {50 * (timing.high - timing.low) / timing.median:.0f}%"


def _scale(result: Result) -> tuple[float, str]:
    if result.unit != "s" or isinstance(result.case, StartupCase):
        return 1.0, result.unit
    return 1e3, "ms"


def _target(result: Result) -> str:
    if result.target is None:
        return ""
    bound = f"≤ {result.target:g} s" if isinstance(result.case, StartupCase) else f"{result.target:g}"
    return f"{bound}: {'yes' if result.reached else 'no'}" if result.reached is not None else bound


def summary(name: str, results: Sequence[Result]) -> str:
    """A group's last line: mean and worst ratio beside their targets."""
    mean = geometric_mean(results)
    if mean is None:
        return ""
    group = GROUPS[name]
    ratios = [result.ratio for result in results if result.ratio is not None]
    parts = [f"geometric mean {mean:.2f}"]
    if group.mean is not None:
        parts[0] += f" (target {group.mean:g}: {'' if mean_reached(group, results) else 'not '}reached)"
    parts.append(f"worst {min(ratios):.2f}")
    if group.worst is not None:
        parts[1] += f" (target {group.worst:g}: {'' if min(ratios) >= group.worst else 'not '}reached)"
    return ", ".join(parts)


def remarks(results: Sequence[Result]) -> list[str]:
    """Failures, and what could not be offered, each with its cases."""
    lines = [f"{result.case.label}: {result.error}" for result in results if result.error is not None]
    lines += [f"{result.case.label}: {note}" for result in results for note in result.notes]
    shares = [result.bystanders for result in results if result.bystanders is not None]
    if max(shares, default=0.0) > BUSY:
        lines.append(
            f"other processes used up to {max(shares):.0%} of the processors: times are too long, and ratios doubtful; "
            "--patience SECONDS waits for quiet"
        )
    return lines


def table(name: str, results: Sequence[Result]) -> Any:
    """A group for the terminal."""
    from rich.table import Table

    drawn = Table(title=f"{name}: {GROUPS[name].title}", title_justify="left")
    lines = rows(results)
    used = [number for number in range(len(HEADINGS)) if any(row[number] for row in lines)]
    for number in used:
        drawn.add_column(HEADINGS[number], justify="left" if number in (0, 2) else "right")
    for row in lines:
        drawn.add_row(*(row[number] for number in used), style="bold red" if row[1] == "failed" else None)
    return drawn


def to_markdown(results: Iterable[Result], facts: Mapping[str, Any]) -> str:
    """All groups, every contestant's figures, and the machine."""
    parts = ["# minifcn beside its peers", ""]
    for name, found in by_group(results).items():
        parts += [f"## {name}: {GROUPS[name].title}", "", *_lines(HEADINGS, rows(found)), ""]
        parts += [line for line in (summary(name, found), *remarks(found)) if line]
        contestants = list(dict.fromkeys(contestant for result in found for contestant in result.timings))
        if len(contestants) > 1:
            cells = [
                (
                    r.case.label,
                    *(f"{r.timings[c].median * _scale(r)[0]:.4g}" if c in r.timings else "" for c in contestants),
                )
                for r in found
            ]
            unit = _scale(found[0])[1]
            parts += ["", f"Medians in {unit}:", "", *_lines(("case", *contestants), cells)]
        parts.append("")
    parts += ["## Machine", "", *_lines(("fact", "value"), [(key, str(value)) for key, value in facts.items()]), ""]
    return "\n".join(parts)


def _lines(headings: Sequence[str], cells: Iterable[Sequence[str]]) -> list[str]:
    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"

    return [line(headings), "|" + "---|" * len(headings), *(line(row) for row in cells)]


def to_json(results: Iterable[Result], facts: Mapping[str, Any]) -> str:
    """Everything, with all figures in full."""
    groups = {
        name: {
            "title": GROUPS[name].title,
            "geometric_mean": geometric_mean(found),
            "target_mean": GROUPS[name].mean,
            "mean_reached": mean_reached(GROUPS[name], found),
            "cases": [_record(result) for result in found],
        }
        for name, found in by_group(results).items()
    }
    return json.dumps({"machine": dict(facts), "groups": groups}, indent=2, allow_nan=False) + "\n"


def _record(result: Result) -> dict[str, Any]:
    case = result.case
    work = {"flops": case.flops, "bytes": case.bytes} if isinstance(case, ConvCase) else {}
    return {
        "name": case.name,
        "case": asdict(case),
        **work,
        "unit": result.unit,
        "contestants": {name: asdict(timing) for name, timing in result.timings.items()},
        "best_peer": result.best_peer,
        "ratio": result.ratio,
        "target": result.target,
        "reached": result.reached,
        "bystanders": result.bystanders,
        "notes": result.notes,
        "error": result.error,
    }
