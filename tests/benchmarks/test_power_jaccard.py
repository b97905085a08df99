"""The comparison of power Jaccard losses, on digits that are bars."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

import minifcn as mf
from minifcn import Tensor
from minifcn.benchmarks import power_jaccard
from minifcn.data import ArrayDataset
from minifcn.models import UNet


@pytest.fixture
def digits() -> ArrayDataset:
    """Six images of 16 x 16; the digit d is a bar in row d + 2."""
    labels = np.zeros((6, 16, 16), np.int64)
    for image, digit in enumerate((0, 3, 9, 3, 1, 0)):
        labels[image, digit + 2, 4:12] = digit + 1
    return ArrayDataset((labels > 0).astype(np.float32), labels, ("background", *"0123456789"))


class Fixed(UNet):
    """A network that finds every digit, each as a bar from column 4 to ``end``."""

    def __init__(self, labels: np.ndarray):
        self.answer = Tensor(np.where(power_jaccard.digit_channels(labels) > 0, 5.0, -5.0).astype(np.float32))

    def forward(self, images: Tensor) -> Tensor:  # type: ignore[override]
        return self.answer


def test_the_truth_scores_1_and_half_of_it_half(digits: ArrayDataset) -> None:
    labels = np.stack([label for _, label in digits])
    assert power_jaccard.score(Fixed(labels), digits) == (1.0, 1.0)
    half = labels.copy()
    half[:, :, 8:] = 0
    assert power_jaccard.score(Fixed(half), digits) == (0.5, 0.5)


def test_false_channels_lower_the_first_score_alone(digits: ArrayDataset) -> None:
    labels = np.stack([label for _, label in digits])
    net = Fixed(labels)
    net.answer.data[0, :, :, 7] = net.answer.data[0, :, :, 0]  # a 7 beside the first 0
    assert power_jaccard.score(net, digits) == (pytest.approx(4 / 5), 1.0)


@pytest.mark.parametrize("name", power_jaccard.LOSSES)
def test_losses_prefer_the_truth_and_lead_to_it(name: str, digits: ArrayDataset) -> None:
    truth = power_jaccard.digit_channels(np.stack([label for _, label in digits]))
    loss = power_jaccard.LOSSES[name]
    assert loss(Tensor(40 * truth - 20), truth).item() < 1e-3 < loss(Tensor(20 - 40 * truth), truth).item()
    x = Tensor(np.zeros_like(truth), requires_grad=True)
    loss(x, truth).backward()
    assert x.grad is not None
    assert (x.grad.data[truth > 0] < 0).all()


def test_losses_start_from_the_same_weights(digits: ArrayDataset) -> None:
    nets = [power_jaccard.train(loss, digits, 0, 2, seed=3) for loss in power_jaccard.LOSSES.values()]
    mf.manual_seed(4)
    other = power_jaccard.train(power_jaccard.LOSSES["cross-entropy"], digits, 0, 2, seed=4)
    first = [net.state_dict()["head.weight"] for net in nets]
    assert all((weight == first[0]).all() for weight in first)
    assert (other.state_dict()["head.weight"] != first[0]).any()


def test_training_lowers_the_loss_and_repeats_itself(digits: ArrayDataset) -> None:
    loss = power_jaccard.LOSSES["Jaccard, p = 2"]
    images = Tensor(np.stack([image for image, _ in digits]))
    truth = power_jaccard.digit_channels(np.stack([label for _, label in digits]))
    before, after, again = (power_jaccard.train(loss, digits, steps, 2, seed=0) for steps in (0, 6, 6))
    assert loss(after(images), truth).item() < loss(before(images), truth).item()
    assert all((after.state_dict()[name] == value).all() for name, value in again.state_dict().items())


def write_idx(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, count in (("train", 4), ("t10k", 3)):
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 5:9, 5:20] = 255
        write_idx(tmp_path / f"{split}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{split}-labels-idx1-ubyte.gz", np.arange(count))
    out = tmp_path / "made" / "scores.json"
    options = ["--seeds", "1", "--steps", "1", "--batch", "2", "--test-images", "2", "--out", str(out)]
    power_jaccard.main(["--data", str(tmp_path), *options])
    printed = capsys.readouterr().out
    written = json.loads(out.read_text())
    assert [row["loss"] for row in written["results"]] == list(power_jaccard.LOSSES)
    assert (written["steps"], written["batch"], written["test_images"]) == (1, 2, 2)
    assert all(f"| {name} | " in printed for name in power_jaccard.LOSSES)
