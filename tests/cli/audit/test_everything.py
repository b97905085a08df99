import json


def test_networks_of_one_name_are_told_apart_and_one_failure_ends_nothing(invoke, tmp_path):
    (tmp_path / "widths.py").write_text("WIDTH = 2\n")
    source = (
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from minifcn import nn\n"
        "import widths\n"
        "@dataclass\n"
        "class Options:\n"
        "    width: int = widths.WIDTH\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        self.conv = nn.Conv2d(1, Options().width, 3)\n"
        "    def forward(self, x):\n"
        "        return self.conv(x){}\n"
    )
    (tmp_path / "good.py").write_text(source.format(""))
    (tmp_path / "bad.py").write_text(source.format(".missing"))
    models = [f"{tmp_path / name}.py:Net" for name in ("good", "bad")]
    code, output, errors = invoke("audit", "all", *models, "--out", tmp_path / "out")
    assert code == 0, errors
    assert "2 network(s), 16 audits, of which" in output
    assert "AttributeError" in output
    facts = json.loads((tmp_path / "out" / "all-overview.json").read_text())["networks"]
    assert list(facts) == ["Net", "Net-2"]
    assert facts["Net"]["receptive-field"]["axes"]["rows"]["sizes_pixels"] == [3]
    assert "error" in facts["Net-2"]["receptive-field"]
    assert (tmp_path / "out" / "Net-equivariance.png").is_file()


def test_what_is_no_network_is_found_before_anything_is_computed(invoke, tmp_path):
    code, output, errors = invoke("audit", "all", "pang", "pong", "--out", tmp_path / "out")
    assert code == 2
    assert "unknown model 'pong'" in errors
    assert output == ""
    assert not (tmp_path / "out").exists()


def test_faults_of_a_users_file_are_told_as_theirs(invoke, tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(
        "from minifcn import nn\n"
        "class Broken(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return None + 1\n"
        "number = 3\n"
        "def fails():\n"
        "    raise TypeError('on purpose')\n"
    )
    for name, message in [
        ("Broken", f"{path}, line 4: TypeError: unsupported operand"),
        ("number", f"{path}:number is a int, not a minifcn.nn.Module nor what makes one"),
        ("fails", f"{path}:fails failed with TypeError: on purpose"),
        ("none", f"{path}: defines no 'none'"),
    ]:
        code, _, errors = invoke("audit", "receptive-field", f"{path}:{name}", "--channels", 1, "--out", tmp_path)
        assert code == 2
        assert message in errors
        assert "report" not in errors


def test_channels_and_the_folder(invoke, tmp_path):
    code, output, _ = invoke("audit", "params", "pang", "--channels", 7, "--out", tmp_path)
    assert code == 2  # counting parameters needs no images
    code, output, errors = invoke("audit", "sizes", "pang", "--channels", 7, "--out", tmp_path)
    assert code == 0, errors
    (tmp_path / "file").write_text("")
    code, output, errors = invoke("audit", "params", "pang", "--out", tmp_path / "file")
    assert (code, output) == (2, "")
    assert "is a file; give a folder" in errors
