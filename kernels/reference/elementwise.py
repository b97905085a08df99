"""Elementwise functions: the formula for one element, lifted over arrays that broadcast against each other."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minifcn.kernels.contract import Array

Formula = Callable[..., Any]


def _same(dtype: np.dtype) -> np.dtype:
    """The result is of the arguments' type: integers stay integers."""
    return dtype


def _real(dtype: np.dtype) -> np.dtype:
    """The result is a real number, whatever the arguments."""
    return np.result_type(dtype, np.float32)


def _boolean(dtype: np.dtype) -> np.dtype:
    """The result is a truth value."""
    return np.dtype(bool)


def _elementwise(result: Callable[[np.dtype], np.dtype]) -> Callable[[Formula], Formula]:
    """Turn a formula for one element into a function of arrays; ``result`` says what type comes out."""

    def lift(formula: Formula) -> Formula:
        signature = inspect.signature(formula)

        @functools.wraps(formula)
        def over_arrays(*args: Any, **kwargs: Any) -> Array:
            arguments = signature.bind(*args, **kwargs).args
            arrays = np.broadcast_arrays(*arguments)
            y = np.empty(arrays[0].shape, result(np.result_type(*arguments)))
            with np.errstate(all="ignore"):  # 1e300 is inf in float32
                for i in np.ndindex(y.shape):
                    y[i] = formula(*(array[i].item() for array in arrays))
            return y

        return over_arrays

    return lift


@_elementwise(_same)
def add(a: Array, b: Array) -> Array:
    """a + b.

    >>> add(np.array([[1.0], [2.0]]), np.array([10.0, 20.0]))
    array([[11., 21.],
           [12., 22.]])
    """
    return a + b


@_elementwise(_same)
def subtract(a: Array, b: Array) -> Array:
    """a − b.

    >>> subtract(np.array([5, 7]), np.array([2, 9]))
    array([ 3, -2])
    """
    return a - b


@_elementwise(_same)
def multiply(a: Array, b: Array) -> Array:
    """a · b.

    >>> multiply(np.array([1.0, 2.0]), np.array(3.0))
    array([3., 6.])
    """
    return a * b


@_elementwise(_real)
def divide(a: Array, b: Array) -> Array:
    """a / b; ±inf or NaN if b = 0.

    >>> divide(np.array([3.0, 1.0, 0.0]), np.array([2.0, 0.0, 0.0]))
    array([1.5, inf, nan])
    """
    if b != 0:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


@_elementwise(_same)
def power(a: Array, b: Array) -> Array:
    """a to the power b; NaN where that is not real.

    >>> power(np.array([3.0, 4.0, -1.0]), np.array([2.0, -0.5, 0.5]))
    array([9. , 0.5, nan])
    """
    if isinstance(a, int) and isinstance(b, int):
        return a**b
    odd = abs(math.fmod(b, 2.0)) == 1.0 if math.isfinite(b) else False
    infinity = math.copysign(math.inf, a) if odd else math.inf
    try:
        return math.pow(a, b)
    except OverflowError:
        return infinity
    except ValueError:  # 0 to a negative power, or a root of a negative number
        return infinity if a == 0 else math.nan


@_elementwise(_same)
def negative(x: Array) -> Array:
    """−x.

    >>> negative(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """
    return -x


@_elementwise(_real)
def exp(x: Array) -> Array:
    """e^x.

    >>> exp(np.array([0.0, -np.inf, 1000.0]))
    array([ 1.,  0., inf])
    """
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


@_elementwise(_real)
def log(x: Array) -> Array:
    """ln x; −inf at 0, NaN below.

    >>> log(np.array([1.0, 0.0, -1.0]))
    array([  0., -inf,  nan])
    """
    if x == 0:
        return -math.inf
    return math.nan if x < 0 else math.log(x)


