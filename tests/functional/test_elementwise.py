"""Arithmetic, comparisons and activations."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from strategies import LAYOUTS, Numbers, assert_as_torch, leaf, plain, vector
from tolerances import assert_close

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F

BINARY = {
    "add": torch.add,
    "subtract": torch.subtract,
    "multiply": torch.multiply,
    "divide": torch.divide,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}
# name: PyTorch's function, and from where to where it is tried.
UNARY = {
    "negative": (torch.negative, -3, 3),
    "exp": (torch.exp, -20, 20),
    "log": (torch.log, 0.01, 20),
    "sqrt": (torch.sqrt, 0.01, 20),
    "abs": (torch.abs, -3, 3),
    "relu": (torch.relu, -3, 3),
    "leaky_relu": (torch.nn.functional.leaky_relu, -3, 3),
    "sigmoid": (torch.sigmoid, -50, 50),
    "tanh": (torch.tanh, -20, 20),
    "softplus": (torch.nn.functional.softplus, -15, 15),
}
DTYPES = [np.float32, np.float64]
SHAPES = [((), ()), ((3,), ()), ((2, 3), (3,)), ((2, 1, 4), (3, 1)), ((0, 3), (3,)), ((7, 65), (7, 65))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary_functions_are_torchs(name, shapes, dtype):
    draw = Numbers(3, dtype=dtype)
    arrays = [draw.away_from_zero(*shape) for shape in shapes]
    # Gradients of broadcast arguments are sums, of quotients by as little as 0.2.
    assert_as_torch(getattr(F, name), BINARY[name], arrays, terms=500, scale=30.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_are_torchs(name, layout, dtype):
    function, low, high = UNARY[name]
    draw = Numbers(4, layout, dtype)
    for shape in [(), (0,), (5, 33), (2, 3, 4, 5)]:
        assert_as_torch(getattr(F, name), function, [draw.uniform(*shape, low=low, high=high)], terms=4)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, -1.0, 0.5, -0.5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_power_of_a_number_is_torchs(exponent, dtype):
    base = Numbers(5, dtype=dtype).uniform(3, 7, low=0.2, high=3.0)
    assert_as_torch(lambda x: x**exponent, lambda x: x**exponent, [base], terms=4, scale=10.0)


@pytest.mark.parametrize(
    ("base", "exponent"),
    [
        ([0.0] * 4, [0.0, 1.0, 2.0, 0.5]),
        ([0.0], [-1.0]),
        ([-2.0, -2.0, -2.0], [2.0, 3.0, 0.0]),
        ([2.0, 3.0], [-1.5, 0.0]),
    ],
)
def test_power_at_its_corners_is_torchs(base, exponent):
    assert_as_torch(F.pow, torch.pow, [np.array(base), np.array(exponent)], terms=4, scale=4.0)


def test_second_derivative_of_a_square_at_zero():
    x = vector(0.0)
    (slope,) = mf.grad(x**2, x, create_graph=True)
    assert mf.grad(slope, x)[0].item() == 2.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30, -1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values_are_torchs(value, dtype):
    x = np.array([value], dtype)
    for name, (function, _, _) in UNARY.items():
        expected = function(plain(x)).numpy()
        assert_close(getattr(F, name)(x).data, expected, context=name)
    for name, function in BINARY.items():
        other = np.array([0.0], dtype)
        assert_close(getattr(F, name)(x, other).data, function(plain(x), plain(other)).numpy(), context=name)


def test_sums_of_infinities_do_not_spoil_the_gradient_of_a_tie():
    a, b = vector(-np.inf, np.inf, 1.0), vector(-np.inf, np.inf, 1.0)
    F.maximum(a, b).sum().backward()
    assert a.grad.tolist() == b.grad.tolist() == [0.5, 0.5, 0.5]
    c = vector(np.inf)
    F.minimum(c, np.inf).sum().backward()
    assert c.grad.tolist() == [0.5]


@pytest.mark.parametrize("function", [F.relu, F.leaky_relu, F.abs])
def test_gradient_at_the_kink(function):
    x = vector(0.0)
    function(x).sum().backward()
    assert x.grad.item() == {F.relu: 0.0, F.leaky_relu: 0.01, F.abs: 0.0}[function]


def test_relu_stops_an_infinite_gradient_and_passes_nan():
    x = vector(-1.0, np.nan)
    y = F.relu(x)
    assert np.isnan(y.data[1])
    y.backward(np.array([np.inf, 1.0]))
    assert x.grad.data[0] == 0.0


@pytest.mark.parametrize("bounds", [(-0.5, 1.0), (None, 0.3), (0.0, None), (0.25, 0.25)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clip_is_torchs(bounds, dtype):
    x = Numbers(6, dtype=dtype).normal(4, 9)
    x[0, :2] = [bound if bound is not None else 0.1 for bound in bounds]  # bounds are inside
    assert_as_torch(lambda x: F.clip(x, *bounds), lambda x: torch.clamp(x, *bounds), [x])


def test_clip_of_integers_is_exact_or_becomes_floating():
    assert F.clip(mf.arange(5), 1, 3).tolist() == [1, 1, 2, 3, 3]
    assert F.clip(mf.arange(3), 0.5, None).tolist() == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_where_is_torchs(dtype):
    draw = Numbers(7, dtype=dtype)
    condition = draw.integers(2, 3, 1).astype(bool)
    arrays = [draw.normal(3, 4), draw.normal(4)]
    assert_as_torch(partial(F.where, condition), partial(torch.where, plain(condition)), arrays, terms=3)


def test_where_does_not_look_at_what_it_does_not_take():
    x = vector(0.0, 4.0)
    F.where(x > 0.0, 1.0 / F.where(x > 0.0, x, 1.0), 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, -0.0625]


@pytest.mark.parametrize("condition", [True, np.True_, [True], Tensor(np.array(True))])
def test_where_takes_any_boolean(condition):
    assert F.where(condition, mf.ones(1), 2.0).tolist() == [1.0]


@pytest.mark.parametrize(
    ("name", "expected"), [("greater", np.greater), ("greater_equal", np.greater_equal), ("equal", np.equal)]
)
def test_comparisons_are_numpys(name, expected):
    draw = Numbers(8)
    a, b = draw.few(4, 5), draw.few(5)
    a[0, 0] = np.nan
    result = getattr(F, name)(leaf(a), b)
    assert_close(result.data, expected(a, b))
    assert not result.requires_grad


def test_operators_are_the_functions():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    x = Tensor(a)
    pairs = [
        (x + b, a + b), (b + x, a + b), (x - b, a - b), (b - x, b - a), (x * b, a * b), (b * x, a * b),
        (x / b, a / b), (b / x, b / a), (x**b, a**b), (b**x, b**a), (-x, -a), (abs(-x), a),
        (x > b, a > b), (x >= b, a >= b), (x < b, a < b), (x <= b, a <= b), (x == b, a == b), (x != b, a != b),
        (x.exp(), np.exp(a)), (x.log(), np.log(a)), (x.sqrt(), np.sqrt(a)), (x.tanh(), np.tanh(a)),
        (x.clip(2.0), np.clip(a, 2.0, None)), (x.relu(), a), (x.sigmoid(), 1 / (1 + np.exp(-a))), (x @ b, a @ b),
        (b @ x, a @ b), (x.abs(), a),
    ]  # fmt: skip
    for actual, expected in pairs:
        assert_close(actual.data, np.asarray(expected), terms=4)


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("name", [*UNARY, *BINARY, "pow", "where", "clip"])
def test_derivatives_agree_with_finite_differences(check, name):
    draw = Numbers(9)
    positive, any_sign = draw.uniform(2, 3, low=0.5, high=2.0), draw.away_from_zero(2, 3)
    function = getattr(F, name)
    if name in UNARY:
        check(function, leaf(positive if UNARY[name][1] > 0 else any_sign))
    elif name in BINARY:
        check(function, [leaf(any_sign), leaf(draw.uniform(3, low=2.5, high=3.0))])
    elif name == "pow":
        check(function, [leaf(positive), leaf(draw.normal(3))])
    elif name == "where":
        check(lambda a, b: F.where(any_sign > 0, a * b, b), [leaf(any_sign), leaf(positive)])
    else:
        check(lambda x: F.clip(x * x, 0.3, 1.1), leaf(np.array([0.4, 0.7, 0.9, 1.3])))


def test_results_on_the_reference_device_agree():
    draw = Numbers(10)
    x = draw.uniform(2, 3, low=0.5, high=2.0)
    for name in UNARY:
        there = Tensor(x).to("reference").requires_grad_()
        here = leaf(x)
        for t in (here, there):
            (getattr(F, name)(t) * 2.0).sum().backward()
        assert there.grad.device == "reference"
        assert_close(there.grad.data, here.grad.data, terms=4, scale=10.0, context=name)


A, B = np.ones((2, 3)), np.ones(2)
ERRORS = [
    *(
        (
            partial(getattr(F, name), A, B),
            f"{name}: shapes (2, 3) and (2,) cannot be broadcast together; lengths must agree",
        )
        for name in [*BINARY, "pow", "greater", "greater_equal", "equal"]
    ),
    (lambda: F.where(A > 0, A, B), "where: shapes (2, 3) and (2, 3) and (2,) cannot be broadcast together"),
    (
        lambda: F.where(A, A, A),
        "where: the condition must be boolean, got float64 of shape (2, 3); compare first, as in x",
    ),
    (lambda: F.clip(A, 2, 1), "clip: min 2 is above max 1; exchange them"),
    (lambda: F.clip(A), "clip: neither min nor max is given; give at least one"),
    (
        lambda: F.relu(A.astype(np.float16)),
        "relu: expected float32 or float64, got float16 of shape (2, 3); convert with x.astype('float32')",
    ),
    (lambda: F.add("a", 1.0), "a Tensor holds floats, integers or booleans, not <U1"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        call()
