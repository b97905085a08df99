"""Maps of one axis: transposition, and the values PyTorch gives."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tolerances import assert_close
from torch.nn import functional

from minifcn.kernels import axismap

SIZES = st.integers(1, 9)


@st.composite
def maps(draw):
    """One map of each kind, of any size."""
    n, m = draw(SIZES), draw(SIZES)
    kernel, stride, padding = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 2))
    before, after = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))
    windows = max(1, (n + 2 * padding - kernel) // stride + 1)
    makers = (
        lambda: axismap.nearest(n, m),
        lambda: axismap.bilinear(n, m, draw(st.booleans())),
        lambda: axismap.sum_window(n, windows, kernel, stride, padding, draw(st.sampled_from((None, "inside")))),
        lambda: axismap.mirror(n, before, after),
        lambda: axismap.replicate(n, before, after),
        lambda: axismap.gather(np.array(draw(st.lists(st.integers(0, n - 1), max_size=9)), np.int64), n),
    )
    return draw(st.sampled_from(makers))()


@settings(deadline=None)
@given(maps())
def test_transpose_is_the_dense_transpose(matrix):
    there = matrix.transpose()
    assert (there.input_size, there.output_size) == (matrix.output_size, matrix.input_size)
    np.testing.assert_array_equal(there.dense(), matrix.dense().T)


@settings(deadline=None)
@given(maps())
def test_transposing_twice_changes_nothing(matrix):
    back = matrix.transpose().transpose()
    assert back.input_size == matrix.input_size
    np.testing.assert_array_equal(back.start, matrix.start)
    np.testing.assert_array_equal(back.dense(), matrix.dense())


def line(size):
    """A line of numbers, and the same for PyTorch."""
    x = np.random.default_rng(size).standard_normal(size)
    return x, torch.from_numpy(x.reshape(1, 1, size))


@settings(deadline=None)
@given(SIZES, st.integers(1, 20))
def test_nearest_is_pytorchs(n, m):
    x, tensor = line(n)
    expected = functional.interpolate(tensor, size=m, mode="nearest")
    np.testing.assert_array_equal(axismap.nearest(n, m).dense() @ x, expected.numpy().ravel())


@settings(deadline=None)
@given(SIZES, st.integers(1, 20), st.booleans())
def test_bilinear_is_pytorchs(n, m, align_corners):
    x, tensor = line(n)
    expected = functional.interpolate(tensor, size=m, mode="linear", align_corners=align_corners)
    assert_close(axismap.bilinear(n, m, align_corners).dense() @ x, expected.numpy().ravel(), scale=2.0)


@settings(deadline=None)
@given(SIZES, st.floats(0.6, 4.0))
def test_resizing_by_a_factor_is_pytorchs(n, factor):
    m = axismap.scaled_size(n, factor)
    assume(m not in (0, n))  # to the same size, PyTorch copies whatever the factor
    x, tensor = line(n)
    for align_corners in (False, True):
        expected = functional.interpolate(tensor, scale_factor=factor, mode="linear", align_corners=align_corners)
        matrix = axismap.bilinear(n, m, align_corners, step=None if align_corners else 1 / factor)
        assert_close(matrix.dense() @ x, expected.numpy().ravel(), scale=4.0)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), st.booleans(), st.booleans())
def test_average_windows_are_pytorchs(n, kernel, stride, padding, ceil_mode, count_include_pad):
    assume(padding <= kernel // 2)  # PyTorch's condition
    assume(n + 2 * padding >= kernel)
    x, tensor = line(n)
    expected = functional.avg_pool1d(tensor, kernel, stride, padding, ceil_mode, count_include_pad).numpy().ravel()
    mean = "padded" if count_include_pad else "inside"
    matrix = axismap.sum_window(n, len(expected), kernel, stride, padding, mean=mean)
    assert_close(matrix.dense() @ x, expected, scale=2.0)


@settings(deadline=None)
@given(st.integers(2, 9), st.data())
def test_borders_are_pytorchs(n, data):
    before, after = (data.draw(st.integers(0, n - 1)) for _ in range(2))
    x, tensor = line(n)
    for make, mode in ((axismap.mirror, "reflect"), (axismap.replicate, "replicate")):
        expected = functional.pad(tensor, (before, after), mode=mode)
        np.testing.assert_array_equal(make(n, before, after).dense() @ x, expected.numpy().ravel())


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_nearest_to_the_same_size_is_the_identity(size):
    np.testing.assert_array_equal(axismap.nearest(size, size).dense(), np.eye(size))
