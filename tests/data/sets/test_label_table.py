import re
from pathlib import Path

import numpy as np
import pytest

from minifcn.data import IGNORE_INDEX, LabelTable, read_classes
from minifcn.data.sets.label_table import parse_classes
from minifcn.io import ImageError


def test_the_three_kinds_of_lines():
    names = parse_classes("# a comment\n\nopen sky\nvoid # has its place\nroad\n")
    assert (names.classes, names.values, names.colours) == (("open sky", "road"), {0: 0, 1: IGNORE_INDEX, 2: 1}, {})
    values = parse_classes("sky 10\nroad 20\nlane mark 21\nroad 22\nIgnore 255")
    assert values.classes == ("sky", "road", "lane mark")
    assert values.values == {10: 0, 20: 1, 21: 2, 22: 1, 255: IGNORE_INDEX}
    colours = parse_classes("unlabelled 0 0 0\nsky 128 128 128\ncar 64 0 128\n")
    assert (colours.classes, colours.values) == (("sky", "car"), {})
    assert colours.colours == {(0, 0, 0): IGNORE_INDEX, (128, 128, 128): 0, (64, 0, 128): 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no class; expected one a line: name, name value or name R G B"),
        ("void 255", "names no class"),
        ("sky 0\nroad 1 2", "line 2: expected `name`, `name value` or `name R G B`, got 'road 1 2'"),
        ("sky\n12", "line 2: expected `name`, .* got '12'"),
        ("sky 0 0 256", "line 1: colours go from 0 to 255, got 'sky 0 0 256'"),
        ("sky\n# ?\nroad 1", "line 3: 'road 1' is of the kind `name value`, the lines before are `name`"),
        ("sky\nroad\nsky", "line 3: 'sky' has been said before"),
        ("sky 1\nroad 1", "line 2: 1 has been said before"),
        ("sky 1 2 3\nroad 1 2 3", "line 2: 1 2 3 has been said before"),
    ],
)
def test_files_that_cannot_be_understood(tmp_path, text, message):
    path = tmp_path / "classes.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}[:,] {message}"):
        read_classes(path)


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"classes\.txt: no such file of classes"):
        read_classes(tmp_path / "classes.txt")
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"classes\.txt: is no text file .*; expected one class a line"):
        read_classes(tmp_path / "classes.txt")


def test_values_and_colours_are_looked_up():
    table = LabelTable(("a", "b"), values={300: 0, -1: 1, 7: IGNORE_INDEX})
    assert table.look_up(Path("m"), np.array([[300, -1], [7, 300]])).tolist() == [[0, 1], [IGNORE_INDEX, 0]]
    table = LabelTable(("a", "b"), colours={(1, 2, 3): 0, (3, 2, 1): 1, (9, 9, 9): IGNORE_INDEX})
    pixels = np.array([[[3, 2, 1], [1, 2, 3], [9, 9, 9]]], np.uint8)
    assert table.look_up(Path("m"), pixels).tolist() == [[1, 0, IGNORE_INDEX]]
    assert table.look_up(Path("m"), np.array([[9]], np.uint8)).tolist() == [[IGNORE_INDEX]]  # a grey is a colour
    ink = LabelTable(("paper", "ink"), colours={(255, 255, 255): 0, (0, 0, 0): 1})
    assert ink.look_up(Path("m"), np.array([[True, False]])).tolist() == [[0, 1]]


def test_what_is_not_in_the_table_is_named():
    table = LabelTable(tuple("abcdefg"), values={**{n: n for n in range(7)}, 255: IGNORE_INDEX}, advice="do this")
    labels = np.zeros((2, 4), np.uint8)
    labels[1, 2] = 8
    said = "m.png: label 8 at row 1, column 2 is none of 0 = a, 1 = b, 2 = c, ..., 255 = not counted; do this"
    with pytest.raises(ImageError, match=f"^{re.escape(said)}$"):
        table.look_up(Path("m.png"), labels)
    table = LabelTable(("a",), colours={(1, 2, 3): 0}, advice="do that")
    said = "m.png: colour (1, 2, 4) at row 0, column 0 is none of (1, 2, 3) = a; do that"
    with pytest.raises(ImageError, match=f"^{re.escape(said)}$"):
        table.look_up(Path("m.png"), np.array([[[1, 2, 4]]]))
    with pytest.raises(ImageError, match=r"colour \(0, 257, 257\) at row 0, column 0"):
        # As one number it would be 1, 2, 1.
        LabelTable(("a",), colours={(1, 2, 1): 0}).look_up(Path("m.tif"), np.array([[[0, 257, 257]]], np.uint16))
