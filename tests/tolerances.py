"""How far two computations of the same number may differ: the one table, by dtype.

Every rounding is off by at most half of eps, relative to the number rounded. Roundings are as often up as down, so the
error of a sum of n terms grows as a random walk does: about eps · √n, relative to the terms, and not eps · n, which
would let real mistakes pass. A factor of 16 covers the spread of such walks over all elements of a test, and formulas
that round a few times on the way.
"""

import math
from typing import Any

import numpy as np

#: The distance from 1 to the next number.
EPS = {np.dtype(dtype): float(np.finfo(dtype).eps) for dtype in (np.float32, np.float64)}
_FACTOR = 16


def tolerance(dtype: Any, terms: int = 1, scale: float = 1.0, growth: float = 1.0) -> dict[str, float]:
    """``rtol`` and ``atol`` for results that are sums of ``terms`` numbers of about the size of ``scale``.

    ``growth`` is for algorithms that multiply rounding errors by more than the plain sum does.

    >>> tolerance(np.float32, terms=100)["rtol"] < 2e-5
    True
    """
    bound = growth * _FACTOR * EPS[np.dtype(dtype)] * math.sqrt(terms)
    return {"rtol": bound, "atol": bound * scale}


def assert_close(
    actual: Any, expected: Any, terms: int = 1, scale: float = 1.0, context: str = "", growth: float = 1.0
) -> None:
    """Same shape, same dtype, and values within tolerance: equal for integers and booleans; NaN equals NaN."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape} {context}"
    assert actual.dtype == expected.dtype, f"dtype {actual.dtype}, expected {expected.dtype} {context}"
    if expected.dtype in EPS:
        np.testing.assert_allclose(actual, expected, **tolerance(expected.dtype, terms, scale, growth), err_msg=context)
    else:
        np.testing.assert_array_equal(actual, expected, err_msg=context)
