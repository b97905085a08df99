"""Losses that look at structure: whether centrelines are connected, and how long borders are.

Both see how neighbouring pixels belong together, which sums over single pixels do not. Both take probabilities, and are
added to a loss of single pixels rather than used alone.
"""

from __future__ import annotations

import numpy as np

from minifcn.functional.arguments import (
    Reduction,
    TensorLike,
    as_image,
    axes_of,
    check_broadcast,
    check_reduction,
    on_host,
)
from minifcn.functional.arrange import concatenate, index
from minifcn.functional.elementwise import abs, minimum, relu, sqrt
from minifcn.functional.loss import Empty, check_overlap, mean_of_regions, shares
from minifcn.functional.pool import max_pool2d
from minifcn.functional.reduce import reduced, sum
from minifcn.operators import Axis
from minifcn.tensor import Tensor


def soft_skeleton(x: TensorLike, iterations: int = 10) -> Tensor:
    """The centrelines of grey-level images (N, H, W, C), thinned by minima and maxima of neighbours.

    Lantuéjoul's formula, S = ∪ₖ (ε^k(X) − γ ε^k(X)), on grey levels: what an opening γ removes from the image eroded
    k times, for k = 0 ... ``iterations``, joined by s + d − s d. Erosion takes the minimum over a pixel and its four
    neighbours, dilation the maximum over 3 x 3 pixels; beyond the border there is nothing to compare with.
    Shit et al. 2021.

    Args:
        x: images in [0, 1].
        iterations: at least half the width in pixels of the thickest structure; more changes nothing.

    Raises:
        ValueError: not images, or a negative number of iterations.

    >>> bar = np.zeros((1, 5, 7, 1))
    >>> bar[0, 1:4, 1:6] = 1.0
    >>> soft_skeleton(bar, 2).data[0, :, :, 0].astype(int)
    array([[0, 0, 0, 0, 0, 0, 0],
           [0, 0, 0, 0, 0, 0, 0],
           [0, 0, 1, 1, 1, 0, 0],
           [0, 0, 0, 0, 0, 0, 0],
           [0, 0, 0, 0, 0, 0, 0]])
    """
    x = as_image("soft_skeleton", x)
    if iterations < 0:
        raise ValueError(f"soft_skeleton: iterations must not be negative, got {iterations}")
    skeleton = None
    for _ in range(iterations + 1):
        eroded = _erode(x)
        removed = relu(x - _pool(eroded, 3, 3))
        skeleton = removed if skeleton is None else skeleton + relu(removed - skeleton * removed)
        x = eroded
    assert skeleton is not None
    return skeleton


def cldice_loss(
    prediction: TensorLike,
    target: TensorLike,
    iterations: int = 10,
    eps: float = 1e-7,
    empty: Empty = "lecture",
    axis: Axis = (1, 2),
    smooth: float = 1.0,
) -> Tensor:
    """1 − 2 P S / (P + S), soft clDice: is one mask's centreline inside the other mask? For vessels, roads, membranes.

    Topology precision P = (Σ ŝ y + s) / (Σ ŝ + s) is how much of the prediction's skeleton ŝ lies in the true mask,
    topology sensitivity S = (Σ s_y ŷ + s) / (Σ s_y + s) how much of the true skeleton lies in the prediction. A gap in
    a line costs what it takes from the skeleton, however thin the line. Shit et al. 2021; skeletons are those of
    `soft_skeleton`.

    Args:
        prediction: ŷ in [0, 1], (N, H, W, C): probabilities, not logits.
        target: y in [0, 1], of the same shape.
        iterations: of both skeletons.
        eps: ε, which keeps the quotient from 0 / 0.
        empty: what a region counts whose target is all zero. "lecture": the formula as it stands. With s = 0 that is 1,
            whatever was predicted and without a gradient; with s > 0 a correct empty prediction costs next to nothing,
            and a false one more the more its skeleton exceeds s. "perfect": ε is added to s, so that the same holds
            also for s = 0. "ignore": such regions are left out of the mean, which is 0 if no other is there.
        axis: the axes of one region: by default every image and channel is one. Background has no centreline worth
            keeping; leave its channel out.
        smooth: s >= 0, in pixels of skeleton; 1 is the authors' value.

    Raises:
        ValueError: shapes disagree, not images, s < 0, or an unknown policy.

    >>> line = np.zeros((1, 5, 9, 1))
    >>> line[0, 2, 1:8] = 1.0
    >>> broken = line.copy()
    >>> broken[0, 2, 4] = 0.0  # P = 1, S = (6 + 1) / (7 + 1)
    >>> round(cldice_loss(line, line, 2).item(), 4), round(cldice_loss(broken, line, 2).item(), 4)
    (0.0, 0.0667)
    """
    name = "cldice_loss"
    x, y = shares(name, prediction, target)
    check_overlap(name, eps, empty, smooth)
    axes, s = axes_of(name, axis, x.ndim), smooth + (eps if empty == "perfect" else 0.0)
    x, y = as_image(name, x), as_image(name, y)
    thin_x, thin_y = soft_skeleton(x, iterations), soft_skeleton(y, iterations)
    hit, predicted = sum(thin_x * y, axes) + s, sum(thin_x, axes) + s  # P = hit / predicted
    found, wanted = sum(thin_y * x, axes) + s, sum(thin_y, axes) + s  # S = found / wanted
    # 2 P S / (P + S), multiplied out: one division that can fail instead of three.
    both_ways = hit * wanted + found * predicted + (0.0 if empty == "perfect" else eps)
    return mean_of_regions(1.0 - 2.0 * hit * found / both_ways, y, axes, empty)


