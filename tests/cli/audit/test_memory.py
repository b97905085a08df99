"""``minifcn audit memory``."""

import json

from minifcn.models import UNet

NARROW = ("unet", "-o", "base=1", "-o", "padding=same")


def test_prints_a_table_and_writes_two_files(invoke, tmp_path):
    code, output, errors = invoke(
        "audit", "memory", *NARROW, "--size", "64x80", "--batch", 2, "--budget", "64MiB", "--out", tmp_path
    )
    assert code == 0, errors
    assert "unet: training on 2 x 64 x 80 x 1 takes" in output
    assert "In 64.0 MiB fits" in output
    assert "measured" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["unet-memory.json", "unet-memory.png"]


def test_prints_json_without_measuring(invoke, tmp_path):
    arguments = ("--size", 64, "--no-measure", "--json", "--out", tmp_path, "--budget", "1g")
    code, output, _ = invoke("audit", "memory", *NARROW, *arguments)
    facts = json.loads(output)
    assert code == 0
    assert facts["budget_bytes"] == 2**30
    assert facts["stages"]["inference"]["measured_bytes"] is None


def test_a_module_in_a_file(invoke, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from minifcn import nn\nnet = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(8, 2))\n")
    code, output, errors = invoke(
        "audit", "memory", f"{file}:net", "--size", 4, "--no-measure", "--budget", "1MiB", "--out", tmp_path
    )
    assert code == 0, errors
    assert "4 x 4 pixels in training, 4 x 4 pixels in inference" in output


def test_errors_say_what_to_do(invoke, tmp_path):
    code, _, errors = invoke("audit", "memory", *NARROW, "--size", "64 by 80", "--out", tmp_path)
    assert code == 2
    assert "--size 64 by 80: is no size; give HEIGHTxWIDTH" in errors
    code, _, errors = invoke("audit", "memory", *NARROW, "--budget", "much", "--out", tmp_path)
    assert code == 2
    assert "--budget much: is no amount of memory; write it as 8GiB or 512MiB" in errors
    code, _, errors = invoke("audit", "memory", *NARROW, "--size", 65, "--out", tmp_path)
    assert code == 2
    assert f"nearest legal: 64, {UNet(1, 2, base=1).legal_size(66)}" in errors
