"""e^x, ln x and ln(1 + x) as arithmetic, so that loops over them vectorise: calls to the C library do not.

e^x = 2^n · e^r with n = round(x / ln 2), so that |r| ≤ ln 2 / 2, where a short polynomial is as exact as float32.
"""

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload

from minifcn.kernels.cpu.jit import FAST_MATH

_OPTIONS = {"fastmath": FAST_MATH, "error_model": "numpy", "nogil": True}

_LOG2_E = np.float32(1 / math.log(2))
# ln 2 in two parts: n times the first, which has 9 bits, is exact, so r is x − n ln 2 with only one rounding.
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(math.log(2) - 0.693359375)
# Minimax on |r| ≤ ln 2 / 2: e^r ≈ 1 + r + r² (c0 + c1 r + ... ), as in Cephes' expf.
_C0, _C1, _C2, _C3, _C4, _C5 = (
    np.float32(c) for c in (0.5, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4)
)
_ONE, _TWO = np.float32(1), np.float32(2)
_ROOT_HALF = np.float32(math.sqrt(0.5)).view(np.int32)
_BELOW, _ABOVE = np.float32(-104), np.float32(89)  # beyond these, e^x is 0 and infinite in float32
# 2 / (2k + 1): the series of 2 artanh.
_ODD = tuple(np.float32(2 / (2 * k + 1)) for k in range(8))


def exp(x: Any) -> Any:
    """e^x: within 1.5 units of the last place for float32; the C library's for float64."""
    return math.exp(x)


@overload(exp, jit_options=_OPTIONS, inline="never")
def _exp_for(x: Any) -> Any:
    return _exp_float32 if x == numba.float32 else _exp_other


def _exp_other(x: Any) -> Any:
    return math.exp(x)


def _exp_float32(x: Any) -> Any:
    finite = _BELOW if x < _BELOW else _ABOVE if x > _ABOVE else x if x == x else _ONE
    n = np.rint(finite * _LOG2_E)
    r = finite - n * _LN2_HIGH - n * _LN2_LOW
    p = _C5
    for c in (_C4, _C3, _C2, _C1, _C0):
        p = p * r + c
    p = p * r * r + r + _ONE
    # 2^n in two factors, each within float32's exponents, so that results below its normal numbers are right as well.
    half = np.int32(n) >> np.int32(1)
    rest = np.int32(n) - half
    y = p * _power_of_two(half) * _power_of_two(rest)
    return y if x == x else x


def log1p_unit(x: Any) -> Any:
    """ln(1 + x) for 0 ≤ x ≤ 1."""
    return math.log1p(x)


@overload(log1p_unit, jit_options=_OPTIONS, inline="never")
def _log1p_unit_for(x: Any) -> Any:
    return _log1p_unit_float32 if x == numba.float32 else _log1p_other


def _log1p_other(x: Any) -> Any:
    return math.log1p(x)


def _log1p_unit_float32(x: Any) -> Any:
    # ln(1 + x) = 2 artanh s = 2 (s + s³/3 + s⁵/5 + ...) with s = x / (2 + x) ≤ 1/3: eight terms leave 2e-9 out.
    s = x / (_TWO + x)
    square = s * s
    series = _ODD[7]
    for k in range(6, -1, -1):
        series = series * square + _ODD[k]
    return s * series


def log(x: Any) -> Any:
    """The natural logarithm ln x of normal positive numbers; NaN stays NaN, and zero is not looked for."""
    return math.log(x)


@overload(log, jit_options=_OPTIONS, inline="never")
def _log_for(x: Any) -> Any:
    return _log_float32 if x == numba.float32 else _log_other


def _log_other(x: Any) -> Any:
    return math.log(x)


def _log_float32(x: Any) -> Any:
    # x = 2^n m with √½ ≤ m < √2; ln m = 2 artanh s with s = (m − 1) / (m + 1) ≤ 0.172: five terms leave 7e-10 out.
    bits = np.float32(x).view(np.int32)
    n = (bits - _ROOT_HALF) >> np.int32(23)
    m = np.int32(bits - (n << np.int32(23))).view(np.float32)
    s = (m - _ONE) / (m + _ONE)
    square = s * s
    series = _ODD[4]
    for k in range(3, -1, -1):
        series = series * square + _ODD[k]
    whole = np.float32(n)
    y = whole * _LN2_HIGH + (whole * _LN2_LOW + s * series)
    return y if x == x else x


@numba.njit
def _power_of_two(n: Any) -> Any:
    """2^n for −126 ≤ n ≤ 127, by writing the exponent of a float32."""
    return np.int32((n + np.int32(127)) << np.int32(23)).view(np.float32)
