"""A U-Net trained on the GPU, and on the CPU in float64 from the same weights: loss, gradients and weights must agree.

In float32 the CPU is no judge: where the input of a ReLU is a rounding from 0, either may find the other sign, and the
gradients before it jump. Here the CPU's own gradients differ by 0.8 % between its two algorithms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minifcn as mf
from minifcn.benchmarks.gpu import places
from minifcn.benchmarks.gpu.record import Record
from minifcn.functional import cross_entropy
from minifcn.models import UNet
from minifcn.optim import Adam

#: Of gradients, which are float32 sums of some thousand terms through a dozen layers.
_LIMIT = 1e-3
#: Of a few pixels, whose normalisation magnifies roundings.
_LIMIT_TINY = 1e-2


def run(record: Record, tiny: bool) -> None:
    """Twenty steps on the GPU, then one on both devices."""
    base, depth, size = (1, 1, 4) if tiny else (8, 3, 64)
    _twenty(record, base, depth, size, 3 if tiny else 20)
    losses: dict[str, float] = {}
    gradients: dict[str, dict[str, np.ndarray]] = {}
    after: dict[str, dict[str, np.ndarray]] = {}
    for device, dtype in (("cuda", np.float32), ("cpu", np.float64)):
        net, optimizer, images, labels = made(base, depth, size, device, dtype)
        losses[device] = step(net, optimizer, images, labels)
        gradients[device] = {n: p.grad.to("cpu").numpy() for n, p in net.named_parameters() if p.grad is not None}
        after[device] = net.state_dict()
        record.add("losses", device=device, loss=losses[device])
    off = abs(losses["cuda"] / losses["cpu"] - 1)
    record.check(off < 1e-5, f"loss: relative difference {off:.2g}")
    record.check(gradients["cuda"].keys() == gradients["cpu"].keys(), "other parameters have gradients")
    limit = _LIMIT_TINY if tiny else _LIMIT
    largest = max(float(np.abs(g).max()) for g in gradients["cpu"].values())
    for name, wanted in gradients["cpu"].items():
        # A bias before a normalisation has a gradient of zero, so rounding is all there is of it.
        negligible = float(np.abs(wanted).max()) < 1e-5 * largest
        off = places.error(gradients["cuda"][name], wanted)
        record.add("gradients", parameter=name, error=off, negligible=negligible)
        record.check(negligible or off < limit, f"gradient of {name}: relative error {off:.2g}")
    for name, wanted in after["cpu"].items():
        off = places.error(after["cuda"][name], wanted)
        record.add("after a step of Adam", name=name, error=off)
        record.check(off < 2e-2, f"{name} after a step: relative error {off:.2g}")


def _twenty(record: Record, base: int, depth: int, size: int, steps: int) -> None:
    net, optimizer, images, labels = made(base, depth, size, "cuda")
    course = [step(net, optimizer, images, labels) for _ in range(steps)]
    for number, loss in enumerate(course):
        record.add("course", step=number, loss=loss)
    record.check(course[-1] < course[0], f"the loss went from {course[0]:.3g} to {course[-1]:.3g}")
    again, optimizer, images, labels = made(base, depth, size, "cuda")
    record.check([step(again, optimizer, images, labels) for _ in range(steps)] == course, "a second training differs")


def made(base: int, depth: int, size: int, device: str, dtype: Any = np.float32) -> tuple[UNet, Adam, Any, Any]:
    """A network, its optimiser, and images whose bright pixels are the second class."""
    mf.manual_seed(3)
    net = UNet(1, 2, base=base, depth=depth, norm="batch").astype(dtype).to(device)
    images = np.random.default_rng(1).standard_normal((2, size, size, 1)).astype(np.float32)
    labels = (images[..., 0] > 0.5).astype(np.int64)
    return (
        net,
        Adam(net.parameters(), lr=1e-2),
        mf.tensor(images.astype(dtype)).to(device),
        mf.tensor(labels).to(device),
    )


def step(net: UNet, optimizer: Adam, images: Any, labels: Any) -> float:
    """One step; the gradients are left for whoever wants to see them."""
    optimizer.zero_grad()
    loss = cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    return float(loss.item())
