"""The trainings behind the README's tables, on two networks' worth of nothing."""

import json

import pytest
from small_data import write_isbi

from minifcn.benchmarks import trainings
from minifcn.benchmarks.trainings import Group, Training


def test_a_table_of_trainings_that_goes_on_where_it_stopped(tmp_path, monkeypatch, capfd):
    write_isbi(tmp_path / "data" / "isbi2012", sections=4, size=32)
    small = ("--base", "2", "--depth", "1", "--steps", "2", "--crop", "16", "--batch", "2")
    group = Group((Training("U-Net, small", "isbi", "isbi2012", small),), {"v_rand": "V_Rand"})
    monkeypatch.setitem(trainings.GROUPS, "tiny", group)
    trainings.main(["tiny"], tmp_path / "data", 2, tmp_path / "runs", tmp_path / "tables")
    table = (tmp_path / "tables" / "tiny.md").read_text()
    assert table.splitlines()[0] == "| | V_Rand | parameters | training, s | prediction, s an image |"
    assert "| U-Net, small | " in table
    assert "| raw threshold | " in table
    (row,) = json.loads((tmp_path / "tables" / "tiny.json").read_text())
    assert len(row["runs"]) == 2
    assert row["command"].startswith("minifcn train isbi --base 2")
    capfd.readouterr()
    monkeypatch.setattr(trainings, "_minifcn", lambda *arguments: pytest.fail("it was finished"))
    trainings.main(["tiny"], tmp_path / "data", 2, tmp_path / "runs", tmp_path / "tables")
    assert (tmp_path / "tables" / "tiny.md").read_text() == table
    capfd.readouterr()
