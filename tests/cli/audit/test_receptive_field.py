import json

import pytest


def test_a_network_by_name(invoke, tmp_path):
    code, output, errors = invoke("audit", "receptive-field", "unet", "-o", "depth=1", "--out", tmp_path)
    assert code == 0
    assert output.startswith("unet: an output pixel sees 18 rows and 18 columns of pixels; total stride 2")
    assert "unet-receptive-field.png" in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "unet-receptive-field.json",
        "unet-receptive-field.png",
    ]


def test_a_module_in_a_file(invoke, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from minifcn import nn\nnet = nn.Sequential(nn.Conv2d(3, 1, 5, stride=3))\n")
    arguments = ("--size", "20x11", "--no-check", "--json", "--out", tmp_path)
    code, output, _ = invoke("audit", "receptive-field", f"{file}:net", *arguments)
    assert code == 0
    facts = json.loads(output)
    assert facts["axes"]["columns"]["image_length_pixels"] == 11
    assert facts["axes"]["rows"]["total_stride_pixels"] == 3
    assert facts["support"] == []


@pytest.mark.parametrize("size", ["0", "8x", "axb"])
def test_a_wrong_size_is_explained(invoke, tmp_path, size):
    code, _, errors = invoke("audit", "receptive-field", "pang", "--size", size, "--out", tmp_path)
    assert code == 2
    assert f"--size {size}: give a number of pixels, such as 256, or height x width" in errors
