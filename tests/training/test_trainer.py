"""A training learns, can be interrupted anywhere, and continues as if it had not been."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from safetensors.numpy import save_file
from small_data import write_isbi

import minifcn as mf
from minifcn import optim
from minifcn.data import ArrayDataset, Subset, median_frequency_weights
from minifcn.io import load_checkpoint, to_torch_layout
from minifcn.models import ResNet
from minifcn.training import ConfigError, Reporter, Run, RunError, TrainConfig, Trainer, TrainingError
from minifcn.training.run import exclusive

CLASSES = ("membrane", "interior")


@pytest.fixture
def dataset() -> ArrayDataset:
    """Bright squares on a dark ground, 12 images of 16 x 16."""
    rng = np.random.default_rng(0)
    labels = np.zeros((12, 16, 16), np.int64)
    for label, (row, column) in zip(labels, rng.integers(2, 8, (12, 2)), strict=True):
        label[row : row + 6, column : column + 6] = 1
    images = np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.1, labels.shape), 0, 1).astype(np.float32)
    return ArrayDataset(images, labels, CLASSES, name="squares")


def config(**changes: object) -> TrainConfig:
    standard = TrainConfig(
        "isbi",
        options={"base": 2, "depth": 1, "dropout": 0.1},
        steps=30,
        batch=4,
        lr=2e-2,
        validate_every=10,
        validation_images=4,
        mean=(0.4,),
        std=(0.2,),
    )
    return standard.changed(**changes)


def trainer(folder: Path, dataset: ArrayDataset, reporter: Reporter | None = None, **changes: object) -> Trainer:
    return Trainer(Run.create(folder, config(**changes)), dataset, dataset, reporter)


class StopAt(Reporter):
    """Sends this process Ctrl-C once a step is done."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, step: int, loss: float, images_a_second: float) -> None:
        if step == self.at:
            os.kill(os.getpid(), signal.SIGINT)


def without_time(values: dict) -> dict:
    return {key: value for key, value in values.items() if key != "seconds"}


def assert_same_run(a: Path, b: Path) -> None:
    """The same bits in checkpoints and metrics, but for the seconds they took."""
    for name in ("last.safetensors", "best.safetensors"):
        (arrays, values), (others, other_values) = load_checkpoint(a / name), load_checkpoint(b / name)
        assert without_time(values) == without_time(other_values)
        assert arrays.keys() == others.keys()
        for key, array in arrays.items():
            assert array.tobytes() == others[key].tobytes(), key
    rows, other_rows = ((f / "metrics.csv").read_text().splitlines() for f in (a, b))
    assert rows[0] == other_rows[0]
    column = rows[0].split(",").index("seconds")
    strip = [[c for k, c in enumerate(line.split(",")) if k != column] for line in rows]
    assert strip == [[c for k, c in enumerate(line.split(",")) if k != column] for line in other_rows]


def test_a_training_learns_and_writes_everything_down(tmp_path: Path, dataset: ArrayDataset) -> None:
    assert trainer(tmp_path / "run", dataset, steps=60).train()
    run = Run.open(tmp_path / "run")
    run.keep_rows_until(60)
    losses = [row["loss"] for row in run.rows]
    assert losses[-1] < 0.5 * losses[0]
    assert run.rows[-1]["step"] == 60
    assert run.rows[-1]["val_mean_iou"] > 0.8
    for name in ("curves.png", "preview.png"):
        assert (run.folder / name).read_bytes().startswith(b"\x89PNG")
    probabilities = run.predictor("best")(np.stack([dataset[0][0]]))
    assert probabilities.shape == (1, 16, 16, 2)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, rtol=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path: Path, dataset: ArrayDataset) -> None:
    for name in "ab":
        trainer(tmp_path / name, dataset).train()
    trainer(tmp_path / "c", dataset, seed=1).train()
    assert_same_run(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same_run(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("step", [1, 9, 10, 17])
def test_ctrl_c_saves_and_resuming_ends_with_the_same_bits(step: int, tmp_path: Path, dataset: ArrayDataset) -> None:
    trainer(tmp_path / "whole", dataset).train()
    assert not trainer(tmp_path / "stopped", dataset, StopAt(step)).train()
    resumed = Trainer(Run.open(tmp_path / "stopped"), dataset, dataset)
    resumed.resume()
    assert resumed.step_number == step
    assert resumed.train()
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_a_second_ctrl_c_does_not_wait_for_the_step(tmp_path: Path, dataset: ArrayDataset) -> None:
    class Twice(StopAt):
        def step(self, step: int, loss: float, images_a_second: float) -> None:
            super().step(step, loss, images_a_second)
            super().step(step, loss, images_a_second)

    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "run", dataset, Twice(3)).train()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "minifcn", *(str(argument) for argument in arguments)]


