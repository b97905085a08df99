"""Every form of the command line, right and wrong: results as promised, errors as one line and exit code 2."""

import errno
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

from minifcn import __version__, settings
from minifcn.data import ArrayDataset
from minifcn.io import read_image
from minifcn.kernels.cpu.compiling import watch
from minifcn.kernels.cpu.jit import cache_folder
from minifcn.training import Evaluation, Run, TrainConfig, Trainer
from minifcn.warmup import Step

Invoke = Callable[..., tuple[int, str, str]]


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


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training on own images of three classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (6, 16, 16))
    images = (80 * labels + rng.integers(0, 40, labels.shape)).astype(np.uint8)
    data = ArrayDataset(images, labels, ("ground", "leaf", "stem"))
    config = TrainConfig("plants", options={"base": 2, "depth": 1}, steps=3, batch=2)
    folder = tmp_path_factory.mktemp("runs") / "plants"
    assert Trainer(Run.create(folder, config), data, data).train()
    return folder


def test_more_than_two_classes_become_a_palette_image_of_class_numbers(
    three_classes: Path, tmp_path: Path, invoke: Invoke
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (9, 13), np.uint8)
    paths = [_write(tmp_path / name, image) for name in ("a.png", "b.tif", "c.jpg")]
    assert invoke("predict", three_classes, *paths, "--out", tmp_path / "out")[0] == 0
    picture = Image.open(tmp_path / "out" / "a.png")
    assert (picture.mode, picture.size) == ("P", (13, 9))
    assert picture.getpalette()[:3] == [0, 0, 0]
    assert len({tuple(picture.getpalette()[3 * k : 3 * k + 3]) for k in range(3)}) == 3
    classes = Run.open(three_classes).predictor()(image[None, ..., None] / np.float32(255))[0].argmax(axis=-1)
    np.testing.assert_array_equal(np.asarray(picture), classes)
    np.testing.assert_array_equal(_read(tmp_path / "out" / "b.tif"), classes)
    assert (tmp_path / "out" / "c.png").exists()


def test_more_than_two_classes_have_a_probability_image_each(
    three_classes: Path, tmp_path: Path, invoke: Invoke
) -> None:
    stack = np.random.default_rng(1).integers(0, 256, (2, 8, 12), np.uint8)
    _write(tmp_path / "a.tif", stack)
    out = tmp_path / "out"
    assert invoke("predict", three_classes, tmp_path / "a.tif", "--out", out, "--probabilities")[0] == 0
    layers = [_read(out / f"a_{name}.tif") for name in ("ground", "leaf", "stem")]
    assert {path.name for path in out.iterdir()} == {"a_ground.tif", "a_leaf.tif", "a_stem.tif"}
    assert all(layer.shape == stack.shape for layer in layers)
    np.testing.assert_allclose(sum(layers), 1.0, rtol=1e-6)


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


def test_evaluate_takes_any_split_that_the_dataset_has(run: Path, invoke: Invoke) -> None:
    code, output, _ = invoke("evaluate", run, "--split", "train", "--checkpoint", "last")
    assert code == 0
    assert "isbi, train: 20 images, " in output
    assert "last checkpoint of " in output
    assert "isbi: no split 'test': there are train, validation" in assert_one_line(
        *invoke("evaluate", run, "--split", "test")
    )


def test_a_class_that_never_occurs_leaves_valid_json(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke
) -> None:
    scalars = Evaluation.scalars
    monkeypatch.setattr(Evaluation, "scalars", lambda self: {**scalars(self), "iou_rare": float("nan")})
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    assert invoke("evaluate", copy)[0] == 0

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    scores = json.loads((copy / "evaluation.json").read_text(), parse_constant=refuse)
    assert scores["scores"]["unet"]["iou_rare"] is None


