"""What elementwise kernels do with one number; the last argument is 1 in the type that is computed in.

With it no constant has a type of its own: a literal 1.0 is float64, and would take float32 with it.
"""

from __future__ import annotations

from minifcn.kernels.cuda.bodies.mathematics import exp, log, log1p, power, sqrt, tanh

# mypy: disable-error-code="no-untyped-def"


def identity(x, one):
    """The number itself."""
    return x


def nonzero(x, one):
    """Whether it is not 0: what a cast to boolean asks."""
    return x != one - one


def add(a, b, one):
    """a + b."""
    return a + b


def subtract(a, b, one):
    """a − b."""
    return a - b


def multiply(a, b, one):
    """a · b."""
    return a * b


def logical_and(a, b, one):
    """The product of booleans."""
    return a and b


def logical_or(a, b, one):
    """The sum of booleans."""
    return a or b


def divide(a, b, one):
    """a / b."""
    return a / b


def raised(a, b, one):
    """a to the power b; NaN where that is not real."""
    return power(a, b)


def raised_integer(a, b, one):
    """An integer to a power of at least 0, by squaring.

    >>> raised_integer(3, 5, 1)
    243
    """
    result = one
    while b > 0:
        if b & one:
            result = result * a
        a = a * a
        b = b >> one
    return result


def negative(x, one):
    """−x."""
    return -x


def exponential(x, one):
    """Exponential."""
    return exp(x)


def logarithm(x, one):
    """Natural logarithm."""
    return log(x)


def root(x, one):
    """Square root."""
    return sqrt(x)


def hyperbolic(x, one):
    """Hyperbolic tangent."""
    return tanh(x)


def absolute(x, one):
    """|x|."""
    return abs(x)


def sign(x, one):
    """−1, 0 or 1; NaN stays NaN."""
    zero = one - one
    if x > zero:
        return one
    if x < zero:
        return -one
    return x if x != x else zero


def maximum(a, b, one):
    """The larger; NaN if either is."""
    return a if a > b or a != a else b


def minimum(a, b, one):
    """The smaller; NaN if either is."""
    return a if a < b or a != a else b


def chosen(condition, a, b, one):
    """a where the condition holds, else b."""
    return a if condition else b


def greater(a, b, one):
    """a > b."""
    return a > b


def greater_equal(a, b, one):
    """a ≥ b."""
    return a >= b


def equal(a, b, one):
    """a = b."""
    return a == b


def sigmoid(x, one):
    """1 / (1 + e^−x), without overflow.

    >>> sigmoid(-1000.0, 1.0), sigmoid(0.0, 1.0), sigmoid(1000.0, 1.0)
    (0.0, 0.5, 1.0)
    """
    e = exp(-abs(x))
    return (e if x < one - one else one) / (one + e)


def softplus(x, one):
    """ln(1 + e^x), without overflow."""
    positive = one - one if x < one - one else x
    return positive + log1p(exp(-abs(x)))


def relu(x, one):
    """max(x, 0); NaN stays NaN."""
    return one - one if x <= one - one else x


def leaky_relu(x, slope, one):
    """x where it is positive, else slope · x."""
    return x if x > one - one else slope * x


def scaled_by_sign(x, sign, slope, one):
    """x where ``sign`` is positive, else slope · x; for a slope of 0 that is 0, whatever x is.

    >>> scaled_by_sign(2.0, 1.0, 0.5, 1.0), scaled_by_sign(2.0, -1.0, 0.5, 1.0), scaled_by_sign(2.0, 0.0, 0.0, 1.0)
    (2.0, 1.0, 0.0)
    """
    if sign > one - one:
        return x
    return slope * x if slope != one - one else one - one
