"""Sums of eight numbers for statistics, and the normalisation of one."""

# mypy: disable-error-code="no-untyped-def"


def eight_moments(d0, d1, d2, d3, d4, d5, d6, d7, eighth):
    """Of eight numbers: m, r and q with Σ d = 8·m + r and Σ d² = q + m · (8·m + 2·r); ``eighth`` is 1/8 in their type.

    m is their mean, but for rounding, r = Σ (d − m) what rounding took, q = Σ (d − m)². No large numbers are
    subtracted that are nearly equal, so the three can be added up in twice the precision without loss.

    >>> eight_moments(1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 0.125)
    (2.0, 0.0, 8.0)
    """
    m = (((d0 + d1) + (d2 + d3)) + ((d4 + d5) + (d6 + d7))) * eighth
    d0, d1, d2, d3, d4, d5, d6, d7 = d0 - m, d1 - m, d2 - m, d3 - m, d4 - m, d5 - m, d6 - m, d7 - m
    r = ((d0 + d1) + (d2 + d3)) + ((d4 + d5) + (d6 + d7))
    q = ((d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)) + ((d4 * d4 + d5 * d5) + (d6 * d6 + d7 * d7))
    return m, r, q


def normalised(x, mean, inverse_std):
    """x̂ = (x − mean) · inverse_std."""
    return (x - mean) * inverse_std


def affine(x_hat, weight, bias, relu, zero):
    """x̂ · weight + bias; ``zero`` instead where that is not positive, if ``relu``. NaN stays NaN.

    >>> affine(2.0, 3.0, -10.0, 0, 0.0), affine(2.0, 3.0, -10.0, 1, 0.0)
    (-4.0, 0.0)
    """
    value = x_hat * weight + bias
    if relu != 0 and value <= zero:
        return zero
    return value


def slope(gradient, x_hat, weight, bias, relu, zero):
    """The gradient, or ``zero`` where the ReLU was off."""
    if relu != 0 and x_hat * weight + bias <= zero:
        return zero
    return gradient
