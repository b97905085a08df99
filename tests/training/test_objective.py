"""Losses by name, of logits and labels."""

import numpy as np
import pytest

import minifcn as mf
from minifcn.data import IGNORE_INDEX
from minifcn.training.config import ConfigError
from minifcn.training.objective import balanced, crop_to, objective


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (2, 4, 4))


@pytest.mark.parametrize("name", ["cross_entropy", "dice", "jaccard"])
def test_the_truth_costs_nothing_and_its_opposite_much(name: str, labels: np.ndarray) -> None:
    sure = 40.0 * (2.0 * np.eye(2)[labels] - 1.0)
    assert objective(name)(mf.Tensor(sure), labels).item() < 1e-6
    assert objective(name)(mf.Tensor(-sure), labels).item() > 0.9


@pytest.mark.parametrize("name", ["cross_entropy", "dice", "jaccard"])
def test_ignored_pixels_neither_count_nor_learn(name: str, labels: np.ndarray) -> None:
    labels[:, 0] = IGNORE_INDEX
    logits = np.random.default_rng(1).standard_normal((2, 4, 4, 2))
    other = logits.copy()
    other[:, 0] += 5.0 * np.random.default_rng(2).standard_normal((2, 4, 2))
    x = mf.Tensor(logits, requires_grad=True)
    loss = objective(name)(x, labels)
    loss.backward()
    assert loss.item() == pytest.approx(objective(name)(mf.Tensor(other), labels).item(), rel=1e-12)
    assert (x.grad.data[:, 0] == 0.0).all()
    assert (x.grad.data[:, 1:] != 0.0).all()


@pytest.mark.parametrize("name", ["dice", "jaccard"])
def test_an_absent_class_is_left_out_of_an_overlap_loss(name: str) -> None:
    labels = np.zeros((1, 4, 4), np.int64)
    logits = np.zeros((1, 4, 4, 3))
    logits[..., 0] = 40.0
    assert objective(name)(mf.Tensor(logits), labels).item() < 1e-6


def test_labels_are_cropped_about_their_centre() -> None:
    labels = np.arange(25).reshape(1, 5, 5)
    assert crop_to(labels, (3, 1)).tolist() == [[[7], [12], [17]]]


def test_an_unknown_loss_is_named_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match="unknown loss 'huber'; losses: cross_entropy, dice, jaccard"):
        objective("huber")


def test_balanced_weights_make_every_class_count_the_same(labels: np.ndarray) -> None:
    shares = np.bincount(labels.ravel(), minlength=2) / labels.size
    weights = balanced(shares)
    np.testing.assert_allclose(shares * weights, 0.5, atol=1e-5)
    assert balanced([0.5, 0.0, 0.5]) == (1.0, 0.0, 1.0)


def test_class_weights_weigh_the_cross_entropy(labels: np.ndarray) -> None:
    logits = mf.Tensor(np.random.default_rng(1).standard_normal((2, 4, 4, 2)))
    probability = np.exp(mf.functional.log_softmax(logits).data)
    surprise = -np.log(np.take_along_axis(probability, labels[..., None], axis=-1)[..., 0])
    weight = np.float32([3.0, 0.5])[labels]
    expected = (weight * surprise).sum() / weight.sum()
    assert objective("cross_entropy", (3.0, 0.5))(logits, labels).item() == pytest.approx(expected, rel=1e-9)
