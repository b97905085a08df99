"""The benchmark of the four ways, at its smallest."""

import json

import numpy as np
import pytest

import minifcn as mf
from minifcn.benchmarks import sliding_window, truth
from minifcn.models import Dilated, SlidingWindow

WAYS = ["SlidingWindow", "ShiftAndStitch", "Dilated", "Fragments"]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = mf.get_num_threads()
    mf.set_num_threads(1)
    yield
    mf.set_num_threads(threads)


def test_it_measures_and_writes(tmp_path, capsys):
    sliding_window.main(["--size", "2", "--rounds", "1", "--json", str(tmp_path / "figures.json")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ciresan-n3, 2 x 2 answers, 1 thread(s), float32"
    assert [line.split()[0] for line in lines[2:6]] == WAYS
    written = json.loads((tmp_path / "figures.json").read_text())
    assert [row["name"] for row in written["rows"]] == WAYS
    assert all(row["seconds"]["median"] > 0 for row in written["rows"])


def test_extrapolation_is_said(monkeypatch):
    monkeypatch.setattr(sliding_window, "_SQUARE", 1)
    report = sliding_window.measure("ciresan-n3", size=2, rounds=1)
    assert [row.answers for row in report.rows] == [1, 4, 4, 4]
    table = sliding_window.table(report)
    assert "SlidingWindow*" in table
    assert "* extrapolated from 1 x 1 answers" in table


class Wrong(Dilated):
    """Off by a row."""

    def scores(self, x, size):
        return mf.tensor(np.roll(super().scores(x, size).data, 1, axis=1))


def test_wrong_answers_are_found():
    classifier = sliding_window.build("ciresan-n3", seed=0)
    x = mf.rand(1, 67, 67, 1)
    with mf.no_grad(), pytest.raises(truth.WrongResultError, match="Wrong against SlidingWindow: result 0 is off by"):
        sliding_window.compare([(SlidingWindow(classifier), x), (Wrong(classifier), x)], 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "unet"], "'unet' does not classify windows; models that do: ciresan-n3, ciresan-n4"),
        (["--model", "ciresan"], "unknown model 'ciresan'"),
        (["--size", "0"], "--size and --rounds must be positive, got 0 and 5"),
        (["--rounds", "-1"], "must be positive, got 128 and -1"),
    ],
)
def test_impossible_wishes(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        sliding_window.main(arguments)
    assert message in capsys.readouterr().err
