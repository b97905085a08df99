"""Every form of the command line, right and wrong: results as promised, errors as one line and exit code 2."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from small_data import write_isbi

from minifcn import __version__
from minifcn.cli import main

Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Invoke:
    """Run a command line in this process; returns exit code, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["minifcn", *(str(argument) for argument in arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        output, errors = capfd.readouterr()
        return code, output, errors

    return run


TRAIN = ("--crop", 16, "--base", 2, "--depth", 1, "--steps", 6, "--validate-every", 3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_isbi(tmp_path_factory.mktemp("isbi"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A finished training."""
    folder = tmp_path_factory.mktemp("runs") / "isbi"
    command = [sys.executable, "-m", "minifcn", "train", "isbi", "--data", data, "--out", folder, *TRAIN]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return folder


def assert_one_line(code: int, output: str, errors: str) -> str:
    """The way every error looks."""
    assert code == 2
    assert output == ""
    (line,) = errors.splitlines()
    assert line.startswith("minifcn: error: ")
    return line


def test_train_writes_a_run(run: Path) -> None:
    assert {path.name for path in run.iterdir()} >= {
        "config.toml",
        "metrics.csv",
        "curves.png",
        "preview.png",
        "best.safetensors",
        "last.safetensors",
    }


def test_resuming_a_finished_run_says_so(run: Path, invoke: Invoke) -> None:
    code, _, errors = invoke("train", "isbi", "--out", run, "--resume")
    assert code == 0
    assert "finished already, after 6 steps" in errors


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("stack.tif", np.random.default_rng(0).integers(0, 256, (3, 21, 33), np.uint8)),
        ("image.png", np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)),
        ("floats.npy", np.random.default_rng(2).random((9, 17), np.float32)),
        ("stack.npy", np.random.default_rng(3).random((2, 16, 16), np.float32)),
    ],
)
@pytest.mark.parametrize("probabilities", [False, True])
def test_predict_keeps_name_size_and_format(
    name: str, array: np.ndarray, probabilities: bool, run: Path, tmp_path: Path, invoke: Invoke
) -> None:
    _write(tmp_path / name, array)
    options = ["--probabilities"] if probabilities else []
    code, _, _ = invoke("predict", run, tmp_path / name, "--out", tmp_path / "out", *options)
    assert code == 0
    result = _read(tmp_path / "out" / name)
    assert result.shape == array.shape
    if not probabilities:
        assert result.dtype == np.uint8
        assert set(np.unique(result)) <= {0, 255}
    elif not name.endswith("png"):
        assert result.dtype == np.float32
        assert 0.0 < result.min() <= result.max() < 1.0


def test_predict_takes_several_files_and_a_grey_image_stored_as_colour(
    run: Path, tmp_path: Path, invoke: Invoke
) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    _write(tmp_path / "grey.png", grey)
    _write(tmp_path / "colour.png", np.repeat(grey[..., None], 3, axis=-1))
    code, _, _ = invoke("predict", run, tmp_path / "grey.png", tmp_path / "colour.png", "--out", tmp_path / "out")
    assert code == 0
    np.testing.assert_array_equal(_read(tmp_path / "out" / "grey.png"), _read(tmp_path / "out" / "colour.png"))


def test_evaluate_prints_scores_beside_baselines_and_writes_them(run: Path, invoke: Invoke) -> None:
    code, output, _ = invoke("evaluate", run)
    assert code == 0
    for word in ("mean iou", "v rand", "v info", "pixel error", "raw threshold", "Gaussian, threshold"):
        assert word in output
    scores = json.loads((run / "evaluation.json").read_text())
    assert (scores["checkpoint"], scores["split"]) == ("best", "validation")
    assert 0.0 <= scores["scores"]["unet"]["v_rand"] <= 1.0
    assert scores["scores"].keys() == {"unet", "raw threshold", "Gaussian, threshold"}


def test_info_shows_versions_and_the_cache(invoke: Invoke) -> None:
    code, output, _ = invoke("info")
    assert code == 0
    for word in ("minifcn", "NumPy", "Numba", "threads", "kernel cache", "devices"):
        assert word in output


def test_version_is_the_packages(invoke: Invoke) -> None:
    assert invoke("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "info"])
def test_every_option_is_explained(command: str, invoke: Invoke) -> None:
    code, output, _ = invoke(command, "--help")
    assert code == 0
    assert "--help" in output
    assert "Usage: minifcn" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "isbj"], "unknown data source 'isbj': did you mean 'isbi'?"),
        (["train", "isbi", "--data", "nowhere"], "nowhere"),
        (["train", "synthetic", "--model", "u-net"], "unknown model 'u-net'; did you mean 'unet'?"),
        (["train", "synthetic", "--loss", "huber"], "unknown loss 'huber'; losses: cross_entropy, dice, jaccard"),
        (["train", "synthetic", "--padding", "some"], "padding must be 'same' or 'valid'"),
        (["train", "synthetic", "--steps", "2", "--minutes", "1"], "either --steps or --minutes"),
        (["train", "synthetic", "--resume", "--overwrite"], "give one of them"),
        (["train", "synthetic", "--resume", "--out", "nowhere"], "nowhere: no such run"),
        (["evaluate", "nowhere"], "nowhere: no such run"),
        (["predict", "nowhere", "a.png", "--out", "b"], "nowhere: no such run"),
    ],
)
def test_a_wrong_command_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in assert_one_line(*invoke(*arguments))


@pytest.mark.parametrize(
    ("contents", "message"),
    [(None, "no such file"), (b"", "empty"), (b"\x89PNG\r\n\x1a\nnonsense", "broken.png")],
)
def test_a_wrong_input_is_one_line(
    contents: bytes | None, message: str, run: Path, tmp_path: Path, invoke: Invoke
) -> None:
    path = tmp_path / "broken.png"
    if contents is not None:
        path.write_bytes(contents)
    assert message in assert_one_line(*invoke("predict", run, path, "--out", tmp_path / "out"))


def test_a_colour_image_for_a_grey_network_is_one_line(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    _write(tmp_path / "colour.png", np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    line = assert_one_line(*invoke("predict", run, tmp_path / "colour.png", "--out", tmp_path / "out"))
    assert "colour.png: has 3 channels, the network was trained on 1; convert it to grey first" in line


def test_inputs_are_never_overwritten(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    _write(tmp_path / "a.png", np.zeros((8, 8), np.uint8))
    assert "own folder" in assert_one_line(*invoke("predict", run, tmp_path / "a.png", "--out", tmp_path))


def test_a_truncated_checkpoint_is_one_line(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    broken = tmp_path / "run"
    shutil.copytree(run, broken)
    checkpoint = broken / "best.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert "best.safetensors: truncated or not a checkpoint" in assert_one_line(*invoke("evaluate", broken))


def test_a_checkpoint_of_another_network_is_one_line(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    other = tmp_path / "run"
    shutil.copytree(run, other)
    config = (other / "config.toml").read_text()
    (other / "config.toml").write_text(config.replace("base = 2", "base = 3"))
    assert "does not fit the network of config.toml" in assert_one_line(*invoke("evaluate", other))


def test_a_run_is_not_replaced_unasked_nor_continued_as_another(run: Path, data: Path, invoke: Invoke) -> None:
    again = ("train", "isbi", "--data", data, "--out", run)
    assert "already holds a run" in assert_one_line(*invoke(*again, *TRAIN))
    line = assert_one_line(*invoke("train", "isbi", "--out", run, "--resume", "--steps", 9))
    assert "continues the run as it began, with steps 6, not 9" in line


def test_a_crop_that_the_network_cannot_take_is_refused_with_the_next_sizes(
    data: Path, tmp_path: Path, invoke: Invoke
) -> None:
    code, output, errors = invoke("train", "isbi", "--data", data, "--out", tmp_path / "run", "--crop", 17)
    line = assert_one_line(code, output, errors)
    assert "crops of 17x17" in line
    assert "nearest legal: 16, 32" in line
    assert not (tmp_path / "run").exists()


def test_debug_shows_where_it_happened(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "minifcn", "evaluate", str(tmp_path), "--debug"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def _write(path: Path, array: np.ndarray) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="minisblack")
    elif path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)


def _read(path: Path) -> np.ndarray:
    if path.suffix == ".tif":
        return tifffile.imread(path)
    return np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path))