def test_a_killed_process_resumes_with_the_same_bits(tmp_path: Path) -> None:
    data = write_isbi(tmp_path / "data")
    options = ["--data", data, "--steps", 60, "--crop", 16, "--base", 2, "--depth", 1, "--validate-every", 5]
    train = command("train", "isbi", *options)
    subprocess.run([*train, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    killed = tmp_path / "killed"
    process = subprocess.Popen([*train, "--out", str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (killed / "last.safetensors").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert load_checkpoint(killed / "last.safetensors")[1]["step"] < 60, "killed too late to prove anything"
    subprocess.run([*command("train", "isbi", "--out", killed), "--resume"], check=True, capture_output=True)
    assert_same_run(tmp_path / "whole", killed)
    assert not list(killed.glob(".*.tmp"))


def test_a_run_killed_before_its_first_checkpoint_begins_again(tmp_path: Path, dataset: ArrayDataset) -> None:
    trainer(tmp_path / "whole", dataset).train()
    Run.create(tmp_path / "killed", config())
    resumed = Trainer(Run.open(tmp_path / "killed"), dataset, dataset)
    resumed.resume()
    resumed.train()
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_a_nan_loss_stops_with_step_images_and_a_hint(tmp_path: Path, dataset: ArrayDataset) -> None:
    doomed = trainer(tmp_path / "run", dataset)
    next(iter(doomed.model.parameters())).data[...] = np.nan
    with pytest.raises(TrainingError, match=r"loss became nan at step 1 \(images \d+, \d+, \d+, \d+ of squares.*--lr"):
        doomed.train()
    assert not (tmp_path / "run" / "last.safetensors").exists()


def test_an_existing_run_is_not_overwritten_unasked(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", config())
    (tmp_path / "run" / "metrics.csv").write_text("old")
    with pytest.raises(RunError, match=r"already holds a run; continue it with --resume, replace it with --overwrite"):
        Run.create(tmp_path / "run", config())
    Run.create(tmp_path / "run", config(), overwrite=True)
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(RunError, match="another process is training"), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such run"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no run"):
        Run.open(tmp_path)


def test_a_network_without_padding_trains_on_the_centre_of_the_labels(tmp_path: Path, dataset: ArrayDataset) -> None:
    options = {"base": 2, "depth": 1, "padding": "valid"}
    small = trainer(tmp_path / "run", dataset, steps=4, options=options, crop=20)
    assert small.model.output_size(20, 20) == (4, 4)
    assert small.train()
    assert small.predictor(np.stack([dataset[0][0]])).shape == (1, 16, 16, 2)


def test_metrics_hold_every_class_by_name(tmp_path: Path, dataset: ArrayDataset) -> None:
    trainer(tmp_path / "run", dataset, steps=10).train()
    header = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert header[:5] == ["step", "epoch", "lr", "loss", "seconds"]
    assert {"val_cross_entropy", "val_mean_iou", "val_iou_membrane", "val_iou_interior", "val_pixel_error"} <= set(
        header
    )
    json.dumps(load_checkpoint(tmp_path / "run" / "last.safetensors")[1], allow_nan=False)


def test_an_infinite_gradient_stops_before_it_reaches_a_checkpoint(tmp_path: Path, dataset: ArrayDataset) -> None:
    class Poison(Reporter):
        def step(self, step: int, loss: float, images_a_second: float) -> None:
            if step == 12:
                parameter = next(iter(doomed.model.parameters()))
                parameter.register_hook(lambda gradient: gradient * np.inf)

    doomed = trainer(tmp_path / "run", dataset, Poison())
    with pytest.raises(TrainingError, match=r"gradient's norm became (nan|inf) at step 13 .*last checkpoint is intact"):
        doomed.train()
    arrays, values = load_checkpoint(tmp_path / "run" / "last.safetensors")
    assert values["step"] == 10
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_a_finished_run_that_was_killed_while_drawing_draws_when_resumed(tmp_path: Path, dataset: ArrayDataset) -> None:
    trainer(tmp_path / "run", dataset, steps=10).train()
    (tmp_path / "run" / "preview.png").unlink()
    resumed = Trainer(Run.open(tmp_path / "run"), dataset, dataset)
    resumed.resume()
    assert resumed.train()
    assert (tmp_path / "run" / "preview.png").exists()


def test_another_number_of_threads_is_said_when_resuming(tmp_path: Path, dataset: ArrayDataset) -> None:
    notes: list[str] = []

    class Listening(Reporter):
        def note(self, text: str) -> None:
            notes.append(text)

    trainer(tmp_path / "run", dataset, steps=10).train()
    before = mf.get_num_threads()
    if numba.config.NUMBA_NUM_THREADS == 1:
        pytest.skip("Numba may use only one thread here")
    mf.set_num_threads(2 if before == 1 else 1)
    try:
        Trainer(Run.open(tmp_path / "run"), dataset, dataset, Listening()).resume()
    finally:
        mf.set_num_threads(before)
    assert "sums will be rounded differently" in notes[0]


def test_what_the_training_set_decides_is_filled_in_and_written_down(tmp_path: Path, dataset: ArrayDataset) -> None:
    options = {"balance": "inverse", "normalise": "dataset", "mean": (), "std": ()}
    completed = trainer(tmp_path / "run", dataset, **options).config
    assert completed == TrainConfig.load(tmp_path / "run" / "config.toml")
    assert completed.mean[0] == pytest.approx(np.mean([image.mean() for image, _ in dataset]), abs=1e-5)
    share = np.mean([label.mean() for _, label in dataset])
    assert completed.class_weights == pytest.approx((0.5 / (1 - share), 0.5 / share), rel=1e-5)


def test_median_frequencies_are_filled_in_too(tmp_path: Path, dataset: ArrayDataset) -> None:
    completed = trainer(tmp_path / "run", dataset, balance="median").config
    assert completed == TrainConfig.load(tmp_path / "run" / "config.toml")
    assert completed.class_weights == pytest.approx(median_frequency_weights(dataset), abs=1e-6)


@pytest.mark.parametrize("balance", ["crops", "windows"])
def test_crops_of_rare_classes_are_drawn_as_often(tmp_path: Path, dataset: ArrayDataset, balance: str) -> None:
    net = trainer(tmp_path / "run", dataset, balance=balance, crop=5, batch=24)
    _, labels = net.loader.batch(0)
    assert labels.shape == (24, 5, 5)  # of 12 images: each gives two
    assert 0.3 < labels[:, 2, 2].mean() < 0.7
    with pytest.raises(ConfigError, match=f"balance '{balance}' chooses where to crop"):
        config(balance=balance)


def test_the_first_batch_is_drawn(tmp_path: Path, dataset: ArrayDataset) -> None:
    assert trainer(tmp_path / "run", dataset, steps=1, border_weight=10.0, elastic=1.0, crop=8).train()
    assert (tmp_path / "run" / "batch.png").stat().st_size > 0


def test_gradient_descent_is_set_up_as_asked(tmp_path: Path, dataset: ArrayDataset) -> None:
    run = trainer(tmp_path / "run", dataset, optimizer="sgd", momentum=0.99, weight_decay=0.0, steps=2)
    assert isinstance(run.optimizer, optim.SGD)
    (group,) = run.optimizer.param_groups
    assert (group["momentum"], group["weight_decay"]) == (0.99, 0.0)
    assert run.train()
    with pytest.raises(ConfigError, match="optimizer must be 'adamw' or 'sgd', not 'adam'"):
        config(optimizer="adam")


def test_an_encoder_starts_from_weights_that_were_trained_elsewhere(tmp_path: Path, dataset: ArrayDataset) -> None:
    elsewhere = ResNet(18, in_channels=3, base=2).state_dict()
    weights = {name: np.ascontiguousarray(to_torch_layout(array)) for name, array in elsewhere.items()}
    save_file(weights, tmp_path / "resnet18.safetensors")
    choices = {"model": "unet-backbone", "options": {"backbone": "resnet18", "base": 2}, "steps": 1, "lr": 1e-12}
    wide = ArrayDataset([np.pad(image[..., 0], 8) for image, _ in dataset], [np.pad(y, 8) for _, y in dataset], CLASSES)
    run = trainer(
        tmp_path / "run", wide, pretrained=str(tmp_path / "resnet18.safetensors"), **choices, mean=(), std=(), batch=2
    )
    assert run.train()
    # Grey images: the sum over the colours that the first convolution saw.
    first = dict(run.model.named_parameters())["encoder.conv1.weight"].data
    np.testing.assert_allclose(first, elsewhere["conv1.weight"].sum(axis=2, keepdims=True), atol=1e-6)
    assert (run.config.normalise, run.config.mean) == ("dataset", (0.449,))
    (tmp_path / "resnet18.safetensors").unlink()
    again = Trainer(Run.open(tmp_path / "run"), wide, wide)
    again.resume()  # from the checkpoint: the file is not needed again
    assert again.train()


def test_damaged_metrics_are_named(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", config())
    (run.folder / "metrics.csv").write_text("step,loss\nx,y\n")
    with pytest.raises(RunError, match=r"metrics\.csv: damaged"):
        run.keep_rows_until(3)


def test_an_empty_validation_set_is_refused(tmp_path: Path, dataset: ArrayDataset) -> None:
    nothing = Subset(dataset, [])
    with pytest.raises(ConfigError, match="holds no images to validate on"):
        Trainer(Run(tmp_path / "run", config()), dataset, nothing)
