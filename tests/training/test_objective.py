"""Losses by name, of logits and labels."""

import re

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn.data import IGNORE_INDEX, WeightedLabel
from minifcn.training.config import ConfigError
from minifcn.training.objective import balanced, crop_to, objective


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (2, 4, 4))


OVERLAP = ["dice", "jaccard", "jaccard(power=1)", "jaccard(power=1.5, smooth=0.1)", "tversky", "tversky(beta=0.5)"]
SIGMOID = ["bce", "focal(activation='sigmoid', alpha=0.25)", "jaccard(power=2, activation='sigmoid')", "bce + 2*dice"]
PIXELS = ["cross_entropy", "focal", *OVERLAP, "cross_entropy + 0.5*dice + 0.1*tversky", *SIGMOID]


@pytest.mark.parametrize("name", [*PIXELS, "cross_entropy(label_smoothing=0.0)"])
def test_the_truth_costs_nothing_and_its_opposite_much(name: str, labels: np.ndarray) -> None:
    sure = 40.0 * (2.0 * np.eye(2)[labels] - 1.0)
    assert objective(name)(mf.Tensor(sure), labels).item() < 1e-6
    assert objective(name)(mf.Tensor(-sure), labels).item() > 0.8


@pytest.mark.parametrize("name", [*PIXELS, "cross_entropy(label_smoothing=0.1)"])
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


@pytest.mark.parametrize("name", ["cldice", "tv", "tv(isotropic=True)", "cldice(iterations=2, smooth=0.5) + tv"])
def test_ignored_pixels_do_not_count_in_losses_of_structure(name: str, labels: np.ndarray) -> None:
    labels[:, 0] = IGNORE_INDEX
    logits = np.random.default_rng(1).standard_normal((2, 4, 4, 2))
    other = logits.copy()
    other[:, 0] += 5.0
    x = mf.Tensor(logits, requires_grad=True)
    loss = objective(name)(x, labels)
    loss.backward()
    assert loss.item() == pytest.approx(objective(name)(mf.Tensor(other), labels).item(), rel=1e-12)
    assert not x.grad.data[:, 0].any()
    assert x.grad.data[:, 1:].any()


@pytest.mark.parametrize("name", [*PIXELS, "cldice", "tv"])
def test_a_batch_without_a_label_costs_nothing(name: str) -> None:
    x = mf.Tensor(np.random.default_rng(1).standard_normal((1, 4, 4, 2)), requires_grad=True)
    loss = objective(name)(x, np.full((1, 4, 4), IGNORE_INDEX))
    loss.backward()
    assert loss.item() == 0.0
    assert not x.grad.data.any()


@pytest.mark.parametrize("name", OVERLAP)
def test_an_absent_class_is_left_out_of_an_overlap_loss(name: str) -> None:
    labels = np.zeros((1, 4, 4), np.int64)
    logits = np.zeros((1, 4, 4, 3))
    logits[..., 0] = 40.0
    assert objective(name)(mf.Tensor(logits), labels).item() < 1e-6


def test_labels_are_cropped_about_their_centre() -> None:
    labels = np.arange(25).reshape(1, 5, 5)
    assert crop_to(labels, (3, 1)).tolist() == [[[7], [12], [17]]]


def test_an_unknown_loss_is_named_with_what_there_is() -> None:
    names = "cross_entropy, focal, bce, dice, jaccard, tversky, cldice, tv, mse"
    with pytest.raises(ConfigError, match=f"unknown loss 'huber'; losses: {names}"):
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


def test_pixel_weights_and_class_weights_weigh_questions_of_classes(labels: np.ndarray) -> None:
    x = np.random.default_rng(1).standard_normal((2, 4, 4, 2))
    weight = np.random.default_rng(2).random((2, 4, 4)).astype(np.float32)
    labels[0, 0] = IGNORE_INDEX
    truth = np.stack([labels == 0, labels == 1], -1)
    each = -np.where(truth, np.log(1 / (1 + np.exp(-x))), np.log(1 / (1 + np.exp(x)))).mean(-1)
    total = np.where(labels == IGNORE_INDEX, 0.0, weight * np.float32([3.0, 0.5])[np.maximum(labels, 0)])
    loss = objective("bce", (3.0, 0.5))(mf.Tensor(x), WeightedLabel(labels, weight))
    assert loss.item() == pytest.approx((each * total).sum() / total.sum(), rel=1e-6)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "bce", "focal(activation='sigmoid')"])
def test_pixels_of_weight_0_do_not_count(name: str, labels: np.ndarray) -> None:
    logits = mf.Tensor(np.random.default_rng(1).standard_normal((2, 4, 4, 2)))
    weight = np.ones((2, 4, 4), np.float32)
    weight[:, 0] = 0.0
    ignored = labels.copy()
    ignored[:, 0] = IGNORE_INDEX
    loss = objective(name)
    expected = loss(logits, ignored).item()
    assert loss(logits, WeightedLabel(labels, weight)).item() == pytest.approx(expected, rel=1e-9)
    assert loss(logits, WeightedLabel(labels, 7 * weight)).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", [*OVERLAP, "cldice", "tv"])
