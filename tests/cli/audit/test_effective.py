import numpy as np


def test_a_network_on_an_image(invoke, tmp_path):
    np.save(tmp_path / "image.npy", np.random.default_rng(0).random((30, 40)).astype(np.float32))
    arguments = ("pang", "--image", tmp_path / "image.npy", "--runs", "1", "--out", tmp_path)
    code, output, _ = invoke("audit", "effective-receptive-field", *arguments)
    assert code == 0
    assert output.startswith("pang: effective receptive field")
    assert "crops of 1 image" in output
    assert (tmp_path / "pang-effective-receptive-field.png").is_file()


def test_the_law_without_a_network(invoke, tmp_path, monkeypatch):
    from minifcn import audit

    short = audit.luo_law((2, 3), channels=2, runs=1)
    monkeypatch.setattr(audit, "luo_law", lambda runs, advance: short)
    code, output, _ = invoke("audit", "effective-receptive-field", "--out", tmp_path)
    assert code == 0
    assert "the law says 0.5" in output


def test_errors(invoke, tmp_path):
    code, _, errors = invoke("audit", "effective-receptive-field", "pang", "--law")
    assert code == 2
    assert "--law is about chains of layers, and not about pang" in errors
    code, _, errors = invoke("audit", "effective-receptive-field", "pang", "--image", tmp_path / "none.png")
    assert code == 2
    assert "none.png: no such file" in errors
