"""Borders: where errors end, beside the theory."""

import json

import numpy as np
import pytest

from minifcn import functional as F
from minifcn import nn
from minifcn.audit import borders
from minifcn.audit.subject import Subject
from minifcn.models import CiresanN3, PangCNN, UNet

MODES = ["own padding", "reflect", "replicate", "zeros"]


def errors_of(module, **options):
    report = borders(module, random_weights=True, **options)
    assert [error.mode for error in report.errors] == MODES
    return report.errors


def test_a_u_net_of_depth_4_is_exact_from_the_95th_pixel():
    own, *others = errors_of(UNet(1, 2, base=2))
    assert own.first_zero == own.theory == 95
    assert own.distances.tolist() == list(range(1, 129))
    assert all(error.first_zero == 95 and error.largest[0] > 0.0 for error in others)


@pytest.mark.parametrize(
    ("net", "first"),
    [
        (PangCNN(1, 2), 5),  # four convolutions of 3 x 3
        (nn.Conv2d(1, 1, 7, padding=3), 4),
        (nn.Conv2d(1, 1, (7, 1), padding=(3, 0)), 4),
        (
            nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ConvTranspose2d(4, 1, 2, stride=2)),
            3,
        ),  # two pixels of the first
    ],
)
def test_theory_and_measurement_agree(net, first):
    own, *others = errors_of(net)
    assert own.theory == own.first_zero == first
    assert own.largest[0] > 0.0
    assert own.beyond == 0.0
    assert own.band > 0.0
    assert {error.first_zero for error in others} == {first}


@pytest.mark.parametrize("net", [UNet(1, 2, base=2, depth=2, padding="valid"), CiresanN3(1, 2, **CiresanN3.narrow)])
def test_without_padding_there_is_no_error_and_no_answer_at_the_border(net):
    own, *others = errors_of(net)
    assert not own.largest.any()
    assert own.distances[0] == own.first_zero == own.theory > 1
    for error in others:  # which answer every pixel
        assert error.distances[0] == 1
        assert error.first_zero == own.distances[0]
        assert error.largest[0] > 0.0


def test_without_a_border_there_is_no_error():
    for error in errors_of(nn.Conv2d(1, 2, 1)):
        assert (error.first_zero, error.theory, error.band) == (1, 1, 0.0)


def test_a_network_that_knows_where_pixels_are_is_exact_nowhere():
    report = borders(UNet(1, 2, base=4, depth=1, coordinates=True), random_weights=True)
    assert report.errors[0].first_zero is None
    assert report.errors[0].beyond > 1e-6
    assert "nowhere exactly 0" in report.headline()
    assert "Does it know where they are" in str(report)
    assert report.errors[1].beyond == 0.0  # the large image has the same coordinates, whatever surrounds the window


def test_the_error_of_a_known_convolution():
    """Mean of 3 pixels along rows: padding by zeros misses x / 3, where x lies beyond the border."""
    net = nn.Conv2d(1, 1, (3, 1), padding=(1, 0), bias=False)
    net.weight.data[...] = np.full((3, 1, 1, 1), 1 / 3, np.float32)
    image = np.ones((200, 200, 1))
    image[::2] = 3.0
    image[:, ::3] += 1.0  # not the same everywhere
    own, reflect, replicate, zeros = borders(net, image=image).errors
    # Rows are 3 and 1 by turns, so that mirroring is right, and what is repeated is wrong by 2 / 3.
    truth = max(3 + 1 + 3, 4 + 2 + 4) / 3
    assert reflect.largest[0] == 0.0
    np.testing.assert_allclose(replicate.largest[0], 2 / 3 / truth, rtol=1e-6)
    assert own.largest[0] == zeros.largest[0]
    assert 1 / 3 / truth < own.largest[0] < 4.001 / 3 / truth


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x * F.mean(x, (1, 2), keepdims=True), "it depends on the whole image, or does not shift with it"),
        (lambda x: F.mean(x, (1, 2)), r"must give a map \(1, P, Q, K\)"),
    ],
)
def test_networks_without_a_border_are_told_so(function, message):
    class Function(nn.Module):
        def __init__(self):
            self.first = nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, x):
            return function(self.first(x))

    with pytest.raises(ValueError, match=message):
        errors_of(Function())


def test_a_module_that_takes_one_size_has_no_surroundings():
    class OneSize(nn.Conv2d):
        def forward(self, x):
            if x.shape[1] != 64:
                raise ValueError("64 rows, please")
            return super().forward(x)

    with pytest.raises(ValueError, match="takes images of 64 pixels a side, and none that is larger"):
        errors_of(OneSize(1, 1, 3, padding=1))


def test_a_small_image_is_refused():
    with pytest.raises(ValueError, match=r"the image has 20 x 50; give a larger one"):
        borders(Subject(nn.Conv2d(1, 1, 3, padding=1)), image=np.zeros((20, 50, 1)))


def test_the_report_is_saved(tmp_path):
    report = borders(PangCNN(1, 2), random_weights=True)
    text, picture = report.save(tmp_path)
    facts = json.loads(text.read_text())
    assert [entry["first_zero_pixels"] for entry in facts["borders"]] == [5, 5, 5, 5]
    assert len(facts["borders"][0]["mean_error"]) == facts["window_pixels"] // 2
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "exactly 0 from pixel 5 on" in str(report)
