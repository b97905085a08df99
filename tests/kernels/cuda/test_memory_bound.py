"""Pooling, resampling, normalisation, classification and optimisers on the GPU, or in Numba's simulator.

The simulator takes milliseconds for a block: of the table of cases, the small ones; the large ones are for GPUs.
"""

import kernel_cases
import numpy as np
import pytest
from kernel_cases import Draw
from tolerances import assert_close

from minifcn import kernels
from minifcn.kernels import axismap
from minifcn.kernels.shapes import Window

pytest.importorskip("minifcn.kernels.cuda", exc_type=(ImportError, RuntimeError))  # no GPU, and no simulator

from minifcn.kernels.cuda import classify, lang, norm, optimiser, pooling, resample
from minifcn.kernels.cuda.array import CudaArray, from_host

reference = kernels.load("reference")
MODULES = {
    "max_pool2d": pooling,
    "gather2d": pooling,
    "max_unpool2d": pooling,
    "resample2d": resample,
    "moments": norm,
    "batch_norm": norm,
    "batch_norm_gradient": norm,
    "softmax": classify,
    "log_softmax": classify,
    "cross_entropy": classify,
    "cross_entropy_gradient": classify,
    "sgd_step": optimiser,
    "adam_step": optimiser,
    "rmsprop_step": optimiser,
}
LARGE = ("(1300, 2)", "1100 3", "(1, 41, 43, 2)", "(2, 47, 89, 1)", "(3, 1, 1, 300)", "67", "33", "40")
CASES = [case for case in kernel_cases.CASES if case.kernel in MODULES]
SMALL = [case for case in CASES if not any(label in case.label for label in LARGE)]


@pytest.fixture(autouse=True)
def few_parameters(monkeypatch):
    """Optimisers with little to do, in several blocks for each parameter."""
    if lang.SIMULATED:
        monkeypatch.setattr(kernel_cases, "PARAMETERS", ((3, 5, 2), (0, 3), (7,), (2, 3)))
        monkeypatch.setattr(optimiser, "_CHUNK", 16)
        monkeypatch.setattr(optimiser, "_tables", type(optimiser._tables)())


def on_device(argument):
    if isinstance(argument, list):
        return [on_device(value) for value in argument]
    return from_host(argument) if isinstance(argument, np.ndarray) else argument


def on_host(argument):
    return argument.to_host() if isinstance(argument, CudaArray) else argument


def call(name, *arguments):
    """A kernel's results, as NumPy arrays, for NumPy arrays."""
    result = getattr(MODULES[name], name)(*map(on_device, arguments))
    return tuple(map(on_host, result)) if isinstance(result, tuple) else on_host(result)


def agree(case, dtype):
    """Compare all that a call returns, and all that it changes, with the reference."""
    arguments, mine = case.arguments(Draw(dtype)), [on_device(a) for a in case.arguments(Draw(dtype))]
    expected = getattr(reference, case.kernel)(*arguments)
    actual = getattr(MODULES[case.kernel], case.kernel)(*mine)
    wanted = expected if isinstance(expected, tuple) else (expected,)
    computed = actual if isinstance(actual, tuple) else (actual,)
    for i in case.updated:
        wanted, computed = (*wanted, *arguments[i]), (*computed, *mine[i])
    for a, b in zip(computed, wanted, strict=True):
        if b is not None:
            assert_close(on_host(a), b, case.terms, scale=4.0, growth=case.growth)


@pytest.mark.parametrize("case", SMALL if lang.SIMULATED else CASES, ids=str)
def test_agrees_with_reference(case):
    agree(case, "float32")


@pytest.mark.parametrize("case", SMALL[::5] if lang.SIMULATED else CASES, ids=str)
def test_agrees_with_reference_in_float64(case):
    agree(case, "float64")


# --- pooling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_first_maximum_wins_and_nan_counts_as_largest(dtype):
    nan, low = np.nan, -np.inf
    x = np.array([[low, low, 1, nan, 2, 2], [low, low, nan, 3, 2, 1]], dtype).reshape(1, 2, 6, 1)
    y, indices = call("max_pool2d", x, Window((2, 2), (2, 2)), (1, 3))
    np.testing.assert_array_equal(y.ravel(), np.array([low, nan, 2], dtype))
    assert indices.ravel().tolist() == [0, 3, 4]


def test_a_large_window_with_padding():
    x = Draw("float32").few(1, 5, 6, 2)
    window = Window((4, 5), (2, 3), (2, 1))
    for computed, wanted in zip(
        call("max_pool2d", x, window, (3, 2)), reference.max_pool2d(x, window, (3, 2)), strict=True
    ):
        assert_close(computed, wanted)


def test_values_that_meet_are_added_in_order_of_their_places():
    values = np.array([1e8, 1.0, -1e8, 1.0, 0.25], np.float32)  # in float32, the sum would depend on the order
    indices = np.array([3, 3, 3, 3, 0], np.int32)
    x = call("max_unpool2d", values.reshape(1, 1, 5, 1), indices.reshape(1, 1, 5, 1), (2, 2), None)
    np.testing.assert_array_equal(x.ravel(), [0.25, 0.0, 0.0, 2.0])


# --- resampling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [4, 1])
def test_both_ways_to_resample(channels):
    x = Draw("float32").normal(1, 6, 7, channels)
    for maps in (
        (axismap.bilinear(6, 12, align_corners=False), axismap.nearest(7, 14)),
        (axismap.sum_window(6, 1, 6, 1), axismap.sum_window(7, 1, 7, 1, mean="inside")),
        (axismap.bilinear(40, 6, align_corners=True).transpose(), axismap.bilinear(7, 30, align_corners=False)),
        (axismap.bilinear(2, 6, align_corners=True).transpose(), axismap.sum_window(7, 2, 5, 2)),
    ):
        assert_close(call("resample2d", x, *maps), reference.resample2d(x, *maps), 42, scale=4.0)


