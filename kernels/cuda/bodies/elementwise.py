"""What elementwise kernels do with one element; ``number`` is the type that is computed in.

Constants are made with it: a literal 1.0 is float64, and would take float32 with it.
"""

from __future__ import annotations

from minifcn.kernels.cuda.bodies import mathematics
from minifcn.kernels.cuda.bodies.mathematics import log1p

# mypy: disable-error-code="no-untyped-def"

_exp, _log, _power, _sqrt, _tanh = (
    mathematics.exp,
    mathematics.log,
    mathematics.power,
    mathematics.sqrt,
    mathematics.tanh,
)


def same(number, x):
    """x."""
    return x


def add(number, a, b):
    """a + b."""
    return a + b


def subtract(number, a, b):
    """a − b."""
    return a - b


def multiply(number, a, b):
    """a · b."""
    return a * b


def divide(number, a, b):
    """a / b."""
    return a / b


def power(number, a, b):
    """a to the power b; NaN where that is not real."""
    return _power(a, b)


def integer_power(number, a, b):
    """An integer to a power of at least 0, by squaring.

    >>> integer_power(int, 3, 5)
    243
    """
    result = number(1)
    while b > 0:
        if b & number(1):
            result = result * a
        a = a * a
        b = b >> number(1)
    return result


def negative(number, x):
    """−x."""
    return -x


def exp(number, x):
    """Exponential."""
    return _exp(x)


def log(number, x):
    """Natural logarithm."""
    return _log(x)


def sqrt(number, x):
    """Square root."""
    return _sqrt(x)


def tanh(number, x):
    """Hyperbolic tangent."""
    return _tanh(x)


def absolute(number, x):
    """|x|."""
    return abs(x)


def sign(number, x):
    """−1, 0 or 1; NaN stays NaN."""
    if x > number(0):
        return number(1)
    if x < number(0):
        return number(-1)
    return x if x != x else number(0)


def maximum(number, a, b):
    """The larger; NaN if either is."""
    return a if a > b or a != a else b


def minimum(number, a, b):
    """The smaller; NaN if either is."""
    return a if a < b or a != a else b


def where(number, condition, a, b):
    """a where the condition is not 0, else b."""
    return a if condition != number(0) else b


def greater(number, a, b):
    """a > b."""
    return a > b


def greater_equal(number, a, b):
    """a ≥ b."""
    return a >= b


def equal(number, a, b):
    """a = b."""
    return a == b


def sigmoid(number, x):
    """1 / (1 + e^−x), without overflow.

    >>> [float(sigmoid(float, x)) for x in (-1000.0, 0.0, 1000.0)]
    [0.0, 0.5, 1.0]
    """
    e = _exp(-abs(x))
    return (e if x < number(0) else number(1)) / (number(1) + e)


def softplus(number, x):
    """ln(1 + e^x), without overflow."""
    positive = number(0) if x < number(0) else x
    return positive + log1p(_exp(-abs(x)))


def relu(number, x):
    """max(x, 0); NaN stays NaN."""
    return number(0) if x <= number(0) else x


def leaky_relu(number, x, slope):
    """x where it is positive, else slope · x."""
    return x if x > number(0) else slope * x


def scale_by_sign(number, x, sign, slope):
    """x where ``sign`` is positive, else slope · x; for a slope of 0 that is 0, whatever x is.

    >>> scale_by_sign(float, 2.0, 1.0, 0.5), scale_by_sign(float, 2.0, -1.0, 0.5), scale_by_sign(float, 2.0, 0.0, 0.0)
    (2.0, 1.0, 0.0)
    """
    if sign > number(0):
        return x
    return slope * x if slope != number(0) else number(0)
