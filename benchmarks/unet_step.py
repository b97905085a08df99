"""A training step of a U-Net, minifcn beside PyTorch, alternating in one process: ``python benchmarks/unet_step.py``.

Both train the same network (same weights, same batch, cross-entropy, Adam) on as many threads; losses are compared
before anything is timed. The figure is the ratio of medians: PyTorch's time over ours, so above 1 we are faster.
PyTorch runs in both of its memory layouts, and the better one counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import minifcn as mf
from minifcn import functional as F
from minifcn import optim
from minifcn.models import UNet


class TorchUNet(torch.nn.Module):
    """The same network: padded 3 x 3 convolutions, max-pooling, 2 x 2 transposed convolutions, [up, skip]."""

    def __init__(self, base: int, depth: int, classes: int = 2):
        super().__init__()
        widths = [base * 2**level for level in range(depth + 1)]
        self.down = torch.nn.ModuleList(self._block(c, w) for c, w in zip([1, *widths], widths, strict=False))
        self.up = torch.nn.ModuleList(torch.nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.merge = torch.nn.ModuleList(self._block(2 * w, w) for w in reversed(widths[:-1]))
        self.head = torch.nn.Conv2d(base, classes, 1)

    @staticmethod
    def _block(inputs: int, outputs: int) -> torch.nn.Module:
        return torch.nn.Sequential(
            torch.nn.Conv2d(inputs, outputs, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(outputs, outputs, 3, padding=1),
            torch.nn.ReLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else torch.nn.functional.max_pool2d(x, 2))
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            x = merge(torch.cat([up(x), skip], dim=1))
        return self.head(x)


def ours(base: int, depth: int, images: np.ndarray, labels: np.ndarray) -> tuple[Callable[[], float], UNet]:
    """A function that makes one training step and returns its loss, and the network."""
    model = UNet(1, 2, base=base, depth=depth)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step() -> float:
        loss = F.cross_entropy(model(mf.Tensor(images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step, model


def theirs(base: int, depth: int, images: np.ndarray, labels: np.ndarray, layout: torch.memory_format, like: UNet):
    """The same for PyTorch, starting from the weights of ``like``."""
    model = TorchUNet(base, depth)
    weights = [np.asarray(p.data) for p in like.parameters()]
    for parameter, weight in zip(model.parameters(), _in_torch_order(model, like, weights), strict=True):
        parameter.data = torch.from_numpy(weight.copy())
    model = model.to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    y = torch.from_numpy(labels)

    def step() -> float:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def _in_torch_order(model: TorchUNet, like: UNet, weights: list[np.ndarray]) -> list[np.ndarray]:
    """Our parameters, in the order and layout of PyTorch's; matched by shape within each kind."""
    ours_by_shape: dict[tuple[int, ...], list[np.ndarray]] = {}
    for weight in weights:
        converted = weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight
        ours_by_shape.setdefault(converted.shape, []).append(np.ascontiguousarray(converted))
    return [ours_by_shape[tuple(p.shape)].pop(0) for p in model.parameters()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=int, default=16)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(mf.get_num_threads())
    rng = np.random.default_rng(0)
    images = rng.standard_normal((arguments.batch, arguments.size, arguments.size, 1)).astype(np.float32)
    labels = rng.integers(0, 2, images.shape[:3])
    step, model = ours(arguments.base, arguments.depth, images, labels)
    layouts = {"NCHW": torch.contiguous_format, "channels last": torch.channels_last}
    peers = {
        name: theirs(arguments.base, arguments.depth, images, labels, layout, model) for name, layout in layouts.items()
    }
    contestants = {"minifcn": step, **{f"PyTorch {name}": peer for name, peer in peers.items()}}
    losses = {name: [run() for _ in range(3)] for name, run in contestants.items()}  # warms up, too
    for name, values in losses.items():
        np.testing.assert_allclose(values, losses["minifcn"], rtol=1e-3, err_msg=name)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(arguments.rounds):
        for name, run in contestants.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(f"{name:22} {1e3 * median:8.1f} ms   (from {1e3 * low:.1f} to {1e3 * high:.1f})")
    best = min(median for name, median in medians.items() if name != "minifcn")
    print(f"PyTorch / minifcn: {best / medians['minifcn']:.2f}")


if __name__ == "__main__":
    main()
