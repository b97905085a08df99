"""The README's Python runs as it stands, but for a smaller training."""

import re
from pathlib import Path

import numpy as np
import pytest

import minifcn as mf

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_first_example_prints_a_gradient_and_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict = {}
    exec(BLOCKS[0], names)
    output = capsys.readouterr().out
    assert "tensor([[2., 4.],\n        [6., 8.]])" in output
    assert "481,762" in output
    assert np.isfinite(names["loss"].item())


@pytest.mark.skipif(not mf.cuda.is_available(), reason=str(mf.cuda.unavailable_because()))
def test_the_example_on_a_gpu() -> None:
    names: dict = {}
    exec(BLOCKS[0].split("net =")[0], names)
    names |= {"images": np.zeros((1, 4, 4, 1), np.float32), "labels": np.zeros((1, 4, 4), np.int64)}
    smaller = BLOCKS[1].replace("base=16", "base=1, depth=1")
    assert smaller != BLOCKS[1]
    exec(smaller, names)
    assert names["loss"].device == "cuda"
    assert np.isfinite(names["loss"].item())


def test_own_images_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    masks = np.zeros((10, 24, 24), np.uint8)
    masks[:, 6:12, 6:12] = 255
    smaller = (
        BLOCKS[2]
        .replace("steps=500, crop=128", "steps=3, crop=16, batch=2")
        .replace("crop=(128, 128)", "crop=(16, 16)")
    )
    assert smaller.count("crop=16") == 1
    names: dict = {"images": masks // 2, "masks": masks}
    exec(smaller, names)
    assert "masks hold 0 and 255: mapped to 0 and 1" in capsys.readouterr().out
    assert (tmp_path / "runs" / "mine" / "preview.png").exists()
    assert names["probabilities"].shape == (1, 24, 24, 2)
