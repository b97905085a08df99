"""Regression and overlap losses."""

from __future__ import annotations

import math
from typing import Literal

from minifcn.functional.arguments import Reduction, TensorLike, as_tensor, axes_of, check_reduction, floating
from minifcn.functional.elementwise import where
from minifcn.functional.reduce import mean, reduced, sum
from minifcn.operators import Axis
from minifcn.tensor import Tensor

#: How far from [0, 1] rounding, and the steps of finite differences, may lead.
_SLACK = 1e-3

Empty = Literal["lecture", "perfect", "ignore"]


def mse_loss(prediction: TensorLike, target: TensorLike, reduction: Reduction = "mean") -> Tensor:
    """Mean or sum of squared differences, or (``reduction="none"``) these themselves.

    >>> mse_loss([1.0, 3.0], [1.0, 1.0]).item()
    2.0
    """
    x, y = both("mse_loss", prediction, target)
    check_reduction("mse_loss", reduction)
    difference = x - y
    return reduced(difference * difference, reduction)


def jaccard_loss(
    prediction: TensorLike,
    target: TensorLike,
    power: float = 1,
    eps: float = 1e-7,
    empty: Empty = "lecture",
    axis: Axis = None,
    smooth: float = 0.0,
) -> Tensor:
    """1 − (Σ yŷ + s) / (Σ y^p + Σ ŷ^p − Σ yŷ + s + ε): the lecture's j (``power=1``) and j2 (``power=2``).

    Duque-Arias et al. 2021. On masks of 0 and 1 all powers agree; they differ in how they see a prediction between.

    Args:
        prediction: ŷ in [0, 1]: probabilities, not logits.
        target: y in [0, 1], of the same shape.
        power: p >= 1, whole or not. Above 2 the loss can be negative, and smallest short of the mask: 1 − ŷ /
            (1 + ŷ³ − ŷ) is −0.12 at ŷ = 0.8 and 0 at ŷ = 1.
        eps: ε, which keeps the denominator from zero.
        empty: what a region counts whose target is all zero. "lecture": the formula as it stands; without s that is 1
            whatever was predicted (its gradient is 0 then, so nothing is learnt from it). "perfect": ε is added to the
            numerator too, so a correct empty prediction costs 0 and a false one close to 1. "ignore": such regions are
            left out of the mean, which is 0 if no other is there.
        axis: the axes of one region; the losses of several regions are averaged. All axes if None; ``(1, 2)`` gives
            every image and every channel its own, and class balance with it.
        smooth: s >= 0, as in the paper. With s > 0 a correct empty prediction costs next to nothing, and false pixels
            of an empty region cost little until they are about s.

    Raises:
        ValueError: shapes disagree, values are not in [0, 1], p < 1, s < 0, or an unknown policy.

    >>> jaccard_loss([1.0, 1.0], [1.0, 0.0], eps=0.0).item()  # 1 - 1 / (1 + 2 - 1)
    0.5
    """
    x, y = shares("jaccard_loss", prediction, target)
    if not power >= 1:
        raise ValueError(f"jaccard_loss: power must be at least 1, got {power}; the lecture has 1 and 2")
    axes = axes_of("jaccard_loss", axis, x.ndim)
    intersection = sum(x * y, axes)
    total = sum(y**power if power != 1 else y, axes) + sum(x**power if power != 1 else x, axes)
    return _overlap_loss("jaccard_loss", intersection, total - intersection, y, axes, eps, empty, smooth)


def dice_loss(
    prediction: TensorLike,
    target: TensorLike,
    eps: float = 1e-7,
    empty: Empty = "lecture",
    axis: Axis = None,
    smooth: float = 0.0,
) -> Tensor:
    """1 − (2 Σ yŷ + s) / (Σ y + Σ ŷ + s + ε): one minus the lecture's Dice coefficient, generalised to [0, 1].

    Arguments and empty regions as for `jaccard_loss`.

    >>> dice_loss([0.5, 0.5], [1.0, 0.0], eps=0.0).item()  # 1 - 2 · 0.5 / (1 + 1)
    0.5
    """
    x, y = shares("dice_loss", prediction, target)
    axes = axes_of("dice_loss", axis, x.ndim)
    return _overlap_loss("dice_loss", 2.0 * sum(x * y, axes), sum(y, axes) + sum(x, axes), y, axes, eps, empty, smooth)


