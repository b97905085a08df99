"""Regression and overlap losses: the lecture's formulas, worked out in NumPy and compared with PyTorch's gradients."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from strategies import Numbers, assert_as_torch, leaf
from tolerances import assert_close

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse_loss_is_torchs(reduction, dtype):
    draw = Numbers(1, dtype=dtype)
    arrays = [draw.normal(2, 3, 4), draw.normal(2, 3, 4)]
    theirs = partial(torch.nn.functional.mse_loss, reduction=reduction)
    assert_as_torch(partial(F.mse_loss, reduction=reduction), theirs, arrays, terms=24, scale=4.0)


# --- overlap ----------------------------------------------------------------------------------------------------------

LOSSES = {
    "dice": (F.dice_loss, lambda x, y, axis: (2 * (x * y).sum(axis), x.sum(axis) + y.sum(axis))),
    "jaccard": (F.jaccard_loss, lambda x, y, axis: _jaccard(x, y, axis, 1)),
    "jaccard, squares": (partial(F.jaccard_loss, power=2), lambda x, y, axis: _jaccard(x, y, axis, 2)),
    "jaccard, power 1.5": (partial(F.jaccard_loss, power=1.5), lambda x, y, axis: _jaccard(x, y, axis, 1.5)),
    "tversky": (F.tversky_loss, lambda x, y, axis: _tversky(x, y, axis, 0.3, 0.7)),
}


def _jaccard(x, y, axis, power):
    shared = (x * y).sum(axis)
    return shared, (x**power).sum(axis) + (y**power).sum(axis) - shared


def _tversky(x, y, axis, alpha, beta):
    shared = (x * y).sum(axis)
    return shared, shared + alpha * ((1 - y) * x).sum(axis) + beta * (y * (1 - x)).sum(axis)


def expected(name, x, y, axis, eps, empty, smooth=0.0):
    """The formulas once more, in PyTorch, which differentiates them."""
    dims = tuple(range(x.ndim)) if axis is None else axis
    shared, total = LOSSES[name][1](x, y, dims)
    shared, total = shared + smooth, total + smooth
    if empty == "perfect":
        return (1 - (shared + eps) / (total + eps)).mean()
    loss = 1 - shared / (total + eps)
    return loss[y.sum(dims) > 0].mean() if empty == "ignore" else loss.mean()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("empty", ["lecture", "perfect", "ignore"])
@pytest.mark.parametrize("axis", [None, (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("name", LOSSES)
def test_overlap_losses_are_the_formulas(name, axis, empty, dtype):
    draw = Numbers(2, dtype=dtype)
    y = draw.integers(2, 2, 3, 4, 5).astype(dtype)
    y[0, ..., 1] = y[1, ..., 2] = 0.0  # two regions, of eight, are empty
    arrays = [draw.uniform(2, 3, 4, 5), y]
    ours = partial(LOSSES[name][0], axis=axis, eps=1e-3, empty=empty)
    theirs = partial(expected, name, axis=axis, eps=1e-3, empty=empty)
    assert_as_torch(ours, theirs, arrays, terms=120, scale=4.0)


@pytest.mark.parametrize("empty", ["lecture", "perfect", "ignore"])
@pytest.mark.parametrize("name", LOSSES)
def test_smooth_is_added_to_both_sides(name, empty):
    draw = Numbers(5)
    y = draw.integers(2, 2, 3, 4, 2).astype(float)
    y[0, ..., 1] = 0.0
    arguments = {"axis": (1, 2), "eps": 1e-3, "empty": empty, "smooth": 10.0}
    ours, theirs = partial(LOSSES[name][0], **arguments), partial(expected, name, **arguments)
    assert_as_torch(ours, theirs, [draw.uniform(2, 3, 4, 2), y], terms=60, scale=4.0)


@pytest.mark.parametrize("name", LOSSES)
def test_smooth_prices_an_empty_target_by_what_was_predicted(name):
    loss = partial(LOSSES[name][0], smooth=10.0)
    nothing = np.zeros(8)
    assert loss(nothing, nothing).item() == pytest.approx(0.0, abs=1e-7)
    few, many = loss(np.eye(8)[0], nothing).item(), loss(np.ones(8), nothing).item()
    assert 0.0 < few < many < 0.5  # 8 pixels are fewer than s


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("power", [1.0, 1.001, 1.5, 3.0])
def test_powers_have_finite_gradients_at_zero(power, dtype):
    x = leaf(np.array([0.0, 1.0, 0.5, 0.0], dtype))
    loss = F.jaccard_loss(x, np.array([0.0, 0.0, 1.0, 1.0], dtype), power)
    loss.backward()
    assert np.isfinite(x.grad.data).all()
    assert x.grad.data[0] == 0.0 or power == 1.0  # of x^p


def test_masks_cost_the_same_with_every_power():
    x, y = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0])
    costs = [F.jaccard_loss(x, y, power, smooth=0.5).item() for power in (1, 1.5, 2, 7)]
    assert costs == pytest.approx([1 - 1.5 / 3.5] * 4)


def test_tversky_is_dice_jaccard_or_in_favour_of_sensitivity():
    x, y = Numbers(6).uniform(2, 5), Numbers(7).integers(2, 2, 5)
    assert F.tversky_loss(x, y, 0.5, 0.5, 0.0).item() == pytest.approx(F.dice_loss(x, y, 0.0).item())
    assert F.tversky_loss(x, y, 1, 1, 0.0).item() == pytest.approx(F.jaccard_loss(x, y, 1, 0.0).item())
    true = np.array([1.0, 1.0, 0.0, 0.0])
    missed, false = np.array([1.0, 0.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.0])
    assert F.tversky_loss(missed, true).item() == pytest.approx(1 - 1 / 1.7)
    assert F.tversky_loss(false, true).item() == pytest.approx(1 - 2 / 2.3)


@pytest.mark.parametrize("name", LOSSES)
def test_perfect_and_worst_predictions(name):
    y = np.array([1.0, 0.0, 1.0, 0.0])
    loss = partial(LOSSES[name][0], eps=0.0)
    assert loss(y, y).item() == 0.0
    assert loss(1.0 - y, y).item() == 1.0


def test_dice_and_jaccard_of_masks_are_the_set_formulas():
    x, y = np.zeros(10), np.zeros(10)
    x[:6], y[4:8] = 1.0, 1.0  # |A| = 6, |B| = 4, |A and B| = 2, |A or B| = 8
    assert F.dice_loss(x, y, eps=0.0).item() == pytest.approx(1 - 4 / 10)
    assert F.jaccard_loss(x, y, eps=0.0).item() == pytest.approx(1 - 2 / 8)
    assert F.jaccard_loss(x, y, power=2, eps=0.0).item() == pytest.approx(1 - 2 / 8)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("empty", "correct", "false"), [("lecture", 1.0, 1.0), ("perfect", 0.0, 1.0), ("ignore", 0.0, 0.0)]
)
def test_policies_for_a_target_without_any_region(name, empty, correct, false):
    loss = partial(LOSSES[name][0], empty=empty)
    nothing = np.zeros(8)
    assert loss(nothing, nothing).item() == correct
    x = leaf(np.ones(8))
    value = loss(x, nothing)
    assert value.item() == pytest.approx(false, abs=1e-6)
    value.backward()
    assert np.isfinite(x.grad.data).all()
    if empty != "perfect":
        assert not x.grad.data.any()


def test_integer_and_boolean_masks_are_targets():
    x = np.array([0.5, 1.0], np.float32)
    for target in (np.array([0, 1]), np.array([False, True]), np.array([0, 1], np.uint8)):
        for loss in (F.dice_loss, F.jaccard_loss, F.mse_loss):
            assert loss(x, target).dtype == np.float32
            assert loss(x, target).item() == pytest.approx(loss(x, target.astype(float)).item())


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("loss", [*(function for function, _ in LOSSES.values()), F.mse_loss])
def test_derivatives_agree_with_finite_differences(check, loss):
    draw = Numbers(3)
    x, y = draw.uniform(2, 3, 4, low=0.1, high=0.9), draw.uniform(2, 3, 4, low=0.1, high=0.9)
    check(loss, [leaf(x), leaf(y)], directions=1)
    if loss is not F.mse_loss:
        check(partial(loss, axis=(1, 2), empty="ignore"), [leaf(x), Tensor(y)], directions=1)


def test_nan_is_not_hidden():
    x = np.array([np.nan, 1.0])
    assert all(np.isnan(loss(x, np.ones(2)).item()) for loss in (F.dice_loss, F.jaccard_loss, F.mse_loss))


def test_reference_device_agrees():
    draw = Numbers(4)
    x, y = draw.uniform(2, 3, 4), draw.integers(2, 2, 3, 4)
    results = []
    for device in ("cpu", "reference"):
        t = Tensor(x).to(device).requires_grad_()
        (F.dice_loss(t, y, axis=(0, 1)) + F.jaccard_loss(t, y, power=2) + F.mse_loss(t, y)).backward()
        assert t.grad.device == device
        results.append(t.grad.data)
    assert_close(*results, terms=24)


X = np.ones((2, 3))
ERRORS = [
    *(
        (
            partial(function, X, X[0]),
            f"{function.__name__}: prediction (2, 3) and target (3,) must have one shape (6 and 3 elements)",
        )
        for function in (F.mse_loss, F.dice_loss, F.jaccard_loss, F.tversky_loss)
    ),
    (lambda: F.mse_loss(X, X, "all"), "mse_loss: reduction must be 'mean', 'sum' or 'none', not 'all'"),
    (lambda: F.jaccard_loss(X, X, power=0), "jaccard_loss: power must be at least 1, got 0; the lecture has 1 and 2"),
    (lambda: F.jaccard_loss(X, X, power=np.nan), "jaccard_loss: power must be at least 1, got nan"),
    (lambda: F.jaccard_loss(X, X, smooth=-1), "jaccard_loss: smooth must not be negative, got -1"),
    (lambda: F.tversky_loss(X, X, beta=-1), "tversky_loss: alpha and beta must not be negative, got 0.3 and -1"),
    (lambda: F.tversky_loss(X, X, empty="skip"), "tversky_loss: empty must be 'lecture', 'perfect' or 'ignore', not"),
    (lambda: F.dice_loss(X, X, empty="skip"), "dice_loss: empty must be 'lecture', 'perfect' or 'ignore', not 'skip'"),
    (lambda: F.jaccard_loss(X, X, eps=0.0, empty="perfect"), "jaccard_loss: empty='perfect' needs eps > 0, got 0.0"),
    (lambda: F.dice_loss(X, X, eps=0.0, empty="ignore"), "dice_loss: empty='ignore' needs eps > 0, got 0.0"),
    (lambda: F.dice_loss(X, X, axis=2), "dice_loss: axis 2 does not exist in a tensor with 2 axes"),
    (lambda: F.mse_loss(X[:0], X[:0]), "mean: nothing to reduce over axis None of an empty tensor of shape (0, 3)"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


OVERLAP = [F.dice_loss, F.jaccard_loss, F.tversky_loss]


@pytest.mark.parametrize("loss", OVERLAP, ids=lambda loss: loss.__name__)
def test_logits_and_masks_of_255_are_refused(loss):
    shares, mask = np.full((1, 4, 4, 2), 0.5), np.ones((1, 4, 4, 2))
    with pytest.raises(ValueError, match=r"targets .* must be in \[0, 1\], but go from 255 to 255; masks of 0 and 255"):
        loss(shares, 255 * mask)
    with pytest.raises(ValueError, match=r"predictions .* go from -3 to -3; apply softmax or sigmoid to logits first"):
        loss(-3.0 * mask, mask)
    assert np.isnan(loss(np.nan * mask, mask).item())  # a network that has diverged: for the training loop to say
