"""Convolutions and matrix products on the GPU, or in Numba's simulator, against the reference."""

import numpy as np
import pytest
from kernel_cases import CASES, Draw
from tolerances import assert_close

from minifcn.kernels import reference
from minifcn.kernels.cpu.choice import forcing
from minifcn.kernels.shapes import Window, conv_size

cuda = pytest.importorskip("minifcn.kernels.cuda", exc_type=(ImportError, RuntimeError))
from minifcn.kernels.cuda import conv, linear  # noqa: E402
from minifcn.kernels.cuda.array import from_host  # noqa: E402
from minifcn.kernels.cuda.conv import choice, geometry  # noqa: E402
from minifcn.kernels.cuda.lang import SIMULATED  # noqa: E402

NAMES = ("conv2d", "conv_transpose2d", "conv2d_weight", "matmul")
#: Bias and ReLU alone go the way of both together.
PLAIN = [
    case
    for case in CASES
    if case.kernel in NAMES and case.algorithm == "direct" and not case.label.endswith((", bias", "d, relu"))
]

#: Window, size, batch, channels in and out, groups: tiles of tensor cores that overhang, taps that do, borders.
TENSOR_CORES = {
    "1x1": (Window((1, 1)), (3, 5), 1, 8, 8, 1),
    "same, two images": (Window((3, 3), (1, 1), (1, 1)), (3, 2), 2, 4, 8, 1),
    "channels past a slab": (Window((2, 1)), (3, 2), 1, 20, 20, 1),
    "stride": (Window((3, 2), (2, 3), (1, 0)), (5, 5), 1, 4, 4, 1),
    "2x2, stride 2": (Window((2, 2), (2, 2)), (5, 4), 1, 8, 4, 1),
    "groups": (Window((1, 3), (1, 1), (0, 1)), (2, 4), 1, 8, 16, 2),
    "stride and dilation": (Window((3, 3), (2, 3), (2, 1), (3, 2)), (6, 7), 1, 4, 4, 1),
}


def on_device(name, *arguments):
    """The kernel's answer on the GPU, on the host."""
    function = getattr(linear if name == "matmul" else conv, name)
    return function(*[from_host(a) if isinstance(a, np.ndarray) else a for a in arguments]).to_host()


@pytest.fixture
def tensor_cores(monkeypatch):
    monkeypatch.setattr(choice, "simulated_tensor_cores", True)


@pytest.fixture
def tf32(tensor_cores):
    before = choice.allow_tf32()
    choice.set_allow_tf32(True)
    yield
    choice.set_allow_tf32(before)


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_ordinary_multiplications(case):
    for dtype in (np.float32,) if SIMULATED else (np.float32, np.float64):
        arguments = case.arguments(Draw(dtype))
        expected = getattr(reference, case.kernel)(*arguments)
        with forcing("direct"):
            assert_close(on_device(case.kernel, *arguments), expected, case.terms, context=str(case))


@pytest.mark.parametrize("label", ["stride and dilation", "one channel, bias, relu", "depthwise"])
def test_double(label):
    for case in PLAIN:
        if case.label == label:
            arguments = case.arguments(Draw(np.float64))
            expected = getattr(reference, case.kernel)(*arguments)
            assert_close(on_device(case.kernel, *arguments), expected, case.terms, context=str(case))