def tversky_loss(
    prediction: TensorLike,
    target: TensorLike,
    alpha: float = 0.3,
    beta: float = 0.7,
    eps: float = 1e-7,
    empty: Empty = "lecture",
    axis: Axis = None,
    smooth: float = 0.0,
) -> Tensor:
    """1 − (Σ yŷ + s) / (Σ yŷ + α Σ (1 − y) ŷ + β Σ y (1 − ŷ) + s + ε): α prices false pixels, β missed ones.

    Salehi et al. 2017. α = β = 1/2 is the Dice coefficient, α = β = 1 the Jaccard index; β > α asks for sensitivity
    where a class is rare.

    Args:
        prediction: ŷ in [0, 1]: probabilities, not logits.
        target: y in [0, 1], of the same shape.
        alpha: α >= 0.
        beta: β >= 0.
        eps: ε; it, the policies and costs of empty regions, and what follows are those of `jaccard_loss`.
        empty: see there.
        axis: see there.
        smooth: see there.

    Raises:
        ValueError: shapes disagree, values are not in [0, 1], α, β or s is negative, or an unknown policy.

    >>> tversky_loss([1.0, 1.0], [1.0, 0.0], alpha=1.0, beta=0.5, eps=0.0).item()  # 1 - 1 / (1 + 1)
    0.5
    """
    x, y = shares("tversky_loss", prediction, target)
    if not (alpha >= 0 and beta >= 0):
        raise ValueError(f"tversky_loss: alpha and beta must not be negative, got {alpha} and {beta}")
    axes = axes_of("tversky_loss", axis, x.ndim)
    shared = sum(x * y, axes)
    total = shared + alpha * sum((1.0 - y) * x, axes) + beta * sum(y * (1.0 - x), axes)
    return _overlap_loss("tversky_loss", shared, total, y, axes, eps, empty, smooth)


def check_overlap(name: str, eps: float, empty: Empty, smooth: float) -> None:
    """Raise a ValueError for what no overlap loss can work with."""
    if empty not in ("lecture", "perfect", "ignore"):
        raise ValueError(f"{name}: empty must be 'lecture', 'perfect' or 'ignore', not {empty!r}")
    if not smooth >= 0:
        raise ValueError(f"{name}: smooth must not be negative, got {smooth}")
    if empty != "lecture" and not eps > 0:
        raise ValueError(f"{name}: empty={empty!r} needs eps > 0, got {eps}")


def mean_of_regions(loss: Tensor, target: Tensor, axes: tuple[int, ...], empty: Empty) -> Tensor:
    """The mean of the losses of regions; with "ignore", of those whose target is not all zero."""
    if empty != "ignore":
        return mean(loss)
    present = sum(target.detach(), axes) > 0.0
    regions = sum(present.astype(loss.dtype)).clip(min=1.0)
    return sum(where(present, loss, 0.0)) / regions


def _overlap_loss(
    name: str,
    shared: Tensor,
    total: Tensor,
    target: Tensor,
    axes: tuple[int, ...],
    eps: float,
    empty: Empty,
    smooth: float,
) -> Tensor:
    """Mean over regions of 1 − (shared + s) / (total + s + eps), with the policy for regions whose target is empty."""
    check_overlap(name, eps, empty, smooth)
    if smooth:
        shared, total = shared + smooth, total + smooth
    loss = 1.0 - (shared + eps if empty == "perfect" else shared) / (total + eps)
    return mean_of_regions(loss, target, axes, empty)


def shares(name: str, prediction: TensorLike, target: TensorLike) -> tuple[Tensor, Tensor]:
    """Prediction and target as Tensors of one shape and dtype, both in [0, 1], or an error."""
    x, y = both(name, prediction, target)
    for what, values, mend in (
        ("predictions", x, "apply softmax or sigmoid to logits first"),
        ("targets", y, "masks of 0 and 255 must be divided by 255"),
    ):
        # Written so that NaN passes: a network that has diverged is for the training loop to report.
        # On a GPU nothing is looked at: that would wait for it, in every step.
        if values.is_on_host and values.size and (values.data.min() < -_SLACK or values.data.max() > 1 + _SLACK):
            raise ValueError(
                f"{name}: {what} of shape {values.shape} must be in [0, 1], but go from {values.data.min():g} to "
                f"{values.data.max():g}; {mend}"
            )
    return x, y


def both(name: str, prediction: TensorLike, target: TensorLike) -> tuple[Tensor, Tensor]:
    """Prediction and target as Tensors of one shape and dtype, or an error."""
    x = floating(as_tensor(prediction))
    y = as_tensor(target, like=x)
    if x.shape != y.shape:
        raise ValueError(
            f"{name}: prediction {x.shape} and target {y.shape} must have one shape ({math.prod(x.shape)} and "
            f"{math.prod(y.shape)} elements); labels become one channel a class with one-hot encoding"
        )
    return x, y.astype(x.dtype, copy=False)
