"""Whatever interrupts a prediction, it goes on where it was, and ends with the same bytes."""

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from predicted_files import SIZE, StoppedError, interrupted, pixels, predictor_of, read, write

import minifcn as mf
from minifcn.io.journal import JournalError, open_journal
from minifcn.prediction import TileOptions
from minifcn.prediction.stream import journal_of, predict_file


def _killed(folder: Path, after: int, options: dict[str, Any]) -> None:
    """In a process of its own: predict, and be killed after so many tiles."""
    tiles = iter(range(after))

    def progress(done: int, pixels: int) -> None:
        if next(tiles, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    mf.set_num_threads(1)
    predictor = predictor_of(options=TileOptions(**options))
    predict_file(
        predictor, next(folder.glob("in.*")), folder / f"out{next(folder.glob('in.*')).suffix}", True, progress=progress
    )


@pytest.mark.parametrize(
    ("name", "after", "options"),
    [
        ("in.tif", 11, {"tile": 32}),
        ("in.zarr", 5, {"tile": 32, "halo": 2, "stride": 8, "blend": "gaussian"}),
    ],
)
def test_what_was_killed_goes_on_and_ends_with_the_same_bytes(
    name: str, after: int, options: dict[str, Any], tmp_path: Path
) -> None:
    folders = [tmp_path / "killed", tmp_path / "whole"]
    for folder in folders:
        folder.mkdir()
        write(folder / name, pixels(*SIZE), **({"tile": (16, 16)} if name == "in.tif" else {"zarr_format": 3}))
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(folders[0], after, options))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    target = folders[0] / f"out{Path(name).suffix}"
    steps = len(journal_of(target).read_text().splitlines()) - 1
    assert steps > 0
    assert not target.exists()
    predictor, plans = predictor_of(options=TileOptions(**options)), []
    for folder in folders:
        predict_file(predictor, folder / name, folder / target.name, True, announce=plans.append)
    assert [plan.done for plan in plans] == [steps, 0]
    assert steps < plans[0].bands
    results = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders]
    assert results[0] == results[1]


