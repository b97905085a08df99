"""Which loss finds digits best: the power Jaccard losses against binary cross-entropy, on MNIST by the pixel.

The comparison of Duque-Arias et al. 2021 ("On power Jaccard losses for semantic segmentation"), made small: digits of
MNIST in images of 32 x 32, ten sigmoid channels (the ink of each digit; background is where all of them are off), and a
U-Net of four levels that starts with 8 filters. Ours has 120,762 parameters; that of the paper's official demo, which
is built a little differently, 182,698. As in that demo, s = 10. That the sums go over all pixels and channels of a
batch is our choice.

    python -m minifcn.benchmarks.power_jaccard --data FOLDER

Every loss sees the same batches and starts from the same weights, seed by seed. Scores are on official test digits,
each channel thresholded at one half.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import minifcn as mf
from minifcn import functional as F
from minifcn import optim
from minifcn.data import Dataset, Loader, MNISTSegmentation, Subset, spread, without_weights
from minifcn.io.atomic import write_text
from minifcn.models import UNet
from minifcn.tensor import Tensor

Loss = Callable[[Tensor, NDArray], Tensor]  # of logits and truth, both (N, H, W, 10)

_DIGITS = 10
_SIZE = 32
_SMOOTH = 10.0


def _power_jaccard(logits: Tensor, truth: NDArray, power: float) -> Tensor:
    return F.jaccard_loss(F.sigmoid(logits), truth, power, smooth=_SMOOTH)


LOSSES: dict[str, Loss] = {
    "Jaccard, p = 1": partial(_power_jaccard, power=1),
    "Jaccard, p = 2": partial(_power_jaccard, power=2),
    "cross-entropy": F.binary_cross_entropy_with_logits,
}


@dataclass(frozen=True)
class Result:
    """One network's scores.

    Attributes:
        loss: its name in `LOSSES`.
        seed: of weights and batches.
        jaccard: mean over the ten channels of the Jaccard index of all test pixels together.
        right_digit: mean over the images of the Jaccard index of the channel of the digit that is there.
        seconds: of training.
    """

    loss: str
    seed: int
    jaccard: float
    right_digit: float
    seconds: float


def digit_channels(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """The ink of each digit: (N, H, W), 0 for background and d + 1 for the digit d -> (N, H, W, 10) of 0 and 1.

    >>> digit_channels(np.array([[[0, 4]]]))[0, 0].argmax(-1).tolist(), digit_channels(np.array([[[0]]])).sum().item()
    ([0, 3], 0.0)
    """
    return (labels[..., None] == np.arange(1, _DIGITS + 1)).astype(np.float32)


def train(loss: Loss, digits: Dataset, steps: int, batch: int, seed: int) -> UNet:
    """A network trained with Adam; the same seed gives every loss the same first weights and the same batches."""
    mf.manual_seed(seed)
    net = UNet(1, _DIGITS, base=8, depth=3)
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    for images, labels in Loader(digits, batch, seed=seed, drop_last=True).batches(0, steps):
        optimizer.zero_grad()
        loss(net(Tensor(images)), digit_channels(without_weights(labels))).backward()
        optimizer.step()
    return net


def score(net: UNet, digits: Dataset, batch: int = 100) -> tuple[float, float]:
    """`Result.jaccard` and `Result.right_digit` of a network. Channels and images with nothing to find stay out."""
    net.eval()
    shared, either = np.zeros(_DIGITS), np.zeros(_DIGITS)
    right: list[float] = []
    with mf.no_grad():
        for images, labels in Loader(digits, batch, shuffle=False):
            truth = digit_channels(without_weights(labels)) > 0
            found = net(Tensor(images)).data > 0.0  # a probability above one half
            both, any_ = (truth & found).sum((1, 2)), (truth | found).sum((1, 2))  # (N, H, W, 10) -> (N, 10)
            shared, either = shared + both.sum(0), either + any_.sum(0)
            image, digit = np.nonzero(truth.any((1, 2)))
            right += (both[image, digit] / any_[image, digit]).tolist()
    present = either > 0
    return float((shared[present] / either[present]).mean()), float(np.mean(right))


def compare(training: Dataset, test: Dataset, seeds: Iterable[int], steps: int, batch: int) -> list[Result]:
    """Train and score a network for every loss and seed."""
    results = []
    for seed in seeds:
        for name, loss in LOSSES.items():
            begin = time.perf_counter()
            net = train(loss, training, steps, batch, seed)
            seconds = time.perf_counter() - begin
            results.append(Result(name, seed, *score(net, test), round(seconds, 1)))
            print(f"seed {seed}, {name}: {results[-1].jaccard:.4f}, {results[-1].right_digit:.4f}", flush=True)
    return results


def table(results: Sequence[Result]) -> str:
    """Markdown: means over the seeds, and what lies between the worst and the best of them.

    >>> print(table([Result("Jaccard, p = 1", 0, 0.5, 0.75, 1.0), Result("Jaccard, p = 1", 1, 0.7, 0.75, 1.0)]))
    | loss | mean Jaccard of the channels | Jaccard of the right digit |
    |---|---|---|
    | Jaccard, p = 1 | 0.600 (0.500 to 0.700) | 0.750 (0.750 to 0.750) |
    """
    lines = ["| loss | mean Jaccard of the channels | Jaccard of the right digit |", "|---|---|---|"]
    for name in dict.fromkeys(result.loss for result in results):
        cells = []
        for score in ("jaccard", "right_digit"):
            values = [getattr(result, score) for result in results if result.loss == name]
            cells.append(f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the losses, print a table and write what it was made of as JSON."""
    parser = argparse.ArgumentParser(prog="power_jaccard", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", required=True, help="folder of MNIST's four official files")
    parser.add_argument("--seeds", type=int, default=3, help="number of networks a loss")
    parser.add_argument("--steps", type=int, default=1000, help="of training")
    parser.add_argument("--batch", type=int, default=32, help="images a step")
    parser.add_argument(
        "--test-images", type=int, help="how many test digits to score on, evenly spread; all if absent"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/power_jaccard.json"), help="the file to write")
    options = parser.parse_args(arguments)
    training, test = (MNISTSegmentation(options.data, split, size=_SIZE) for split in ("train", "test"))
    chosen = Subset(test, spread(len(test), options.test_images))
    results = compare(training, chosen, range(options.seeds), options.steps, options.batch)
    print(table(results))
    facts = {"steps": options.steps, "batch": options.batch, "test_images": len(chosen), "smooth": _SMOOTH}
    rows = [asdict(result) for result in results]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.out, json.dumps({**facts, "results": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