def test_a_run_on_own_data_is_not_evaluated_but_explained(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    own = tmp_path / "run"
    shutil.copytree(run, own)
    config = (own / "config.toml").read_text()
    (own / "config.toml").write_text(config.replace('dataset = "isbi"', 'dataset = "mine"'))
    line = assert_one_line(*invoke("evaluate", own))
    assert "was trained on 'mine', which the command line does not know; in Python: minifcn.training.evaluate" in line


def test_info_shows_versions_and_the_cache(invoke: Invoke) -> None:
    code, output, _ = invoke("info")
    assert code == 0
    for word in ("minifcn", "NumPy", "Numba", "threads", "memory", "kernel cache", "devices"):
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
        (["train", "synthetic", "--loss", "huber"], "unknown loss 'huber'; losses: cross_entropy, focal, bce, dice"),
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


def test_a_grey_network_sees_colour_as_luminance(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    _write(tmp_path / "colour.png", colours)
    luminance = colours[..., :3] / np.float32(255) @ np.array([0.299, 0.587, 0.114], np.float32)
    _write(tmp_path / "grey.npy", luminance)
    inputs = (tmp_path / "colour.png", tmp_path / "grey.npy")
    assert invoke("predict", run, *inputs, "--out", tmp_path / "out", "--probabilities")[0] == 0
    same = read_image(tmp_path / "out" / "colour.png") / 255, read_image(tmp_path / "out" / "grey.npy")
    assert np.abs(same[0] - same[1]).max() <= 0.5 / 255 + 1e-4


def test_an_image_of_other_channels_is_one_line(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    _write(tmp_path / "five.npy", np.zeros((2, 8, 8, 5), np.float32))
    line = assert_one_line(*invoke("predict", run, tmp_path / "five.npy", "--out", tmp_path / "out"))
    assert "five.npy: has 5 channels, but the network was trained on 1" in line


def test_a_folder_is_neither_an_input_nor_a_file_an_output(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    assert "is a folder; name the images in it" in assert_one_line(
        *invoke("predict", run, tmp_path, "--out", tmp_path / "out")
    )
    _write(tmp_path / "a.png", np.zeros((8, 8), np.uint8))
    assert "b.png: is a file; give a folder" in assert_one_line(
        *invoke("predict", run, tmp_path / "a.png", "--out", _write(tmp_path / "b.png", np.zeros((8, 8), np.uint8)))
    )


def test_two_inputs_of_one_name_are_refused(run: Path, tmp_path: Path, invoke: Invoke) -> None:
    (tmp_path / "other").mkdir()
    inputs = [_write(folder / "a.png", np.zeros((8, 8), np.uint8)) for folder in (tmp_path, tmp_path / "other")]
    assert "two inputs have the same name" in assert_one_line(
        *invoke("predict", run, *inputs, "--out", tmp_path / "out")
    )


def test_a_full_disk_is_one_line(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    _write(tmp_path / "a.png", np.zeros((8, 8), np.uint8))
    monkeypatch.setattr(Path, "replace", fail)
    line = assert_one_line(*invoke("predict", run, tmp_path / "a.png", "--out", tmp_path / "out"))
    assert "no space left on the disk for" in line
    assert "what was saved before is intact" in line
    assert not list((tmp_path / "out").iterdir())


def test_a_bug_of_ours_says_that_it_is_one(run: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> None:
    monkeypatch.setattr(Evaluation, "scalars", lambda self: 1 / 0)
    line = assert_one_line(*invoke("evaluate", run))
    assert "unexpected ZeroDivisionError: division by zero (please report this; --debug" in line


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


def _write(path: Path, array: np.ndarray) -> Path:
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="minisblack")
    elif path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def _read(path: Path) -> np.ndarray:
    if path.suffix == ".tif":
        return tifffile.imread(path)
    return np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path))


def test_warmup_compiles_what_training_and_prediction_use(invoke: Invoke) -> None:
    assert invoke("warmup")[0] == 0
    code, output, errors = invoke("warmup")
    assert code == 0
    assert "everything is there already" in output
    assert str(cache_folder()) in output
    assert errors.startswith("looking for what is not compiled yet")
    assert "unknown model 'vgg'; models: pang, " in assert_one_line(*invoke("warmup", "--model", "vgg"))
    # Nothing more is compiled by the real thing, whatever its options.
    before = list(watch.kernels)
    for options in ({}, {"norm": "batch", "up": "nearest"}, {"down": "stride", "up": "bilinear", "padding": "valid"}):
        data = ArrayDataset(np.zeros((2, 64, 64), np.uint8), np.eye(64, dtype=np.int64)[None].repeat(2, 0), ("a", "b"))
        config = TrainConfig("arrays", options={"base": 3, "depth": 1, **options}, steps=1, batch=2)
        trainer = Trainer(Run(Path("unused"), config), data, data)
        trainer._step(*trainer.loader.batch(0))
        trainer.predictor(np.zeros((1, 30, 31, 1)))
    assert watch.kernels == before


def test_warmup_interrupted_keeps_what_is_done(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("minifcn.warmup.steps", lambda *arguments: iter([Step("training", interrupt)]))
    code, output, errors = invoke("warmup")
    assert (code, output) == (130, "")
    assert "compiled and kept; run it again for the rest" in errors
    assert watch.began is None


def test_info_shows_the_settings(invoke: Invoke) -> None:
    with settings.override(conv="direct"):
        output = invoke("info")[1]
    assert "convolution   direct (set MINIFCN_CONV to auto, direct or winograd)" in output
    assert f"threads       {settings.get_num_threads()}" in output
