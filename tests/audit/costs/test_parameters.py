"""Counts of parameters, against the lecture's and published numbers, and the ways in which layers can share them."""

import numpy as np
import pytest

from minifcn import nn
from minifcn.audit import Subject, parameters
from minifcn.models import PangCNN, SegNet, UNet
from minifcn.nn import Parameter
from minifcn.nn.init import skipped


def _formulas(module):
    return [layer.formula for layer in parameters(module).layers]


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (nn.Conv2d(3, 8, (3, 5)), "(3·5·3 + 1)·8 = 368"),
        (nn.Conv2d(4, 6, 3, groups=2), "(3·3·2 + 1)·6 = 114"),
        (nn.Conv2d(1, 8, 1, bias=False), "1·1·1·8 = 8"),
        (nn.Conv2d(1, 1, 1, bias=False), "1·1·1 = 1"),
        (nn.ConvTranspose2d(6, 4, 2, groups=2), "(2·2·3 + 1)·4 = 52"),
        (nn.Linear(5, 3), "(5 + 1)·3 = 18"),
        (nn.Linear(5, 1, bias=False), "5"),
        (nn.BatchNorm2d(7), "2·7 = 14"),
    ],
)
def test_formulas(layer, formula):
    report = parameters(layer)
    assert [found.formula for found in report.layers] == [formula]
    assert report.learnt == sum(parameter.size for parameter in layer.parameters())


def test_pang_is_counted_as_in_the_lecture():
    d = 8
    report = parameters(PangCNN(1, 1, maps=d))
    assert [layer.learnt for layer in report.layers] == [(9 + 1) * d, (9 * d + 1) * d, (9 * d + 1) * d, 9 * d + 1]


def test_28_million():
    """31,030,658 with everything, and the lecture's 28 million without the up-convolutions."""
    with skipped():
        report = parameters(UNet(1, 2, base=64))
    assert report.by_kind == {"convolution": 28_244_418, "transposed convolution": 2_786_240}
    counts, lecture = report.notes()[-2:]
    assert counts.endswith("28,244,418 without transposed convolutions.")
    assert "The lecture's 28 million" in lecture
    assert "2,786,240 more" in lecture
    assert report.bytes == 4 * 31_030_658
    assert not any("28 million" in note for note in parameters(UNet(1, 2, base=1)).notes())


def test_batch_norm_learns_two_numbers_a_channel_and_measures_two():
    with skipped():
        report = parameters(SegNet(3, 11))
    assert (report.learnt, report.buffers) == (29_433_483 + 15_872, 15_872)
    assert any("29,433,483 without batch norms" in note for note in report.notes())


def test_frozen_parameters_are_fixed_not_learnt():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 2, 4, bias=False))
    net[1].requires_grad_(False)
    report = parameters(net)
    assert (report.learnt, report.fixed, report.by_kind) == (20, 64, {"convolution": 20})
    assert any("require a gradient" in note for note in report.notes())


def test_shared_parameters_count_once():
    class Tied(nn.Module):
        def __init__(self):
            self.first = nn.Conv2d(2, 2, 3)
            self.again = self.first  # the same layer
            self.other = nn.Conv2d(2, 2, 3)
            self.other.weight = self.first.weight  # the same weight, a bias of its own

    report = parameters(Tied())
    assert [(layer.layer, layer.learnt, layer.shared_with) for layer in report.layers] == [
        ("first", 38, ()),
        ("other", 2, ("first",)),
    ]
    assert report.learnt == sum(parameter.size for parameter in Tied().parameters())
    assert "other shares parameters with first; they are counted there." in report.notes()


def test_modules_of_ones_own():
    class Gate(nn.Module):
        def __init__(self):
            self.matrix, self.slope = Parameter(np.zeros((2, 3))), Parameter(np.zeros(()))

    class Pair(nn.Module):
        def __init__(self):
            self.a, self.b = Parameter(np.zeros(3)), Parameter(np.zeros(3))

    assert _formulas(Gate()) == ["2·3 + 1 = 7"]
    assert _formulas(Pair()) == ["2·3 = 6"]
    report = parameters(Gate())
    assert (report.layers[0].kind, report.layers[0].layer, report.bytes) == ("Gate", "", 56)
    assert "(itself)" in str(report)


def test_nothing_to_learn(tmp_path):
    report = parameters(nn.MaxPool2d(2))
    assert (report.learnt, report.layers) == (0, ())
    assert report.headline() == "MaxPool2d learns 0 numbers."
    assert all(path.stat().st_size > 0 for path in report.save(tmp_path))


def test_many_layers_share_bars(tmp_path):
    """150 layers in three groups: the figure shows groups."""
    report = parameters(nn.Sequential(*(nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(50))) for _ in range(3))))
    figure = report.figure()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["0", "1", "2"]


def test_the_subject_names_the_report():
    assert parameters(Subject(nn.Conv2d(1, 1, 1), name="mine")).subject == "mine"
