"""Losses as modules against the functions."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import nn

RNG = np.random.default_rng(0)
LOGITS = mf.tensor(RNG.standard_normal((2, 3, 4, 3)).astype(np.float32))
LABELS = mf.tensor(RNG.integers(0, 3, (2, 3, 4)))
MASK = mf.tensor((RNG.random((2, 3, 4, 3)) < 0.5).astype(np.float32))


def test_cross_entropy():
    weight, pixels = np.array([1, 2, 3], np.float32), np.ones((2, 3, 4), np.float32)
    loss = nn.CrossEntropyLoss(weight, ignore_index=1, reduction="sum")
    assert loss(LOGITS, LABELS, pixels).item() == F.cross_entropy(LOGITS, LABELS, weight, 1, "sum", pixels).item()
    assert nn.CrossEntropyLoss()(LOGITS, LABELS).item() == F.cross_entropy(LOGITS, LABELS).item()


def test_class_weights_are_a_buffer():
    loss = nn.CrossEntropyLoss([1.0, 2.0])
    assert [name for name, _ in loss.named_buffers()] == ["weight"]
    assert list(loss.parameters()) == []


def test_options_reach_the_functions():
    smoothed = F.cross_entropy(LOGITS, LABELS, label_smoothing=0.2)
    assert nn.CrossEntropyLoss(label_smoothing=0.2)(LOGITS, LABELS).item() == smoothed.item()
    weight, pixels = np.array([1, 2, 3], np.float32), np.full((2, 3, 4), 0.5, np.float32)
    focal = F.focal_loss(LOGITS, LABELS, 1.5, weight, 1, "sum", pixels)
    assert nn.FocalLoss(1.5, weight, 1, "sum")(LOGITS, LABELS, pixels).item() == focal.item()
    focal = F.sigmoid_focal_loss(LOGITS, MASK, 1.5, 0.25, weight, "sum")
    assert nn.SigmoidFocalLoss(1.5, 0.25, weight, "sum")(LOGITS, MASK).item() == focal.item()


def test_losses_of_structure():
    p, options = F.sigmoid(LOGITS), (2, 1e-3, "ignore", (0, 1, 2), 0.5)
    assert nn.CLDiceLoss(*options)(p, MASK).item() == F.cldice_loss(p, MASK, *options).item()
    variation = F.total_variation(p, True, 0.1, reduction="sum").item()
    assert nn.TotalVariationLoss(True, 0.1, "sum")(p).item() == nn.TotalVariationLoss(True, 0.1, "sum")(p, MASK).item()
    assert nn.TotalVariationLoss(True, 0.1, "sum")(p).item() == variation


def test_a_sum_of_losses_weighs_them_and_owns_their_buffers():
    cross_entropy, focal = nn.CrossEntropyLoss([1.0, 2.0, 3.0]), nn.FocalLoss()
    both = nn.SumOfLosses((cross_entropy, 2), (focal, 0.5))
    expected = 2 * cross_entropy(LOGITS, LABELS).item() + 0.5 * focal(LOGITS, LABELS).item()
    assert both(LOGITS, LABELS).item() == pytest.approx(expected, rel=1e-6)
    assert [name for name, _ in both.named_buffers() if "alpha" not in name] == ["losses.0.weight"]


def test_binary_cross_entropy():
    loss = nn.BCEWithLogitsLoss([1.0, 2.0, 3.0], "sum", 2.0)
    expected = F.binary_cross_entropy_with_logits(LOGITS, MASK, [1.0, 2.0, 3.0], 2.0, "sum")
    assert loss(LOGITS, MASK).item() == expected.item()


def test_mean_squared_error():
    assert nn.MSELoss("sum")(LOGITS, MASK).item() == F.mse_loss(LOGITS, MASK, "sum").item()


def test_losses_of_every_pixel():
    pairs = [
        (nn.CrossEntropyLoss(reduction="none")(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS, reduction="none")),
        (
            nn.BCEWithLogitsLoss(reduction="none")(LOGITS, MASK),
            F.binary_cross_entropy_with_logits(LOGITS, MASK, reduction="none"),
        ),
        (nn.MSELoss("none")(LOGITS, MASK), F.mse_loss(LOGITS, MASK, "none")),
    ]
    assert [ours.tolist() == expected.tolist() for ours, expected in pairs] == [True] * 3
    assert [ours.shape for ours, _ in pairs] == [LABELS.shape, MASK.shape, MASK.shape]


def test_overlap_losses():
    p = F.sigmoid(LOGITS)
    assert nn.DiceLoss(1e-3, "perfect", (1, 2))(p, MASK).item() == F.dice_loss(p, MASK, 1e-3, "perfect", (1, 2)).item()
    expected = F.jaccard_loss(p, MASK, 1.5, 1e-3, "ignore", (1, 2), 3.0)
    assert nn.JaccardLoss(1.5, 1e-3, "ignore", (1, 2), 3.0)(p, MASK).item() == expected.item()
    expected = F.tversky_loss(p, MASK, 0.2, 0.9, 1e-3, "ignore", (1, 2), 3.0)
    assert nn.TverskyLoss(0.2, 0.9, 1e-3, "ignore", (1, 2), 3.0)(p, MASK).item() == expected.item()
    assert nn.DiceLoss(smooth=3.0)(p, MASK).item() == F.dice_loss(p, MASK, smooth=3.0).item()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: nn.CrossEntropyLoss(reduction="all"),
            "CrossEntropyLoss: reduction must be 'mean', 'sum' or 'none', not 'all'",
        ),
        (lambda: nn.BCEWithLogitsLoss(reduction="avg"), "BCEWithLogitsLoss: reduction"),
        (lambda: nn.MSELoss("x"), "MSELoss: reduction"),
        (lambda: nn.DiceLoss(empty="zero"), "DiceLoss: empty must be 'lecture', 'perfect' or 'ignore', not 'zero'"),
        (lambda: nn.JaccardLoss(empty=1), "JaccardLoss: empty"),
        (lambda: nn.TverskyLoss(beta=-1), "TverskyLoss: alpha and beta must not be negative, got 0.3 and -1"),
        (lambda: nn.CLDiceLoss(smooth=-1), "CLDiceLoss: smooth must not be negative, got -1"),
        (lambda: nn.TotalVariationLoss(reduction="x"), "TotalVariationLoss: reduction"),
        (lambda: nn.FocalLoss(reduction="x"), "FocalLoss: reduction"),
        (lambda: nn.SigmoidFocalLoss(reduction="x"), "SigmoidFocalLoss: reduction"),
        (lambda: nn.SumOfLosses(), "SumOfLosses: no terms; give"),
        (lambda: nn.SumOfLosses((nn.DiceLoss(), float("nan"))), "SumOfLosses: weights must be finite numbers"),
        (lambda: nn.JaccardLoss(power=0), "JaccardLoss: power must be at least 1, got 0"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