def test_other_losses_see_only_the_classes_of_weighted_labels(name: str, labels: np.ndarray) -> None:
    logits = mf.Tensor(np.random.default_rng(1).standard_normal((2, 4, 4, 2)))
    weighted = WeightedLabel(labels, np.random.default_rng(2).random((2, 4, 4)).astype(np.float32))
    assert objective(name)(logits, weighted).item() == objective(name)(logits, labels).item()


def test_values_are_regressed() -> None:
    x, y = (np.random.default_rng(seed).standard_normal((2, 3, 4, 2)).astype(np.float32) for seed in (1, 2))
    assert objective("mse").activation == "identity"
    assert objective("mse")(mf.Tensor(x), y).item() == pytest.approx(((x - y) ** 2).mean(), rel=1e-6)


def test_one_class_an_image() -> None:
    logits, digits = mf.Tensor(np.random.default_rng(1).standard_normal((5, 3))), np.array([0, 2, 1, 2, 0])
    assert objective("cross_entropy")(logits, digits).item() == F.cross_entropy(logits, digits).item()
    assert np.isfinite(objective("bce + dice")(logits, digits).item())


def test_a_sum_is_the_sum_of_its_terms(labels: np.ndarray) -> None:
    logits = mf.Tensor(np.random.default_rng(1).standard_normal((2, 4, 4, 2)))
    terms = [(2.0, "cross_entropy"), (0.5, "jaccard(power=1)"), (1e-1, "cldice(iterations=2)"), (1.0, "tv")]
    expected = sum(weight * objective(name)(logits, labels).item() for weight, name in terms)
    expression = "2*cross_entropy + jaccard(power=1)*0.5 + (1e-1 * cldice(iterations=2) + tv)"
    assert objective(expression)(logits, labels).item() == pytest.approx(expected, rel=1e-12)


def test_background_has_no_centreline() -> None:
    labels = np.zeros((1, 5, 8), np.int64)
    labels[0, 2, 1:7] = 1
    sure = 40.0 * np.eye(2)[labels]
    one_class = np.array(sure[..., 1:]) - 20.0  # with sigmoid, and no background
    assert objective("cldice(smooth=0.0)")(mf.Tensor(sure), labels).item() == pytest.approx(0.0, abs=1e-6)
    loss = objective("cldice(smooth=0.0, activation='sigmoid')")
    assert loss(mf.Tensor(one_class), np.where(labels, 0, 1)).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("expression", "activation"),
    [
        ("cross_entropy", "softmax"),
        ("dice", "softmax"),
        ("tv", "softmax"),
        ("bce + dice + tv", "sigmoid"),
        ("dice(activation='sigmoid') + focal", "sigmoid"),
        ("mse + 0.1*tv", "identity"),
    ],
)
def test_all_losses_of_a_sum_see_the_same_predictions(expression: str, activation: str) -> None:
    assert objective(expression).activation == activation
    assert repr(objective(expression)) == f"Objective({expression!r}, activation={activation!r})"


NO_SUM = "is not a sum of losses; write it like 'cross_entropy', 'jaccard(power=1)' or 'cross_entropy + 0.5*dice'"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("bce + cross_entropy", "its losses see different predictions: bce needs sigmoid; cross_entropy needs softmax"),
        ("mse + dice", "its losses see different predictions: mse needs identity; dice needs softmax or sigmoid"),
        ("dice(activation='softmax') + bce", "its losses see different predictions: dice needs softmax; bce needs"),
        ("dice + huber", "unknown loss 'huber'; losses: cross_entropy,"),
        ("jaccard(pow=2)", "loss jaccard has no option 'pow'; options: power, smooth, empty, activation"),
        ("jaccard(**{'power': 2})", "loss jaccard has no option None"),
        ("mse(activation='softmax')", "loss mse: activation must be 'identity', not 'softmax'"),
        ("jaccard(power=0)", "loss 'jaccard(power=0)': jaccard_loss: power must be at least 1, got 0"),
        ("dice(smooth='much')", "loss \"dice(smooth='much')\": "),
        ("focal(alpha=0.25)", "focal: alpha weighs yes against no, which softmax does not ask; class weights weigh"),
        *(
            (expression, NO_SUM)
            for expression in (
                "",
                "2",
                "dice +",
                "-dice",
                "dice - tv",
                "dice * tv",
                "0*dice",
                "-1*dice",
                "True*dice",
                "1e999*dice",
                "jaccard(2)",
                "jaccard(power=x)",
                "dice.loss",
                "dice()()",
                "'dice'",
                "di\0ce",
            )
        ),
    ],
)
def test_what_is_no_objective_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        objective(expression)


def test_targets_of_the_wrong_kind_are_refused(labels: np.ndarray) -> None:
    logits = mf.Tensor(np.zeros((2, 4, 4, 2)))
    with pytest.raises(ValueError, match=r"class numbers of shape \(2, 4, 4\), got float64 of shape \(2, 4, 4, 2\)"):
        objective("dice")(logits, np.zeros((2, 4, 4, 2)))
    with pytest.raises(ValueError, match=r"need class numbers of shape \(2, 4, 4\), got int64 of shape \(2, 4\)"):
        objective("bce")(logits, labels[:, 0])
    with pytest.raises(ValueError, match="mse: needs values, such as a density"):
        objective("mse")(logits, labels)
