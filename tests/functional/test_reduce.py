"""Sums, means, variances, extrema."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from strategies import LAYOUTS, Numbers, assert_adjoint, assert_as_torch, leaf, vector
from tolerances import assert_close

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F

DTYPES = [np.float32, np.float64]
AXES = [None, 0, -1, (0, 2), (2, 1, 0), (1, 2), ()]


def all_axes(axis, ndim=3):
    return tuple(range(ndim)) if axis is None else axis


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
def test_sum_mean_and_var_are_torchs(axis, keepdims, layout, dtype):
    x = Numbers(1, layout, dtype).normal(3, 4, 5)
    sizes = {"axis": axis, "keepdims": keepdims}
    if axis != ():  # PyTorch takes no axes for all axes, NumPy for none
        theirs = {"dim": all_axes(axis), "keepdim": keepdims}
        assert_as_torch(partial(F.sum, **sizes), partial(torch.sum, **theirs), [x], terms=60)
        assert_as_torch(partial(F.mean, **sizes), partial(torch.mean, **theirs), [x], terms=60)
        for ddof in (0, 1):
            assert_as_torch(
                partial(F.var, ddof=ddof, **sizes), partial(torch.var, correction=ddof, **theirs), [x], terms=60
            )
            assert_as_torch(
                partial(F.std, ddof=ddof, **sizes), partial(torch.std, correction=ddof, **theirs), [x], terms=60
            )
    else:
        np.testing.assert_array_equal(F.sum(x, **sizes).data, x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [axis for axis in AXES if axis != ()])
def test_extrema_are_torchs_and_share_the_gradient_of_ties(axis, keepdims, ties, dtype):
    draw = Numbers(2, dtype=dtype)
    x = draw.few(3, 4, 5) if ties else draw.normal(3, 4, 5)
    theirs = {"dim": all_axes(axis), "keepdim": keepdims}
    assert_as_torch(partial(F.max, axis=axis, keepdims=keepdims), partial(torch.amax, **theirs), [x])
    assert_as_torch(partial(F.min, axis=axis, keepdims=keepdims), partial(torch.amin, **theirs), [x])


def test_long_float32_sums_keep_their_digits():
    x = np.full(2**20, 0.1, np.float32)
    assert F.sum(x).item() == pytest.approx(2**20 * float(np.float32(0.1)), rel=1e-6)
    assert F.mean(x + np.float32(1000)).item() == pytest.approx(1000.1, rel=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_integers_add_up_in_int64(dtype):
    x = np.array([[1, 0, 1], [1, 1, 1]], dtype)
    assert F.sum(x, 1).data.dtype == np.int64
    assert F.sum(x, 1).tolist() == [2, 3]
    assert F.mean(x).dtype == np.float32
    assert F.max(x, 0).dtype == np.dtype(dtype)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_argmax_is_numpys_first(axis):
    x = Numbers(3).few(4, 5)
    result = F.argmax(leaf(x), axis)
    assert_close(result.data, np.asarray(np.argmax(x, axis), np.int64))
    assert not result.requires_grad


def test_nan_wins():
    x = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 0.0]])
    assert np.isnan(F.max(x, 1).data).tolist() == np.isnan(F.min(x, 1).data).tolist() == [True, False]
    assert F.argmax(x, 1).tolist() == [1, 1]
    assert np.isnan(F.sum(x, 0).data).tolist() == [False, True, False]


def test_empty_sums_are_zero():
    x = leaf(np.ones((0, 3)))
    assert F.sum(x).item() == 0.0
    assert F.sum(x, 0).tolist() == [0.0] * 3
    assert F.mean(x, 1).shape == (0,)
    F.sum(x, 0).sum().backward()
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("small", [(4,), (1, 4), (3, 1), (1, 1), (), (2, 1, 4)])
def test_sum_to_is_the_adjoint_of_broadcast_to(small):
    draw = Numbers(4)
    large = (2, 3, 4)
    assert_adjoint(lambda x: x.broadcast_to(large), lambda y: y.sum_to(small), draw.normal(*small), draw.normal(*large))


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
@pytest.mark.parametrize("function", [F.sum, F.mean, F.var, F.std, F.max, F.min])
def test_derivatives_agree_with_finite_differences(check, axis, function):
    check(lambda x: function(x * x, axis), leaf(Numbers(5).distinct(2, 3, 4) + 1.0))


def test_methods_are_the_functions():
    x = Tensor(np.array([[1.0, 5.0], [2.0, 3.0]]))
    assert [x.sum(0).tolist(), x.mean(1).tolist(), x.var(0, ddof=1).tolist()] == [[3.0, 8.0], [3.0, 2.5], [0.5, 2.0]]
    assert x.std(1, ddof=1, keepdims=True).data == pytest.approx(np.std(x.data, 1, ddof=1, keepdims=True))
    assert [x.max().item(), x.min(axis=1).tolist(), x.argmax(1).tolist()] == [5.0, [1.0, 2.0], [1, 1]]


def test_reference_device_agrees():
    x = Numbers(6).distinct(2, 3, 4)
    here, there = leaf(x), Tensor(x).to("reference").requires_grad_()
    for t in (here, there):
        (t.var(axis=(0, 2)) * t.max(axis=(0, 2)) * t.mean()).sum().backward()
    assert there.grad.device == "reference"
    assert_close(there.grad.data, here.grad.data, terms=24)
    with mf.device("reference"):
        assert F.argmax(mf.tensor(x), 1).device == "reference"


def test_gradient_of_a_sum_is_a_copy_that_can_be_written():
    x = vector(1.0, 2.0)
    x.sum().backward()
    x.grad[0] = 5.0
    assert x.grad.tolist() == [5.0, 1.0]


X = np.ones((2, 3))
ERRORS = [
    (lambda: F.sum(X, 2), "sum: axis 2 does not exist in a tensor with 2 axes; give an int from -2 to 1"),
    (lambda: F.sum(X, 1.0), "sum: axis 1.0 does not exist in a tensor with 2 axes"),
    (lambda: F.max(np.array(1.0), 0), "max: axis 0 does not exist in a tensor with 0 axes; give no axis at all"),
    (lambda: F.sum(X, (0, -2)), "sum: axis (0, -2) names an axis twice; give each of the 2 axes at most once"),
    *(
        (
            partial(function, X[:0], 0),
            f"{function.__name__}: nothing to reduce over axis 0 of an empty tensor of shape (0, 3); it needs an",
        )
        for function in (F.mean, F.var, F.max, F.min, F.argmax)
    ),
    (
        lambda: F.var(X, 0, ddof=2),
        "var: ddof=2 leaves nothing to divide by, over axis 0 of shape (2, 3); it must be less",
    ),
    (
        lambda: F.sum_to(Tensor(X), (2,)),
        "sum_to: shape (2,) does not broadcast to shape (2, 3), so that cannot be summed",
    ),
    (lambda: F.sum_to(Tensor(X), (1, 2, 3)), "sum_to: shape (1, 2, 3) does not broadcast to shape (2, 3)"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
