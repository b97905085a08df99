"""Every device against the reference: the table of cases, then what is special about some kernels."""

import itertools
import types
from contextlib import contextmanager

import numba
import numpy as np
import pytest
from kernel_cases import CASES, LAYOUTS, Draw, elementwise
from tolerances import assert_close

from minifcn import kernels
from minifcn.kernels.axismap import bilinear
from minifcn.kernels.contract import NAMES
from minifcn.kernels.cpu.choice import forcing
from minifcn.kernels.shapes import Window

DTYPES = ("float32", "float64")
ELEMENTWISE = CASES[: len(list(elementwise()))]
reference = kernels.load("reference")


#: Interpreted, these take minutes or more; tests/kernels/cuda has smaller ones.
TOO_SLOW_IN_THE_SIMULATOR = {"conv2d", "conv_transpose2d", "conv2d_weight"}
#: Labels of cases of so many elements that interpreting them takes seconds.
LARGE = {"large (1, 2)", "large (2, 3)", "large (3,)", "(40, 33)", "1100 3", "(1300, 2)"}
#: Kernels that look at strides; all others see copies that these make.
SEE_STRIDES = {"negative", "add", "divide", "where", "cast", "index", "index_add", "concatenate", "pad", "broadcast_to"}


def cuda_on_host():
    """The module on_host and an adapter of the GPU's kernels, or those of the simulator; skips where neither runs."""
    try:
        module = kernels.load("cuda")
    except kernels.DeviceUnavailableError as error:
        pytest.skip(str(error))
    import on_host

    return on_host, on_host.OnHost(module)


def is_simulated(device):
    return not isinstance(device, types.ModuleType) and cuda_on_host()[0].SIMULATED


@pytest.fixture(params=[name for name in kernels.DEVICES if name != "reference"])
def device(request):
    if request.param == "cuda":
        return cuda_on_host()[1]
    return kernels.load(request.param)  # always there: here an ImportError is a failure


@contextmanager
def poisoned_memory(device):
    """New arrays hold NaN (or the most negative integer), so that a forgotten element shows."""

    def poison(array):
        if array.dtype.kind == "f":
            array.fill(np.nan)
        elif array.dtype.kind == "i":
            array.fill(np.iinfo(array.dtype).min)
        return array

    if not isinstance(device, types.ModuleType):
        with cuda_on_host()[0].poisoned_memory():
            yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in ("empty", "empty_like"):
            make = getattr(np, name)
            patch.setattr(np, name, lambda *args, make=make, **kwargs: poison(make(*args, **kwargs)))
        yield


def layouts(device, case, dtype):
    """The layouts to test: all, but in the simulator only what its speed allows."""
    if not is_simulated(device):
        return LAYOUTS
    if case.kernel in TOO_SLOW_IN_THE_SIMULATOR or case.label in LARGE:
        pytest.skip("too slow in the simulator")
    if dtype == "float64" and case not in ELEMENTWISE:
        pytest.skip("the simulator runs float32, and float64 where functions of one number are tested")
    return LAYOUTS if dtype == "float32" and case.kernel in SEE_STRIDES else ("contiguous",)


def call(device, case, arguments):
    """All arrays that a call computes: what it returns, and what it changes in place."""
    with forcing(case.algorithm):
        result = getattr(device, case.kernel)(*arguments)
    results = result if isinstance(result, tuple) else (result,)
    updated = [array for i in case.updated for array in arrays_in(arguments[i])]
    return [array for array in results if array is not None] + updated


def arrays_in(argument):
    """An argument's arrays: itself, or those of a list."""
    return [value for value in (argument if isinstance(argument, list) else [argument]) if is_array(value)]


