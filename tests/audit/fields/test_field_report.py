"""The report of receptive fields: the lecture's numbers, held against gradients, for any module."""

import json
import sys

import numpy as np
import pytest

from minifcn import functional as F
from minifcn import nn
from minifcn.audit import gradient_support, receptive_field, receptive_field_report
from minifcn.audit.subject import Subject
from minifcn.models import FCN32s, PangCNN, SegNetBasic, UNet, create


def fields(report):
    return {layer.path: layer.field.sizes for layer in report.layers[0]}


def test_unet_layer_by_layer():
    report = receptive_field_report(UNet(1, 2, base=1, padding="valid"), check=False)
    assert set(fields(report)["bottom.2"]) == {140}
    assert sorted(set(fields(report)["head"])) == [188, 204]
    assert report.headline() == (
        "unet: an output pixel sees 188 or 204 rows and 188 or 204 columns of pixels; total stride 16"
    )
    assert report.table().rows[4] == ["4", "0", "203", "204", ""]


def test_fcn_32s_sees_404_in_its_scores_and_436_in_its_output():
    found = fields(receptive_field_report(FCN32s(1, 2, base=1, hidden=1), check=False))
    assert (set(found["fc6"]), set(found["upscore"])) == ({404}, {436})


def test_layers_that_change_nothing_are_left_out_but_not_the_output():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.MaxPool2d(2), nn.ReLU())
    layers = receptive_field_report(net, check=False).layers[0]
    assert [(layer.path, layer.kind, layer.field.size) for layer in layers] == [
        ("0", "Conv2d", 3),
        ("3", "MaxPool2d", 4),
        ("4", "ReLU", 4),
    ]


class Odd(nn.Module):
    """Strides of 3 down and up, dilation, and a skip; its output is larger than its name says."""

    def __init__(self):
        self.down = nn.Conv2d(2, 3, (3, 5), stride=3, padding=(1, 2))
        self.inside = nn.Conv2d(3, 3, 3, padding=2, dilation=2)
        self.up = nn.ConvTranspose2d(3, 2, 3, stride=3)

    def forward(self, x):
        y = self.up(self.inside(self.down(x)))
        return F.concatenate([y, F.crop(x, (y.shape[1], y.shape[2]))]) * 2.0


NETWORKS = {
    "unet": lambda: UNet(1, 2, base=1, padding="valid"),
    "fcn32s": lambda: FCN32s(1, 2, base=1, hidden=1),
    "dilation": lambda: nn.Sequential(nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 3, dilation=4)),
    "of windows": lambda: create("ciresan-n3", in_channels=1, classes=2, maps=2, hidden=2),
    "a user's own": Odd,
    "normalised": lambda: nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.Sigmoid()),
    **{f"pang {n}": lambda n=n: PangCNN(1, 2, hidden=n) for n in (1, 2, 3, 4)},
}
SIZES = {"unet": {188, 204}, "fcn32s": {436}, "dilation": {13}, "of windows": {60}, "a user's own": {15},
         "normalised": {3}, **{f"pang {n}": {2 * n + 3} for n in (1, 2, 3, 4)}}  # fmt: skip


@pytest.mark.parametrize("name", list(NETWORKS))
def test_gradients_reach_all_of_the_field_and_nothing_else(name):
    report = receptive_field_report(NETWORKS[name]())
    assert set(report.field.rows.sizes) == SIZES[name]
    assert {found.axis for found in report.support} == {"rows", "columns"}
    assert all(found.equal for found in report.support)
    assert "reach both ends" in str(report)


def test_gradients_through_unpooling_stay_inside():
    found = gradient_support(create("segnet-basic", in_channels=1, classes=2, **SegNetBasic.narrow), phases=2, draws=4)
    assert all(each.contained for each in found)
    assert all(each.rows > each.size // 2 for each in found)


def test_support_is_of_that_pixel_and_not_of_a_smaller_field():
    """A field claimed too small is found out; one claimed too large is not reached."""
    net = nn.Sequential(nn.Conv2d(1, 1, 5), nn.ReLU())
    small, large = (receptive_field(nn.Conv2d(1, 1, n), 12) for n in (3, 7))
    assert not any(found.contained for found in gradient_support(net, small))
    assert all(found.contained and not found.equal for found in gradient_support(net, large))


def test_what_gradients_skip_is_said():
    (rows, _) = gradient_support(nn.Conv2d(1, 1, 3, dilation=3))
    assert (str(rows), rows.equal) == ("7 of 7, 4 of them skipped", True)


def test_neither_weights_nor_mode_change():
    net = UNet(1, 2, base=1, depth=1, norm="batch")
    state = net.state_dict()
    receptive_field_report(net)
    assert net.training
    assert all(np.array_equal(state[name], array) and array.dtype == np.float32 for name, array in
               net.state_dict().items())  # fmt: skip


def test_a_network_that_sees_everything():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GlobalAvgPool2d(), nn.Linear(2, 3))
    report = receptive_field_report(net, (9, 12))
    text = str(report)
    assert "9 pixels of 9, of which none is surely free of the borders" in report.headline()
    assert "No output row is surely free" in text
    assert all(found.equal for found in report.support)
    assert report.figure() is not None


