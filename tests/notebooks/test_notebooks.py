"""Every notebook of the course runs from scratch, its exercises checked; and the form that all of them have."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
names = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def tags(cell):
    return cell.metadata.get("tags", [])


def test_the_course_is_complete():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(1, 15)]


@names
def test_it_runs_from_scratch(path, tmp_path):
    """In a kernel of its own, as a reader would: errors, warnings, empty answers that pass, solutions that do not."""
    # Real data would make another notebook of it; and what it writes must not stay.
    environment = os.environ | {"MINIFCN_DATA": str(tmp_path / "data"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "minifcn.course.execute", "--check", str(path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


@names
def test_it_has_the_parts_that_all_have(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    first, last = notebook.cells[0].source, notebook.cells[-1].source
    assert first.startswith(f"# {int(path.name[:2])}. ")
    assert all(f"**{part}**" in first for part in ("Goal.", "In the lecture.", "Time."))
    assert last.startswith("## What you have seen")
    checks = [cell for cell in notebook.cells if "check" in tags(cell)]
    exercises = [cell for cell in notebook.cells if "exercise" in tags(cell)]
    solutions = [cell for cell in notebook.cells if "solution" in tags(cell)]
    assert len(checks) == len(exercises) == len(solutions) >= 2
    assert all(cell.source.startswith("<details>") and cell.source.endswith("</details>") for cell in solutions)


@names
def test_its_outputs_are_committed_and_small(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert path.stat().st_size < 600_000
    for cell in code:
        for output in cell.outputs:
            assert output.output_type != "error"
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})


@names
def test_every_figure_says_what_to_notice(path):
    cells = nbformat.read(path, as_version=4).cells
    for place, cell in enumerate(cells):
        shown = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        if shown & {"image/png", "image/svg+xml"}:
            assert "What to notice" in cells[place + 1].source, cell.source