@_elementwise(_real)
def sqrt(x: Array) -> Array:
    """√x; NaN below 0.

    >>> sqrt(np.array([9.0, -1.0]))
    array([ 3., nan])
    """
    return math.nan if x < 0 else math.sqrt(x)


@_elementwise(_same)
def absolute(x: Array) -> Array:
    """|x|.

    >>> absolute(np.array([-3, 2]))
    array([3, 2])
    """
    return abs(x)


@_elementwise(_same)
def sign(x: Array) -> Array:
    """−1, 0 or 1; NaN stays NaN.

    >>> sign(np.array([-3.0, 0.0, np.nan]))
    array([-1.,  0., nan])
    """
    return x if x != x else (x > 0) - (x < 0)


@_elementwise(_same)
def maximum(a: Array, b: Array) -> Array:
    """The larger; NaN if either is.

    >>> maximum(np.array([1.0, 5.0, np.nan]), np.array([3.0, 2.0, 1.0]))
    array([ 3.,  5., nan])
    """
    return a if a >= b or a != a else b


@_elementwise(_same)
def minimum(a: Array, b: Array) -> Array:
    """The smaller; NaN if either is.

    >>> minimum(np.array([1.0, 5.0, 1.0]), np.array([3.0, 2.0, np.nan]))
    array([ 1.,  2., nan])
    """
    return a if a <= b or a != a else b


@_elementwise(_same)
def where(condition: Array, a: Array, b: Array) -> Array:
    """a where the boolean ``condition`` holds, else b.

    >>> where(np.array([True, False]), np.array([1.0, 2.0]), np.array([10.0, 20.0]))
    array([ 1., 20.])
    """
    return a if condition else b


@_elementwise(_real)
def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x), without overflow.

    >>> sigmoid(np.array([0.0, -1000.0, 1000.0]))
    array([0.5, 0. , 1. ])
    """
    e = math.exp(-abs(x))  # at most 1
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


@_elementwise(_real)
def tanh(x: Array) -> Array:
    """(e^x − e^−x) / (e^x + e^−x).

    >>> tanh(np.array([0.0, 1000.0]))
    array([0., 1.])
    """
    return math.tanh(x)


@_elementwise(_real)
def softplus(x: Array) -> Array:
    """ln(1 + e^x), without overflow.

    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@_elementwise(_same)
def relu(x: Array) -> Array:
    """max(x, 0); NaN stays NaN.

    >>> relu(np.array([-1.0, 2.0, np.nan]))
    array([ 0.,  2., nan])
    """
    return 0 if x <= 0 else x


@_elementwise(_real)
def leaky_relu(x: Array, negative_slope: float) -> Array:
    """x where x > 0, else negative_slope · x.

    >>> leaky_relu(np.array([-2.0, 2.0]), 0.5)
    array([-1.,  2.])
    """
    return x if x > 0 else negative_slope * x


@_elementwise(_real)
def scale_by_sign(x: Array, sign: Array, negative_slope: float) -> Array:
    """x where ``sign`` > 0, else negative_slope · x, which is 0 for a slope of 0 whatever x.

    >>> scale_by_sign(np.array([8.0, 8.0]), np.array([1.0, -1.0]), 0.25)
    array([8., 2.])
    """
    if sign > 0:
        return x
    return negative_slope * x if negative_slope else 0.0


@_elementwise(_boolean)
def greater(a: Array, b: Array) -> Array:
    """a > b.

    >>> greater(np.array([1, 2, 3]), np.array(2))
    array([False, False,  True])
    """
    return a > b


@_elementwise(_boolean)
def greater_equal(a: Array, b: Array) -> Array:
    """a ≥ b.

    >>> greater_equal(np.array([1, 2, 3]), np.array(2))
    array([False,  True,  True])
    """
    return a >= b


@_elementwise(_boolean)
def equal(a: Array, b: Array) -> Array:
    """a = b.

    >>> equal(np.array([1.0, np.nan]), np.array([1.0, np.nan]))
    array([ True, False])
    """
    return a == b
