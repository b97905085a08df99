"""How fast trainings and augmentation are, on next to nothing: that something is measured, not how much."""

import numpy as np
from small_data import write_isbi

from minifcn.benchmarks import rates
from minifcn.data import ArrayDataset, open_source


def test_a_step_and_a_crop_take_time(tmp_path, monkeypatch):
    monkeypatch.setattr(rates, "_WARM_UP", 1)
    root = write_isbi(tmp_path / "isbi", sections=10, size=128)
    train, validation = (open_source("isbi", root, part) for part in ("train", "validation"))
    monkeypatch.chdir(tmp_path)
    assert rates.seconds_a_step(train, validation, "isbi", "pang", steps=2) > 0
    assert not (tmp_path / "unused").exists()
    images = ArrayDataset([np.zeros((40, 40), np.float32)], [np.zeros((40, 40), int)], ("a", "b"))
    assert rates.crops_a_second(images, 16, batches=1, rounds=1) > 0
