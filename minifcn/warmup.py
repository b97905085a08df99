"""Compile ahead of time what a network needs, by using it: small steps of the real thing, so nothing is forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minifcn import functional as F
from minifcn import models, optim, settings
from minifcn.autograd import no_grad
from minifcn.tensor import Tensor

#: Options that between them use all that a network can be made of.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "unet": [
        {"base": 16, "depth": 2},
        {"base": 16, "depth": 2, "norm": "batch", "padding": "valid"},
        {"base": 16, "depth": 1, "up": "nearest", "down": "stride", "dropout": 0.5},
        {"base": 16, "depth": 1, "norm": "batch", "up": "bilinear", "down": "stride"},
    ]
}
LOSSES = ("cross_entropy", "dice", "bce", "jaccard")
_SIDE = 64  # of the images: large enough for the algorithms that large images get


class Step(NamedTuple):
    """One thing that a network does, and what to call it."""

    name: str
    run: Callable[[], None]


def steps(model: str, dtypes: Sequence[str] = ("float32",)) -> Iterator[Step]:
    """What to run so that training and prediction with the network find everything compiled.

    Raises:
        ValueError: no network has that name.
    """
    from minifcn.training.recipes import NARROW

    variants = VARIANTS.get(model, [NARROW.get(model, {})])
    for options, dtype, conv in itertools.product(variants, dtypes, ("auto", "direct", "winograd")):
        network = models.create(model, in_channels=1, classes=2, **options).astype(dtype)

        def train(network: models.Network = network, conv: str = conv) -> None:
            with settings.override(conv=conv):
                _train(network)

        def predict(network: models.Network = network, conv: str = conv) -> None:
            with settings.override(conv=conv):
                _predict(network)

        described = ", ".join([model, *(f"{name} {value}" for name, value in options.items()), dtype, f"conv {conv}"])
        yield Step(f"training: {described}", train)
        yield Step(f"prediction: {described}", predict)


def _images(network: models.Network) -> Tensor:
    side = network.legal_size(_SIDE)
    dtype = next(network.parameters()).dtype
    return Tensor(np.random.default_rng(0).random((2, side, side, network.in_channels)).astype(dtype))


def _train(network: models.Network) -> None:
    """A step of training with each loss, as `minifcn.training` makes it."""
    from minifcn.training.objective import objective

    network.train()
    optimizer = optim.AdamW(network.parameters())
    images = _images(network)
    for name in LOSSES:
        logits = network(images)
        labels = np.indices(logits.shape[:3]).sum(0) % network.classes
        weights = (1.0,) * network.classes if logits.dtype == np.float32 else ()
        loss = objective(name, weights)(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm(network.parameters(), 1.0)
        optimizer.step()


def _predict(network: models.Network) -> None:
    """What `minifcn.prediction` does with a batch; and the network as it is, for whoever evaluates it by hand."""
    network = network.for_images()
    images = _images(network)
    with no_grad():
        for model in (network.fold_batch_norm(), network.eval()):
            F.softmax(model(images)[:, 1:-1, 1:-1])
