"""From real electron microscopy to a trained network, its masks and its scores, as a user would."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minifcn.cli import main
from minifcn.io import read_image


@pytest.fixture
def minifcn(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """A command line that must succeed."""

    def run(*arguments: object) -> None:
        monkeypatch.setattr("sys.argv", ["minifcn", *(str(argument) for argument in arguments)])
        with contextlib.suppress(SystemExit):  # its code says nothing that the results do not
            main()
        capfd.readouterr()

    return run


def test_a_short_training_beats_thresholds_on_real_sections(
    real_data: Callable[[str], Path], minifcn: Callable[..., None], tmp_path: Path
) -> None:
    data, run = real_data("isbi2012"), tmp_path / "run"
    options = ["--base", 8, "--depth", 3, "--steps", 80, "--crop", 96, "--lr", 4e-3, "--validate-every", 80]
    minifcn("train", "isbi", "--data", data, "--out", run, *options)
    minifcn("evaluate", run)
    minifcn("predict", run, data / "train-volume.tif", "--out", tmp_path / "masks")
    scores = json.loads((run / "evaluation.json").read_text())["scores"]
    for name in ("raw threshold", "Gaussian, threshold"):
        assert scores["unet"]["pixel_error_best_threshold"] < 0.75 * scores[name]["pixel_error_best_threshold"]
        assert scores["unet"]["v_info"] > scores[name]["v_info"]
    masks = read_image(tmp_path / "masks" / "train-volume.tif")
    truth = read_image(data / "train-labels.tif")
    assert (masks.shape, masks.dtype) == (truth.shape, np.uint8)
    assert np.mean(masks[20:] != truth[20:]) == pytest.approx(scores["unet"]["pixel_error"], abs=1e-6)