def total_variation(
    x: TensorLike,
    isotropic: bool = False,
    eps: float = 1e-6,
    mask: TensorLike | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """How much neighbouring pixels of images (N, H, W, C) differ: of a mask, the length of its border.

    Anisotropic: |∂_h x| + |∂_w x|, differences to the pixel below and to the right, 0 in the last row and column. The
    sum over a mask of 0 and 1 is its border's length in pixel sides. Isotropic (Rudin, Osher & Fatemi 1992):
    √(∂_h² + ∂_w² + ε²) − ε, in which a step down and to the right is a diagonal; ε keeps its gradient finite where x is
    flat.

    It asks for smooth borders and knows no target: a constant prediction, an empty one too, costs 0 and has no
    gradient. So it has no policy for empty masks.

    Args:
        x: probabilities.
        isotropic: which of the two.
        eps: ε > 0, of the isotropic one.
        mask: booleans that broadcast to the shape of ``x``: differences count where both pixels are True. All if None.
        reduction: "mean" over all elements that count (0 if none does), "sum", or "none": (N, H, W, C).

    Raises:
        ValueError: not images, ε not positive, or a mask that does not fit.

    >>> square = np.zeros((1, 4, 4, 1))
    >>> square[0, 1:3, 1:3] = 1.0
    >>> total_variation(square, reduction="sum").item()
    8.0
    """
    name = "total_variation"
    x = as_image(name, x)
    check_reduction(name, reduction)
    if not eps > 0:
        raise ValueError(f"{name}: eps must be positive, got {eps}")
    counted = np.ones((1, 1, 1, 1), bool) if mask is None else on_host(mask)
    if counted.dtype != bool or check_broadcast(name, Tensor(counted), x) != x.shape:
        raise ValueError(
            f"{name}: mask must be boolean and broadcast to {x.shape}, got {counted.dtype} {counted.shape}"
        )
    counted = np.broadcast_to(counted, x.shape)
    down, right = (_difference(x, counted, axis) for axis in (1, 2))
    each = sqrt(down * down + right * right + eps * eps) - eps if isotropic else abs(down) + abs(right)
    if reduction == "mean":
        return sum(each) * (1.0 / max(int(counted.sum()), 1))
    return reduced(each, reduction)


def _difference(x: Tensor, counted: np.ndarray, axis: int) -> Tensor:
    """The next pixel along an axis minus this one; 0 at the end, and where either does not count."""
    here, after = (slice(None),) * axis + (slice(-1),), (slice(None),) * axis + (slice(1, None),)
    inside = (index(x, after) - index(x, here)) * (counted[here] & counted[after]).astype(x.dtype)
    end = tuple(1 if a == axis else length for a, length in enumerate(x.shape))
    return concatenate([inside, Tensor(np.zeros(end, x.dtype), device=x.device)], axis)


def _pool(x: Tensor, height: int, width: int) -> Tensor:
    """The maximum over a window about each pixel."""
    pooled = max_pool2d(x, (height, width), 1, (height // 2, width // 2))
    assert isinstance(pooled, Tensor)
    return pooled


def _erode(x: Tensor) -> Tensor:
    """The minimum over the cross of each pixel and its four neighbours."""
    return minimum(-_pool(-x, 3, 1), -_pool(-x, 1, 3))
