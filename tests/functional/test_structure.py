"""Losses of structure, against the same algorithms in PyTorch, finite differences, and shapes one can count."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from strategies import Numbers, assert_as_torch, leaf

import minifcn as mf
from minifcn import functional as F

DTYPES = [np.float32, np.float64]
POLICIES = ["lecture", "perfect", "ignore"]


def image(*rows: str) -> np.ndarray:
    """(1, H, W, 1), 1 where a row has a #."""
    return np.array([[float(letter == "#") for letter in row] for row in rows])[None, :, :, None]


# --- the algorithms in PyTorch, (N, H, W, C) --------------------------------------------------------------------------


def pool(x, size):
    return torch.max_pool2d(x.permute(0, 3, 1, 2), size, 1, (size[0] // 2, size[1] // 2)).permute(0, 2, 3, 1)


def erode(x):
    return torch.minimum(-pool(-x, (3, 1)), -pool(-x, (1, 3)))


def skeleton(x, iterations):
    joined = torch.relu(x - pool(erode(x), (3, 3)))
    for _ in range(iterations):
        x = erode(x)
        removed = torch.relu(x - pool(erode(x), (3, 3)))
        joined = joined + torch.relu(removed - joined * removed)
    return joined


def cldice(x, y, iterations, eps, empty, axis, smooth):
    """As in the paper: precision, sensitivity, and their harmonic mean."""
    s = smooth + (eps if empty == "perfect" else 0.0)
    thin_x, thin_y = skeleton(x, iterations), skeleton(y, iterations)
    precision = ((thin_x * y).sum(axis) + s) / (thin_x.sum(axis) + s)
    sensitivity = ((thin_y * x).sum(axis) + s) / (thin_y.sum(axis) + s)
    loss = 1 - 2 * precision * sensitivity / (precision + sensitivity)
    return loss[y.sum(axis) > 0].mean() if empty == "ignore" else loss.mean()


# --- skeletons and clDice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 7, 6, 2), (1, 1, 9, 1), (1, 5, 1, 3)])
@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_soft_skeleton_is_torchs(iterations, shape, dtype):
    x = Numbers(1, dtype=dtype).distinct(*shape) + dtype(0.5)
    assert_as_torch(partial(F.soft_skeleton, iterations=iterations), partial(skeleton, iterations=iterations), [x])


def test_the_skeleton_of_a_cross_is_thin_and_lies_in_it():
    cross = image("..###..", "..###..", "#######", "#######", "#######", "..###..", "..###..")
    thin = F.soft_skeleton(cross, 4).data
    np.testing.assert_array_equal(thin, thin.swapaxes(1, 2))
    assert 0 < thin.sum() < cross.sum() / 2
    assert (thin <= cross).all()
    np.testing.assert_array_equal(F.soft_skeleton(cross, 9).data, thin)  # more iterations change nothing


@pytest.mark.parametrize("empty", POLICIES)
@pytest.mark.parametrize("axis", [(1, 2), (0, 1, 2)])
@pytest.mark.parametrize("smooth", [0.5, 1.0])
def test_cldice_is_the_formula(smooth, axis, empty):
    draw = Numbers(2)
    y = 0.9 * draw.distinct(2, 6, 7, 2) + 0.5
    y[0, ..., 1] = 0.0
    options = {"iterations": 2, "empty": empty, "axis": axis, "smooth": smooth, "eps": 1e-14}
    x = draw.distinct(2, 6, 7, 2) + 0.5
    # eps stands in another place than in three quotients: too small to matter here.
    assert_as_torch(lambda x: F.cldice_loss(x, y, **options), partial(_twin, y=y, **options), [x], terms=170, scale=4.0)


def _twin(x, y, **options):
    return cldice(x, torch.from_numpy(np.ascontiguousarray(y)), **options)


def test_cldice_prices_a_gap_by_its_length_and_not_by_its_pixels():
    thin = image(*["." * 12] * 3, "." + "#" * 10 + ".", *["." * 12] * 3)
    thick = image("." * 12, *["#" * 12] * 5, "." * 12)
    gaps = []
    for line in (thin, thick):
        broken = line.copy()
        broken[:, :, 5:7] = 0.0
        assert F.cldice_loss(line, line, 4, smooth=0.0).item() == pytest.approx(0.0, abs=1e-6)
        gaps.append(F.cldice_loss(broken, line, 4, smooth=0.0).item())
    assert gaps[0] == pytest.approx(1 - 2 * 0.8 / 1.8, abs=1e-6)  # P = 1, S = 8 / 10
    assert 0.05 < gaps[1] < 0.2


@pytest.mark.parametrize("smooth", [0.0, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("empty", POLICIES)
def test_cldice_of_empty_targets(empty, dtype, smooth):
    nothing = np.zeros((1, 5, 7, 1), dtype)
    line = nothing.copy()
    line[0, 2, 1:6] = 1.0
    loss = partial(F.cldice_loss, iterations=2, empty=empty, smooth=smooth)
    correct = 1.0 if empty == "lecture" and smooth == 0.0 else 0.0
    assert loss(nothing, nothing).item() == pytest.approx(correct, abs=1e-6)
    x = leaf(line)
    value = loss(x, nothing)
    value.backward()
    # P = s / (5 + s) and S = 1
    false = {0.0: 1.0, 1.0: 1 - 2 * (1 / 6) / (7 / 6)}[smooth] if empty != "ignore" else 0.0
    assert value.item() == pytest.approx(false, abs=1e-5)
    assert np.isfinite(x.grad.data).all()
    # Where nothing was predicted, but something is there: nothing is found, whatever the policy.
    assert loss(nothing, line).item() == pytest.approx({0.0: 1.0, 1.0: false or 1 - 2 / 7}[smooth], abs=1e-5)


@pytest.mark.parametrize("function", [partial(F.cldice_loss, iterations=1), partial(F.cldice_loss, axis=(0, 1, 2))])
def test_cldice_derivatives_agree_with_finite_differences(function):
    draw = Numbers(3)  # distinct numbers: minima and maxima have no ties
    x, y = (0.9 * draw.distinct(1, 4, 5, 2) + 0.5 for _ in range(2))
    mf.gradcheck(function, [leaf(x), leaf(y)], directions=2)
    mf.gradgradcheck(function, [leaf(x), leaf(y)], directions=1)


# --- total variation --------------------------------------------------------------------------------------------------


def variation(x, isotropic, eps, mask, reduction):
    down = torch.zeros_like(x)
    right = torch.zeros_like(x)
    down[:, :-1] = (x[:, 1:] - x[:, :-1]) * (mask[:, 1:] & mask[:, :-1])
    right[:, :, :-1] = (x[:, :, 1:] - x[:, :, :-1]) * (mask[:, :, 1:] & mask[:, :, :-1])
    each = torch.sqrt(down**2 + right**2 + eps**2) - eps if isotropic else down.abs() + right.abs()
    return {"mean": each.sum() / mask.sum(), "sum": each.sum(), "none": each}[reduction]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("isotropic", [False, True])
@pytest.mark.parametrize("shape", [(2, 4, 5, 2), (1, 1, 6, 1), (1, 3, 1, 2)])
def test_total_variation_is_torchs(shape, isotropic, reduction, dtype):
    draw = Numbers(4, dtype=dtype)
    mask = draw.integers(4, *shape[:3], 1) > 0
    options = {"isotropic": isotropic, "eps": 0.1, "reduction": reduction}
    theirs = partial(variation, mask=torch.from_numpy(mask.copy()).expand(shape), **options)
    assert_as_torch(
        partial(F.total_variation, mask=mask, **options), theirs, [draw.normal(*shape)], terms=80, scale=4.0
    )


def test_total_variation_is_the_length_of_a_border():
    diagonal = np.tril(np.ones((8, 8)))[None, ::-1, :, None]
    assert F.total_variation(diagonal, reduction="sum").item() == pytest.approx(14)
    steps = 6 * np.sqrt(2) + 2  # the first and the last have no pixel beyond
    assert F.total_variation(diagonal, True, reduction="sum").item() == pytest.approx(steps, rel=1e-5)


@pytest.mark.parametrize("isotropic", [False, True])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_flat_predictions_cost_nothing_and_have_no_gradient(value, isotropic):
    x = leaf(np.full((1, 3, 4, 1), value))
    loss = F.total_variation(x, isotropic)
    loss.backward()
    assert loss.item() == 0.0
    assert not x.grad.data.any()
    assert F.total_variation(x, isotropic, mask=np.zeros((1, 1, 1, 1), bool)).item() == 0.0


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("isotropic", [False, True])
def test_total_variation_derivatives_agree_with_finite_differences(isotropic, check):
    check(partial(F.total_variation, isotropic=isotropic, eps=0.1), leaf(Numbers(5).distinct(1, 3, 4, 2)), directions=2)


X = np.ones((1, 2, 3, 1))
ERRORS = [
    (lambda: F.soft_skeleton(X[0]), "soft_skeleton: expected images of shape (N, H, W, C), got shape (2, 3, 1)"),
    (lambda: F.soft_skeleton(X, -1), "soft_skeleton: iterations must not be negative, got -1"),
    (lambda: F.cldice_loss(X, X[0]), "cldice_loss: prediction (1, 2, 3, 1) and target (2, 3, 1) must have one shape"),
    (lambda: F.cldice_loss(X[0], X[0]), "cldice_loss: expected images of shape (N, H, W, C), got shape (2, 3, 1)"),
    (lambda: F.cldice_loss(X, X, empty="skip"), "cldice_loss: empty must be 'lecture', 'perfect' or 'ignore', not"),
    (lambda: F.cldice_loss(X, X, smooth=-1), "cldice_loss: smooth must not be negative, got -1"),
    (lambda: F.total_variation(X[0]), "total_variation: expected images of shape (N, H, W, C), got shape (2, 3, 1)"),
    (lambda: F.total_variation(X, eps=0.0), "total_variation: eps must be positive, got 0.0"),
    (lambda: F.total_variation(X, mask=X), "total_variation: mask must be boolean and broadcast to (1, 2, 3, 1), got"),
    (lambda: F.total_variation(X, mask=X[:, :, :2] > 0), "total_variation: shapes (1, 2, 2, 1) and (1, 2, 3, 1)"),
    (lambda: F.total_variation(X, reduction="all"), "total_variation: reduction must be 'mean', 'sum' or 'none', not"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
