import pytest


def test_sizes(invoke, tmp_path):
    arguments = ("unet", "-o", "padding=same", "--image", "1000", "--trained", "512")
    code, output, errors = invoke("audit", "sizes", *arguments, "--out", tmp_path)
    assert (code, "multiples of 16" in output, "mirrored to 1008 x 1008" in output) == (0, True, True)
    assert "9 crops" in output
    assert "unet-sizes.json" in errors


def test_a_module_of_ones_own(invoke, tmp_path):
    (tmp_path / "own.py").write_text("from minifcn import nn\ndef net(k=3): return nn.Conv2d(1, 1, k)\n")
    model = f"{tmp_path / 'own.py'}:net"
    code, output, _ = invoke("audit", "sizes", model, "-o", "k=5", "--image", "6x9", "--out", tmp_path)
    assert code == 0
    assert "any from 5" in output
    assert "mirrored to 10 x 13" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--image", "big"), "--image big: is no size; give HEIGHTxWIDTH"),
        (("--image", "0x4"), "--image 0x4: is no size"),
        (("--trained", "512"), "--image"),
    ],
)
def test_errors(invoke, arguments, message, tmp_path):
    code, _, errors = invoke("audit", "sizes", "pang", *arguments, "--out", tmp_path)
    assert code == 2
    assert message in errors
