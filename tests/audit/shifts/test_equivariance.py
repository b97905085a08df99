"""Equivariance against what is known of layers and networks."""

import json

import numpy as np
import pytest

from minifcn import functional as F
from minifcn import nn
from minifcn.audit import equivariance, lecture_table
from minifcn.audit.shifts.equivariance import in_words
from minifcn.audit.subject import Subject
from minifcn.models import CiresanN3, PangCNN, UNet


class Function(nn.Module):
    """A convolution, and what a function makes of its map."""

    def __init__(self, function=lambda x: x, stride=1):
        self.first, self.function = nn.Conv2d(1, 2, 3, stride, padding=1), function

    def forward(self, x):
        return self.function(self.first(x))


def measured(module, channels=None, **options):
    return equivariance(Subject(module, channels=channels), random_weights=True, **options)


@pytest.mark.parametrize(
    ("layer", "general", "strict"),
    [
        (nn.Conv2d(2, 2, 3, padding=1), (1, 1), (1, 1)),
        (nn.Conv2d(2, 2, 3, stride=(3, 1)), (3, 1), None),
        (nn.MaxPool2d(2), (2, 2), None),
        (nn.MaxPool2d(2, stride=1), (1, 1), (1, 1)),
        (nn.MaxBlurPool2d(2), (2, 2), None),
        (nn.ConvTranspose2d(2, 2, 2, stride=2), (1, 1), None),
        (nn.Upsample(scale_factor=3), (1, 1), None),
        (nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2)), (2, 2), (2, 2)),
        (nn.Sequential(nn.MaxPool2d(3), nn.Upsample(scale_factor=2)), (3, 3), None),
    ],
)
def test_layers_in_both_senses(layer, general, strict):
    report = measured(layer, channels=2)
    assert report.step() == general
    assert report.step(strict=True) == strict
    multiples = [s for s in report.shifts if s.rows % general[0] == 0 and s.columns % general[1] == 0]
    assert len(multiples) > 1
    assert all(shift.general == (0.0, 0.0) for shift in multiples)


@pytest.mark.parametrize(
    ("net", "step"),
    [
        (UNet(1, 2, base=2, depth=2), 4),
        (UNet(1, 2, base=2, depth=1, padding="valid"), 2),
        (UNet(1, 2, base=2, depth=2, down="stride", up="bilinear"), 4),
        (PangCNN(1, 2), 1),
        (CiresanN3(1, 2, **CiresanN3.narrow), 1),  # the network for images, which answers every pixel
    ],
)
def test_networks_are_equivariant_to_multiples_of_their_stride_and_to_no_other_shifts(net, step):
    report = measured(net, full=False)
    assert report.step() == (step, step)
    # A transition within the noise of a dead network would show as small errors; these are not.
    others = [shift.general.largest for shift in report.shifts if shift.rows % step or shift.columns % step]
    assert all(error > 1e-6 for error in others)


@pytest.mark.parametrize(
    "net",
    [
        UNet(1, 2, base=2, depth=1, coordinates=True),
        Function(lambda x: x * F.sigmoid(F.mean(x, (1, 2), keepdims=True))),
        Function(lambda x: F.upsample_bilinear(x, scale_factor=2, align_corners=True)),
    ],
)
def test_networks_that_are_not_equivariant_at_all(net):
    report = measured(net)
    assert report.step() is None
    assert "equivariant to no shift" in report.headline()


def test_operations_that_tell_no_shift_are_compared_in_the_middle():
    report = measured(Function(lambda x: x + 0.0 * F.mean(x, (1, 2), keepdims=True)))
    assert not report.known
    # Its operations could mix the whole image, and its numbers show that they do not.
    assert report.step() == (1, 1)
    assert report.worst() < 1e-13
    assert "the middle half was compared" in str(report)


def test_the_subject_keeps_its_weights_and_its_type():
    net = UNet(1, 2, base=1, depth=1)
    before = net.state_dict()
    measured(net)
    assert all(array.dtype == np.float32 and (array == before[name]).all() for name, array in net.state_dict().items())
    assert net.training


def test_same_seed_same_numbers_and_another_seed_others():
    net = UNet(1, 2, base=2, depth=1)
    assert measured(net).to_json() == measured(net).to_json()
    assert measured(net).to_json() != measured(net, seed=1).to_json()


