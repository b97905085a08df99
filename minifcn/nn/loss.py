"""Losses as modules: they hold the options; the functions are in `minifcn.functional`."""

from __future__ import annotations

from typing import Any

from minifcn import functional as F
from minifcn.create import tensor
from minifcn.functional.arguments import Reduction, check_reduction
from minifcn.functional.loss import Empty
from minifcn.nn.module import Module
from minifcn.tensor import Axis, Tensor


class CrossEntropyLoss(Module):
    """Softmax cross-entropy of logits (..., K) and integer labels (...); see `minifcn.functional.cross_entropy`.

    Args:
        weight: (K,), a weight for each class.
        ignore_index: pixels with this label take no part.
        reduction: "mean" (over the weights that took part), "sum" or "none" (a loss for each pixel).

    >>> import minifcn as mf
    >>> loss = CrossEntropyLoss()
    >>> round(loss(mf.zeros(1, 4, 4, 2), mf.zeros(1, 4, 4, dtype="int64")).item(), 4)  # ln 2
    0.6931
    """

    weight: Tensor | None

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: Reduction = "mean"):
        self.register_buffer("weight", _tensor(weight))
        self.ignore_index, self.reduction = ignore_index, check_reduction("CrossEntropyLoss", reduction)

    def forward(self, logits: Tensor, target: Tensor, pixel_weight: Any = None) -> Tensor:
        """The loss; ``pixel_weight`` (...) is U-Net's weight map."""
        return F.cross_entropy(logits, target, self.weight, self.ignore_index, self.reduction, pixel_weight)


class BCEWithLogitsLoss(Module):
    """Binary cross-entropy of logits and targets in [0, 1] of one shape.

    See `minifcn.functional.binary_cross_entropy_with_logits`.

    Args:
        weight: a weight for each element; broadcast.
        reduction: "mean", "sum" or "none".
        pos_weight: a factor for the positive targets; broadcast.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None):
        self.register_buffer("weight", _tensor(weight))
        self.register_buffer("pos_weight", _tensor(pos_weight))
        self.reduction = check_reduction("BCEWithLogitsLoss", reduction)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        return F.binary_cross_entropy_with_logits(logits, target, self.weight, self.pos_weight, self.reduction)


class MSELoss(Module):
    """Mean or sum of squared differences, or these themselves; see `minifcn.functional.mse_loss`."""

    def __init__(self, reduction: Reduction = "mean"):
        self.reduction = check_reduction("MSELoss", reduction)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        return F.mse_loss(prediction, target, self.reduction)


class DiceLoss(Module):
    """1 − Dice coefficient of probabilities and targets in [0, 1]; see `minifcn.functional.dice_loss`."""

    def __init__(self, eps: float = 1e-7, empty: Empty = "lecture", axis: Axis = None):
        self.eps, self.empty, self.axis = eps, _policy("DiceLoss", empty), axis

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss; probabilities, not logits."""
        return F.dice_loss(prediction, target, self.eps, self.empty, self.axis)


class JaccardLoss(Module):
    """1 − Jaccard index: the lecture's j (``power=1``) and j2 (``power=2``); see `minifcn.functional.jaccard_loss`."""

    def __init__(self, power: int = 1, eps: float = 1e-7, empty: Empty = "lecture", axis: Axis = None):
        if power < 1:
            raise ValueError(f"JaccardLoss: power must be at least 1, got {power}")
        self.power, self.eps, self.empty, self.axis = power, eps, _policy("JaccardLoss", empty), axis

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss; probabilities, not logits."""
        return F.jaccard_loss(prediction, target, self.power, self.eps, self.empty, self.axis)


def _tensor(value: Any) -> Tensor | None:
    return value if value is None or isinstance(value, Tensor) else tensor(value)


def _policy(name: str, empty: Empty) -> Empty:
    if empty not in ("lecture", "perfect", "ignore"):
        raise ValueError(f"{name}: empty must be 'lecture', 'perfect' or 'ignore', not {empty!r}")
    return empty
