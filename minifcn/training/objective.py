"""What training minimises: a loss of logits (N, H, W, K) and labels (N, h, w), by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minifcn import functional as F
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.targets import Kind, Target, mapped
from minifcn.tensor import Tensor
from minifcn.training.config import ConfigError

Objective = Callable[[Tensor, Any], Tensor]


def objective(name: str, class_weights: tuple[float, ...] = ()) -> Objective:
    """The loss called ``name``: "cross_entropy", "dice" or "jaccard" (the lecture's j2).

    The overlap losses see softmax probabilities, one region a class, each batch as a whole: a class that is absent from
    every image of the batch is left out. They balance classes by themselves; ``class_weights`` are for cross-entropy.

    Raises:
        ConfigError: no such loss.
    """
    if name not in _LOSSES:
        raise ConfigError(f"unknown loss {name!r}; losses: {', '.join(_LOSSES)}")
    if class_weights and name == "cross_entropy":
        return functools.partial(_cross_entropy, weight=np.asarray(class_weights, np.float32))
    return _LOSSES[name]


def balanced(fractions: Iterable[float]) -> tuple[float, ...]:
    """Weights that make all classes count the same: 1 / (K f) for a class that fills the fraction f of all pixels.

    A class that never occurs gets 0.

    >>> balanced([0.75, 0.25, 0.0])
    (0.666667, 2.0, 0.0)
    """
    shares = list(fractions)
    present = sum(share > 0 for share in shares)
    return tuple(round(1.0 / (present * share), 6) if share > 0 else 0.0 for share in shares)


def crop_to(labels: Target, size: tuple[int, int]) -> Target:
    """The centre of labels (N, H, W) or (N, H, W, K), as large as the output: without padding it loses a border.

    >>> crop_to(np.arange(16).reshape(1, 4, 4), (2, 2)).tolist()
    [[[5, 6], [9, 10]]]
    """

    def centre(labels: np.ndarray, kind: Kind) -> np.ndarray:
        top, left = (labels.shape[1] - size[0]) // 2, (labels.shape[2] - size[1]) // 2
        return labels[:, top : top + size[0], left : left + size[1]]

    return mapped(labels, centre)


def _cross_entropy(logits: Tensor, labels: np.ndarray, weight: np.ndarray | None = None) -> Tensor:
    return F.cross_entropy(logits, labels, weight=weight, ignore_index=IGNORE_INDEX)


def _dice(logits: Tensor, labels: np.ndarray) -> Tensor:
    probabilities, truth = _regions(logits, labels)
    return F.dice_loss(probabilities, truth, empty="ignore", axis=(0, 1, 2))


def _jaccard(logits: Tensor, labels: np.ndarray) -> Tensor:
    probabilities, truth = _regions(logits, labels)
    return F.jaccard_loss(probabilities, truth, power=2, empty="ignore", axis=(0, 1, 2))


def _regions(logits: Tensor, labels: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Probabilities and one-hot truth, (N, H, W, K) each, both zero where the label is ignored."""
    truth = (labels[..., None] == np.arange(logits.shape[-1])).astype(logits.dtype)
    return F.softmax(logits) * (labels != IGNORE_INDEX)[..., None].astype(logits.dtype), truth


_LOSSES: dict[str, Objective] = {"cross_entropy": _cross_entropy, "dice": _dice, "jaccard": _jaccard}
