"""Networks that answer with values: densities that are counted."""

import json
import math

import numpy as np
import pytest

from minifcn.data import ArrayDataset, check
from minifcn.metrics import mean_count_baseline
from minifcn.training import Run, TrainConfig, Trainer, evaluate
from minifcn.training.regression import ValueEvaluation, true_counts


def blobs(images: int, seed: int, size: int = 24) -> ArrayDataset:
    """One to six bright blobs an image; the label is the blob itself, so that ten times its sum counts them."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((size, size))
    labels = np.zeros((images, size, size, 1), np.float32)
    for label in labels:
        for _ in range(rng.integers(1, 7)):
            row, column = rng.integers(4, size - 4, 2)
            blob = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 4.0)
            label[..., 0] += 10 * blob / blob.sum()
    pixels = np.clip(0.2 + 0.5 * labels + rng.normal(0, 0.05, labels.shape), 0, 1).astype(np.float32)
    return ArrayDataset(pixels, labels, ("density",), name="blobs", task="regression", scale=10.0)


def test_it_learns_to_count_better_than_the_mean(tmp_path):
    train, validation = blobs(32, 0), blobs(8, 1)
    options = {"base": 4, "depth": 1}
    config = TrainConfig("blobs", options=options, loss="mse", steps=80, batch=8, lr=2e-2, normalise="dataset")
    run = Run.create(tmp_path / "run", config)
    assert Trainer(run, train, validation).train()
    predictor = Run.open(tmp_path / "run").predictor("last")
    assert (predictor.activation, predictor.scale) == ("identity", 10.0)
    scores = evaluate(predictor, validation).scalars()
    counts = true_counts(validation)
    assert scores["count_mae"] < 0.5 * mean_count_baseline(counts, true_counts(train)).mae
    assert scores["mean_count"] == pytest.approx(np.mean(counts))
    assert (tmp_path / "run" / "preview.png").stat().st_size > 0
    assert "val_count_mae" in (tmp_path / "run" / "metrics.csv").read_text()


def test_the_fewer_objects_are_missed_the_better():
    counts = np.array([3.0, 5.0])
    near, far = (ValueEvaluation(counts, counts + offset, 0.0) for offset in (1.0, -2.0))
    assert near.goodness > far.goodness
    assert far.scalars() == {"mse": 0.0, "count_mae": 2.0, "count_rmse": 2.0, "mean_count": 4.0}
    assert json.loads(json.dumps(far.scalars(), allow_nan=False))
    assert math.isclose(near.scalars()["count_rmse"], 1.0)


def test_values_of_pixels_are_checked():
    images = np.zeros((1, 4, 4), np.float32)
    with pytest.raises(ValueError, match=r"label 0 has shape \(4, 4, 2\), expected \(height, width, 1\)"):
        ArrayDataset(images, np.zeros((1, 4, 4, 2)), ("density",), task="regression")
    with pytest.raises(TypeError, match=r'expected integers: class numbers; for values, task="regression"'):
        ArrayDataset(images, np.zeros((1, 4, 4)), ("density",))
    assert ArrayDataset(images, np.zeros((1, 4, 4)), ("density",), task="regression")[0][1].shape == (4, 4, 1)


def test_the_check_before_training_knows_values():
    assert check(blobs(2, 0)).images == 2
