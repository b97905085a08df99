"""Winograd's algorithm: the identity it rests on, every edge of its tiles, and how its rounding errors grow."""

from fractions import Fraction

import numpy as np
import pytest
from kernel_cases import WINOGRAD_GROWTH
from tolerances import EPS, assert_close

from minifcn.kernels.cpu.choice import forcing
from minifcn.kernels.cpu.conv import choose, conv2d, conv2d_weight, conv_transpose2d, transforms
from minifcn.kernels.shapes import Window, conv_size

#: The matrices of Lavin & Gray 2016, §4.3.
A = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
B = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
G = [
    [Fraction(1, 4), 0, 0],
    [Fraction(-1, 6), Fraction(-1, 6), Fraction(-1, 6)],
    [Fraction(-1, 6), Fraction(1, 6), Fraction(-1, 6)],
    [Fraction(1, 24), Fraction(1, 12), Fraction(1, 6)],
    [Fraction(1, 24), Fraction(-1, 12), Fraction(1, 6)],
    [0, 0, 1],
]
TRANSFORMS = {
    "times_b_transposed": np.array(B, float),
    "times_g": np.array(G, float),
    "times_g_transposed": np.array(G, float).T,
    "times_a": np.array(A, float).T,
    "times_a_transposed": np.array(A, float),
}


def test_the_matrices_make_a_correlation():
    for i in range(4):
        for r in range(3):
            for s in range(6):
                total = sum(A[i][p] * G[p][r] * B[p][s] for p in range(6))
                assert total == (1 if s == i + r else 0)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_each_transform_multiplies_by_its_matrix(name):
    matrix = TRANSFORMS[name]
    for column, unit in enumerate(np.eye(matrix.shape[1])):
        result = getattr(transforms, name).py_func(*unit)
        np.testing.assert_allclose(result, matrix[:, column], rtol=1e-15)


def draw(rng, dtype, *shapes):
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def all_three(algorithm, x, w, b, g, window, size):
    """conv2d, its adjoint in the image and its adjoint in the weight, (N, H, W, C) and so on."""
    with forcing(algorithm):
        return (
            conv2d(x, w, b, window, 1, size, True),
            conv_transpose2d(g, w, None, window, 1, x.shape[1:3], False),
            conv2d_weight(x, g, window, 1),
        )


# Sizes around multiples of 4, channels around vectors and blocks (16, 64, 128), more tiles than a block has.
@pytest.mark.parametrize(
    ("N", "H", "W", "C", "K", "padding"),
    [
        (1, 3, 3, 1, 1, (0, 0)),
        (2, 1, 1, 8, 8, (1, 1)),
        (1, 5, 7, 9, 17, (1, 1)),
        (1, 2, 30, 16, 16, (2, 2)),
        (3, 13, 6, 33, 70, (0, 1)),
        (2, 8, 8, 130, 65, (1, 1)),
        (1, 57, 44, 8, 48, (1, 1)),
        (1, 4, 4, 200, 260, (1, 0)),
        (2, 9, 9, 3, 2, (4, 3)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_direct_sum(N, H, W, C, K, padding, dtype):
    window = Window((3, 3), padding=padding)
    size = conv_size((H, W), window)
    arrays = draw(np.random.default_rng(C), dtype, (N, H, W, C), (3, 3, C, K), (K,), (N, *size, K))
    exact = all_three("direct", *(a.astype(np.float64) for a in arrays), window, size)
    terms = 9 * C, 9 * K, N * size[0] * size[1]
    for actual, expected, count in zip(all_three("winograd", *arrays, window, size), exact, terms, strict=True):
        assert_close(actual, expected.astype(dtype), count, scale=np.sqrt(count), growth=WINOGRAD_GROWTH)


def test_reads_and_writes_views_of_channels():
    """Half of the channels of a larger image, as a split gradient is."""
    rng = np.random.default_rng(0)
    whole, w = draw(rng, np.float64, (2, 9, 10, 40), (3, 3, 20, 24))
    window = Window((3, 3), padding=(1, 1))
    for half in (whole[..., :20], whole[..., 20:], whole[:, ::-1, ::2, 20:]):
        size = half.shape[1:3]
        for algorithm in ("direct", "winograd"):
            with forcing(algorithm):
                actual = conv2d(half, w, None, window, 1, size, False)
                expected = conv2d(half.copy(), w, None, window, 1, size, False)
            np.testing.assert_array_equal(actual, expected)


# Root mean square of the error over that of the result, in units of eps.
@pytest.mark.parametrize("channels", [8, 32, 128, 512])
def test_rounding_errors_by_depth(channels):
    """Winograd's errors grow with the depth no faster than the direct sum's, and are at most 12 times as large.

    12 is the mean over a tile's outputs of the growth of `WINOGRAD_GROWTH`, √(Σ A² · Σ G² · Σ B² / 3) an axis.
    """
    rng = np.random.default_rng(channels)
    x, w = draw(rng, np.float32, (1, 16, 16, channels), (3, 3, channels, 32))
    window, size = Window((3, 3), padding=(1, 1)), (16, 16)
    with forcing("direct"):
        exact = conv2d(x.astype(np.float64), w.astype(np.float64), None, window, 1, size, False)
        plain = conv2d(x, w, None, window, 1, size, False)
    with forcing("winograd"):
        quick = conv2d(x, w, None, window, 1, size, False)

    def error(result):
        return float(np.sqrt(np.mean((result - exact) ** 2) / np.mean(exact**2)) / EPS[np.dtype(np.float32)])

    assert error(quick) < 12 * np.sqrt(9 * channels)
    assert error(quick) > error(plain), "or Winograd is not what ran"


def test_choice():
    same = Window((3, 3), padding=(1, 1))
    assert choose(same, 1, 64) == "winograd"
    assert choose(same, 1, 1) == "direct", "the first layer"
    for window, groups in (
        (Window((3, 3), (2, 2)), 1), (Window((3, 3), dilation=(2, 2)), 1), (Window((1, 1)), 1), (same, 2),
    ):  # fmt: skip
        with forcing("winograd"):
            assert choose(window, groups, 64) == "direct", "it does not apply"
    with forcing("direct"):
        assert choose(same, 1, 64) == "direct"
    with forcing("winograd"):
        assert choose(same, 1, 1) == "winograd"
