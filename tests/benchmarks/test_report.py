"""What is written of a run: JSON that parses, tables whose lines agree, targets, and the picture."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from minifcn.benchmarks import report, roofline
from minifcn.benchmarks.cases import CASES, GROUPS, MemoryCase, StartupCase
from minifcn.benchmarks.measure import Timing
from minifcn.benchmarks.suite import Result, geometric_mean, mean_reached

BY_NAME = {case.name: case for case in CASES}
FACTS: dict[str, Any] = {"system": "a | b", "GFLOP/s, numpy": 100.0, "GB/s": 10.0}


def result(name: str, ours: float | None = None, peers: dict[str, float] | None = None, **more: Any) -> Result:
    times = ({"minifcn": ours} if ours is not None else {}) | (peers or {})
    return Result(BY_NAME[name], timings={k: Timing(v, 0.9 * v, 1.1 * v, 5) for k, v in times.items()}, **more)


@pytest.fixture
def results() -> list[Result]:
    memory = next(case for case in CASES if isinstance(case, MemoryCase))
    start = next(case for case in CASES if isinstance(case, StartupCase))
    return [
        result("conv3x3/32 to 32 at 256", 0.010, {"A": 0.040, "B": 0.050}),
        result("conv3x3/64 to 64 at 128", 0.010, {"A": 0.020, "B": 0.010}, notes=["a | note"]),
        result("conv3x3/128 to 128 at 64", error="WrongResultError: off by 1"),
        result("conv3x3-training/32 to 32 at 256", 0.010),
        result(memory.name, 100.0, {"A": 200.0}, unit="MiB"),
        result(start.name, 0.4),
    ]


def test_ratios_count_the_best_peer(results: list[Result]) -> None:
    first, second, failed, alone, memory, start = results
    assert (first.best_peer, first.ratio, first.reached) == ("A", pytest.approx(4.0), True)
    assert (second.best_peer, second.ratio, second.reached) == ("B", pytest.approx(1.0), False)
    assert (failed.ratio, failed.reached) == (None, False)
    assert (alone.best_peer, alone.ratio, alone.reached) == (None, None, None)
    assert (memory.ratio, memory.reached) == (2.0, True)
    assert (start.target, start.reached) == (0.5, True)
    assert geometric_mean(results[:4]) == pytest.approx(2.0)
    assert mean_reached(GROUPS["conv3x3"], results[:2]) is True
    assert mean_reached(GROUPS["conv3x3"], results[1:2]) is False
    assert report.summary("conv3x3", results[:3]) == (
        "geometric mean 2.00 (target 2: reached), worst 1.00 (target 1.3: not reached)"
    )


def test_cells(results: list[Result]) -> None:
    rows = report.rows(results)
    assert rows[0] == ("32 to 32 at 256", "10 ms ± 10%", "A", "40 ms ± 10%", "4.00", "1.3: yes", "483", "")
    assert rows[2] == ("128 to 128 at 64", "failed", "", "", "", "1.3: no", "", "")
    assert rows[4][1:6] == ("100 MiB ± 10%", "A", "200 MiB ± 10%", "2.00", "1.6: yes")
    assert rows[5][1:6] == ("0.4 s ± 10%", "", "", "", "≤ 0.5 s: yes")


def test_json_holds_everything(results: list[Result]) -> None:
    written = json.loads(report.to_json(results, FACTS))
    assert written["machine"] == FACTS
    assert list(written["groups"]) == ["conv3x3", "conv3x3-training", "memory", "startup"]
    first, _, failed = written["groups"]["conv3x3"]["cases"]
    assert first["contestants"]["A"] == {"median": 0.04, "low": 0.9 * 0.04, "high": 1.1 * 0.04, "rounds": 5}
    assert (first["ratio"], first["reached"]) == (pytest.approx(4.0), True)
    assert failed["error"] == "WrongResultError: off by 1"


def test_markdown_tables_are_rectangular(results: list[Result]) -> None:
    lines = report.to_markdown(results, FACTS).splitlines()
    tables = "\n".join(line if line.startswith("|") else "" for line in lines).split("\n\n")
    tables = [table.strip().splitlines() for table in tables if table.strip()]
    assert len(tables) == 4 + 2 + 1  # groups; medians where there is more than one contestant; the machine
    for table in tables:
        columns = {line.replace("\\|", "").count("|") for line in table}
        assert len(columns) == 1, table
        assert set(table[1]) == {"|", "-"}
    assert "| 32 to 32 at 256 | 10 | 40 | 50 |" in lines
    assert "128 to 128 at 64: WrongResultError: off by 1" in lines


def test_remarks_name_bystanders(results: list[Result]) -> None:
    results[0].bystanders, results[1].bystanders = 0.05, 0.5
    assert report.remarks(results[:1]) == []
    assert "other processes used up to 50% of the processors" in report.remarks(results)[-1]
    assert [row[-1] for row in report.rows(results[:2])] == ["", "50%"]


def test_terminal_table_shows_all_cases(results: list[Result]) -> None:
    output = io.StringIO()
    Console(file=output, width=120).print(report.table("conv3x3", results[:3]))
    assert all(row.case.label in output.getvalue() for row in results[:3])
    assert "failed" in output.getvalue()


def test_roofline_is_a_picture(results: list[Result], tmp_path: Path) -> None:
    points = roofline.points(results)
    assert [(round(1e-9 * ours), peer and round(1e-9 * peer)) for _, ours, peer in points] == [
        (483, 121),
        (483, 483),
        (1450, None),
    ]
    assert roofline.draw(tmp_path / "a.png", results, FACTS)  # type: ignore[arg-type]
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1080, 720)
    assert not roofline.draw(tmp_path / "b.png", results[4:], FACTS)  # type: ignore[arg-type]
    assert not (tmp_path / "b.png").exists()
