"""``minifcn audit equivariance`` and ``minifcn audit borders``."""

import json

import numpy as np
import pytest

from minifcn.io import write_image

NET = """
from minifcn import nn

def net(stride=2):
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(stride))
"""


def test_the_lectures_table(invoke, tmp_path):
    code, output, _ = invoke("audit", "equivariance", "--out", tmp_path)
    assert code == 0
    assert "Quiz: which operator is NOT translation equivariant? Measured: max-pooling" in output
    assert {path.name for path in tmp_path.iterdir()} == {
        "lecture-equivariance-table.json",
        "lecture-equivariance-table.png",
    }


def test_a_network_by_name_gets_random_weights(invoke, tmp_path):
    code, output, _ = invoke("audit", "equivariance", "unet", "-o", "depth=1", "--axes", "--json", "--out", tmp_path)
    facts = json.loads(output)
    assert code == 0
    assert facts["random_weights"]
    assert facts["equivariant_to_multiples_of_pixels"] == [2, 2]
    assert len(facts["shifts"]) == 13


def test_scores_that_are_zero_at_first_are_told(invoke, tmp_path):
    code, _, errors = invoke("audit", "equivariance", "fcn32s", "--own-weights", "--out", tmp_path)
    assert code == 2
    assert "does not change with the image" in errors


@pytest.mark.parametrize("name", ["equivariance", "borders"])
def test_a_module_in_a_file_keeps_its_weights(invoke, tmp_path, name):
    (tmp_path / "mine.py").write_text(NET)
    model = f"{tmp_path / 'mine.py'}:net"
    code, output, errors = invoke("audit", name, model, "-o", "stride=3", "--json", "--out", tmp_path)
    assert code == 0, errors
    assert not json.loads(output)["random_weights"]
    assert (tmp_path / f"net-{name}.png").is_file()


def test_blur_beside_it(invoke, tmp_path):
    code, output, _ = invoke(
        "audit", "equivariance", "unet", "-o", "depth=1", "-o", "base=4", "--blur", "--out", tmp_path
    )
    assert code == 0
    assert "With BlurPool: equivariant to shifts in 2 Z²" in output


@pytest.mark.parametrize("shape", [(70, 80), (70, 80, 3), (2, 70, 80)])
def test_an_image_of_any_kind(invoke, tmp_path, shape):
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    path = tmp_path / "image.tif"
    write_image(path, image)
    code, output, errors = invoke("audit", "borders", "pang", "--image", path, "--out", tmp_path)
    assert code == 0, errors
    assert "exactly 0 from pixel 5 on" in output


def test_mistakes_are_explained(invoke, tmp_path):
    path = tmp_path / "image.npy"
    np.save(path, np.zeros((30, 30, 5), np.float32))
    for arguments, message in [
        (("equivariance", "--blur", "--image", path), "without MODEL, the layers of the lecture are measured; --image"),
        (("equivariance", "segnet", "--blur"), "return indices"),
        (("borders", "pang", "--image", tmp_path / "none.png"), "no such file"),
        (("borders", "pang", "-o", "in_channels=2", "--image", path), "was trained on 2"),
        (("borders", "pang", "--out", path), "image.npy"),
    ]:
        code, _, errors = invoke("audit", *arguments)
        assert code == 2, arguments
        assert message in errors
