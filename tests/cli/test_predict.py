"""``minifcn predict`` in tiles: what it says, what it refuses before it begins, and how it goes on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from minifcn.data import ArrayDataset
from minifcn.io import read_image, write_image
from minifcn.io.outputs import Output
from minifcn.prediction.stream import journal_of
from minifcn.training import Run, TrainConfig, Trainer

Invoke = Callable[..., tuple[int, str, str]]
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 70), np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16), np.uint8)
    data = ArrayDataset(images, (images > 127).astype(np.int64), ("ground", "cell"))
    config = TrainConfig("mine", options={"base": 2, "depth": 1}, steps=2, batch=2)
    folder = tmp_path_factory.mktemp("runs") / "mine"
    assert Trainer(Run.create(folder, config), data, data).train()
    return folder


def error_of(result: tuple[int, str, str]) -> str:
    code, _, errors = result
    assert code == 2, errors
    return errors.splitlines()[-1]


def test_tiles_give_what_padding_gives(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, tile=(16, 16))
    zarr.create_array(tmp_path / "b.zarr", data=IMAGE, chunks=(32, 32))
    write_image(tmp_path / "c.png", IMAGE)
    inputs = [tmp_path / name for name in ("a.tif", "b.zarr", "c.png")]
    code, _, errors = invoke("predict", run, *inputs, "--out", tmp_path / "tiles", "--tile", 32)
    assert code == 0, errors
    assert "a.tif: 60 x 70 pixels in tiles of 32 x 32, " in errors
    assert " MiB of memory" in errors
    assert invoke("predict", run, inputs[0], "--out", tmp_path / "pad", "--strategy", "pad")[0] == 0
    expected = read_image(tmp_path / "pad" / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "tiles" / "a.tif"), expected)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "tiles" / "b.zarr", mode="r")[...], expected)
    np.testing.assert_array_equal(read_image(tmp_path / "tiles" / "c.png"), expected)


def test_results_that_exist_are_named_before_anything_is_computed(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    inputs = [write_image(tmp_path / f"{name}.npy", IMAGE) or tmp_path / f"{name}.npy" for name in "abc"]
    assert invoke("predict", run, *inputs[1:], "--out", tmp_path / "out")[0] == 0
    line = error_of(invoke("predict", run, *inputs, "--out", tmp_path / "out"))
    assert f"{tmp_path}/out/b.npy, {tmp_path}/out/c.npy: exists already; replace it with --overwrite" in line
    assert not (tmp_path / "out" / "a.npy").exists()
    assert invoke("predict", run, *inputs, "--out", tmp_path / "out", "--overwrite")[0] == 0


def test_an_interrupted_prediction_goes_on(
    run: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "a.tif", IMAGE)
    command = ("predict", run, tmp_path / "a.tif", "--out", tmp_path / "out", "--tile", 32)
    with monkeypatch.context() as patched:

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr("minifcn.prediction.job.Output.finish", interrupt)
        code, _, errors = invoke(*command)
    assert code == 130
    assert "interrupted; the same command goes on from here" in errors
    assert journal_of(tmp_path / "out" / "a.tif").exists()
    assert "was begun otherwise" in error_of(invoke(*command[:-1], 40))
    code, _, errors = invoke(*command)
    assert code == 0, errors
    assert "a.tif: goes on after" in errors
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tif"]


def test_several_files_go_on_at_the_one_that_was_interrupted(
    run: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [tmp_path / name for name in ("a.tif", "b.png", "c.npy")]
    for path in inputs:
        write_image(path, IMAGE)
    command = ("predict", run, *inputs, "--out", tmp_path / "out", "--tile", 32)
    with monkeypatch.context() as patched:

        def interrupt(output: Output) -> None:
            if output.path.name == "c.npy":
                raise KeyboardInterrupt
            finish(output)

        finish = Output.finish
        patched.setattr("minifcn.prediction.job.Output.finish", interrupt)
        code, _, errors = invoke(*command)
    assert code == 130
    assert "c.npy: interrupted; the same command goes on from here" in errors
    before = (tmp_path / "out" / "a.tif").stat().st_mtime_ns
    code, _, errors = invoke(*command)
    assert code == 0, errors
    assert [f"{name}: is predicted already" in errors for name in ("a.tif", "b.png", "c.npy")] == [True, True, False]
    assert (tmp_path / "out" / "a.tif").stat().st_mtime_ns == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.tif", "b.png", "c.npy"]
    assert "exists already" in error_of(invoke(*command))


def test_of_a_picture_nothing_is_kept(
    run: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    write_image(tmp_path / "a.png", IMAGE)
    monkeypatch.setattr("minifcn.prediction.job.Output.finish", interrupt)
    code, _, errors = invoke("predict", run, tmp_path / "a.png", "--out", tmp_path / "out")
    assert code == 130
    assert "a.png: interrupted; nothing of it was kept" in errors
    assert not list((tmp_path / "out").iterdir())


def test_results_do_not_go_into_a_store(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    zarr.create_array(tmp_path / "b.zarr", data=IMAGE, chunks=(32, 32))
    for out in (tmp_path / "b.zarr", tmp_path / "b.zarr" / "out"):
        assert "is or lies in the Zarr store" in error_of(invoke("predict", run, tmp_path / "b.zarr", "--out", out))
    assert not (tmp_path / "b.zarr" / "out").exists()


def test_tiles_are_proved(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    write_image(tmp_path / "a.tif", IMAGE)
    code, output, errors = invoke(
        "predict", run, tmp_path / "a.tif", "--out", tmp_path / "out", "--tile", 32, "--prove"
    )
    assert code == 0, errors
    assert "tiles of 32 pixels, " in output
    assert "leave no seam: max |tile − whole| = 0 in float64" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strategy", "tile", "--stride", 7], "a.tif: predict: tile stride 7 is no multiple of the network's total"),
        (["--strategy", "pad", "--tile", 32], "are options of strategy='tile', not of 'pad'"),
        (["--strategy", "resize"], "needs size="),
    ],
)
def test_options_that_do_not_work(
    options: list[object], message: str, run: Path, tmp_path: Path, invoke: Invoke
) -> None:
    write_image(tmp_path / "a.tif", IMAGE)
    assert message in error_of(invoke("predict", run, tmp_path / "a.tif", "--out", tmp_path / "out", *options))
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
