"""Trainings from the command line, on own folders and on values: what is refused, what is said, and what is kept."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_data import write_folder, write_vgg_cells

from minifcn.io import read_image, write_image
from minifcn.training import Run
from minifcn.training.run import exclusive

Invoke = Callable[..., tuple[int, str, str]]
SMALL = ["--base", 2, "--depth", 1, "--steps", 2, "--batch", 2, "--crop", 16, "--validate-every", 2]


def error_of(result: tuple[int, str, str]) -> str:
    code, _, errors = result
    assert code == 2, errors
    return errors.splitlines()[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", images=5)


def test_a_folder_of_ones_own_from_training_to_masks(folder: Path, tmp_path: Path, invoke: Invoke) -> None:
    run = tmp_path / "run"
    code, _, errors = invoke("train", "folder", "--data", folder, "--out", run, *SMALL, "--zoom", 1.2, "--noise", 0.1)
    assert code == 0, errors
    assert (run / "batch.png").exists()
    assert invoke("evaluate", run)[0] == 0
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["images"] == 1
    assert evaluation["parameters"] == Run.open(run).predictor().parameters
    images = sorted((folder / "images").iterdir())
    assert invoke("predict", run, *images, "--out", tmp_path / "masks")[0] == 0
    for image in images:
        assert read_image(tmp_path / "masks" / image.name).shape[:2] == read_image(image).shape[:2]


def test_what_was_trained_on_test_images_is_scored_on_them(tmp_path: Path, invoke: Invoke) -> None:
    for part in ("train", "val", "test"):
        write_folder(tmp_path / "data" / part, images=2)
    run = tmp_path / "run"
    assert invoke("train", "folder", "--data", tmp_path / "data", "--out", run, *SMALL)[0] == 0
    assert ", test: 2 images" in invoke("evaluate", run)[1]
    shutil.rmtree(tmp_path / "data" / "test")
    assert ", validation: 2 images" in invoke("evaluate", run)[1]


def test_a_refused_overwrite_changes_nothing(folder: Path, tmp_path: Path, invoke: Invoke) -> None:
    run = tmp_path / "run"
    assert invoke("train", "folder", "--data", folder, "--out", run, *SMALL)[0] == 0
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with exclusive(run):
        refused = invoke("train", "folder", "--data", folder, "--out", run, *SMALL, "--lr", 0.5, "--overwrite")
    assert "another process is training in this folder" in error_of(refused)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--loss", "mse"], "loss 'mse': the dataset needs a loss of classes, as cross_entropy does"),
        (["--crop", 0, "--model", "pang", "--base", 2], "pang: no option 'base'; it has maps, hidden, activation"),
        (["-o", "base"], "--model-option base: expected KEY=VALUE, such as base=8"),
        (["--data-option", "colour=red"], "folder: no option 'colour': there are classes"),
        (["--loss", "focal(gamma=1e400)"], "loss focal: gamma must be finite"),
        (["--model", "unet-backbone", "--pretrained", "none.pth"], "none.pth: no such file of weights"),
        (["--elastic", 3, "--augment", "flips"], "augment must be 'turns', 'mirror' or 'none', not 'flips'"),
    ],
)
def test_what_cannot_be_trained_leaves_no_run_behind(
    options: list[object], message: str, folder: Path, tmp_path: Path, invoke: Invoke
) -> None:
    small = [] if "--model" in options else SMALL
    refused = invoke("train", "folder", "--data", folder, "--out", tmp_path / "run", *small, *options)
    assert message in error_of(refused)
    assert not (tmp_path / "run" / "config.toml").exists()


def test_validation_images_are_checked_too(tmp_path: Path, invoke: Invoke) -> None:
    for part in ("train", "val"):
        write_folder(tmp_path / "data" / part, images=2)
    (tmp_path / "classes.txt").write_text("ground\ncell\n")
    mask = next((tmp_path / "data" / "val" / "masks").iterdir())
    write_image(mask, np.full(read_image(mask).shape, 77, np.uint8))
    options = ["--data", tmp_path / "data", "--classes", tmp_path / "classes.txt", "--out", tmp_path / "run", *SMALL]
    assert "77" in error_of(invoke("train", "folder", *options))
    assert not (tmp_path / "run" / "config.toml").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--loss", "dice", "--border-weight", 10], "takes no weights: balance and border_weight make no difference"),
        (["-o", "coordinates=true"], "coordinates mean little beside flips, turns and crops"),
    ],
)
def test_choices_that_do_nothing_are_remarked_on(
    options: list[object], message: str, folder: Path, tmp_path: Path, invoke: Invoke
) -> None:
    code, _, errors = invoke("train", "folder", "--data", folder, "--out", tmp_path / "run", *SMALL, *options)
    assert code == 0, errors
    assert message in errors


def test_a_run_goes_on_where_its_data_has_moved_to(folder: Path, tmp_path: Path, invoke: Invoke) -> None:
    run, moved = tmp_path / "run", tmp_path / "elsewhere"
    assert invoke("train", "folder", "--data", folder, "--out", run, *SMALL)[0] == 0
    folder.rename(moved)
    assert "data" in error_of(invoke("evaluate", run))
    assert invoke("train", "folder", "--data", moved, "--out", run, "--resume")[0] == 0
    assert invoke("evaluate", run)[0] == 0  # without being told again


def test_cells_are_counted(tmp_path: Path, invoke: Invoke) -> None:
    data, run = write_vgg_cells(tmp_path / "data", images=6), tmp_path / "run"
    code, _, errors = invoke("train", "vgg_cells", "--data", data, "--out", run, *SMALL)
    assert code == 0, errors
    assert "predict the mean" in invoke("evaluate", run)[1]
    image = next(data.glob("*cell.png"))
    code, _, errors = invoke("predict", run, image, "--out", tmp_path / "out")
    assert code == 0
    assert " in all" in errors
    assert read_image(tmp_path / "out" / image.with_suffix(".tif").name).dtype == np.float32
    code, _, errors = invoke("predict", run, image, "--out", tmp_path / "again", "--probabilities")
    assert code == 0
    assert "--probabilities has no effect: the network answers with values" in errors


def test_sigmoid_losses_predict_what_they_are_scored_by(folder: Path, tmp_path: Path, invoke: Invoke) -> None:
    run = tmp_path / "run"
    assert invoke("train", "folder", "--data", folder, "--out", run, *SMALL, "--loss", "bce")[0] == 0
    predictor = Run.open(run).predictor()
    assert predictor.activation == "sigmoid"
    image = sorted((folder / "images").iterdir())[0]
    assert invoke("predict", run, image, "--out", tmp_path / "out")[0] == 0
    pixels = read_image(image)
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    decided = predictor(pixels[None] / np.float32(255)).argmax(axis=-1)[0]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / image.name)) > 0, decided == 1)
    assert "cross entropy" not in invoke("evaluate", run)[1]


def test_other_classes_are_not_scored(folder: Path, tmp_path: Path, invoke: Invoke) -> None:
    run = tmp_path / "run"
    assert invoke("train", "folder", "--data", folder, "--out", run, *SMALL)[0] == 0
    other = write_folder(tmp_path / "other", images=3, values=(0, 1, 2))
    message = error_of(invoke("evaluate", run, "--data", other))
    assert "its classes are class 0, class 1, class 2, but the network was trained on background, foreground" in message
    same = write_folder(tmp_path / "same", images=3)
    assert ", all: 3 images" in invoke("evaluate", run, "--data", same, "--split", "all")[1]


def test_a_test_part_without_masks_is_an_error(tmp_path: Path, invoke: Invoke) -> None:
    for part in ("train", "val", "test"):
        write_folder(tmp_path / "data" / part, images=2)
    run = tmp_path / "run"
    assert invoke("train", "folder", "--data", tmp_path / "data", "--out", run, *SMALL)[0] == 0
    shutil.rmtree(tmp_path / "data" / "test" / "masks")
    assert "but no masks beside it" in error_of(invoke("evaluate", run))


def test_a_moved_classes_file_is_named_anew(folder: Path, tmp_path: Path, invoke: Invoke) -> None:
    (tmp_path / "a.txt").write_text("ground\ncell\n")
    run, options = tmp_path / "run", ["--data", folder, "--classes", tmp_path / "a.txt"]
    assert invoke("train", "folder", *options, "--out", run, *SMALL)[0] == 0
    moved = (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert "a.txt" in error_of(invoke("evaluate", run))
    assert invoke("evaluate", run, "--classes", moved)[0] == 0
