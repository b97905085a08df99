"""Probabilities and classification losses."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import LAYOUTS, Numbers, assert_as_torch, leaf, numbers, plain, vector
from tolerances import assert_close

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F

DTYPES = [np.float32, np.float64]
nn = torch.nn.functional


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize(("ours", "theirs"), [(F.softmax, torch.softmax), (F.log_softmax, torch.log_softmax)])
def test_softmax_is_torchs(ours, theirs, axis, layout, dtype):
    draw = Numbers(1, layout, dtype)
    empty = tuple(0 if a == (axis + 1) % 3 else 3 for a in range(3))
    for shape in [(3, 4, 5), (2, 1, 33), empty]:
        x = 10 * draw.normal(*shape)
        assert_as_torch(partial(ours, axis=axis), partial(theirs, dim=axis), [x], terms=50, scale=10.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "row", [[1e4, 1e4 + 1, 0.0], [-1e4, -1e4, -1e4], [-np.inf, 0.0, 1.0], [np.nan, 0.0, 1.0], [np.inf, 0.0, 1.0]]
)
def test_softmax_at_its_limits_is_torchs(row, dtype):
    x = np.array([row, [0.0, 1.0, 2.0]], dtype)
    for ours, theirs in ((F.softmax, torch.softmax), (F.log_softmax, torch.log_softmax)):
        assert_close(ours(x).data, theirs(plain(x), -1).numpy(), terms=4)


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("function", [F.softmax, F.log_softmax, partial(F.softmax, axis=0)])
def test_softmax_derivatives_agree_with_finite_differences(check, function):
    check(function, leaf(Numbers(2).normal(2, 4)), directions=1)


# --- cross-entropy ----------------------------------------------------------------------------------------------------

leading = st.sampled_from([(), (5,), (2, 3, 4), (1, 30, 30)])
reductions = st.sampled_from(["mean", "sum", "none"])


@given(leading, st.integers(1, 20), numbers, st.booleans(), reductions, st.sampled_from([-100, 0, 7]))
def test_cross_entropy_is_torchs(shape, classes, draw, weighted, reduction, ignore):
    labels = draw.integers(classes, *shape)
    if ignore == -100:
        labels = np.where(draw.integers(3, *shape) == 0, ignore, labels)
    class_weight = draw.uniform(classes, low=0.1, high=3.0) if weighted else None
    if reduction == "mean" and not (labels != ignore).any():
        return  # PyTorch says NaN there; we say 0, in a test of its own
    theirs = partial(
        nn.cross_entropy,
        target=plain(labels).reshape(-1),
        weight=None if class_weight is None else plain(class_weight),
        ignore_index=ignore,
        reduction=reduction,
    )
    assert_as_torch(
        partial(F.cross_entropy, target=labels, weight=class_weight, ignore_index=ignore, reduction=reduction),
        lambda x: theirs(x.reshape(-1, classes)).reshape(shape if reduction == "none" else ()),
        [3 * draw.normal(*shape, classes)],
        terms=900,
        scale=5.0,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_pixel_weights_multiply_class_weights(reduction, dtype):
    draw = Numbers(3, dtype=dtype)
    logits, labels, of_class = draw.normal(2, 3, 4, 5), draw.integers(5, 2, 3, 4), draw.uniform(5)
    of_pixel = draw.uniform(2, 3, 4)
    of_pixel[0] = 0.0

    def theirs(x):
        each = nn.cross_entropy(x.reshape(-1, 5), plain(labels).reshape(-1), reduction="none") * plain(
            of_pixel
        ).reshape(-1)
        weights = plain(of_class)[plain(labels)].reshape(-1)
        if reduction == "none":
            return (each * weights).reshape(labels.shape)
        total = (each * weights).sum()
        return total if reduction == "sum" else total / (plain(of_pixel).reshape(-1) * weights).sum()

    ours = partial(F.cross_entropy, target=labels, weight=of_class, pixel_weight=of_pixel, reduction=reduction)
    assert_as_torch(ours, theirs, [logits], terms=24, scale=3.0)


def test_cross_entropy_of_nothing_counted_is_zero_with_zero_gradient():
    x = leaf(np.ones((2, 3)))
    loss = F.cross_entropy(x, np.full(2, -100))
    loss.backward()
    assert loss.item() == 0.0
    assert not x.grad.data.any()
    assert F.cross_entropy(np.ones((0, 3)), np.zeros(0, int)).item() == 0.0
    assert F.cross_entropy(np.ones((0, 3)), np.zeros(0, int), reduction="none").shape == (0,)


def test_loss_of_an_ignored_pixel_is_zero_whatever_was_predicted():
    logits, labels = np.array([[np.nan, 0.0], [-np.inf, 0.0]]), np.array([-100, 0])
    for pixel_weight, expected in ((None, [0.0, np.inf]), (np.array([1.0, 0.0]), [0.0, 0.0])):
        loss = F.cross_entropy(logits, labels, reduction="none", pixel_weight=pixel_weight)
        assert loss.tolist() == expected


def test_cross_entropy_of_certain_predictions():
    assert F.cross_entropy([[1000.0, 0.0]], np.array([0])).item() == 0.0
    assert F.cross_entropy([[1000.0, 0.0]], np.array([1])).item() == 1000.0
    assert np.isnan(F.cross_entropy([[np.nan, 0.0]], np.array([1])).item())


def test_cross_entropy_notices_labels_that_change_before_backward():
    labels = np.array([0, 1])
    loss = F.cross_entropy(leaf(np.ones((2, 2))), labels)
    labels[:] = 0
    with pytest.raises(RuntimeError, match=r"backward of CrossEntropy needs an array .* changed in place"):
        loss.backward()


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
def test_cross_entropy_derivatives_agree_with_finite_differences(check):
    draw = Numbers(4)
    labels = np.array([[0, 2], [-100, 1]])
    loss = partial(F.cross_entropy, target=labels, weight=draw.uniform(3), pixel_weight=draw.uniform(2, 2))
    check(loss, leaf(draw.normal(2, 2, 3)))
    check(partial(loss, reduction="none"), leaf(draw.normal(2, 2, 3)))


# --- binary cross-entropy ---------------------------------------------------------------------------------------------


@given(
    st.sampled_from([(), (7,), (2, 3, 4, 1), (0, 3)]),
    numbers,
    st.booleans(),
    st.booleans(),
    reductions,
)
def test_binary_cross_entropy_is_torchs(shape, draw, weighted, positive, reduction):
    if 0 in shape and reduction == "mean":
        return  # the mean of nothing is refused, in a test of its own
    soft = draw.uniform(*shape)
    theirs = partial(
        nn.binary_cross_entropy_with_logits,
        target=plain(soft),
        weight=plain(np.full(shape, 0.5, soft.dtype)) if weighted else None,
        pos_weight=plain(np.array(3.0, soft.dtype)) if positive else None,
        reduction=reduction,
    )
    ours = partial(
        F.binary_cross_entropy_with_logits,
        target=soft,
        weight=0.5 if weighted else None,
        pos_weight=np.array(3.0) if positive else None,
        reduction=reduction,
    )
    assert_as_torch(ours, theirs, [5 * draw.normal(*shape)], terms=24, scale=20.0)


def test_binary_cross_entropy_does_not_overflow_and_takes_masks():
    x = vector(1000.0, -1000.0, dtype=np.float32)
    loss = F.binary_cross_entropy_with_logits(x, np.array([True, False]))
    loss.backward()
    assert (loss.dtype, loss.item(), x.grad.tolist()) == (np.float32, 0.0, [0.0, 0.0])
    assert F.binary_cross_entropy_with_logits([1000.0], [0.0]).item() == 1000.0


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
def test_binary_cross_entropy_derivatives_agree_with_finite_differences(check):
    draw = Numbers(5)
    loss = partial(F.binary_cross_entropy_with_logits, weight=draw.uniform(4), pos_weight=draw.uniform(3, 1))
    check(loss, [leaf(draw.normal(3, 4)), Tensor(draw.uniform(3, 4))])
    check(loss, [leaf(draw.normal(3, 4)), leaf(draw.uniform(3, 4, low=0.2, high=0.8))])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.1, 1.0])
def test_label_smoothing_is_torchs(smoothing, weighted, reduction, dtype):
    draw = Numbers(7, dtype=dtype)
    labels = draw.integers(5, 2, 3, 4)
    labels[0, 0, :2] = -100
    of_class = draw.uniform(5, low=0.1, high=3.0) if weighted else None
    theirs = partial(
        nn.cross_entropy,
        target=plain(labels).reshape(-1),
        weight=None if of_class is None else plain(of_class),
        reduction=reduction,
        label_smoothing=smoothing,
    )
    assert_as_torch(
        partial(F.cross_entropy, target=labels, weight=of_class, reduction=reduction, label_smoothing=smoothing),
        lambda x: theirs(x.reshape(-1, 5)).reshape(labels.shape if reduction == "none" else ()),
        [3 * draw.normal(2, 3, 4, 5)],
        terms=120,
        scale=5.0,
    )


def test_label_smoothing_takes_pixel_weights_and_skips_what_does_not_count():
    x, labels = Numbers(8).normal(3, 4), np.array([0, 3, -100])
    x[2] = np.nan
    smoothed = partial(F.cross_entropy, label_smoothing=0.2)
    each = smoothed(x, labels, reduction="none", pixel_weight=[3.0, 1.0, 2.0])
    first, second = (smoothed(x[i : i + 1], labels[i : i + 1]).item() for i in (0, 1))
    np.testing.assert_allclose(each.data, [3 * first, second, 0.0], rtol=1e-12)
    mean = smoothed(x, labels, pixel_weight=[3.0, 1.0, 2.0])
    assert mean.item() == pytest.approx((3 * first + second) / 4, rel=1e-12)
    assert smoothed(x, np.full(3, -100)).item() == 0.0


# --- focal loss -------------------------------------------------------------------------------------------------------


def focal_in_torch(x, labels, gamma, alpha, pixels, reduction):
    """The formula as the paper writes it."""
    p = torch.softmax(x, -1).gather(-1, plain(np.maximum(labels, 0))[..., None])[..., 0]
    weight = plain((labels >= 0) * alpha[np.maximum(labels, 0)] * pixels)
    each = -weight * (1 - p) ** gamma * torch.log(p)
    return each if reduction == "none" else each.sum() / (weight.sum() if reduction == "mean" else 1)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.5])
def test_focal_loss_is_the_formula(gamma, reduction):
    draw = Numbers(9)
    labels = draw.integers(3, 2, 4, 5)
    labels[1, 2] = -100
    alpha, pixels = draw.uniform(3, low=0.2), draw.uniform(2, 4, 5)
    ours = partial(F.focal_loss, target=labels, gamma=gamma, alpha=alpha, reduction=reduction, pixel_weight=pixels)
    theirs = partial(focal_in_torch, labels=labels, gamma=gamma, alpha=alpha, pixels=pixels, reduction=reduction)
    assert_as_torch(ours, theirs, [2 * draw.normal(2, 4, 5, 3)], terms=200, scale=5.0)


def test_focal_losses_without_focus_are_cross_entropies():
    draw = Numbers(10)
    x, labels, y, alpha = draw.normal(2, 6, 3), draw.integers(3, 2, 6), draw.uniform(2, 6, 3), draw.uniform(3)
    assert_close(F.focal_loss(x, labels, 0.0, alpha).data, F.cross_entropy(x, labels, alpha).data, terms=36)
    plain_bce = F.binary_cross_entropy_with_logits(x, y)
    assert_close(F.sigmoid_focal_loss(x, y, 0.0).data, plain_bce.data, terms=36)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_sigmoid_focal_loss_is_the_formula(gamma, alpha, reduction):
    draw = Numbers(11)
    y, weight = draw.integers(2, 3, 4, 2).astype(float), draw.uniform(4, 1)

    def theirs(x):
        p = torch.sigmoid(x)
        p_t, t = torch.where(plain(y) > 0, p, 1 - p), plain(y)
        alpha_t = 1.0 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
        each = -alpha_t * plain(weight) * (1 - p_t) ** gamma * torch.log(p_t)
        return {"mean": each.mean(), "sum": each.sum(), "none": each}[reduction]

    ours = partial(F.sigmoid_focal_loss, target=y, gamma=gamma, alpha=alpha, weight=weight, reduction=reduction)
    assert_as_torch(ours, theirs, [2 * draw.normal(3, 4, 2)], terms=100, scale=5.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
def test_focal_losses_of_certain_predictions_have_finite_gradients(gamma, dtype):
    x = leaf(np.array([[1000.0, 0.0], [0.0, 1000.0], [60.0, 0.0], [0.0, 0.0]], dtype))
    loss = F.focal_loss(x, np.zeros(4, int), gamma)
    loss.backward()
    assert loss.item() == pytest.approx((1000 + 0.5**gamma * np.log(2)) / 4, rel=1e-6)
    assert np.isfinite(x.grad.data).all()
    z = vector(1000.0, -1000.0, 60.0, dtype=dtype)
    loss = F.sigmoid_focal_loss(z, np.ones(3), gamma)
    loss.backward()
    assert loss.item() == pytest.approx(1000 / 3, rel=1e-6)
    assert np.isfinite(z.grad.data).all()


def test_focal_losses_skip_what_does_not_count():
    x = leaf(np.array([[np.nan, 0.0], [0.0, 0.0]]))
    loss = F.focal_loss(x, np.array([-100, 0]))
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2) / 4)
    assert not x.grad.data[0].any()
    assert F.focal_loss(np.ones((2, 3)), np.full(2, -100)).item() == 0.0
    assert F.sigmoid_focal_loss([np.nan, 0.0], [0.0, 1.0], weight=[0.0, 1.0], reduction="sum").item() == pytest.approx(
        np.log(2) / 4
    )


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
def test_focal_and_smoothed_derivatives_agree_with_finite_differences(check):
    draw = Numbers(12)
    labels = np.array([[0, 2], [-100, 1]])
    check(partial(F.focal_loss, target=labels, alpha=draw.uniform(3)), leaf(draw.normal(2, 2, 3)), directions=1)
    check(partial(F.cross_entropy, target=labels, label_smoothing=0.3), leaf(draw.normal(2, 2, 3)), directions=1)
    targets = Tensor(draw.uniform(2, 3))
    check(lambda x: F.sigmoid_focal_loss(x, targets, 1.5, 0.25), leaf(draw.normal(2, 3)), directions=1)


def test_reference_device_agrees():
    x, labels = Numbers(6).normal(2, 3, 4), np.array([[0, 1, 2], [3, -100, 0]])
    results = []
    for device in ("cpu", "reference"):
        t = Tensor(x).to(device).requires_grad_()
        each = F.cross_entropy(t, labels, reduction="none").mean() + F.binary_cross_entropy_with_logits(t, 0.0 * x)
        (F.cross_entropy(t, labels) + F.softmax(t)[0, 0, 0] + each).backward()
        assert t.grad.device == device
        results.append(t.grad.data)
    assert_close(*results, terms=24)


X, T = np.ones((2, 3)), np.array([0, 2])
ERRORS = [
    (lambda: F.softmax(X, 2), "softmax: axis 2 does not exist in a tensor with 2 axes"),
    (lambda: F.log_softmax(1.0), "log_softmax: axis -1 does not exist in a tensor with 0 axes"),
    (lambda: F.softmax(X[:, :0]), "softmax: axis -1 of shape (2, 0) is empty; there must be at least one class"),
    (
        lambda: F.cross_entropy(X, T[:1]),
        "cross_entropy: logits (2, 3) need integer labels of shape (2,), got int64 of shape (1,); classes are the last",
    ),
    (lambda: F.cross_entropy(X, T * 1.0), "cross_entropy: logits (2, 3) need integer labels of shape (2,), got"),
    (lambda: F.cross_entropy(X, T + 1), "cross_entropy: label 3 is not one of 0..2 (nor ignore_index=-100); masks of"),
    (lambda: F.cross_entropy(X, T - 1), "cross_entropy: label -1 is not one of 0..2"),
    (lambda: F.cross_entropy(X, T, np.ones(2)), "cross_entropy: weight must have shape (3,), one a class; got (2,)"),
    (lambda: F.cross_entropy(X, T, pixel_weight=X), "cross_entropy: pixel_weight must have shape (2,), one a pixel"),
    (lambda: F.cross_entropy(X, T, label_smoothing=1.5), "cross_entropy: label_smoothing must be in [0, 1], got 1.5"),
    (lambda: F.focal_loss(X, T + 1), "focal_loss: label 3 is not one of 0..2"),
    (lambda: F.focal_loss(X, T, -1.0), "focal_loss: gamma must not be negative, got -1.0"),
    (lambda: F.focal_loss(X, T, alpha=[1.0]), "focal_loss: alpha must have shape (3,), one a class; got (1,)"),
    (lambda: F.focal_loss(X, T, reduction="all"), "focal_loss: reduction must be"),
    (lambda: F.sigmoid_focal_loss(X, T), "sigmoid_focal_loss: logits (2, 3) and target (2,) must have one shape"),
    (lambda: F.sigmoid_focal_loss(X, X, np.nan), "sigmoid_focal_loss: gamma must not be negative, got nan"),
    (lambda: F.sigmoid_focal_loss(X, X, alpha=2), "sigmoid_focal_loss: alpha must be None or in [0, 1], got 2"),
    (lambda: F.sigmoid_focal_loss(X, X, weight=T), "sigmoid_focal_loss, weight: shapes (2,) and (2, 3) cannot be"),
    (lambda: F.cross_entropy(X, T, reduction="all"), "cross_entropy: reduction must be 'mean', 'sum' or 'none', not"),
    (
        lambda: F.binary_cross_entropy_with_logits(X, T),
        "binary_cross_entropy_with_logits: logits (2, 3) and target (2,) must have one shape",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(X, 255 * X),
        "_with_logits: targets of shape (2, 3) must be in [0, 1], but go from 255.0 to 255.0; masks of 0 and 255 must",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(X, np.nan * X),
        "binary_cross_entropy_with_logits: targets of shape (2, 3) must be in [0, 1],",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(X, X, weight=T),
        "binary_cross_entropy_with_logits, weight: shapes (2,) and (2, 3) cannot be broadcast together",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(X, X, pos_weight=X[None]),
        "binary_cross_entropy_with_logits: pos_weight of shape (1, 2, 3) must broadcast to the logits' shape (2, 3)",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(X, X, reduction="no"),
        "binary_cross_entropy_with_logits: reduction must be 'mean', 'sum' or",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(X[:0], X[:0]),
        "mean: nothing to reduce over axis None of an empty tensor of",
    ),
]


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cross_entropy"])
def test_half_precision_is_refused(name):
    labels = (T,) if name == "cross_entropy" else ()
    with pytest.raises(
        TypeError, match=rf"^{name}: expected float32 or float64, got float16 of shape \(2, 3\); convert"
    ):
        getattr(F, name)(X.astype(np.float16), *labels)


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_the_kernels_gradient_of_cross_entropy_is_the_recordable_one():
    logits = mf.tensor(np.random.default_rng(5).standard_normal((2, 9, 3)), requires_grad=True)
    labels = np.random.default_rng(6).integers(-1, 3, (2, 9))
    loss = 3.0 * F.cross_entropy(logits, labels, weight=[1.0, 0.5, 2.0], ignore_index=-1)
    (recorded,) = mf.grad(loss, logits, create_graph=True)
    (plain,) = mf.grad(loss, logits)
    assert recorded.requires_grad
    assert not plain.requires_grad
    assert_close(plain.data, recorded.data)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_weights_that_are_no_weights_are_refused(bad):
    logits, labels = np.zeros((2, 3)), np.array([0, 1])
    with pytest.raises(ValueError, match="cross_entropy: weight must be finite and not negative"):
        F.cross_entropy(logits, labels, weight=[1.0, bad, 1.0])
    with pytest.raises(ValueError, match="cross_entropy: pixel_weight must be finite and not negative"):
        F.cross_entropy(logits, labels, pixel_weight=np.array([1.0, bad]))
