"""What a network is to answer, pixel by pixel: class numbers, class numbers with weights, or values.

    int64 (H, W)          class numbers, IGNORE_INDEX where a pixel does not count
    int64 ()              one class number for the whole image
    WeightedLabel         class numbers (H, W), and how much each pixel weighs in the loss (H, W)
    float32 (H, W, K)     K values a pixel, such as a density

What moves or resamples pixels has to treat these maps differently: classes have no value in between, weights and values
do; beyond the border classes are unknown, weights are 0, and values are mirrored like the image. `mapped` says which
kind each map is, in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Kind = Literal["classes", "weight", "values"]


class WeightedLabel(NamedTuple):
    """Class numbers, and the weight of every pixel in the loss: U-Net's map w(M).

    Attributes:
        classes: int64 (H, W), or (N, H, W) in a batch.
        weight: float32 of the same shape, not negative.
    """

    classes: NDArray[np.int64]
    weight: NDArray[np.float32]


Target = NDArray | WeightedLabel


def mapped(target: Target, change: Callable[[NDArray, Kind], NDArray]) -> Target:
    """Apply ``change(map, kind)`` to every map (H, W) or (H, W, K) of a target; one class an image stays as it is.

    >>> mapped(np.array([[1, 2]]), lambda pixels, kind: pixels[:, ::-1]).tolist()
    [[2, 1]]
    """
    if isinstance(target, WeightedLabel):
        return WeightedLabel(change(target.classes, "classes"), change(target.weight, "weight"))
    if target.ndim == 0:
        return target
    return change(target, "classes" if target.dtype.kind in "iu" else "values")


def without_weights(target: Target) -> NDArray:
    """What answers are compared with: the class numbers of a `WeightedLabel`, any other target as it is.

    >>> without_weights(WeightedLabel(np.array([[1]]), np.array([[2.5]], np.float32))).tolist()
    [[1]]
    """
    return target.classes if isinstance(target, WeightedLabel) else target


def maps_of(target: Target) -> tuple[NDArray, ...]:
    """All arrays of a target.

    >>> len(maps_of(np.zeros((2, 2)))), len(maps_of(WeightedLabel(np.zeros((2, 2), int), np.ones((2, 2), np.float32))))
    (1, 2)
    """
    return tuple(target) if isinstance(target, WeightedLabel) else (target,)


def stacked(targets: Sequence[Target], stack: Callable[[Sequence[NDArray]], NDArray] = np.stack) -> Target:
    """Targets of one batch, one above the other along a new first axis."""
    if isinstance(targets[0], WeightedLabel):
        return WeightedLabel(*(stack(maps) for maps in zip(*targets, strict=True)))
    return stack(targets)  # type: ignore[arg-type]  # all of them are arrays, as the first is
