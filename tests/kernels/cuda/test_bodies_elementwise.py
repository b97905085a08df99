"""The elementwise formulas, compiled for the CPU, over whole arrays: the very functions that kernels are made of."""

import itertools

import numpy as np
import pytest
from numba import float32, float64, njit, uint32, uint64
from scipy import special
from tolerances import EPS

pytest.importorskip("minifcn.kernels.cuda", exc_type=(ImportError, RuntimeError))  # no GPU, and no simulator

from minifcn.kernels.cuda.bodies import elementwise, philox

UNARY = {
    "negative": np.negative,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "absolute": np.absolute,
    "sign": np.sign,
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(x, 0),
    "relu": lambda x: np.maximum(x, 0),
}
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "equal": np.equal,
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
}
TYPES = {np.float32: float32, np.float64: float64}


def over_array(name, dtype, operands):
    """The formula as a function of arrays, compiled."""
    body, number = njit(error_model="numpy")(getattr(elementwise, name)), TYPES[dtype]
    if operands == 1:

        @njit(error_model="numpy")
        def run(x, y):
            for i in range(x.size):
                y[i] = body(number, x[i])
    else:

        @njit(error_model="numpy")
        def run(a, b, y):
            for i in range(a.size):
                y[i] = body(number, a[i], b[i])

    return run


def numbers(dtype):
    """A million of all sizes, and what is special."""
    random = np.random.default_rng(1)
    largest = float(np.finfo(dtype).max)
    awkward = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, largest, -largest]
    return np.concatenate([random.standard_normal(2**20) * 10.0 ** random.uniform(-6, 2, 2**20), awkward]).astype(dtype)


def assert_within_roundings(actual, exact, dtype):
    """A few roundings of the result away, or of the smallest normal number."""
    assert actual.dtype == (bool if exact.dtype == bool else dtype)
    with np.errstate(all="ignore"):
        expected = exact.astype(actual.dtype)
    if exact.dtype == bool:
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, rtol=4 * EPS[np.dtype(dtype)], atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", UNARY)
def test_formulas_of_one_number(name, dtype):
    x = numbers(dtype)
    y = np.empty_like(x)
    over_array(name, dtype, 1)(x, y)
    with np.errstate(all="ignore"):
        assert_within_roundings(y, UNARY[name](x.astype(np.float64)), dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", BINARY)
def test_formulas_of_two_numbers(name, dtype):
    x = numbers(dtype)
    pairs = np.array(list(itertools.product(x[-9:], repeat=2)), dtype).T
    a, b = np.concatenate([x, pairs[0]]), np.concatenate([np.random.default_rng(2).permutation(x), pairs[1]])
    y = np.empty(a.shape, bool if name in ("greater", "greater_equal", "equal") else dtype)
    over_array(name, dtype, 2)(a, b, y)
    with np.errstate(all="ignore"):
        assert_within_roundings(y, BINARY[name](a.astype(np.float64), b.astype(np.float64)), dtype)


def test_powers_of_integers():
    power = njit(elementwise.integer_power)
    for a, b in itertools.product((-3, -1, 0, 1, 2, 7), (0, 1, 2, 5, 20)):
        assert power(np.int64, a, b) == a**b


def test_scrambled_counters_are_philoxs():
    """The known answer of Random123's test vectors, for a counter and a key of zeros."""
    body = njit(philox.scrambled)

    @njit
    def first():
        return body(uint32, uint64, uint32(0), uint32(0), uint32(0))

    assert [int(n) for n in first()] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
