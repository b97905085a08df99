"""Elementwise functions: NumPy's where one of its functions does it, loops on all threads where it takes several."""

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.copying import add as add_pixels
from minifcn.kernels.cpu.copying import contiguous
from minifcn.kernels.cpu.exponential import exp as _exp
from minifcn.kernels.cpu.exponential import log1p_unit as _log1p_unit
from minifcn.kernels.cpu.jit import kernel
from minifcn.kernels.cpu.memory import SMALL, empty, empty_like

# A division by zero or an overflow has a value (inf, NaN), which is the caller's to judge: NumPy need not warn.
_quiet = np.errstate(all="ignore")


def _ufunc(function: np.ufunc, *arrays: Array) -> Array:
    """NumPy's ``function``, whose result if large lies in memory that is used again."""
    result = np.broadcast(*arrays)
    if result.size < SMALL:  # in bytes, but an element has few
        return function(*arrays, out=...)  # `...`: an array even of 0-d arguments, where it would be a scalar
    dtype = function.resolve_dtypes((*(array.dtype for array in arrays), None))[-1]
    return function(*arrays, out=empty(result.shape, dtype))


@_quiet
def add(a: Array, b: Array) -> Array:
    """a + b."""
    total = add_pixels(a, b)  # gradients that meet are large, and often slices of channels
    return _ufunc(np.add, a, b) if total is None else total


@_quiet
def subtract(a: Array, b: Array) -> Array:
    """a − b."""
    return _ufunc(np.subtract, a, b)


@_quiet
def multiply(a: Array, b: Array) -> Array:
    """a · b."""
    return _ufunc(np.multiply, a, b)


@_quiet
def divide(a: Array, b: Array) -> Array:
    """a / b."""
    return _ufunc(np.divide, a, b)


@_quiet
def power(a: Array, b: Array) -> Array:
    """a to the power b."""
    return _ufunc(np.power, a, b)


@_quiet
def negative(x: Array) -> Array:
    """−x."""
    return _ufunc(np.negative, x)


@_quiet
def exp(x: Array) -> Array:
    """Exponential."""
    return _ufunc(np.exp, x)


@_quiet
def log(x: Array) -> Array:
    """Natural logarithm."""
    return _ufunc(np.log, x)


@_quiet
def sqrt(x: Array) -> Array:
    """Square root."""
    return _ufunc(np.sqrt, x)


@_quiet
def absolute(x: Array) -> Array:
    """|x|."""
    return _ufunc(np.absolute, x)


@_quiet
def sign(x: Array) -> Array:
    """−1, 0 or 1; NaN stays NaN."""
    return _ufunc(np.sign, x)


@_quiet
def maximum(a: Array, b: Array) -> Array:
    """The larger; NaN if either is."""
    return _ufunc(np.maximum, a, b)


@_quiet
def minimum(a: Array, b: Array) -> Array:
    """The smaller; NaN if either is."""
    return _ufunc(np.minimum, a, b)


def where(condition: Array, a: Array, b: Array) -> Array:
    """a where the boolean ``condition`` holds, else b."""
    y = empty(np.broadcast_shapes(condition.shape, a.shape, b.shape), np.result_type(a, b))
    y[...] = b
    np.copyto(y, a, where=condition)
    return y


@_quiet
def greater(a: Array, b: Array) -> Array:
    """a > b, boolean."""
    return _ufunc(np.greater, a, b)


@_quiet
def greater_equal(a: Array, b: Array) -> Array:
    """a ≥ b, boolean."""
    return _ufunc(np.greater_equal, a, b)


@_quiet
def equal(a: Array, b: Array) -> Array:
    """a = b, boolean."""
    return _ufunc(np.equal, a, b)


@_quiet
def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return _ufunc(np.tanh, x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x), without overflow."""
    x, y = _real_and_empty(x)
    _sigmoid(x.ravel(), y.ravel())
    return y


def softplus(x: Array) -> Array:
    """ln(1 + e^x), without overflow."""
    x, y = _real_and_empty(x)
    _softplus(x.ravel(), y.ravel())
    return y


def relu(x: Array) -> Array:
    """max(x, 0)."""
    x = contiguous(x)
    y = empty_like(x)
    _relu(x.ravel(), y.ravel())
    return y


def leaky_relu(x: Array, negative_slope: float) -> Array:
    """x where x > 0, else negative_slope · x."""
    x, y = _real_and_empty(x)
    _leaky_relu(x.ravel(), x.dtype.type(negative_slope), y.ravel())
    return y


def scale_by_sign(x: Array, sign: Array, negative_slope: float) -> Array:
    """x where ``sign`` > 0, else negative_slope · x."""
    shape = np.broadcast_shapes(x.shape, sign.shape)
    x, y = _real_and_empty(np.broadcast_to(x, shape))
    sign = contiguous(np.broadcast_to(sign, shape))
    _scale_by_sign(x.ravel(), sign.ravel(), x.dtype.type(negative_slope), y.ravel())
    return y


def _real_and_empty(x: Array) -> tuple[Array, Array]:
    """x as a contiguous array of real numbers, and room for a result of its kind."""
    x = contiguous(np.asarray(x, np.result_type(x, np.float32)))
    return x, empty_like(x)


@kernel
def _sigmoid(x: Array, y: Array) -> None:
    one = y.dtype.type(1)  # a literal 1.0 is float64, and would take float32 with it
    for i in prange(x.size):
        e = _exp(-abs(x[i]))
        y[i] = (e if x[i] < 0 else one) / (one + e)


@kernel
def _softplus(x: Array, y: Array) -> None:
    zero = y.dtype.type(0)
    for i in prange(x.size):
        positive = zero if x[i] < zero else x[i]
        y[i] = positive + _log1p_unit(_exp(-abs(x[i])))


@kernel
def _relu(x: Array, y: Array) -> None:
    zero = y.dtype.type(0)
    for i in prange(x.size):
        y[i] = zero if x[i] <= zero else x[i]  # so put, NaN stays NaN


@kernel
def _leaky_relu(x: Array, slope: float, y: Array) -> None:
    for i in prange(x.size):
        y[i] = x[i] if x[i] > 0 else slope * x[i]


@kernel
def _scale_by_sign(x: Array, sign: Array, slope: float, y: Array) -> None:
    zero = y.dtype.type(0)
    for i in prange(x.size):
        below = zero if slope == zero else slope * x[i]  # 0 · inf would be NaN
        y[i] = x[i] if sign[i] > 0 else below
