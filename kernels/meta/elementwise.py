"""Elementwise functions: shapes broadcast, dtypes are those of NumPy's functions."""

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.memory import SMALL
from minifcn.kernels.meta.space import contiguous, empty, empty_like

_MANY = 2**15  # numbers: from here on, the CPU adds arrays of one shape by a kernel of its own


def _ufunc(function: np.ufunc, *arrays: Array) -> Array:
    """A result of NumPy's ``function``; below `SMALL` elements, the CPU lets NumPy make it."""
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    dtype = function.resolve_dtypes((*(array.dtype for array in arrays), None))[-1]
    return empty(shape, dtype, SMALL * dtype.itemsize)


def add(a: Array, b: Array) -> Array:
    """a + b."""
    if a.shape == b.shape and a.dtype == b.dtype and a.dtype.kind == "f" and a.size >= _MANY:
        return empty_like(a)
    return _ufunc(np.add, a, b)


def subtract(a: Array, b: Array) -> Array:
    """a − b."""
    return _ufunc(np.subtract, a, b)


def multiply(a: Array, b: Array) -> Array:
    """a · b."""
    return _ufunc(np.multiply, a, b)


def divide(a: Array, b: Array) -> Array:
    """a / b."""
    return _ufunc(np.divide, a, b)


def power(a: Array, b: Array) -> Array:
    """a to the power b."""
    return _ufunc(np.power, a, b)


def maximum(a: Array, b: Array) -> Array:
    """The larger; NaN if either is."""
    return _ufunc(np.maximum, a, b)


def minimum(a: Array, b: Array) -> Array:
    """The smaller; NaN if either is."""
    return _ufunc(np.minimum, a, b)


def greater(a: Array, b: Array) -> Array:
    """a > b, boolean."""
    return _ufunc(np.greater, a, b)


def greater_equal(a: Array, b: Array) -> Array:
    """a ≥ b, boolean."""
    return _ufunc(np.greater_equal, a, b)


def equal(a: Array, b: Array) -> Array:
    """a = b, boolean."""
    return _ufunc(np.equal, a, b)


def negative(x: Array) -> Array:
    """−x."""
    return _ufunc(np.negative, x)


def exp(x: Array) -> Array:
    """Exponential."""
    return _ufunc(np.exp, x)


def log(x: Array) -> Array:
    """Natural logarithm."""
    return _ufunc(np.log, x)


def sqrt(x: Array) -> Array:
    """Square root."""
    return _ufunc(np.sqrt, x)


def absolute(x: Array) -> Array:
    """|x|."""
    return _ufunc(np.absolute, x)


def sign(x: Array) -> Array:
    """−1, 0 or 1; NaN stays NaN."""
    return _ufunc(np.sign, x)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return _ufunc(np.tanh, x)


def where(condition: Array, a: Array, b: Array) -> Array:
    """a where the boolean ``condition`` holds, else b."""
    return empty(np.broadcast_shapes(condition.shape, a.shape, b.shape), np.result_type(a, b))


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x)."""
    return _real(x)


def softplus(x: Array) -> Array:
    """ln(1 + e^x)."""
    return _real(x)


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return empty_like(contiguous(x))


def leaky_relu(x: Array, negative_slope: float) -> Array:
    """x where x > 0, else negative_slope · x."""
    return _real(x)


def scale_by_sign(x: Array, sign: Array, negative_slope: float) -> Array:
    """x where ``sign`` > 0, else negative_slope · x."""
    shape = np.broadcast_shapes(x.shape, sign.shape)
    copied = contiguous(np.broadcast_to(sign, shape))
    result = _real(np.broadcast_to(x, shape))
    del copied  # both are there at a time
    return result


def _real(x: Array) -> Array:
    """A real number for each element, after a copy if x is not contiguous."""
    copied = contiguous(x)
    return empty(copied.shape, np.result_type(x.dtype, np.float32))
