import json

import pytest


def test_params(invoke, tmp_path):
    code, output, errors = invoke("audit", "params", "unet", "--out", tmp_path)
    assert code == 0
    assert "(3·3·1 + 1)·64 = 640" in output
    assert "convolutions 28,244,418; transposed convolutions 2,786,240" in output
    assert "unet-params.png" in errors
    assert (tmp_path / "unet-params.png").stat().st_size > 0


def test_params_of_a_module_of_ones_own(invoke, tmp_path):
    (tmp_path / "own.py").write_text("from minifcn import nn\nnet = nn.Sequential(nn.Conv2d(2, 1, 3), nn.ReLU())\n")
    code, output, _ = invoke("audit", "params", f"{tmp_path / 'own.py'}:net", "--json", "--out", tmp_path)
    facts = json.loads(output)
    assert (code, facts["learnt"], facts["layers"][0]["formula"]) == (0, 19, "3·3·2 + 1 = 19")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such-net",), "no-such-net"),
        (("missing.py:net",), "missing.py: no such file"),
        (("unet", "-o", "bass=3"), "no option 'bass'"),
    ],
)
def test_errors(invoke, arguments, message, tmp_path):
    code, _, errors = invoke("audit", "params", *arguments, "--out", tmp_path)
    assert code == 2
    assert message in errors