def test_nothing_is_added_from_beyond_a_short_row():
    x = np.full((1, 2, 3, 4), np.inf, np.float32)
    short = axismap.gather(np.array([0, 0, 1]), 3).transpose()  # rows of 2, 1 and no entries
    maps = (axismap.nearest(2, 2), short)
    np.testing.assert_array_equal(call("resample2d", x, *maps), reference.resample2d(x, *maps))


def test_tables_are_uploaded_once(monkeypatch):
    uploads = []
    monkeypatch.setattr(resample, "from_host", lambda array: uploads.append(1) or from_host(array))
    x = Draw("float32").normal(1, 5, 7, 1)
    for _ in range(2):
        there = axismap.bilinear(5, 11, align_corners=False)  # equal, but not the same
        for _ in range(2):
            call("resample2d", x, there, axismap.nearest(7, 13))
    assert len(uploads) == 6


# --- normalisation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 5, 1), (40, 3), (300, 7), (17, 40)])
def test_variance_beside_a_large_mean(shape):
    x = (1e4 + np.random.default_rng(3).standard_normal(shape)).astype(np.float32)
    x[:1] -= 50.0  # the first pixels are not like the others
    axes, exact = tuple(range(x.ndim - 1)), x.astype(np.float64)
    mean, variance = call("moments", x)
    assert_close(mean, exact.mean(axes).astype(np.float32))
    assert_close(variance, exact.var(axes).astype(np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, 299])
def test_moments_of_what_is_not_finite(value, place):
    x = np.ones((300, 2), np.float32)
    x[place, 1] = value
    for computed, wanted in zip(call("moments", x), reference.moments(x), strict=True):
        np.testing.assert_array_equal(computed, wanted)


def test_batch_norm_lets_nan_through_its_relu():
    x = np.array([[np.nan], [-1.0], [1.0]], np.float32)
    zero, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    np.testing.assert_array_equal(call("batch_norm", x, zero, one, one, zero, True).ravel(), [np.nan, 0.0, 1.0])


def test_running_statistics_move_towards_the_batch():
    mean, variance = np.array([1.0, 2.0], np.float32), np.array([3.0, 0.0], np.float32)
    running = from_host(np.array([10.0, 20.0], np.float32)), from_host(np.array([1.0, 1.0], np.float32))
    inverse = norm.running_statistics(from_host(mean), from_host(variance), *running, 0.25, 5, 1e-5)
    assert_close(inverse.to_host(), (1 / np.sqrt(variance + 1e-5)).astype(np.float32))
    assert_close(running[0].to_host(), (0.75 * np.array([10.0, 20.0]) + 0.25 * mean).astype(np.float32))
    assert_close(running[1].to_host(), (0.75 + 0.25 * variance * 5 / 4).astype(np.float32))
    without = norm.running_statistics(from_host(mean), from_host(variance), None, None, 0.25, 5, 1e-5)
    np.testing.assert_array_equal(without.to_host(), inverse.to_host())


# --- classification --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_special_rows(name, classes):
    rows = [[np.nan, 0, 1], [0, 1, np.nan], [np.inf, 0, 1], [-np.inf, 0, 1], [-np.inf] * 3, [3e38, -3e38, 0], [1e4] * 3]
    x = np.pad(np.array(rows, np.float32), ((0, 0), (0, classes - 3)), constant_values=-np.inf)
    assert_close(call(name, x), getattr(reference, name)(x))
    labels, ones = np.array([1, 1, 1, 1, 1, 0, 2]), np.ones(7, np.float32)
    for m in range(len(x)):
        row = x[m : m + 1], labels[m : m + 1], ones[m : m + 1]
        assert_close(call("cross_entropy", *row), reference.cross_entropy(*row))


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("classes", [2, 40])
def test_labels_that_are_no_classes(classes, kind):
    logits, one = Draw("float32").normal(3, classes), np.array(1.0, np.float32)
    labels = np.array([1, 255, 0]).astype(kind)
    unseen, seen = np.array([1.0, 0.0, 0.5], np.float32), np.ones(3, np.float32)
    assert_close(call("cross_entropy", logits, labels, unseen), reference.cross_entropy(logits, labels, unseen), 3)
    gradient = call("cross_entropy_gradient", one, logits, labels, unseen)
    assert_close(gradient, reference.cross_entropy_gradient(one, logits, labels, unseen))
    assert np.isnan(call("cross_entropy", logits, labels, seen))
    gradient = call("cross_entropy_gradient", one, logits, labels, seen)
    assert np.isnan(gradient[1]).all()
    assert np.isfinite(gradient[[0, 2]]).all()


# --- optimisers ------------------------------------------------------------------------------------------------------


def test_one_launch_serves_all_parameters_and_uploads_nothing_twice(monkeypatch):
    uploads, launches = [], []
    monkeypatch.setattr(optimiser, "from_host", lambda array: uploads.append(1) or from_host(array))
    launch = optimiser.Kernel.launch
    monkeypatch.setattr(optimiser.Kernel, "launch", lambda self, *args: launches.append(self) or launch(self, *args))
    parameters = [from_host(np.ones(n, np.float32)) for n in (3, 40, 1)]
    gradients = [from_host(np.ones(n, np.float32)) for n in (3, 40, 1)]
    for _ in range(3):
        optimiser.sgd_step(parameters, gradients, None, 0.25, 0.0, 0.0, False, False)
    assert (len(uploads), len(launches)) == (1, 3)
    assert all((p.to_host() == 0.25).all() for p in parameters)
