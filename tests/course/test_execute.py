"""Running notebooks from scratch: what is kept of a good one, and what is said of a bad one."""

import tempfile

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from minifcn.course.execute import NotebookError, execute, main

SOLUTION = "<details><summary>Solution</summary>\n\n```python\ndef double(x):\n    return {}\n```\n\n</details>"


def exercise(solution="2 * x", answer="raise NotImplementedError"):
    return [
        new_code_cell("from minifcn import course"),
        new_code_cell(f"def double(x):\n    {answer}", metadata={"tags": ["exercise"]}),
        new_code_cell("@course.check\ndef it_doubles():\n    assert double(2) == 4", metadata={"tags": ["check"]}),
        new_markdown_cell(SOLUTION.format(solution), metadata={"tags": ["solution"]}),
    ]


@pytest.fixture
def notebook(tmp_path):
    def write(*cells):
        path = tmp_path / "n.ipynb"
        nbformat.write(new_notebook(cells=list(cells)), path)
        return path

    return write


def test_outputs_are_kept_and_nothing_else_is(notebook, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    quiz = new_code_cell("course.quiz('?', {'a': 'right'}, right='a')")
    after = new_code_cell("try:\n    double(2)\nexcept NotImplementedError:\n    print('still open')")
    path = notebook(*exercise(), quiz, after)
    sources = [cell.source for cell in nbformat.read(path, 4).cells]
    assert execute(path) > 0
    written = nbformat.read(path, 4)
    nbformat.validate(written)
    assert [cell.source for cell in written.cells] == sources
    assert written.cells[2].outputs[0].data["text/plain"] == "○ it doubles: not answered yet"
    assert set(written.cells[4].outputs[0].data) == {"text/plain", "text/html"}
    assert written.cells[5].outputs[0].text == "still open\n"
    assert [cell.execution_count for cell in written.cells if cell.cell_type == "code"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([new_code_cell("1 / 0")], "ZeroDivisionError"),
        ([new_code_cell("import warnings\nwarnings.warn('old')")], "UserWarning: old"),
        ([new_code_cell("import sys\nprint('!', file=sys.stderr)")], "wrote to stderr"),
        (exercise(solution="x + 1"), "the solution does not pass: ✗ it doubles"),
        (exercise(answer="return 4"), "the empty answer passes: ✓ it doubles"),
    ],
)
def test_what_fails(notebook, cells, said):
    path = notebook(*cells)
    before = path.read_bytes()
    with pytest.raises(NotebookError) as caught:
        execute(path)
    assert said in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert path.read_bytes() == before


def test_parts_that_are_missing_are_found_before_anything_runs(notebook):
    whole = exercise()
    for gone, tag in ((1, "exercise"), (3, "solution")):
        with pytest.raises(NotebookError, match=f"no cell tagged '{tag}'"):
            execute(notebook(*whole[:gone], *whole[gone + 1 :]))
    with pytest.raises(NotebookError, match="no block of Python"):
        execute(notebook(*whole[:3], new_markdown_cell("none", metadata={"tags": ["solution"]})))


def test_the_command(notebook, capsys, tmp_path):
    path = notebook(new_code_cell("print(1)"))
    before = path.read_bytes()
    assert main(["--check", str(path)]) == 0
    assert path.read_bytes() == before
    assert capsys.readouterr().out.startswith("n.ipynb: ")
    assert main([str(tmp_path / "none.ipynb")]) == 1
    assert "FAILED" in capsys.readouterr().err


def test_a_folder_whose_name_is_too_long_for_sockets(notebook, monkeypatch, tmp_path):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert execute(notebook(new_code_cell("1")), write=False) > 0
    assert list(long.iterdir()) == []
