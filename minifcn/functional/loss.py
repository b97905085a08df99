"""Regression and overlap losses."""

from __future__ import annotations

import math
from typing import Literal

from minifcn.functional.arguments import Reduction, TensorLike, as_tensor, axes_of, check_reduction, floating
from minifcn.functional.elementwise import where
from minifcn.functional.reduce import mean, reduced, sum
from minifcn.tensor import Axis, Tensor

Empty = Literal["lecture", "perfect", "ignore"]


def mse_loss(prediction: TensorLike, target: TensorLike, reduction: Reduction = "mean") -> Tensor:
    """Mean or sum of squared differences, or (``reduction="none"``) these themselves.

    >>> mse_loss([1.0, 3.0], [1.0, 1.0]).item()
    2.0
    """
    x, y = _both("mse_loss", prediction, target)
    check_reduction("mse_loss", reduction)
    difference = x - y
    return reduced(difference * difference, reduction)


def jaccard_loss(
    prediction: TensorLike,
    target: TensorLike,
    power: int = 1,
    eps: float = 1e-7,
    empty: Empty = "lecture",
    axis: Axis = None,
) -> Tensor:
    """1 − Σ yŷ / (Σ y^p + Σ ŷ^p − Σ yŷ + ε): the lecture's j (``power=1``) and j2 (``power=2``).

    Duque-Arias et al. 2021.

    Args:
        prediction: ŷ in [0, 1]: probabilities, not logits.
        target: y in [0, 1], of the same shape.
        power: p.
        eps: ε, which keeps the denominator from zero.
        empty: what a region counts whose target is all zero. "lecture": the formula as it stands, 1 whatever was
            predicted (its gradient is 0 then, so nothing is learnt from it). "perfect": ε is added to the numerator
            too, so a correct empty prediction costs 0 and a false one close to 1. "ignore": such regions are left out
            of the mean.
        axis: the axes of one region; the losses of several regions are averaged. All axes if None; ``(1, 2)`` gives
            every image and every channel its own, and class balance with it.

    Raises:
        ValueError: shapes disagree, or an unknown policy.

    >>> jaccard_loss([1.0, 1.0], [1.0, 0.0], eps=0.0).item()  # 1 - 1 / (1 + 2 - 1)
    0.5
    """
    x, y = _both("jaccard_loss", prediction, target)
    if power < 1:
        raise ValueError(f"jaccard_loss: power must be at least 1, got {power}; the lecture has 1 and 2")
    axes = axes_of("jaccard_loss", axis, x.ndim)
    intersection = sum(x * y, axes)
    total = sum(y**power if power != 1 else y, axes) + sum(x**power if power != 1 else x, axes)
    return _overlap_loss("jaccard_loss", intersection, total - intersection, y, axes, eps, empty)


def dice_loss(
    prediction: TensorLike, target: TensorLike, eps: float = 1e-7, empty: Empty = "lecture", axis: Axis = None
) -> Tensor:
    """1 − 2 Σ yŷ / (Σ y + Σ ŷ + ε): one minus the lecture's Dice coefficient, generalised to [0, 1].

    Arguments as for `jaccard_loss`.

    >>> dice_loss([0.5, 0.5], [1.0, 0.0], eps=0.0).item()  # 1 - 2 · 0.5 / (1 + 1)
    0.5
    """
    x, y = _both("dice_loss", prediction, target)
    axes = axes_of("dice_loss", axis, x.ndim)
    return _overlap_loss("dice_loss", 2.0 * sum(x * y, axes), sum(y, axes) + sum(x, axes), y, axes, eps, empty)


def _overlap_loss(
    name: str, shared: Tensor, total: Tensor, target: Tensor, axes: tuple[int, ...], eps: float, empty: Empty
) -> Tensor:
    """Mean over regions of 1 − shared / (total + eps), with the policy for regions whose target is empty."""
    if empty not in ("lecture", "perfect", "ignore"):
        raise ValueError(f"{name}: empty must be 'lecture', 'perfect' or 'ignore', not {empty!r}")
    if empty != "lecture" and eps <= 0:
        raise ValueError(f"{name}: empty={empty!r} needs eps > 0, got {eps}")
    loss = 1.0 - (shared + eps if empty == "perfect" else shared) / (total + eps)
    if empty != "ignore":
        return mean(loss)
    present = sum(target.detach(), axes) > 0.0
    regions = float(present.data.sum())
    return sum(where(present, loss, 0.0)) * (1.0 / max(regions, 1.0))


def _both(name: str, prediction: TensorLike, target: TensorLike) -> tuple[Tensor, Tensor]:
    x = floating(as_tensor(prediction))
    y = as_tensor(target, like=x)
    if x.shape != y.shape:
        raise ValueError(
            f"{name}: prediction {x.shape} and target {y.shape} must have one shape ({math.prod(x.shape)} and "
            f"{math.prod(y.shape)} elements); labels become one channel a class with one-hot encoding"
        )
    return x, y.astype(x.dtype, copy=False)
