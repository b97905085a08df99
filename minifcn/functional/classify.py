"""Probabilities and classification losses. Classes are the last axis, as channels are."""

from __future__ import annotations

import numpy as np

from minifcn.functional.arguments import (
    Reduction,
    TensorLike,
    as_tensor,
    axis_of,
    check_broadcast,
    check_reduction,
    floating,
    for_kernels,
)
from minifcn.functional.arrange import index, reshape, transpose
from minifcn.functional.elementwise import softplus, where
from minifcn.functional.reduce import reduced
from minifcn.ops import classify as ops
from minifcn.tensor import Tensor


def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """e^x / Σ e^x along an axis: positive, summing to 1; U-Net's last activation.

    >>> softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    return _along(ops.Softmax(), "softmax", x, axis)


def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """The logarithm of `softmax`, without overflow or loss of digits."""
    return _along(ops.LogSoftmax(), "log_softmax", x, axis)


def cross_entropy(
    logits: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    pixel_weight: TensorLike | None = None,
) -> Tensor:
    """−Σ w ln softmax(logits)[target], over Σ w for the mean: U-Net's loss.

    Ronneberger et al. 2015, eq. 1 (with its sign turned, so that it is to be minimised).

    Args:
        logits: (..., K), before any softmax.
        target: integers (...), each in 0..K−1 or ``ignore_index``.
        weight: (K,), a weight for each class.
        ignore_index: pixels with this label take no part.
        reduction: "mean" divides by the sum of all weights (class weight times pixel weight) that took part; "sum" does
            not; "none" gives the loss of every pixel, weights included, and 0 where it is ignored.
        pixel_weight: (...), a weight for each pixel: the paper's map w.

    Returns:
        a scalar, 0 when every pixel is ignored; or (...) for "none".

    Raises:
        ValueError: shapes disagree, or a label is outside 0..K−1.

    >>> cross_entropy([[0.0, 0.0]], np.array([1])).item()  # ln 2
    0.6931471824645996
    """
    check_reduction("cross_entropy", reduction)
    x = for_kernels("cross_entropy", floating(as_tensor(logits)))
    labels, counted = _checked_labels(target, x, ignore_index)
    flat, classes = labels.data.reshape(-1), x.shape[-1]
    weights = _total_weights(labels, counted, x, weight, pixel_weight)
    rows = reshape(x, (flat.size, classes))
    if reduction == "none":
        at_label = index(log_softmax(rows), (np.arange(flat.size), np.where(counted, flat, 0)))
        return reshape(where(weights != 0, at_label * -weights, 0.0), labels.shape)  # 0, also beside NaN
    total = ops.CrossEntropy(flat, weights)(rows)
    count = float(weights.sum(dtype=np.float64))
    # Nothing counted: the sum is 0 and stays 0, instead of becoming NaN and poisoning the network.
    return total if reduction == "sum" or count == 0.0 else total * (1.0 / count)


def _checked_labels(target: TensorLike, logits: Tensor, ignore_index: int) -> tuple[Tensor, np.ndarray]:
    """The labels (...), and (flat) which of them count."""
    labels = as_tensor(target, like=logits)
    classes = logits.shape[-1] if logits.ndim else 0
    if labels.shape != logits.shape[:-1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"cross_entropy: logits {logits.shape} need integer labels of shape {logits.shape[:-1]}, got "
            f"{labels.dtype} of shape {labels.shape}; classes are the last axis of the logits"
        )
    flat = labels.data.reshape(-1)
    counted = flat != ignore_index
    wrong = flat[counted & ((flat < 0) | (flat >= classes))]
    if wrong.size:
        raise ValueError(
            f"cross_entropy: label {wrong[0]} is not one of 0..{classes - 1} (nor ignore_index={ignore_index}); "
            "masks of 0 and 255 must be mapped to 0 and 1 first"
        )
    return labels, counted


def _total_weights(
    labels: Tensor, counted: np.ndarray, logits: Tensor, weight: TensorLike | None, pixel_weight: TensorLike | None
) -> np.ndarray:
    """(M,) class weight times pixel weight, 0 where a pixel does not count."""
    classes, weights = logits.shape[-1], counted.astype(logits.dtype)
    if weight is not None:
        of_class = as_tensor(weight).data
        if of_class.shape != (classes,):
            raise ValueError(f"cross_entropy: weight must have shape {(classes,)}, one a class; got {of_class.shape}")
        weights *= of_class[np.where(counted, labels.data.reshape(-1), 0)]
    if pixel_weight is not None:
        of_pixel = as_tensor(pixel_weight).data
        if of_pixel.shape != labels.shape:
            raise ValueError(
                f"cross_entropy: pixel_weight must have shape {labels.shape}, one a pixel; got {of_pixel.shape}"
            )
        weights *= of_pixel.reshape(-1)
    return weights


def binary_cross_entropy_with_logits(
    logits: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    pos_weight: TensorLike | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """−Σ [y ln σ(x) + (1 − y) ln(1 − σ(x))], from logits x, without overflow.

    Args:
        logits: any shape.
        target: the same shape, in [0, 1].
        weight: a weight for each element; broadcast.
        pos_weight: a factor for the first term; broadcast.
        reduction: "mean" divides by the number of elements, "sum" does not; "none" gives the loss of every element.

    Raises:
        ValueError: shapes disagree, or a target is outside [0, 1].

    >>> binary_cross_entropy_with_logits([0.0], [1.0]).item()
    0.6931471824645996
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    x = floating(as_tensor(logits))
    y = as_tensor(target, like=x)
    if x.shape != y.shape:
        raise ValueError(f"{name}: logits {x.shape} and target {y.shape} must have one shape; reshape one")
    if y.size and not (y.data.min() >= 0 and y.data.max() <= 1):
        raise ValueError(
            f"{name}: targets of shape {y.shape} must be in [0, 1], but go from {y.data.min()} to {y.data.max()}; "
            "masks of 0 and 255 must be divided by 255"
        )
    y = y.astype(x.dtype, copy=False)
    # −ln σ(x) = softplus(−x) and −ln(1 − σ(x)) = softplus(x).
    positive = y * softplus(-x)
    if pos_weight is not None:
        positive = positive * _factor(name, "pos_weight", pos_weight, x)
    loss = positive + (1.0 - y) * softplus(x)
    if weight is not None:
        loss = loss * _factor(name, "weight", weight, x)
    return reduced(loss, reduction)


def _factor(name: str, argument: str, value: TensorLike, x: Tensor) -> Tensor:
    """Weights that broadcast to the shape of ``x``."""
    factor = as_tensor(value, like=x)
    if check_broadcast(f"{name}, {argument}", factor, x) != x.shape:
        raise ValueError(f"{name}: {argument} of shape {factor.shape} must broadcast to the logits' shape {x.shape}")
    return factor.astype(x.dtype, copy=False)


def _along(operation: ops.Softmax | ops.LogSoftmax, name: str, x: TensorLike, axis: int) -> Tensor:
    x = for_kernels(name, floating(as_tensor(x)))
    axis = axis_of(name, axis, x.ndim)
    if x.shape[axis] == 0:
        raise ValueError(f"{name}: axis {axis - x.ndim} of shape {x.shape} is empty; there must be at least one class")
    if axis == x.ndim - 1:
        return operation(x)
    order = [a for a in range(x.ndim) if a != axis] + [axis]
    return transpose(operation(transpose(x, order)), sorted(range(x.ndim), key=order.__getitem__))