def is_array(value):
    return isinstance(value, np.ndarray)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_reference(device, case, dtype):
    tested = layouts(device, case, dtype)
    expected = call(reference, case, case.arguments(Draw(dtype)))
    if not is_simulated(device):
        call(device, case, case.arguments(Draw(dtype)))  # compiles, for which memory must not be poisoned
    for layout in tested:
        arguments = case.arguments(Draw(dtype, layout))
        before = [[array.copy() for array in arrays_in(argument)] for argument in arguments]
        with poisoned_memory(device):
            actual = call(device, case, arguments)
        assert len(actual) == len(expected)
        for computed, wanted in zip(actual, expected, strict=True):
            assert is_array(computed)
            assert_close(computed, wanted, case.terms, scale=4.0, growth=case.growth, context=f"({layout})")
        for i, (argument, copies) in enumerate(zip(arguments, before, strict=True)):
            for array, copy in zip(arrays_in(argument), copies, strict=True):
                if i not in case.updated:
                    np.testing.assert_array_equal(array, copy, err_msg=f"argument {i} was changed ({layout})")


def test_table_names_every_kernel():
    # Those that make room hold nothing to compare.
    assert {case.kernel for case in CASES} == set(NAMES) - {"from_host", "to_host", "full", "uniform"}


# --- not-a-number, infinities, zeros ---------------------------------------------------------------------------------


