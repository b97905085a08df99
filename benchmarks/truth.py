"""Inputs, what has to come out, and how far results may be off.

The truth of a convolution is computed in float64, one matrix product a tap: y = Σ_{r, t} (x shifted by r, t) w[r, t].

Tolerances come from the arithmetic: roundings of a sum of n terms add up as a random walk, to some eps · √n of the
result's size, and a factor covers the largest of millions of elements. Winograd's algorithm rounds numbers up to 31
times as large as the result's. Products of numbers that were first rounded to bfloat16 are further off than either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from minifcn.benchmarks.cases import ConvCase

_EPS = float(np.finfo(np.float32).eps)
#: Five standard deviations, which one of millions exceeds by chance, times the growth of roundings in F(4×4, 3×3):
#: √(Σ_p A²_ip · Σ_r G²_pr · Σ_s B²_ps / 3) = 5.6 along each axis at the worst of a tile's results, and 3.3 on average.
_FACTOR = 5.5 * 3.3**2


class WrongResultError(RuntimeError):
    """A contestant computed something else."""


class Inputs:
    """Fresh random numbers for a convolution: image x, weight w, and g, the gradient of the result."""

    def __init__(self, case: ConvCase, rng: np.random.Generator):
        fan_in = case.terms[0]
        self.x = rng.standard_normal(case.x_shape, np.float32)
        self.w = rng.standard_normal(case.w_shape, np.float32) / np.float32(np.sqrt(fan_in))
        self.g = rng.standard_normal(case.y_shape, np.float32)


def convolution(case: ConvCase, inputs: Inputs) -> list[np.ndarray]:
    """[y], or in training [y, gradient of w, gradient of x], or without the last for a first layer; in float64."""
    x, w, g = (array.astype(np.float64) for array in (inputs.x, inputs.w, inputs.g))
    y = _spread(case, x, w, case.output_size) if case.transposed else _gather(case, x, w)
    if case.mode == "forward":
        return [y]
    results = [y, _weight(case, g, x) if case.transposed else _weight(case, x, g)]
    if not case.first_layer:
        results.append(_gather(case, g, w) if case.transposed else _spread(case, g, w, case.size))
    return results


def check(name: str, actual: Sequence[np.ndarray], expected: Sequence[np.ndarray], terms: Sequence[int]) -> None:
    """Compare results, each a sum of so many terms.

    Raises:
        WrongResultError: a shape differs, or an element is further off than roundings explain.
    """
    if len(actual) != len(expected):
        raise WrongResultError(f"{name}: {len(actual)} results, expected {len(expected)}")
    for number, (a, e, n) in enumerate(zip(actual, expected, terms[: len(expected)], strict=True)):
        if a.shape != e.shape:
            raise WrongResultError(f"{name}: result {number} has shape {a.shape}, expected {e.shape}")
        allowed = _FACTOR * _EPS * np.sqrt(n) * float(np.sqrt(np.mean(np.square(e, dtype=np.float64))))
        off = float(np.max(np.abs(a - e), initial=0.0))
        if not off <= allowed:  # NaN is wrong, too
            raise WrongResultError(f"{name}: result {number} is off by {off:.2g}, roundings explain {allowed:.2g}")


def _taps(case: ConvCase, pixels: int) -> Iterator[tuple[int, int, tuple[slice, slice, slice]]]:
    """Each tap of the kernel, and the pixels of the padded image that it meets."""

    def along(tap: int) -> slice:
        start = tap * case.dilation
        return slice(start, start + case.stride * (pixels - 1) + 1, case.stride)

    for r in range(case.kernel):
        for t in range(case.kernel):
            yield r, t, (slice(None), along(r), along(t))


def _padded(case: ConvCase, x: np.ndarray) -> np.ndarray:
    border = (case.padding, case.padding)
    return np.pad(x, ((0, 0), border, border, (0, 0)))


def _gather(case: ConvCase, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The convolution."""
    pixels = case.size if case.transposed else case.output_size
    padded, y = _padded(case, x), np.zeros((x.shape[0], pixels, pixels, w.shape[3]))
    for r, t, where in _taps(case, pixels):
        y += padded[where] @ w[r, t]
    return y


def _spread(case: ConvCase, y: np.ndarray, w: np.ndarray, size: int) -> np.ndarray:
    """Its adjoint in the image: the transposed convolution."""
    p = case.padding
    padded = np.zeros((y.shape[0], size + 2 * p, size + 2 * p, w.shape[2]))
    for r, t, where in _taps(case, y.shape[1]):
        padded[where] += y @ w[r, t].T
    return padded[:, p : p + size, p : p + size]


def _weight(case: ConvCase, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Its adjoint in the weight."""
    padded, w = _padded(case, x), np.zeros(case.w_shape)
    flat = y.reshape(-1, y.shape[3])
    for r, t, where in _taps(case, y.shape[1]):
        w[r, t] = padded[where].reshape(-1, x.shape[3]).T @ flat
    return w
