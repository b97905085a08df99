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
    expected = F.jaccard_loss(p, MASK, 2, 1e-3, "ignore", (1, 2))
    assert nn.JaccardLoss(2, 1e-3, "ignore", (1, 2))(p, MASK).item() == expected.item()


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
        (lambda: nn.JaccardLoss(power=0), "JaccardLoss: power must be at least 1, got 0"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
