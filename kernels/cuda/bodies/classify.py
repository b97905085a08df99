"""Softmax and cross-entropy of one row of numbers that begins at an index of a flat array."""

import math

# mypy: disable-error-code="no-untyped-def"


def row_maximum(x, first, K):
    """The largest of K numbers; NaN is passed over, or stays if it is the first: `row_total` is NaN in either case."""
    top = x[first]
    for k in range(1, K):
        value = x[first + k]
        if value > top:
            top = value
    return top


def row_total(x, first, K, top, zero):
    """Σ_k e^(x[k] − top), NaN if any of them is; ``zero`` is 0 in their type."""
    total = zero
    for k in range(K):
        total += math.exp(x[first + k] - top)
    return total


def row_loss(x, first, K, label, top, total, nan):
    """ln Σ_k e^x[k] − x[label], from the row's maximum and total; ``nan`` for a label that is none of 0 to K − 1."""
    if label < 0 or label >= K:
        return nan
    return math.log(total) - (x[first + label] - top)