def test_blurring_makes_errors_smaller_and_leaves_some():
    report = measured(UNet(1, 2, base=4, depth=2), blur=True, full=False)
    before, after = (
        [s.general.rms for s in r.shifts if s.rows % 4 and s.columns % 4] for r in (report, report.blurred)
    )
    assert 0.0 < np.mean(after) < np.mean(before)
    assert report.blurred.step() == (4, 4)
    assert "With BlurPool" in report.headline()
    assert "RMS, BlurPool" in report.table().headings


def test_own_weights_and_a_given_image():
    net = nn.Conv2d(1, 1, 3, padding=1)
    net.weight.data[...] = np.zeros((3, 3, 1, 1), np.float32)
    with pytest.raises(ValueError, match=r"does not change with the image.*draw random weights instead"):
        equivariance(net)
    net.weight.data[...] = np.ones((3, 3, 1, 1), np.float32)
    image = np.random.default_rng(3).random((60, 50, 1))
    assert equivariance(net, image=image).step() == (1, 1)
    with pytest.raises(ValueError, match=r"pixels are needed to be free of borders, and the image has 8 x 50"):
        equivariance(net, image=image[:8])
    with pytest.raises(ValueError, match=r"the image must be \(H, W, 1\), as the network takes it; got \(60, 50\)"):
        equivariance(net, image=image[..., 0])


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Function(lambda x: F.mean(x, (1, 2))), r"must give a map \(1, P, Q, K\).*its output is of shape \(1, 2\)"),
        (Function(lambda x: (x, x)), "its output is a tuple"),
        (Function(lambda x: F.mean(x, (1, 2), keepdims=True)), "gives a map of 1 x 1 .* too little to compare"),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), "Linear|linear"),
    ],
)
def test_what_has_no_map_is_refused(module, message):
    with pytest.raises(ValueError, match=message):
        measured(module, channels=1)


def test_units_that_are_all_dead_are_reported():
    with pytest.raises(ValueError, match="make it wider"):
        measured(Function(lambda x: F.relu(-x * x)))


@pytest.mark.parametrize(
    ("net", "full", "reach", "every"),
    [
        (UNet(1, 2, base=1, depth=1), None, 4, True),
        (UNet(1, 2, base=1, depth=1), False, 4, False),
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(9)), None, 9, False),
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(9)), True, 9, True),
    ],
)
def test_all_shifts_or_those_of_the_axes(net, full, reach, every):
    report = measured(net, full=full)
    pairs = {(i, j) for i in range(reach + 1) for j in range(reach + 1)}
    expected = pairs if every else {(i, j) for i, j in pairs if i == 0 or j == 0 or i == j}
    assert {(shift.rows, shift.columns) for shift in report.shifts} == expected


def test_progress_is_told_of_every_shift():
    seen = []

    def track(items):
        for item in items:
            seen.append(item)
            yield item

    report = measured(nn.MaxPool2d(2), 1, track=track)
    assert seen == [(shift.rows, shift.columns) for shift in report.shifts]


def test_the_lectures_table_and_its_quiz():
    table = lecture_table()
    asked = {row.name: (row.answer, row.lecture) for row in table.rows if row.lecture}
    assert all(answer == lecture for answer, lecture in asked.values())
    assert [name for name, (answer, _) in asked.items() if answer == "no"] == ["max-pooling 2 x 2, stride 2"]
    assert all(row.measured.worst() == 0.0 for row in table.rows if row.answer == "yes")
    enlarging = [row for row in table.rows if row.measured.periods[0][0] < row.measured.periods[0][1]]
    assert len(enlarging) == 4
    assert all(row.measured.step(strict=True) is None for row in enlarging)
    assert "max-pooling 2 x 2, stride 2 (error up to" in table.headline()
    assert "confirmed" in table.headline()


def test_reports_are_saved(tmp_path):
    report = measured(UNet(1, 2, base=2, depth=1), blur=True)
    text, picture = report.save(tmp_path, "u-")
    facts = json.loads(text.read_text())
    assert facts["period_pixels"] == facts["equivariant_to_multiples_of_pixels"] == [2, 2]
    assert len(facts["shifts"]) == len(facts["blurred"]["shifts"]) == 25
    assert picture.read_bytes()[:4] == b"\x89PNG"
    lecture_table().save(tmp_path)


def test_shifts_in_words():
    assert [in_words(step) for step in (None, (1, 1), (4, 4), (1, 2))] == [
        "no shift",
        "all shifts",
        "shifts in 4 Z²",
        "shifts in 1 Z × 2 Z",
    ]