def calls(label):
    """The three calls of a row of TENSOR_CORES, with how many terms they sum."""
    window, size, N, C, K, groups = TENSOR_CORES[label]
    output_size = conv_size(size, window)
    draw = Draw(np.float32)
    x, y = draw.normal(N, *size, C), draw.normal(N, *output_size, K)
    weight = draw.normal(*window.kernel_size, C // groups, K)
    taps = window.kernel_size[0] * window.kernel_size[1]
    yield "conv2d", (x, weight, draw.normal(K), window, groups, output_size, True), taps * C // groups
    yield "conv_transpose2d", (y, weight, None, window, groups, size, False), taps * K // groups
    yield "conv2d_weight", (x, y, window, groups), N * output_size[0] * output_size[1]


@pytest.mark.parametrize("label", TENSOR_CORES)
def test_tensor_cores_are_as_exact_as_float32(label, tensor_cores):
    for name, arguments, terms in calls(label):
        exact = getattr(reference, name)(*[in_double(a) for a in arguments])
        assert_close(on_device(name, *arguments), exact.astype(np.float32), terms, context=f"{name} {label}")


@pytest.mark.parametrize("label", ["same, two images", "2x2, stride 2"])
def test_tf32_is_what_rounded_operands_give(label, tf32):
    for name, arguments, terms in calls(label):
        # Biases are not rounded, and in these cases rounding them would be noticed.
        rounded = [
            in_double(tf32_of(a)) if isinstance(a, np.ndarray) and a.ndim == 4 else in_double(a) for a in arguments
        ]
        exact = getattr(reference, name)(*rounded)
        assert_close(on_device(name, *arguments), exact.astype(np.float32), terms, context=f"{name} {label}")


def in_double(argument):
    return argument.astype(np.float64) if isinstance(argument, np.ndarray) else argument


def tf32_of(x):
    """Rounded to 10 bits of mantissa, ties away from zero."""
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


@pytest.mark.parametrize("allowed", [False, True])
def test_nan_stays_nan(allowed, tensor_cores, tf32):
    choice.set_allow_tf32(allowed)
    x, weight = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 3, 4, 4), np.float32)
    for bits in (0x7FFFFFFF, 0x7FC00000):  # the hardware's own NaN, and NumPy's
        x.view(np.uint32)[0, 0, 0, 1] = bits
        got = on_device("conv2d", x, weight, None, Window((1, 3), padding=(0, 1)), 1, (1, 4), True)
        assert np.isnan(got[0, 0, :2]).all()
        assert not np.isnan(got[0, 0, 2:]).any()


@pytest.mark.parametrize("cores", [False, True])
def test_divided_contraction(cores, monkeypatch):
    """As if there were more multiprocessors than tiles: several blocks to a sum, then bias and ReLU."""
    monkeypatch.setattr(choice, "simulated_tensor_cores", cores)
    info = choice.driver.info()._replace(multiprocessors=3)
    monkeypatch.setattr(choice.driver, "info", lambda: info)
    monkeypatch.setattr(choice, "_LAUNCH", 0)
    for name in ("_plan_ffma", "_plan_mma", "_weight_ffma", "_weight_mma"):  # without what they remember
        monkeypatch.setattr(choice, name, getattr(choice, name).__wrapped__)
    draw = Draw(np.float32)
    window = Window((1, 1))
    x, weight, bias = draw.normal(1, 2, 2, 256), draw.normal(1, 1, 256, 4), draw.normal(4)
    plans = []
    for function in ("plan", "weight_plan"):
        original = getattr(choice, function)
        monkeypatch.setattr(conv.launch, function, lambda *a, f=original: plans.append(f(*a)) or plans[-1])
    arguments = x, weight, bias, window, 1, (2, 2), True
    assert_close(on_device("conv2d", *arguments), reference.conv2d(*arguments), 256)
    arguments = draw.normal(1, 8, 16, 4), draw.normal(1, 8, 16, 4), window, 1
    assert_close(on_device("conv2d_weight", *arguments), reference.conv2d_weight(*arguments), 128)
    assert not SIMULATED or all(plan.shares > 1 for plan in plans)


def test_results_repeat():
    for name, arguments, _ in calls("same, two images"):
        assert np.array_equal(on_device(name, *arguments), on_device(name, *arguments))


@pytest.mark.parametrize(
    ("k", "s", "padding", "d"), [(3, 1, 1, 1), (3, 2, 1, 1), (2, 3, 0, 1), (4, 4, 2, 2), (3, 6, 1, 4)]
)
def test_phases_meet_every_tap_once(k, s, padding, d):
    """The rows that the phases pair are those of x[i·s + r·d − padding] += y[i] · w[r]."""
    expected = {(i * s + r * d - padding, i, r) for i in range(-20, 30) for r in range(k)}
    found = set()
    for phase in geometry.transposed_phases(k, s, padding, d):
        for position in range(10):
            for tap in range(phase.taps):
                found.add(
                    (
                        phase.first_output + position * phase.output_step,
                        position * phase.stride + phase.first_row + tap * phase.row_step,
                        phase.first_tap + tap * phase.tap_step,
                    )
                )
    assert found == {triple for triple in expected if 0 <= triple[0] < 10 * s}
