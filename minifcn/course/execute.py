"""Run the course's notebooks from scratch: `python -m minifcn.course.execute [--check] NOTEBOOK...`.

A notebook runs in a fresh kernel, in an empty folder, where any error, any warning and any word on stderr is a failure.
Each exercise is tried twice in that one run: its check must not pass on the empty answer, and must pass on the solution
beside it; then the empty answer is put back, since nothing that follows may need a solution. Without ``--check``, the
outputs are written into the notebook.

Cells say what they are by their tags: ``exercise`` (code, the empty answer), ``check`` (code, a test under `check`) and
``solution`` (Markdown, whose first block of code is the solution).
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from minifcn.course.showing import METADATA
from minifcn.io.atomic import write_text

# What a notebook may take, in seconds a cell; the course promises two minutes a notebook.
_TIMEOUT = 600
_INSERTED = "inserted"  # marks, in a cell's metadata, what a run puts in and nobody sees
# Every warning is an error, but for what the kernel itself says as it stops, which is no cell's doing.
_STRICT = "import warnings; warnings.simplefilter('error'); warnings.filterwarnings('ignore', module='ipykernel')"
_CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
_LONGEST_SOCKET = 80  # letters of its folder: a socket's whole name has at most 107
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # of tracebacks, which are written for terminals
_WIDGET = "application/vnd.jupyter.widget-view+json"


class NotebookError(Exception):
    """A notebook that does not run as it must, with all that is wrong with it."""


def execute(path: str | Path, write: bool = True) -> float:
    """Run a notebook from scratch; return the seconds it took.

    Args:
        path: of the .ipynb file.
        write: put the outputs into the file.

    Raises:
        NotebookError: a cell raised, warned or wrote to stderr; an exercise's check passes on the empty answer, or
            fails on the solution; an exercise lacks one of its parts.
    """
    import nbformat

    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = list(_with_solutions(notebook.cells))
    start = time.perf_counter()
    _run(notebook)
    seconds = time.perf_counter() - start
    if wrong := [*_complaints(notebook.cells), *_wrong_verdicts(notebook.cells)]:
        raise NotebookError("\n".join([f"{path.name}:", *wrong]))
    if write:
        _tidy(notebook)
        write_text(path, nbformat.writes(notebook))
    return seconds


# --- before the run: every exercise is answered, and its answer taken back ------------------------------------------


def _with_solutions(cells: Sequence[Any]) -> Iterator[Any]:
    """The cells, and after each check the solution, the check once more, and the empty answer again."""
    yield _inserted_cell(_STRICT)
    for position, cell in enumerate(cells):
        yield cell
        if "check" not in _tags(cell):
            continue
        exercise = _nearest(cells[:position][::-1], "exercise", cell)
        solution = _CODE.search(_nearest(cells[position:], "solution", cell).source)
        if solution is None:
            raise NotebookError(f"the solution of a check has no block of Python: {cell.source!r}")
        yield _inserted_cell(solution.group(1))
        yield _inserted_cell(cell.source, expects="passed")
        yield _inserted_cell(exercise.source)


def _nearest(cells: Sequence[Any], tag: str, check: Any) -> Any:
    """The first of ``cells`` that has a tag; not across another check."""
    for cell in cells:
        if tag in _tags(cell):
            return cell
        if "check" in _tags(cell) and cell is not check:
            break
    raise NotebookError(f"no cell tagged {tag!r} belongs to this check:\n{check.source}")


def _inserted_cell(source: str, expects: str = "") -> Any:
    from nbformat.v4 import new_code_cell

    return new_code_cell(source, metadata={METADATA: {_INSERTED: True, "expects": expects}})


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _is_inserted(cell: Any) -> bool:
    return bool(cell.metadata.get(METADATA, {}).get(_INSERTED))


# --- the run --------------------------------------------------------------------------------------------------------


def _run(notebook: Any) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError
    from traitlets.config import Config

    with tempfile.TemporaryDirectory() as folder:
        # The kernel's own files go there as well: a run leaves nothing behind, and reads nobody's settings.
        homes = {name: f"{folder}/{name}" for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR")}
        # Sockets in files, where their names are not too long: nobody else can listen, and no port can be taken.
        transport = "ipc" if len(folder) < _LONGEST_SOCKET else "tcp"
        sockets = Config({"KernelManager": {"transport": transport, "connection_file": f"{folder}/kernel.json"}})
        client = NotebookClient(
            notebook,
            timeout=_TIMEOUT,
            kernel_name="python3",
            record_timing=False,
            resources=_in(folder),
            config=sockets,
        )
        try:
            client.execute(env=os.environ | homes)
        except (CellExecutionError, CellTimeoutError) as error:
            raise NotebookError(_COLOURS.sub("", str(error))) from error


def _in(folder: str) -> dict[str, Any]:
    work = Path(folder) / "work"
    work.mkdir()
    return {"metadata": {"path": str(work)}}


# --- after it -------------------------------------------------------------------------------------------------------


def _complaints(cells: Sequence[Any]) -> Iterator[str]:
    """Cells that wrote to stderr, as warnings do."""
    for cell in cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                yield f"  a cell wrote to stderr:\n{cell.source}\n  it wrote:\n{output.text}"


def _wrong_verdicts(cells: Sequence[Any]) -> Iterator[str]:
    """Checks that pass on the empty answer, and checks that do not on the solution."""
    for cell in cells:
        expected = cell.metadata.get(METADATA, {}).get("expects", "")
        if "check" not in _tags(cell) and not expected:
            continue
        verdicts = [
            (output.metadata[METADATA]["check"], output.data["text/plain"])
            for output in cell.get("outputs", [])
            if "check" in output.get("metadata", {}).get(METADATA, {})
        ]
        if not verdicts:
            yield f"  a check gave no verdict:\n{cell.source}"
        for state, text in verdicts:
            if expected and state != "passed":
                yield f"  the solution does not pass: {text}"
            if not expected and state == "passed":
                yield f"  the empty answer passes: {text}"


def _tidy(notebook: Any) -> None:
    """Take out what the run put in, and what would differ from run to run or ask for a kernel that is gone."""
    notebook.cells = [cell for cell in notebook.cells if not _is_inserted(cell)]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
        cell.outputs = _merged(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
            data = output.get("data", {})
            # A page, and a notebook just opened, have no widget; what stands beside it is readable without.
            data.pop(_WIDGET, None)
            if "image/png" in data:
                data["image/png"] = _smaller(data["image/png"])


def _merged(outputs: Sequence[Any]) -> list[Any]:
    """What was printed in one go as one output: a kernel cuts it where it happens to be sent."""
    merged: list[Any] = []
    for output in outputs:
        if merged and output.output_type == "stream" == merged[-1].output_type and output.name == merged[-1].name:
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def _smaller(png: str) -> str:
    """A figure with a palette of 256 colours, if that is smaller, in base 64: a repository keeps every version."""
    from PIL import Image

    given, found = base64.b64decode(png), io.BytesIO()
    picture = Image.open(io.BytesIO(given)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(found, "PNG", optimize=True)
    return base64.b64encode(found.getvalue()).decode() if len(found.getvalue()) < len(given) else png


def main(arguments: Sequence[str] | None = None) -> int:
    """Run notebooks one after another, saying how long each took; 1 if one of them does not run as it must."""
    parser = argparse.ArgumentParser(
        prog="python -m minifcn.course.execute", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("notebooks", nargs="+", type=Path, help="the .ipynb files")
    parser.add_argument("--check", action="store_true", help="leave the files as they are")
    given = parser.parse_args(arguments)
    failed = False
    for path in given.notebooks:
        try:
            print(f"{path.name}: {execute(path, write=not given.check):.0f} s", flush=True)
        except (NotebookError, OSError) as error:
            failed = True
            print(f"FAILED {error}", file=sys.stderr, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
