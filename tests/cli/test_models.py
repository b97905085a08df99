"""``minifcn models``: figures of the published networks, whatever a network says of itself and however little."""

import json
import sys

import pytest

from minifcn import nn
from minifcn.audit import published_options
from minifcn.cli import main
from minifcn.models import REGISTRY, Network

cli = sys.modules["minifcn.cli.models"]


class Plain(Network):
    """Two convolutions.

    They keep the size.

    Args:
        in_channels: of the images.
        classes: of the output,
            on two lines.
        width: of what lies between.

    >>> 1 + 1
    2
    """

    def __init__(self, in_channels: int, classes: int, width: int = 8):
        self.in_channels, self.classes = in_channels, classes
        self.first = nn.Conv2d(in_channels, width, 3, padding=1)
        self.second = nn.Conv2d(width, classes, 3, padding=1)

    def forward(self, images):
        return self.second(self.first(self.checked(images)))

    def output_length(self, length):
        return length


class Windows(Network):
    """Classifies windows of 7 pixels."""

    published = {"in_channels": 3, "classes": 2}
    source = "Nobody 2000"

    def __init__(self, in_channels, classes, side=7):
        self.in_channels, self.classes, self.side = in_channels, classes, side
        self.conv = nn.Conv2d(in_channels, classes, 7)

    def for_images(self):
        return Plain(self.in_channels, self.classes)

    def forward(self, images):
        return self.conv(self.checked(images))

    def output_length(self, length):
        return int(length == self.side)


class Mean(Plain):
    def forward(self, images):
        x = super().forward(images)
        return x + x.mean((1, 2), keepdims=True)


class Opaque(Plain):
    def forward(self, images):
        return super().forward(images).detach()


@pytest.fixture
def invoke(monkeypatch, capfd):
    """Run ``minifcn models``; returns exit code, output and errors."""
    for name, network in {"plain": Plain, "windows": Windows, "mean": Mean, "opaque": Opaque}.items():
        monkeypatch.setitem(REGISTRY, name, network)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["minifcn", "models", *arguments])
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return code, *capfd.readouterr()

    return run


def test_the_list_has_a_line_for_each_network(invoke):
    code, output, _ = invoke()
    heading, *lines = output.splitlines()
    assert code == 0
    assert heading.split("  ")[0] == "network"
    cells = {line.split()[0]: [cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines}
    assert set(cells) == set(REGISTRY)
    unet = ["31,030,658", "188 or 204", "16", "16 k + 12 from 188", "Ronneberger, Fischer & Brox 2015"]
    assert cells["unet"][1:] == unet
    assert cells["plain"][1:] == ["226", "5", "1", "any"]
    assert cells["windows"][1:] == ["296", "5", "1", "only 7", "Nobody 2000"]
    assert cells["opaque"][1:] == ["226", "unknown", "unknown", "any"]


def test_a_network_is_described_by_its_documentation_and_figures(invoke):
    code, output, _ = invoke("plain")
    assert code == 0
    assert output.startswith("plain: Two convolutions.\n\nThey keep the size.\n\nFigures, as published:\n")
    assert "receptive field  5\n" in output
    assert "sizes            any; 1 rows give 1\n" in output
    assert output.endswith(
        "in_channels (published: 1)\n    of the images.\n"
        "classes (published: 2)\n    of the output, on two lines.\n"
        "width = 8\n    of what lies between.\n"
    )


def test_what_the_figures_cannot_say_is_said(invoke):
    assert "receptive field  5 (of the network made for whole images)\n" in invoke("windows")[1]
    assert "receptive field  unknown (graph: no recorded operation made the output; " in invoke("opaque")[1]
    whole = invoke("mean")[1]
    assert "(no output pixel is surely free of the borders)\n" in whole
    assert "stride           unknown\n" in whole


def test_json_says_the_same(invoke):
    entries = json.loads(invoke("--json")[1])
    assert [entry["name"] for entry in entries] == list(REGISTRY)
    (unet,) = (entry for entry in entries if entry["name"] == "unet")
    assert unet == json.loads(invoke("unet", "--json")[1])
    assert unet["parameters"] == 31030658
    assert unet["options"] == {"in_channels": 1, "classes": 2, "padding": "valid", "dropout": 0.5}
    assert unet["receptive_field"]["sizes"] == [188] * 4 + [204] * 12
    assert unet["receptive_field"]["period"] == [16, 16]
    assert unet["example"] == {"input": 188, "output": 4}
    (opaque,) = (entry for entry in entries if entry["name"] == "opaque")
    assert opaque["receptive_field"] is None


def test_an_unknown_name_is_one_line(invoke):
    code, output, errors = invoke("plane")
    assert (code, output) == (2, "")
    assert errors.startswith("minifcn: error: unknown model 'plane'; did you mean 'plain'? Models: pang, ")


@pytest.mark.parametrize(("patience", "told"), [(0.0, True), (60.0, False)])
def test_a_terminal_that_waits_is_told_what_for(monkeypatch, capsys, patience, told):
    monkeypatch.setattr(cli, "_PATIENCE", patience)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(cli._telling(["a", "b"])) == ["a", "b"]
    assert ("2 of 2: b" in capsys.readouterr().err) is told


def test_what_a_class_leaves_out_is_filled_in():
    assert published_options(Plain) == {"in_channels": 1, "classes": 2}
    assert published_options(Windows) == {"in_channels": 3, "classes": 2}
