"""Matrix products and dense layers."""

import re

import numpy as np
import pytest
import torch
from strategies import LAYOUTS, Numbers, assert_as_torch, leaf
from tolerances import assert_close

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F

SHAPES = [
    ((4, 3), (3, 5)),
    ((3,), (3,)),
    ((3,), (3, 5)),
    ((4, 3), (3,)),
    ((2, 4, 3), (2, 3, 5)),
    ((2, 1, 4, 3), (6, 3, 5)),
    ((2, 4, 3), (3, 5)),
    ((2, 4, 3), (3,)),
    ((0, 3), (3, 5)),
    ((4, 0), (0, 5)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shapes", SHAPES)
def test_matmul_is_torchs(shapes, layout, dtype):
    draw = Numbers(1, layout, dtype)
    assert_as_torch(F.matmul, torch.matmul, [draw.normal(*shape) for shape in shapes], terms=60)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("leading", [(), (4,), (2, 3), (0,)])
def test_linear_is_torchs(leading, dtype):
    draw = Numbers(2, dtype=dtype)
    arrays = [draw.normal(*leading, 5), draw.normal(5, 3), draw.normal(3)]
    assert_as_torch(F.linear, lambda x, w, b: torch.nn.functional.linear(x, w.T, b), arrays, terms=30)
    assert_as_torch(F.linear, lambda x, w: torch.nn.functional.linear(x, w.T), arrays[:2], terms=30)


def test_linear_is_a_1_x_1_convolution():
    draw = Numbers(3)
    x, w = draw.normal(2, 4, 4, 3), draw.normal(3, 5)
    assert_close(F.linear(x, w).data, F.conv2d(x, w[None, None]).data, terms=3, scale=4.0)


def test_integers_become_the_floats_beside_them():
    assert F.matmul(mf.arange(3), mf.ones(3)).dtype == np.float32
    assert F.linear(mf.arange(3), mf.ones(3, 2)).dtype == np.float32
    assert F.matmul(mf.arange(3), mf.arange(3)).item() == 5


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("shapes", [shapes for shapes in SHAPES if 0 not in shapes[0]])
def test_derivatives_agree_with_finite_differences(check, shapes):
    draw = Numbers(4)
    check(F.matmul, [leaf(draw.normal(*shape)) for shape in shapes], directions=1)


def test_reference_device_agrees():
    draw = Numbers(5)
    a, b = draw.normal(3, 4), draw.normal(4, 2)
    here, there = [leaf(a), leaf(b)], [Tensor(t).to("reference").requires_grad_() for t in (a, b)]
    for pair in (here, there):
        y = F.matmul(*pair)
        (y * y).sum().backward()
    for mine, other in zip(here, there, strict=True):
        assert other.grad.device == "reference"
        assert_close(mine.grad.data, other.grad.data, terms=12, scale=4.0)


X, W = np.ones((4, 3)), np.ones((3, 5))
ERRORS = [
    (lambda: F.matmul(X, 2.0), "matmul: needs vectors or matrices, got shapes (4, 3) and (); use * for numbers"),
    (lambda: F.matmul(X, X), "matmul: shapes (4, 3) and (4, 3): 3 columns meet 4 rows; they must be as many"),
    (
        lambda: F.matmul(np.ones((2, 4, 3)), np.ones((3, 3, 5))),
        "matmul: leading axes of shapes (2, 4, 3) and (3, 3, 5) cannot be broadcast; lengths must agree or be 1",
    ),
    (
        lambda: F.linear(X, X),
        "linear: input (4, 3) and weight (4, 3) do not fit; they must be (..., in_features) and (in_features,",
    ),
    (lambda: F.linear(2.0, W), "linear: input () and weight (3, 5) do not fit"),
    (lambda: F.linear(X, W[0]), "linear: input (4, 3) and weight (5,) do not fit"),
    (lambda: F.linear(X, W, np.ones(3)), "linear: bias must have shape (5,), one number an output; got (3,)"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
