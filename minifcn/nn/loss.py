"""Losses as modules: they hold the options; the functions are in `minifcn.functional`."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

from minifcn import functional as F
from minifcn.create import tensor
from minifcn.functional.arguments import Reduction, check_reduction
from minifcn.functional.loss import Empty, check_overlap
from minifcn.nn.containers import ModuleList
from minifcn.nn.module import Module
from minifcn.operators import Axis
from minifcn.tensor import Tensor


class CrossEntropyLoss(Module):
    """Softmax cross-entropy of logits (..., K) and integer labels (...); see `minifcn.functional.cross_entropy`.

    Args:
        weight: (K,), a weight for each class.
        ignore_index: pixels with this label take no part.
        reduction: "mean" (over the weights that took part), "sum" or "none" (a loss for each pixel).
        label_smoothing: the share of the truth that is spread evenly over all classes.

    >>> import minifcn as mf
    >>> loss = CrossEntropyLoss()
    >>> round(loss(mf.zeros(1, 4, 4, 2), mf.zeros(1, 4, 4, dtype="int64")).item(), 4)  # ln 2
    0.6931
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ):
        self.register_buffer("weight", _tensor(weight))
        self.ignore_index, self.reduction = ignore_index, check_reduction("CrossEntropyLoss", reduction)
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor, pixel_weight: Any = None) -> Tensor:
        """The loss; ``pixel_weight`` (...) is U-Net's weight map."""
        return F.cross_entropy(
            logits, target, self.weight, self.ignore_index, self.reduction, pixel_weight, self.label_smoothing
        )


class FocalLoss(Module):
    """Cross-entropy in which what is easy counts little; see `minifcn.functional.focal_loss`.

    Args:
        gamma: how fast a pixel's weight falls as it is learnt; 0 is the cross-entropy.
        alpha: (K,), a weight for each class.
        ignore_index: pixels with this label take no part.
        reduction: "mean", "sum" or "none".
    """

    alpha: Tensor | None

    def __init__(self, gamma: float = 2.0, alpha: Any = None, ignore_index: int = -100, reduction: Reduction = "mean"):
        self.register_buffer("alpha", _tensor(alpha))
        self.gamma, self.ignore_index = gamma, ignore_index
        self.reduction = check_reduction("FocalLoss", reduction)

    def forward(self, logits: Tensor, target: Tensor, pixel_weight: Any = None) -> Tensor:
        """The loss of logits (..., K) and integer labels (...)."""
        return F.focal_loss(logits, target, self.gamma, self.alpha, self.ignore_index, self.reduction, pixel_weight)


class SigmoidFocalLoss(Module):
    """Binary cross-entropy in which what is easy counts little; see `minifcn.functional.sigmoid_focal_loss`.

    Args:
        gamma: how fast an element's weight falls as it is learnt.
        alpha: the weight of targets of 1, against 1 − alpha for those of 0; None weighs both by 1.
        weight: a weight for each element; broadcast.
        reduction: "mean", "sum" or "none".
    """

    weight: Tensor | None

    def __init__(
        self, gamma: float = 2.0, alpha: float | None = None, weight: Any = None, reduction: Reduction = "mean"
    ):
        self.register_buffer("weight", _tensor(weight))
        self.gamma, self.alpha = gamma, alpha
        self.reduction = check_reduction("SigmoidFocalLoss", reduction)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits and targets in [0, 1] of one shape."""
        return F.sigmoid_focal_loss(logits, target, self.gamma, self.alpha, self.weight, self.reduction)


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

    def __init__(self, eps: float = 1e-7, empty: Empty = "lecture", axis: Axis = None, smooth: float = 0.0):
        check_overlap("DiceLoss", eps, empty, smooth)
        self.eps, self.empty, self.axis, self.smooth = eps, empty, axis, smooth

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss; probabilities, not logits."""
        return F.dice_loss(prediction, target, self.eps, self.empty, self.axis, self.smooth)