def test_rows_and_columns_that_differ_are_both_told():
    report = receptive_field_report(nn.Conv2d(1, 1, (3, 5), stride=(2, 1)), check=False)
    assert report.headline().endswith("3 rows and 5 columns of pixels; total stride 2 along rows, 1 along columns")
    assert [row[0] for row in report.table().rows] == ["rows", "columns"]
    assert "How it grows along columns" in str(report)


def test_facts_and_files(tmp_path):
    report = receptive_field_report(PangCNN(1, 2, hidden=1))
    facts = json.loads(report.to_json())
    assert facts["audit"] == "receptive-field"
    assert facts["axes"]["columns"]["phases_first_last"] == [[-2, 2]]
    assert [layer["sizes_pixels"] for layer in facts["axes"]["rows"]["layers"]] == [[3], [5]]
    assert all(found["equal"] for found in facts["support"])
    assert [path.name for path in report.save(tmp_path, "x-")] == ["x-receptive-field.json", "x-receptive-field.png"]


class Picky(nn.Module):
    """Takes what ``legal`` says."""

    def __init__(self, legal):
        self.conv, self.legal = nn.Conv2d(1, 1, 3), legal

    def forward(self, x):
        if not self.legal(x.shape[1], x.shape[2]):
            raise ValueError(f"of size {x.shape[1:3]}, which I do not like")
        return self.conv(x)


@pytest.mark.parametrize(
    ("legal", "images"),
    [
        (lambda h, w: h % 7 == 0 and w % 7 == 0, ((7, 7, 1), (7, 7, 1))),
        (lambda h, w: h == w and h > 4, ((5, 5, 1), (5, 5, 1))),
        (lambda h, w: h % 3 == 0, ((6, 3, 1), (3, 6, 1))),
    ],
)
def test_a_size_is_found_for_a_module_of_anybodys(legal, images):
    field = receptive_field(Picky(legal))
    assert field.images == images
    assert field.size == (3, 3)


@pytest.mark.parametrize("dilation", [2, 16])
def test_gaps_of_dilation_do_not_hide_the_border(dilation):
    """In a short image, zero padding cuts the same taps off many rows, which look as if nothing were missing."""
    layers = [nn.Conv2d(1, 1, 3, padding=dilation, dilation=dilation) for _ in range(2)]
    field = receptive_field(nn.Sequential(*layers))
    assert field.complete
    assert field.size == (4 * dilation + 1,) * 2
    assert field.rows.offset == -2 * dilation


def test_a_module_without_a_legal_size_is_quoted(monkeypatch):
    monkeypatch.setattr(sys.modules["minifcn.audit.fields.receptive_field"], "_LARGEST", 8)  # a function has its name
    with pytest.raises(ValueError, match=r"Picky takes no size up to 8 with 1 channel.* which I do not like"):
        receptive_field(Picky(lambda h, w: False))


def test_a_subject_brings_its_channels():
    subject = Subject(nn.ReLU(), name="mine", channels=3)
    report = receptive_field_report(subject, 8)
    assert report.field.images[0] == (8, 8, 3)
    assert report.headline().startswith("mine: an output pixel sees 1 row and 1 column")


def test_the_figure_shows_columns_where_they_differ():
    net = nn.Conv2d(1, 1, (3, 5))
    axes = receptive_field_report(net, check=False).figure().axes
    assert [each.get_xlabel() for each in axes[1::2]] == ["input row (pixels)", "input column (pixels)"]
    square = receptive_field_report(nn.Conv2d(1, 1, 1), check=False)
    assert len(square.figure().axes) == 2
    assert "sees 1 row and 1 column of pixels" in square.headline()