def special(dtype):
    largest = float(np.finfo(dtype).max)
    return np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -3.0, largest, -largest], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", ["negative", "exp", "log", "sqrt", "absolute", "sign", "sigmoid", "tanh", "softplus", "relu"]
)
def test_special_values(device, name, dtype):
    x = special(dtype)
    assert_close(getattr(device, name)(x), getattr(reference, name)(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name",
    ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "greater", "greater_equal", "equal"],
)
def test_special_pairs(device, name, dtype):
    a, b = np.array(list(itertools.product(special(dtype), repeat=2)), dtype).T
    assert_close(getattr(device, name)(a, b), getattr(reference, name)(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_special_values_of_leaky_relu_and_its_adjoint(device, slope, dtype):
    a, b = np.array(list(itertools.product(special(dtype), repeat=2)), dtype).T
    assert_close(device.leaky_relu(a, slope), reference.leaky_relu(a, slope))
    assert_close(device.scale_by_sign(a, b, slope), reference.scale_by_sign(a, b, slope))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_special_rows(device, name, dtype):
    rows = [[np.nan, 0, 1], [0, 1, np.nan], [np.inf, 0, 1], [-np.inf, 0, 1], [-np.inf] * 3, [3e38, -3e38, 0], [1e4] * 3]
    x = np.array(rows, dtype)
    assert_close(getattr(device, name)(x), getattr(reference, name)(x))
    labels, ones = np.array([1, 1, 1, 1, 1, 0, 2]), np.ones(7, dtype)
    for m in range(len(x)):
        row = x[m : m + 1], labels[m : m + 1], ones[m : m + 1]
        assert_close(device.cross_entropy(*row), reference.cross_entropy(*row))


@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions_let_nan_through(device, dtype):
    x = np.array([[1.0, np.nan, 3.0], [np.nan, 5.0, np.nan], [-np.inf, np.inf, 0.0]], dtype)
    for name in ("sum", "max", "min"):
        assert_close(getattr(device, name)(x, (1,), False), getattr(reference, name)(x, (1,), False))
    assert device.argmax(x, 1).tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_max_pool_first_wins_and_nan_counts_as_largest(device, dtype):
    nan, low = np.nan, -np.inf
    x = np.array([[low, low, 1, nan, 2, 2], [low, low, nan, 3, 2, 1]], dtype).reshape(1, 2, 6, 1)
    y, indices = device.max_pool2d(x, Window((2, 2), (2, 2)), (1, 3))
    np.testing.assert_array_equal(y.ravel(), np.array([low, nan, 2], dtype))
    assert indices.ravel().tolist() == [0, 3, 4]
    assert indices.dtype == np.int32


def test_padding_is_never_the_maximum(device):
    x = np.full((1, 2, 2, 1), -5.0, np.float32)
    y, indices = device.max_pool2d(x, Window((3, 3), (2, 2), (1, 1)), (1, 1))
    assert (y.item(), indices.item()) == (-5.0, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_norm_lets_nan_through_its_relu(device, dtype):
    x = np.array([[np.nan], [-1.0], [1.0]], dtype)
    zero, one = np.zeros(1, dtype), np.ones(1, dtype)
    np.testing.assert_array_equal(device.batch_norm(x, zero, one, one, zero, True).ravel(), [np.nan, 0.0, 1.0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 40])
def test_convolutions_let_nan_through_their_relu(device, channels, dtype):
    skip_if_simulated(device)
    x = np.array([np.nan, -1.0, 1.0, 2.0], dtype).reshape(1, 1, 4, 1)
    window, weight = Window((1, 1)), np.ones((1, 1, 1, channels), dtype)
    y = device.conv2d(x, weight, np.full(channels, -1.5, dtype), window, 1, (1, 4), True)
    np.testing.assert_array_equal(y, np.broadcast_to([[[[np.nan], [0.0], [0.0], [0.5]]]], (1, 1, 4, channels)))
    x = device.conv_transpose2d(x, weight.swapaxes(2, 3), None, window, 1, (1, 4), True)
    np.testing.assert_array_equal(x, np.broadcast_to([[[[np.nan], [0.0], [1.0], [2.0]]]], (1, 1, 4, channels)))


# --- many numbers ----------------------------------------------------------------------------------------------------


def skip_if_simulated(device):
    if is_simulated(device):
        pytest.skip("too slow in the simulator")


def test_float32_sums_over_many_pixels_keep_their_digits(device):
    skip_if_simulated(device)
    x = np.full((1_500_000, 3), 0.1, np.float32)  # added up one by one in float32, this is off by a percent
    exact = len(x) * float(np.float32(0.1))
    assert_close(device.sum(x, (0,), False), np.full(3, exact, np.float32))
    mean, variance = device.moments(x + np.arange(len(x), dtype=np.float32)[:, None] % 2)
    assert_close(mean, np.full(3, 0.6, np.float32))
    assert_close(variance, np.full(3, 0.25, np.float32))
    gradients = device.batch_norm_gradient(x, x, *np.eye(4, 3, dtype=np.float32), False, True)
    assert_close(gradients[2], np.full(3, exact, np.float32))


@pytest.mark.parametrize("shape", [(4, 96, 96, 16), (3, 5, 1), (40000, 3), (300, 67)])
def test_variance_beside_a_large_mean(device, shape):
    skip_if_simulated(device)
    x = (1e4 + np.random.default_rng(3).standard_normal(shape)).astype(np.float32)
    x[:1] -= 50.0  # the first pixels are not like the others
    axes, exact = tuple(range(x.ndim - 1)), x.astype(np.float64)
    mean, variance = device.moments(x)
    assert_close(mean, exact.mean(axes).astype(np.float32))
    assert_close(variance, exact.var(axes).astype(np.float32))


def test_one_thread_and_all_threads_give_the_same_bits():
    cpu, draw = kernels.load("cpu"), Draw("float32")
    x, gradient, ones = draw.normal(2, 160, 160, 3), draw.normal(2, 160, 160, 3), np.ones(3, np.float32)
    up, pixels = bilinear(160, 320, align_corners=False), x.size // 3
    calls = (
        lambda: (cpu.sum(x, (0, 1, 2), False), cpu.sum(x, (0, 1, 2, 3), False), *cpu.moments(x)),
        lambda: cpu.batch_norm_gradient(gradient, x, ones, ones, ones, ones, True, True),
        lambda: (cpu.cross_entropy(x.reshape(-1, 3), np.zeros(pixels, np.int64), np.ones(pixels, np.float32)),),
        lambda: (cpu.resample2d(x, up, up),),
        lambda: (cpu.softmax(x), cpu.sigmoid(x), cpu.relu(x)),
    )
    threads = numba.get_num_threads()
    for function in calls:
        try:
            numba.set_num_threads(1)
            alone = function()
        finally:
            numba.set_num_threads(threads)
        for a, b in zip(alone, function(), strict=True):
            assert a.tobytes() == b.tobytes()


def test_read_only_arrays_are_welcome(device):
    x = np.arange(-8.0, 8.0, dtype=np.float32).reshape(1, 4, 4, 1)
    x.flags.writeable = False
    np.testing.assert_array_equal(device.relu(x), np.maximum(x, 0))
    assert device.max_pool2d(x, Window((2, 2), (2, 2)), (2, 2))[0].ravel().tolist() == [-3, -1, 5, 7]