class JaccardLoss(Module):
    """1 − Jaccard index: the lecture's j (``power=1``) and j2 (``power=2``); see `minifcn.functional.jaccard_loss`."""

    def __init__(
        self,
        power: float = 1,
        eps: float = 1e-7,
        empty: Empty = "lecture",
        axis: Axis = None,
        smooth: float = 0.0,
    ):
        if not power >= 1:
            raise ValueError(f"JaccardLoss: power must be at least 1, got {power}")
        check_overlap("JaccardLoss", eps, empty, smooth)
        self.power, self.eps, self.empty, self.axis, self.smooth = power, eps, empty, axis, smooth

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss; probabilities, not logits."""
        return F.jaccard_loss(prediction, target, self.power, self.eps, self.empty, self.axis, self.smooth)


class TverskyLoss(Module):
    """1 − Tversky index: ``alpha`` prices false pixels, ``beta`` missed ones; see `minifcn.functional.tversky_loss`."""

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        eps: float = 1e-7,
        empty: Empty = "lecture",
        axis: Axis = None,
        smooth: float = 0.0,
    ):
        if not (alpha >= 0 and beta >= 0):
            raise ValueError(f"TverskyLoss: alpha and beta must not be negative, got {alpha} and {beta}")
        check_overlap("TverskyLoss", eps, empty, smooth)
        self.alpha, self.beta = alpha, beta
        self.eps, self.empty, self.axis, self.smooth = eps, empty, axis, smooth

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss; probabilities, not logits."""
        overlap = (self.eps, self.empty, self.axis, self.smooth)
        return F.tversky_loss(prediction, target, self.alpha, self.beta, *overlap)


class CLDiceLoss(Module):
    """1 − clDice, the overlap of each mask with the other's centreline; see `minifcn.functional.cldice_loss`."""

    def __init__(
        self,
        iterations: int = 10,
        eps: float = 1e-7,
        empty: Empty = "lecture",
        axis: Axis = (1, 2),
        smooth: float = 1.0,
    ):
        check_overlap("CLDiceLoss", eps, empty, smooth)
        self.iterations, self.eps, self.empty, self.axis, self.smooth = iterations, eps, empty, axis, smooth

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of images (N, H, W, C); probabilities, not logits."""
        options = (self.iterations, self.eps, self.empty, self.axis, self.smooth)
        return F.cldice_loss(prediction, target, *options)


class TotalVariationLoss(Module):
    """The length of the borders in a prediction, whatever the target; see `minifcn.functional.total_variation`."""

    def __init__(self, isotropic: bool = False, eps: float = 1e-6, reduction: Reduction = "mean"):
        self.isotropic, self.eps = isotropic, eps
        self.reduction = check_reduction("TotalVariationLoss", reduction)

    def forward(self, prediction: Tensor, target: Any = None) -> Tensor:
        """The loss of images (N, H, W, C); the target is there to be called as other losses are."""
        return F.total_variation(prediction, self.isotropic, self.eps, reduction=self.reduction)


class SumOfLosses(Module):
    """Σ weight · loss, of losses that are called with the same prediction and target.

    Args:
        terms: (loss, weight) pairs; losses are modules.

    All losses get the same prediction and target, so they must be of one kind: probabilities, say. For sums of
    cross-entropy, which takes logits and labels, and overlap losses, which take probabilities and one-hot labels, see
    `minifcn.training.objective`: ``objective("cross_entropy + 0.5*dice")(logits, labels)``.

    Raises:
        ValueError: no terms, or a weight that is not a finite number.

    >>> import minifcn as mf
    >>> both = SumOfLosses((DiceLoss(), 1.0), (TotalVariationLoss(), 0.1))
    >>> both(mf.ones(1, 4, 4, 1), mf.ones(1, 4, 4, 1)).item()
    0.0
    """

    def __init__(self, *terms: tuple[Module, float]):
        if not terms:
            raise ValueError("SumOfLosses: no terms; give (loss, weight) pairs")
        self.losses = ModuleList(loss for loss, _ in terms)
        self.weights = tuple(float(weight) for _, weight in terms)
        if not all(map(math.isfinite, self.weights)):
            raise ValueError(f"SumOfLosses: weights must be finite numbers, got {self.weights}")

    def forward(self, prediction: Tensor, target: Any) -> Tensor:
        """The sum; a scalar if all losses are."""
        terms = [weight * loss(prediction, target) for loss, weight in zip(self.losses, self.weights, strict=True)]
        return functools.reduce(operator.add, terms)


def _tensor(value: Any) -> Tensor | None:
    return value if value is None or isinstance(value, Tensor) else tensor(value)
