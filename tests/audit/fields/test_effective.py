"""Effective receptive fields: Luo's procedure, his law, and what is exact about uniform kernels."""

import json
import math

import numpy as np
import pytest

from minifcn import nn
from minifcn.audit import EffectiveField, effective_receptive_field, luo_law, receptive_field, uniform_deviation
from minifcn.audit.fields.effective import centre_gradient, fitted
from minifcn.audit.fields.luo import CASES, chain, draw_weights
from minifcn.models import UNet, create
from tests.tolerances import EPS


@pytest.mark.parametrize(("depth", "kernel"), [(1, 2), (1, 3), (4, 3), (9, 3), (3, 4), (2, 7)])
def test_uniform_kernels_spread_as_the_formula_says_to_rounding(depth, kernel):
    net = chain(depth, 1, kernel)
    draw_weights(net, None)
    side = depth * (kernel - 1) + 1
    gradient = centre_gradient(net, np.zeros((1, side, side, 1)))
    field = EffectiveField(gradient / gradient.max(), "", ((0, side - 1), (0, side - 1)))
    tolerance = 16 * depth * kernel**2 * EPS[np.dtype(np.float64)]
    assert field.spread == pytest.approx([uniform_deviation(depth, kernel)] * 2, rel=tolerance)
    assert field.centre == pytest.approx([(side - 1) / 2] * 2, rel=tolerance)
    assert gradient.sum() == pytest.approx(1.0, rel=tolerance)


def test_the_law():
    """Slopes of 20 runs of 16 channels, as measured once: 0.481, 0.531 and 0.535; few runs come within 0.05."""
    law = luo_law(runs=2, channels=8)
    for case, absolute, relative in zip(CASES, (0.481, 0.531, 0.535), (-0.481, -0.431, -0.427), strict=True):
        assert law.slopes(case) == pytest.approx((absolute, relative), abs=0.05)
    assert law.deviations == pytest.approx([uniform_deviation(n) for n in law.depths], rel=1e-12)
    assert "slope of the share" in str(law)


def test_the_law_is_reproducible_and_saved(tmp_path):
    one, other = (luo_law((2, 4), channels=2, runs=1, seed=3) for _ in range(2))
    assert one.sizes == other.sizes
    (file, picture) = one.save(tmp_path)
    assert json.loads(file.read_text())["uniform_deviation_formula_pixels"] == [
        uniform_deviation(2),
        uniform_deviation(4),
    ]
    assert picture.stat().st_size > 0


def test_an_exact_gaussian_is_fitted_exactly():
    x = np.arange(60.0)
    bell = np.exp(-((x - 31.5) ** 2) / (2 * 4.25**2))
    assert fitted(bell).sigma == pytest.approx(4.25)
    field = EffectiveField(np.outer(bell, bell) / bell.max() ** 2, "", ((0, 59), (0, 59)))
    within = math.sqrt(-2 * math.log(1 - 0.9545)) * 4.25  # the radius at which it has fallen to the threshold
    assert field.size == pytest.approx(math.sqrt(math.pi) * within, rel=0.02)
    assert field.share == field.size / 60


@pytest.mark.parametrize("profile", [[1.0], [0, 0, 1, 0, 0], [1.0, 1.0, 1.0]])
def test_too_little_to_fit(profile):
    assert math.isnan(fitted(np.array(profile, float)).sigma)


def mean_spread(net, random, runs=6):
    side = receptive_field(net).size[0]
    side += -side % 2
    total = 0.0
    for _ in range(runs):
        draw_weights(net, random)
        gradient = centre_gradient(net, random.standard_normal((1, side, side, 4)))
        total = total + gradient / gradient.max()
    return EffectiveField(total / total.max(), "", ((0, 0), (0, 0))).spread[0]


class Skips(nn.Module):
    def __init__(self, layers):
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x)
        return x


def test_subsampling_and_dilation_enlarge_it_and_skips_shrink_it():
    def convolutions(count, **options):
        return [nn.Conv2d(4, 4, 3, bias=False, padding="same", **options) for _ in range(count)]

    plain = mean_spread(nn.Sequential(*convolutions(6)), np.random.default_rng(0))
    pooled = nn.Sequential(*convolutions(3), nn.AvgPool2d(2), *convolutions(3))
    assert mean_spread(pooled, np.random.default_rng(0)) > plain
    assert mean_spread(nn.Sequential(*convolutions(6, dilation=2)), np.random.default_rng(0)) > plain
    assert mean_spread(Skips(convolutions(6)), np.random.default_rng(0)) < plain


def test_a_report_before_and_after_training():
    def fresh(number):
        from minifcn import random

        random.manual_seed(number)
        return UNet(1, 2, base=4, depth=1)

    report = effective_receptive_field(fresh(9), fresh=fresh, runs=2)
    assert [field.label for field in report.fields] == ["before training", "after training"]
    assert all(field.theoretical_size == 18 for field in report.fields)
    assert all(0 < field.share <= 1 and field.map.max() == 1 for field in report.fields)
    assert json.loads(report.to_json())["fields"][1]["label"] == "after training"
    assert report.figure() is not None


def test_nothing_weighs_outside_the_theoretical_field():
    (field,) = effective_receptive_field(UNet(1, 2, base=4, depth=1, padding="valid").astype("float64")).fields
    (top, bottom), (left, right) = field.theoretical
    outside = field.map.copy()
    outside[top : bottom + 1, left : right + 1] = 0
    assert outside.max() < 1e-12  # Winograd's rounding errors


def test_images_are_cropped_or_mirrored_and_windows_become_images():
    net = create("ciresan-n3", in_channels=1, classes=2, maps=2, hidden=2)
    report = effective_receptive_field(net, np.random.default_rng(0).random((2, 20, 90, 1)), runs=1)
    assert report.images == "crops of 2 image(s)"
    assert report.fields[0].theoretical_size == 60


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: luo_law((5,)), "luo_law: needs two depths at least"),
        (lambda: luo_law((2, 3), runs=0), "positive numbers and a kernel of 2 or more"),
        (lambda: effective_receptive_field(nn.Conv2d(1, 1, 3), runs=0), "runs must be at least 1, got 0"),
        (lambda: effective_receptive_field(nn.Conv2d(1, 1, 3), np.zeros((4, 4, 1))), r"images must be \(N, H, W, 1\)"),
        (
            lambda: effective_receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten())),
            "and no map .1, P, Q, K",
        ),
        (lambda: effective_receptive_field(dead()), "no gradient of the output.s centre reaches the image"),
    ],
)
def test_what_cannot_be_measured_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def dead():
    net = nn.Conv2d(1, 1, 3)
    net.weight.data[...] = 0.0
    return net