def test_other_settings_are_refused_and_may_begin_anew(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.tif", pixels(*SIZE)), tmp_path / "out.tif"
    interrupted(predictor_of(), source, target)
    other = predictor_of(options=TileOptions(tile=40))
    with pytest.raises(
        JournalError, match=r"out.tif: is unfinished and was begun otherwise \(tile was 32 and is 40\); .*--overwrite"
    ):
        predict_file(other, source, target)
    predict_file(other, source, target, overwrite=True)
    expected = tmp_path / "again.tif"
    predict_file(other, source, expected)
    assert target.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize("change", ["input", "network"])
def test_a_changed_image_or_network_is_other_settings(change: str, tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.npy", pixels(*SIZE)), tmp_path / "out.npy"
    predictor = predictor_of()
    interrupted(predictor, source, target)
    if change == "input":
        os.utime(source, (1, 1))
    else:
        next(iter(predictor.model.parameters())).data[...] += 1
    with pytest.raises(JournalError, match=rf"\({change} was"):
        predict_file(predictor, source, target)


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.tif", pixels(*SIZE)), tmp_path / "out.tif"
    with open_journal(journal_of(target)), pytest.raises(JournalError, match=r"out.tif.*another process is writing"):
        predict_file(predictor_of(), source, target)
    predict_file(predictor_of(), source, target)


def test_killed_between_two_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, predictor = write(tmp_path / "a.tif", pixels(*SIZE)), predictor_of(classes=3)
    replace, count = Path.replace, iter(range(9))

    def fail(self: Path, target: Path) -> Path:
        if next(count) == 1:
            raise StoppedError
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StoppedError):
        predict_file(predictor, source, tmp_path / "out.tif", probabilities=True)
    paths = predict_file(predictor, source, tmp_path / "out.tif", probabilities=True).paths
    np.testing.assert_allclose(sum(read(path) for path in paths), 1.0, rtol=1e-6)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_torn_journal_repeats_the_step(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.tif", pixels(*SIZE)), tmp_path / "out.tif"
    interrupted(predictor_of(), source, target, after=12)
    steps = len(journal_of(target).read_text().splitlines()) - 1
    with journal_of(target).open("a") as file:
        file.write("[0, [1")
    plans: list[Any] = []
    predict_file(predictor_of(), source, target, announce=plans.append)
    assert plans[0].done == steps > 0
    predict_file(predictor_of(), source, tmp_path / "again.tif")
    assert target.read_bytes() == (tmp_path / "again.tif").read_bytes()


def test_journals_hold_one_line_a_band(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.npy", pixels(*SIZE)), tmp_path / "out.npy"
    interrupted(predictor_of(), source, target, after=12)
    settings, *steps = map(json.loads, journal_of(target).read_text().splitlines())
    assert settings["minifcn"]["settings"]["strategy"] == "tile"
    assert all(page == 0 and len(sums) == 2 and len(checksums) == 1 for page, _, sums, checksums in steps)


def _group(path: Path) -> Path:
    group = zarr.create_group(path, zarr_format=3)
    group.create_array("0", data=pixels(*SIZE), chunks=(16, 16), dimension_names=["y", "x"])
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    scale = [{"type": "scale", "scale": [1.0, 1.0]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    return path


SOURCES = {
    "a.tif": lambda folder: write(folder / "a.tif", pixels(*SIZE)),
    "two.zarr": lambda folder: write(folder / "two.zarr", pixels(*SIZE), zarr_format=2),
    "three.zarr": lambda folder: write(folder / "three.zarr", pixels(*SIZE), zarr_format=3),
    "ome.zarr": lambda folder: _group(folder / "ome.zarr"),
}


@pytest.mark.parametrize("name", list(SOURCES))
def test_changed_pixels_of_the_source_are_noticed(name: str, tmp_path: Path) -> None:
    source = SOURCES[name](tmp_path)
    target = tmp_path / f"out{source.suffix}"
    interrupted(predictor_of(), source, target)
    files = [path for path in [source, *sorted(source.rglob("*"))] if path.is_file()]
    pixels_of = [path for path in files if path.suffix != ".json" and not path.name.startswith(".z")]
    os.utime(pixels_of[-1], (1, 1))
    with pytest.raises(JournalError, match=r"was begun otherwise \(input was"):
        predict_file(predictor_of(), source, target)


def _shorten(partial: Path) -> None:
    os.truncate(partial, partial.stat().st_size - 1000)


def _zeros(partial: Path) -> None:
    size = partial.stat().st_size
    os.truncate(partial, size - 5000)
    os.truncate(partial, size)


def _delete(partial: Path) -> None:
    shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def _delete_chunk(partial: Path) -> None:
    (partial / "c" / "0" / "0").unlink()


def _relabel(partial: Path) -> None:
    meta = partial / "zarr.json"
    meta.write_text(meta.read_text().replace("75", "74"))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("a.tif", _shorten),
        ("a.tif", _zeros),
        ("a.tif", _delete),
        ("three.zarr", _delete_chunk),
        ("three.zarr", _relabel),
        ("three.zarr", _delete),
        ("ome.zarr", _delete),
    ],
)
def test_a_damaged_unfinished_result_begins_anew(name: str, damage: Any, tmp_path: Path) -> None:
    source = SOURCES[name](tmp_path)
    target, whole = tmp_path / f"out{source.suffix}", tmp_path / f"whole{source.suffix}"
    interrupted(predictor_of(), source, target, after=12)
    damage(target.with_name(f"{target.name}.partial"))
    plans: list[Any] = []
    predict_file(predictor_of(), source, target, announce=plans.append)
    assert (plans[0].done, plans[0].lost) == (0, True)
    predict_file(predictor_of(), source, whole)
    results = [
        {p.relative_to(path): p.read_bytes() for p in [path, *path.rglob("*")] if p.is_file()}
        for path in (target, whole)
    ]
    assert results[0] == results[1]


def test_overwrite_begins_anew(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.tif", pixels(*SIZE)), tmp_path / "out.tif"
    interrupted(predictor_of(), source, target, after=12)
    plans: list[Any] = []
    predict_file(predictor_of(), source, target, overwrite=True, announce=plans.append)
    assert (plans[0].done, plans[0].lost) == (0, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "out.tif"]


def test_an_interrupted_replacement_goes_on_unasked_and_keeps_the_old_result_until_then(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.tif", pixels(*SIZE)), tmp_path / "out.tif"
    target.write_text("old")
    tiles = iter(range(12))

    def progress(done: int, pixels: int) -> None:
        if next(tiles, None) is None:
            raise StoppedError

    with pytest.raises(StoppedError):
        predict_file(predictor_of(), source, target, overwrite=True, progress=progress)
    assert target.read_text() == "old"
    plans: list[Any] = []
    predict_file(predictor_of(), source, target, announce=plans.append)
    assert plans[0].done > 0
    assert read(target).shape == SIZE


def test_a_result_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.tif", pixels(*SIZE)), tmp_path / "out.tif"
    interrupted(predictor_of(), source, target, after=12)
    target.write_text("precious")
    with pytest.raises(FileExistsError, match=r"out.tif: exists already"):
        predict_file(predictor_of(), source, target)
    assert target.read_text() == "precious"
    assert journal_of(target).exists()


@pytest.mark.parametrize("content", [b"my own diary", b"\xff\xfe\x00", b"5\n6\n", b"[]\n", b'{"a": 1}\n', b"\n"])
def test_what_is_no_journal_is_refused_and_kept_unless_told(content: bytes, tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.npy", pixels(*SIZE)), tmp_path / "out.npy"
    journal_of(target).write_bytes(content)
    with pytest.raises(JournalError, match=r"out.npy.journal: is damaged, or no journal of minifcn; move it away"):
        predict_file(predictor_of(), source, target)
    assert journal_of(target).read_bytes() == content
    predict_file(predictor_of(), source, target, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "out.npy"]


@pytest.mark.parametrize("line", ["5", "[0, [0, 9]]", "[0, [41, 50], [0, 0], [0]]", "{}", "x"])
def test_a_journal_with_damaged_steps_is_refused(line: str, tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.npy", pixels(*SIZE)), tmp_path / "out.npy"
    interrupted(predictor_of(), source, target, after=12)
    with journal_of(target).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(JournalError, match="is damaged"):
        predict_file(predictor_of(), source, target)
    predict_file(predictor_of(), source, target, overwrite=True)


def test_a_journal_that_was_cut_in_its_first_line_counts_as_none(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.npy", pixels(*SIZE)), tmp_path / "out.npy"
    journal_of(target).write_text('{"minif')
    predict_file(predictor_of(), source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "out.npy"]


def test_a_complete_result_is_known_while_its_journal_stays(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.npy", pixels(*SIZE)), tmp_path / "out.npy"
    first = predict_file(predictor_of(), source, target, keep_journal=True)
    plans: list[Any] = []
    second = predict_file(predictor_of(), source, target, keep_journal=True, announce=plans.append)
    assert plans[0].finished
    np.testing.assert_array_equal(first.totals, second.totals)
    with pytest.raises(FileExistsError):
        predict_file(predictor_of(options=TileOptions(tile=40)), source, target)
    target.write_text("mine now")
    with pytest.raises(FileExistsError):
        predict_file(predictor_of(), source, target)
    assert target.read_text() == "mine now"


@pytest.mark.parametrize("kill", ["rename", "replace"])
def test_a_replaced_store_leaves_nothing_behind_when_killed(
    kill: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = write(tmp_path / "a.zarr", pixels(*SIZE), zarr_format=3), tmp_path / "out.zarr"
    predict_file(predictor_of(), source, target)
    act = getattr(Path, kill)

    def stop(self: Path, other: Path) -> None:
        act(self, other)
        if target in (self, other):  # the store's own files are moved about, too
            raise StoppedError

    with monkeypatch.context() as patched:
        patched.setattr(Path, kill, stop)
        with pytest.raises(StoppedError):
            predict_file(predictor_of(), source, target, overwrite=True)
    assert (tmp_path / ".out.zarr.old").exists()
    predict_file(predictor_of(), source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "out.zarr"]
