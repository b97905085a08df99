"""Checkpoints and atomic files: whole or not at all, and clear about damage."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from minifcn.io import CheckpointError, load_checkpoint, replacing, save_checkpoint
from minifcn.io.atomic import remove_leftovers

ARRAYS = {
    "weight": np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2],
    "count": np.array(3, np.int64),
    "nothing": np.empty((0, 2), np.float64),
}
VALUES = {"step": 3, "best": 0.1 + 0.2, "random": {"state": 2**127 + 1}, "losses": [1.5, 0.25], "none": None}


def test_arrays_and_values_survive_exactly(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", ARRAYS, VALUES)
    arrays, values = load_checkpoint(tmp_path / "a.safetensors")
    assert values == VALUES
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize("kept", [0, 4, 8, 50, -1])
def test_a_truncated_checkpoint_is_one_clear_error(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, ARRAYS, VALUES)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"a\.safetensors: truncated or not a checkpoint"):
        load_checkpoint(path)


def test_another_programs_safetensors_is_refused(tmp_path: Path) -> None:
    save_file({"weight": np.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="not a checkpoint of minifcn"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a\.safetensors: no such checkpoint"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_a_folder_that_cannot_be_written_to_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        save_checkpoint(tmp_path / "missing" / "a.safetensors", ARRAYS, VALUES)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_checkpoint_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    save_checkpoint(tmp_path / "a.safetensors", ARRAYS, VALUES)
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_half_way() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.txt.0123.tmp").write_text("half")
    (tmp_path / "a.txt").write_text("whole")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
