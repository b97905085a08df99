"""Costs of whole networks, on a machine of round numbers."""

import numpy as np
import pytest

from minifcn import nn
from minifcn.audit import Subject, cost
from minifcn.limits import Limits, measure
from minifcn.models import CiresanN3, PangCNN, UNet
from minifcn.nn.init import skipped

ROUND = Limits(matmul=1e9, direct=1e9, winograd=1e9, bandwidth=1e9, launch=1e-6, threads=1)


def _cost(module, size, **options):
    return cost(module, size, **{"measure": False, "limits": ROUND, **options})


def test_pang_by_hand():
    """28 x 28 pixels: 9 d, 9 d d, 9 d d and 9 d multiplications each, for d = 8."""
    report = _cost(PangCNN(1, 1), 28)
    by_layer = [layer.multiplications for layer in report.layers if layer.multiplications]
    assert by_layer == [28 * 28 * 9 * n for n in (8, 64, 64, 8)]
    used = [layer.used for layer in report.layers if layer.multiplications]  # 7 x 7 tiles; one channel: the direct sum
    assert used == [28 * 28 * 9 * 8, 49 * 36 * 64, 49 * 36 * 64, 49 * 36 * 8]


def test_unet_at_572_by_the_sizes_of_its_paper():
    """Side, channels in and channels out of every map of figure 1."""
    blocks = [(570, 1, 64), (568, 64, 64), (282, 64, 128), (280, 128, 128), (138, 128, 256), (136, 256, 256)]
    blocks += [(66, 256, 512), (64, 512, 512), (30, 512, 1024), (28, 1024, 1024), (54, 1024, 512), (52, 512, 512)]
    blocks += [(102, 512, 256), (100, 256, 256), (198, 256, 128), (196, 128, 128), (390, 128, 64), (388, 64, 64)]
    expected = sum(9 * side**2 * c * k for side, c, k in blocks) + 388**2 * 64 * 2
    expected += sum(4 * side**2 * c * c // 2 for side, c in [(28, 1024), (52, 512), (100, 256), (196, 128)])
    with skipped():
        report = _cost(UNet(1, 2, base=64, padding="valid"), 572)
    assert report.total("multiplications") == expected


def test_the_walk_back_takes_twice_the_forward():
    """Gradients to image and weight are as many; the image itself gets none."""
    report = _cost(nn.Sequential(nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 1)), (3, 8, 8), training=True)
    forward, pixels = {}, 3 * 8 * 8
    for layer in report.layers:
        forward[layer.layer, layer.backward] = layer.multiplications
    assert forward["0", False] == forward["0", True] == pixels * 8
    assert forward["1", True] == 2 * forward["1", False]
    assert any("no optimiser" in note for note in report.notes())
    assert "direction" in str(report)


def test_the_forecast_is_the_longer_of_the_two():
    """A 1 x 1 convolution of many channels computes; one of few moves."""
    wide, narrow = nn.Conv2d(64, 64, 1, bias=False), nn.Conv2d(1, 1, 1, bias=False)
    (layer,) = _cost(wide, 10).layers
    assert (layer.compute_seconds, layer.memory_seconds) == (pytest.approx(100 * 64 * 64 / 1e9), 0)
    (layer,) = _cost(narrow, 10).layers
    assert (layer.compute_seconds, layer.memory_seconds) == (0, pytest.approx(4 * 201 / 1e9))
    assert layer.launch_seconds == 1e-6
    assert layer.seconds == pytest.approx(1e-6 + 804e-9)


def test_measuring_leaves_the_network_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    before = {name: array.copy() for name, array in net.state_dict().items()}
    report = _cost(net, 4, training=True, measure=True)
    assert report.measured_seconds > 0
    assert report.ratio == report.measured_seconds / report.seconds
    assert "times the forecast" in report.headline()
    assert all(np.array_equal(before[name], array) for name, array in net.state_dict().items())
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("size", "limits", "message"),
    [
        (64, Limits(1, 1, 1, 1, 1, 1), "or more a run; give a smaller size"),
        (300_000, Limits(1e30, 1e30, 1e30, 1e30, 0, 1), "of memory; give a smaller size"),
    ],
)
def test_what_takes_too_long_or_too_much_is_not_measured(size, limits, message):
    report = cost(nn.Conv2d(1, 1, 1), size, limits=limits)
    assert report.measured_seconds is None
    assert report.ratio is None
    assert message in str(report)


@pytest.mark.parametrize("size", [np.int64(8), (np.int64(8), 8), (1, 8, 8)])
def test_sizes_may_be_numpys(size):
    assert _cost(nn.Conv2d(1, 1, 1), size).images == (1, 8, 8, 1)


def test_outputs_that_are_no_maps(tmp_path):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    report = _cost(net, 4, training=True, measure=True)
    assert report.images == (1, 4, 4, 1)
    assert {"matmul"} <= {kernel for layer in report.layers for kernel in layer.kernels}
    assert all(path.stat().st_size > 0 for path in report.save(tmp_path))


def test_a_network_that_multiplies_nothing(tmp_path):
    report = _cost(Subject(nn.MaxPool2d(2), channels=3), (4, 6), measure=True)
    assert (report.total("multiplications"), report.images) == (0, (1, 4, 6, 3))
    assert report.facts()["forward"]["bytes"] > 0
    assert all(path.stat().st_size > 0 for path in report.save(tmp_path))


def test_classifiers_of_windows_take_windows_or_images():
    net = CiresanN3(1, 2, maps=1, hidden=2)
    assert (_cost(net, 65).windows, _cost(net, 70).images) == ("", (1, 70, 70, 1))
    assert "classifies windows of 65 x 65 pixels" in str(_cost(net, 70))


def test_a_size_that_is_not_legal_is_an_error():
    with pytest.raises(ValueError, match="not a legal size"):
        _cost(UNet(1, 2, base=1), 17)
    with pytest.raises(ValueError, match="size must be"):
        _cost(nn.Conv2d(1, 1, 1), (1, 2, 3, 4))


def test_limits_of_this_machine():
    found = measure()
    assert min(found.matmul, found.direct, found.winograd, found.bandwidth) > 1e6
    assert 0 < found.launch < 1


@pytest.mark.parametrize(("speed", "far"), [(1e30, True), (1e3, False)])
def test_a_forecast_that_is_far_off_is_explained(speed, far):
    limits = Limits(matmul=speed, direct=speed, winograd=speed, bandwidth=speed, launch=0.0, threads=1)
    report = cost(nn.Conv2d(1, 1, 3), size=8, limits=limits)
    assert (report.ratio > 3.0) == far
    assert any("more than 3 times the forecast" in note for note in report.notes()) == far
