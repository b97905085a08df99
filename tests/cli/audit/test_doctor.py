import json

import pytest
from small_data import write_camvid, write_folder, write_isbi


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "mine", images=6)


def test_a_folder_by_its_path(invoke, folder, tmp_path):
    code, output, errors = invoke("audit", "doctor", folder, "--crop", 16, "--out", tmp_path / "out")
    assert code == 0
    assert output.startswith("Nothing is wrong, nothing to look at. 6 images looked at (train 5; validation 1). Held")
    assert "masks hold 0 and 255: mapped to 0 and 1" in output
    assert f"written: {tmp_path}/out/mine-doctor.json" in errors
    assert (tmp_path / "out" / "mine-doctor.png").is_file()


def test_something_wrong_ends_with_1(invoke, tmp_path):
    folder = write_folder(tmp_path / "mine", values=(0, 1, 255))
    arguments = ("audit", "doctor", "folder", "--data", folder, "--crop", 16, "--out", tmp_path / "out")
    code, output, _ = invoke(*arguments)
    assert code == 1
    assert output.splitlines()[3].startswith("wrong ")
    assert output.splitlines()[3].endswith("masks hold 255, which seems to mark what does not count")
    (tmp_path / "classes.txt").write_text("ground 0\ncell 1\nvoid 255\n")
    assert invoke(*arguments, "--classes", tmp_path / "classes.txt")[0] == 0


def test_json(invoke, tmp_path):
    data = write_camvid(tmp_path / "camvid")
    code, output, _ = invoke(
        "audit", "doctor", "camvid", "--data", data, "--limit", 2, "--json", "--out", tmp_path / "out"
    )
    facts = json.loads(output)
    assert code == 0
    assert facts["parts"] == {
        "train": {"images": 3, "looked_at": 2}, "validation": {"images": 3, "looked_at": 2},
    }  # fmt: skip
    assert (facts["network"], facts["crop_pixels"]) == ("unet", 256)


@pytest.mark.parametrize("model", ["pang", "ciresan-n3", "segnet"])
def test_every_kind_of_network(invoke, tmp_path, model):
    data = write_isbi(tmp_path / "isbi", sections=3)
    _, output, _ = invoke("audit", "doctor", "isbi", "--data", data, "--model", model, "--out", tmp_path / "out")
    assert f"Held against {model}." in output


def test_a_module_of_the_users(invoke, folder, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from minifcn import nn\n\n\ndef net(width=2):\n    return nn.Conv2d(3, width, 3, padding=1)\n")
    _, output, _ = invoke("audit", "doctor", folder, "--model", f"{file}:net", "-o", "width=3", "--crop", 16,
                          "--out", tmp_path / "out")  # fmt: skip
    assert "wider than the receptive field of 3 pixels" in output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("folder",), "which one? Name it with --data FOLDER"),
        (("nowhere",), "unknown data source 'nowhere'"),
        (("/nowhere/at/all",), "/nowhere/at/all: no such folder; give a folder of images and masks"),
        (("folder", "--data", "nowhere"), "does not exist"),
        (("discs", "--model", "vnet"), "unknown"),
        (("discs", "-o", "widht=3"), "no option 'widht'"),
        (("discs", "--data-option", "widht=3"), "no option 'widht'"),
        (("discs", "--balance", "some"), "balance must be one of"),
    ],
)
def test_errors(invoke, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    code, output, errors = invoke("audit", "doctor", *arguments)
    assert (code, output) == (2, "")
    assert expected in errors
    assert list(tmp_path.iterdir()) == []
