"""Batch normalisation, alone and with the ReLU that follows it, and dropout."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import LAYOUTS, Numbers, assert_as_torch, image, leaf, numbers, plain, vector
from tolerances import assert_close

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F

DTYPES = [np.float32, np.float64]
shapes = st.tuples(st.integers(1, 3), st.integers(2, 6), st.integers(1, 6), st.sampled_from([1, 3, 16, 35]))


def statistics(draw, channels):
    return draw.normal(channels), draw.uniform(channels, low=0.5, high=2.0)


@given(shapes, numbers, st.booleans(), st.booleans())
def test_batch_norm_is_torchs(shape, draw, training, relu):
    channels = shape[-1]
    mean, var = statistics(draw, channels)
    arrays = [draw.normal(*shape), draw.away_from_zero(channels), draw.normal(channels)]

    def ours(x, weight, bias):
        return F.batch_norm(
            x, Tensor(mean.copy()), Tensor(var.copy()), weight, bias, training, activation="relu" if relu else None
        )

    def theirs(x, weight, bias):
        y = torch.nn.functional.batch_norm(x, plain(mean), plain(var), weight, bias, training)
        return torch.relu(y) if relu else y

    # Divided by the standard deviation of as few as two values, errors grow.
    assert_as_torch(ours, theirs, arrays, [image, plain, plain], image, terms=4000, scale=20.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0])
def test_running_statistics_are_torchs(momentum, dtype):
    draw = Numbers(1, dtype=dtype)
    mean, var = statistics(draw, 4)
    ours, theirs = [Tensor(mean.copy()), Tensor(var.copy())], [plain(mean), plain(var)]
    for _ in range(3):
        x = draw.normal(2, 3, 5, 4)
        F.batch_norm(x, *ours, training=True, momentum=momentum)
        torch.nn.functional.batch_norm(image(x), *theirs, training=True, momentum=momentum)
        F.batch_norm(x, *ours, training=False)  # changes nothing
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(mine.data, other.numpy(), terms=100)


def test_running_statistics_may_be_absent_in_training():
    x = Numbers(2).normal(4, 3)
    y = F.batch_norm(x, training=True, eps=0.0)
    assert_close(y.data, (x - x.mean(0)) / x.std(0), terms=10)


def test_batch_norm_takes_any_number_of_axes():
    x = Numbers(3).normal(6, 5)
    flat = F.batch_norm(x, training=True)
    assert_close(F.batch_norm(x.reshape(2, 3, 5), training=True).data.reshape(6, 5), flat.data, terms=6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_fused_relu_is_the_separate_one(layout, training):
    draw = Numbers(4, layout)
    arrays = [draw.normal(2, 3, 4, 5), draw.away_from_zero(5), draw.normal(5)]
    mean, var = (Tensor(s) for s in statistics(draw, 5))
    results = []
    for fused in (True, False):
        leaves = [leaf(array) for array in arrays]
        x, weight, bias = leaves
        y = F.batch_norm(x, mean, var, weight, bias, training, 0.0, activation="relu" if fused else None)
        y = y if fused else F.relu(y)
        seed = Tensor(Numbers(5).normal(*y.shape))
        first = mf.grad(y, leaves, seed, create_graph=True)
        plain_first = mf.grad(y, leaves, seed, retain_graph=True)
        second = mf.grad(sum((g * g).sum() for g in first), leaves, allow_unused=True)
        results.append([None if t is None else t.data for t in (y, *first, *plain_first, *second)])
    for mine, other in zip(*results, strict=True):
        assert (mine is None) == (other is None)
        if mine is not None:
            assert_close(mine, other, terms=1000, scale=10.0)


def test_second_derivatives_are_torchs():
    draw = Numbers(6)
    arrays = [draw.normal(2, 3, 4, 5), draw.away_from_zero(5), draw.normal(5)]
    seed = draw.normal(2, 3, 4, 5)
    ours = [leaf(array) for array in arrays]
    y = F.batch_norm(ours[0], None, None, *ours[1:], training=True)
    first = mf.grad(y, ours[:2], Tensor(seed), create_graph=True)
    second = mf.grad([(g * g).sum() for g in first], ours[:2])
    theirs = [kind(array).requires_grad_() for kind, array in zip((image, plain, plain), arrays, strict=True)]
    z = torch.nn.functional.batch_norm(theirs[0], None, None, *theirs[1:], training=True)
    first = torch.autograd.grad(z, theirs[:2], image(seed), create_graph=True)
    expected = torch.autograd.grad(sum((g * g).sum() for g in first), theirs[:2])
    assert_close(second[0].data, expected[0].numpy().transpose(0, 2, 3, 1), terms=1000, scale=10.0)
    assert_close(second[1].data, expected[1].numpy(), terms=1000, scale=10.0)


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_derivatives_agree_with_finite_differences(check, training, activation):
    draw = Numbers(7)
    mean, var = (Tensor(s) for s in statistics(draw, 3))

    def normalised(x, weight, bias):
        running = (None, None) if training else (mean, var)
        return F.batch_norm(x, *running, weight, bias, training, activation=activation)

    check(normalised, [leaf(draw.normal(2, 3, 4, 3)), leaf(draw.away_from_zero(3)), leaf(draw.normal(3))], directions=1)


def test_an_offset_does_not_cancel_the_variance():
    x = Numbers(8, dtype=np.float32).normal(100, 2)
    y, shifted = (F.batch_norm(x + np.float32(c), training=True).data for c in (0, 1000))
    np.testing.assert_allclose(shifted, y, atol=2e-3)  # of x + 1000 float32 keeps 6e-5


def test_nan_stays_in_its_channel():
    x = Numbers(9).normal(4, 2)
    x[1, 0] = np.nan
    y = F.batch_norm(x, training=True, activation="relu").data
    assert np.isnan(y).tolist() == [[True, False]] * 4


def test_empty_batch_is_evaluated():
    x = leaf(np.ones((0, 4, 4, 3)))
    y = F.batch_norm(x, Tensor(np.zeros(3)), Tensor(np.ones(3)))
    y.sum().backward()
    assert y.shape == x.grad.shape == (0, 4, 4, 3)


def test_reference_device_agrees():
    draw = Numbers(10)
    arrays = [draw.normal(1, 3, 4, 3), draw.away_from_zero(3), draw.normal(3)]
    results = []
    for device in ("cpu", "reference"):
        leaves = [Tensor(a).to(device).requires_grad_() for a in arrays]
        y = F.batch_norm(leaves[0], None, None, *leaves[1:], training=True, activation="relu")
        (y * y).sum().backward()
        assert leaves[0].grad.device == device
        results.append([t.grad.data for t in leaves])
    for mine, other in zip(*results, strict=True):
        assert_close(mine, other, terms=500)


# --- dropout ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_zeroes_a_share_p_and_keeps_the_mean(p, dtype):
    n = 40_000
    y = F.dropout(mf.ones(n, dtype=dtype), p)
    assert y.dtype == dtype
    kept = y.data != 0
    assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / n)  # five standard deviations
    np.testing.assert_allclose(y.data[kept], 1 / (1 - p), rtol=1e-6)


def test_dropout_passes_gradients_where_it_passed_values():
    x = leaf(np.full((50, 4), 3.0))
    y = F.dropout(x, 0.5)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data / 3.0)
    assert set(x.grad.data.ravel()) == {0.0, 2.0}


def test_dropout_masks_differ_and_a_seed_repeats_them():
    first, second = (F.dropout(mf.ones(64)).data for _ in range(2))
    assert not np.array_equal(first, second)
    mf.manual_seed(0)
    np.testing.assert_array_equal(F.dropout(mf.ones(64)).data, first)


def test_dropout2d_takes_whole_channels():
    y = F.dropout2d(mf.ones(8, 3, 3, 50), 0.3).data
    assert (y == y[:, :1, :1]).all()
    assert abs((y[:, 0, 0] != 0).mean() - 0.7) < 5 * np.sqrt(0.21 / 400)


@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_dropout_of_nothing_and_of_everything(function):
    x = mf.ones(1, 2, 2, 3)
    before = mf.random.get_state()
    assert function(x, training=False) is x
    assert function(x, 0.0) is x
    assert mf.random.get_state() == before
    assert not function(x, 1.0).data.any()


def test_dropout_of_integers_is_floating():
    assert F.dropout(vector(1, 2, 3, dtype=np.float64).detach().astype("int64"), 0.2).dtype == np.float32


def test_running_statistics_that_change_before_backward_are_noticed():
    mean, variance = mf.zeros(4), mf.ones(4)
    y = F.batch_norm(leaf(np.ones((2, 3, 4), np.float32)), mean, variance)
    variance.copy_(9.0)  # backward needs only what was made of it
    y.sum().backward(retain_graph=True)
    mean.copy_(9.0)
    with pytest.raises(RuntimeError, match=r"backward of BatchNorm needs an array of shape \(4,\) that was changed"):
        y.sum().backward()


X, V = np.ones((2, 3, 4)), np.ones(4)
ERRORS = [
    (lambda: F.batch_norm(V), "batch_norm: expected float32 or float64 of shape (..., C) with C >= 1, got float64 of"),
    (lambda: F.batch_norm(X.astype(int)), "batch_norm: expected float32 or float64 of shape (..., C) with C >= 1, got"),
    (lambda: F.batch_norm(X[..., :0]), "batch_norm: expected float32 or float64 of shape (..., C) with C >= 1, got"),
    *(
        (
            lambda name=name: F.batch_norm(X, training=True, **{name: np.ones(3)}),
            f"batch_norm: {name} must have shape (4,), a number a channel of (2, 3, 4); got (3,)",
        )
        for name in ("weight", "bias", "running_mean", "running_var")
    ),
    (lambda: F.batch_norm(X, training=True, activation="tanh"), "batch_norm: activation must be None or 'relu', not"),
    (
        lambda: F.batch_norm(X[:1, :1], training=True),
        "batch_norm: 1 value(s) a channel in shape (1, 1, 4); training needs at least 2: use larger images or batches",
    ),
    (lambda: F.batch_norm(X), "batch_norm: evaluation needs running_mean and running_var; pass training=True without"),
    (lambda: F.dropout(X, 1.5), "dropout: p is a probability, from 0 to 1; got 1.5"),
    (lambda: F.dropout2d(X[None], -0.1), "dropout2d: p is a probability, from 0 to 1; got -0.1"),
    (lambda: F.dropout2d(X), "dropout2d: expected images of shape (N, H, W, C), got shape (2, 3, 4); add a batch axis"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
