"""Probabilities and classification losses. Classes are the last axis, as channels are."""

from __future__ import annotations

import numpy as np

from minifcn.autograd import no_grad
from minifcn.functional.arguments import (
    Reduction,
    TensorLike,
    as_tensor,
    axis_of,
    check_broadcast,
    check_reduction,
    floating,
    for_kernels,
    on_host,
)
from minifcn.functional.arrange import index, reshape, transpose
from minifcn.functional.elementwise import clip, exp, sigmoid, softplus, where
from minifcn.functional.reduce import reduced, sum
from minifcn.kernels import place
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
    label_smoothing: float = 0.0,
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
        label_smoothing: ε in [0, 1]: the truth becomes 1 − ε for the label plus ε / K for every class, each term with
            the weight of its class. The mean still divides by the labels' weights, as PyTorch's does.

    Returns:
        a scalar, 0 when every pixel is ignored; or (...) for "none".

    Raises:
        ValueError: shapes disagree, a label is outside 0..K−1, or ε outside [0, 1].

    >>> cross_entropy([[0.0, 0.0]], np.array([1])).item()  # ln 2
    0.6931471824645996
    """
    name = "cross_entropy"
    check_reduction(name, reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"{name}: label_smoothing must be in [0, 1], got {label_smoothing}; 0.1 is usual")
    x = for_kernels(name, floating(as_tensor(logits)))
    if isinstance(target, Tensor) and not target.is_on_host and reduction != "none" and not label_smoothing:
        return _cross_entropy_on_device(name, x, target, weight, ignore_index, reduction, pixel_weight)
    labels, counted = _checked_labels(name, target, x, ignore_index)
    flat, classes = labels.data.reshape(-1), x.shape[-1]
    of_pixel = _pixel_weights(name, labels, counted, x, pixel_weight)
    of_class = _class_weights(name, "weight", weight, x)
    weights = of_pixel * of_class[np.where(counted, flat, 0)]
    rows = reshape(x, (flat.size, classes))
    count = float(weights.sum(dtype=np.float64))
    if reduction == "none":
        loss = _at_labels(rows, flat, counted, weights) * -weights
    else:
        loss = ops.CrossEntropy(place(flat, x.device), place(weights, x.device))(rows)
    if label_smoothing and (count or reduction != "mean"):
        each = sum(log_softmax(_counted_rows(rows, of_pixel)) * (-of_class / classes), -1) * of_pixel
        loss = (1.0 - label_smoothing) * loss + label_smoothing * (each if reduction == "none" else sum(each))
    if reduction == "none":
        return reshape(loss, labels.shape)
    # Nothing counted: the sum is 0 and stays 0, instead of becoming NaN and poisoning the network.
    return loss if reduction == "sum" or count == 0.0 else loss * (1.0 / count)


def _cross_entropy_on_device(
    name: str,
    x: Tensor,
    labels: Tensor,
    weight: TensorLike | None,
    ignore_index: int,
    reduction: Reduction,
    pixel_weight: TensorLike | None,
) -> Tensor:
    """The same of labels that are on a GPU. Nothing is read back, so labels out of range become NaN, not an error."""
    _check_labels_kind(name, labels, x)
    classes, flat = x.shape[-1], reshape(labels, (labels.size, 1))
    with no_grad():
        weights = where(flat == ignore_index, 0.0, Tensor.number(1.0, x.dtype, x.device))
        if weight is not None:
            of_class = Tensor(_class_weights(name, "weight", weight, x), device=x.device)
            numbers = Tensor(np.arange(classes), device=x.device)
            weights = weights * sum(where(flat == numbers, of_class, 0.0), 1, keepdims=True)
        if pixel_weight is not None:
            of_pixel = as_tensor(pixel_weight, like=x).astype(x.dtype, copy=False)
            weights = weights * reshape(of_pixel, flat.shape)
        count = sum(weights)
    labels_and_weights = (reshape(flat, (labels.size,))._data, reshape(weights, (labels.size,))._data)
    loss = ops.CrossEntropy(*labels_and_weights)(reshape(x, (labels.size, classes)))
    # If nothing counted, the sum is 0 and stays 0.
    return loss if reduction == "sum" else loss / clip(count, min=float(np.finfo(x.dtype).tiny))


def focal_loss(
    logits: TensorLike,
    target: TensorLike,
    gamma: float = 2.0,
    alpha: TensorLike | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    pixel_weight: TensorLike | None = None,
) -> Tensor:
    """−Σ w (1 − p)^γ ln p, p = softmax(logits)[target], over Σ w for the mean: what is easy counts little.

    Lin et al. 2017, with a softmax over the classes. With γ = 0 it is `cross_entropy`.

    Args:
        logits: (..., K), before any softmax.
        target: integers (...), each in 0..K−1 or ``ignore_index``.
        gamma: γ >= 0, how fast the weight of a pixel falls as it is learnt.
        alpha: (K,), a weight for each class.
        ignore_index: pixels with this label take no part.
        reduction: "mean", "sum" or "none", as for `cross_entropy`: w is class weight times pixel weight, and the factor
            (1 − p)^γ is not among the weights that the mean divides by.
        pixel_weight: (...), a weight for each pixel.

    Returns:
        a scalar, 0 when every pixel is ignored; or (...) for "none".

    Raises:
        ValueError: shapes disagree, a label is outside 0..K−1, or γ < 0.

    >>> round(focal_loss([[0.0, 0.0]], np.array([1])).item(), 4)  # ln 2 / 4
    0.1733
    """
    name = "focal_loss"
    check_reduction(name, reduction)
    _check_gamma(name, gamma)
    x = for_kernels(name, floating(as_tensor(logits)))
    labels, counted = _checked_labels(name, target, x, ignore_index)
    flat = labels.data.reshape(-1)
    weights = _pixel_weights(name, labels, counted, x, pixel_weight)
    weights = weights * _class_weights(name, "alpha", alpha, x)[np.where(counted, flat, 0)]
    log_p = _at_labels(reshape(x, (flat.size, x.shape[-1])), flat, counted, weights)
    each = _focused(1.0 - exp(log_p), gamma) * log_p * -weights
    if reduction == "none":
        return reshape(each, labels.shape)
    count = float(weights.sum(dtype=np.float64))
    return sum(each) if reduction == "sum" or count == 0.0 else sum(each) * (1.0 / count)


def sigmoid_focal_loss(
    logits: TensorLike,
    target: TensorLike,
    gamma: float = 2.0,
    alpha: float | None = None,
    weight: TensorLike | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """The focal loss of independent yes-or-no questions: α_t (1 − p_t)^γ times the binary cross-entropy.

    p_t = y σ(x) + (1 − y) (1 − σ(x)) and α_t = α y + (1 − α) (1 − y): Lin et al. 2017, who use
    γ = 2 and α = 0.25 for their detector.

    Args:
        logits: x, any shape.
        target: y of the same shape, in [0, 1].
        gamma: γ >= 0; 0 leaves the binary cross-entropy.
        alpha: the weight of y = 1, in [0, 1]; None weighs both answers by 1.
        weight: a weight for each element; broadcast. Elements of weight 0 take no part.
        reduction: "mean" divides by the number of elements, "sum" does not; "none" gives the loss of every element.

    Raises:
        ValueError: shapes disagree, a target is outside [0, 1], γ < 0, or α outside [0, 1].

    >>> round(sigmoid_focal_loss([0.0], [1.0], alpha=0.25).item(), 4)  # ln 2 / 16
    0.0433
    """
    name = "sigmoid_focal_loss"
    check_reduction(name, reduction)
    _check_gamma(name, gamma)
    if alpha is not None and not 0.0 <= alpha <= 1.0:
        raise ValueError(f"{name}: alpha must be None or in [0, 1], got {alpha}")
    x, y = _logits_and_shares(name, logits, target)
    loss = y * softplus(-x) + (1.0 - y) * softplus(x)
    loss = loss * _focused(y * sigmoid(-x) + (1.0 - y) * sigmoid(x), gamma)
    if alpha is not None:
        loss = loss * (alpha * y + (1.0 - alpha) * (1.0 - y))
    if weight is not None:
        factor = _factor(name, "weight", weight, x)
        loss = where(factor != 0.0, loss * factor, 0.0)
    return reduced(loss, reduction)


def _focused(miss: Tensor, gamma: float) -> Tensor:
    """(1 − p)^γ of 1 − p. At 0 the gradient counts as 0: for γ < 1 it is infinite there, beside ln p = 0."""
    return clip(miss, min=float(np.finfo(miss.dtype).tiny)) ** gamma


def _check_gamma(name: str, gamma: float) -> None:
    if not gamma >= 0.0:
        raise ValueError(f"{name}: gamma must not be negative, got {gamma}; 0 is the cross-entropy, 2 is usual")


def _at_labels(rows: Tensor, flat: np.ndarray, counted: np.ndarray, weights: np.ndarray) -> Tensor:
    """(M,) ln softmax of each row of logits at its label; of rows of weight 0, something finite."""
    rows = log_softmax(_counted_rows(rows, weights))
    return index(rows, (np.arange(flat.size), np.where(counted, flat, 0)))


def _counted_rows(rows: Tensor, weights: np.ndarray) -> Tensor:
    """The rows, with 0 in those of weight 0: NaN there would get into the sum and all gradients."""
    return rows if weights.all() else where((weights != 0)[:, None], rows, 0.0)


def _checked_labels(name: str, target: TensorLike, logits: Tensor, ignore_index: int) -> tuple[Tensor, np.ndarray]:
    """The labels (...), and (flat) which of them count."""
    labels = as_tensor(target.to("cpu") if isinstance(target, Tensor) else np.asarray(target))
    classes = logits.shape[-1] if logits.ndim else 0
    _check_labels_kind(name, labels, logits)
    flat = labels.data.reshape(-1)
    counted = flat != ignore_index
    wrong = flat[counted & ((flat < 0) | (flat >= classes))]
    if wrong.size:
        raise ValueError(
            f"{name}: label {wrong[0]} is not one of 0..{classes - 1} (nor ignore_index={ignore_index}); "
            "masks of 0 and 255 must be mapped to 0 and 1 first"
        )
    return labels, counted


def _check_labels_kind(name: str, labels: Tensor, logits: Tensor) -> None:
    """Integers, one for each row of logits."""
    if labels.shape != logits.shape[:-1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: logits {logits.shape} need integer labels of shape {logits.shape[:-1]}, got "
            f"{labels.dtype} of shape {labels.shape}; classes are the last axis of the logits"
        )


def _pixel_weights(
    name: str, labels: Tensor, counted: np.ndarray, logits: Tensor, pixel_weight: TensorLike | None
) -> np.ndarray:
    """(M,) the weight of each pixel, 0 where it does not count."""
    if pixel_weight is None:
        return counted.astype(logits.dtype)
    of_pixel = on_host(pixel_weight)
    if of_pixel.shape != labels.shape:
        raise ValueError(f"{name}: pixel_weight must have shape {labels.shape}, one a pixel; got {of_pixel.shape}")
    _check_weights(name, "pixel_weight", of_pixel)
    return np.where(counted, of_pixel.reshape(-1), 0).astype(logits.dtype)


def _class_weights(name: str, argument: str, weight: TensorLike | None, logits: Tensor) -> np.ndarray:
    """(K,) the weight of each class."""
    classes = logits.shape[-1]
    if weight is None:
        return np.ones(classes, logits.dtype)
    of_class = on_host(weight)
    if of_class.shape != (classes,):
        raise ValueError(f"{name}: {argument} must have shape {(classes,)}, one a class; got {of_class.shape}")
    _check_weights(name, argument, of_class)
    return of_class.astype(logits.dtype)


def _check_weights(name: str, argument: str, weights: np.ndarray) -> None:
    """A mean over weights that are negative, infinite or NaN means nothing."""
    if weights.size and not (weights.min() >= 0 and weights.max() < np.inf):
        raise ValueError(
            f"{name}: {argument} must be finite and not negative, but goes from {weights.min()} to {weights.max()}"
        )


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
    x, y = _logits_and_shares(name, logits, target)
    # −ln σ(x) = softplus(−x) and −ln(1 − σ(x)) = softplus(x).
    positive = y * softplus(-x)
    if pos_weight is not None:
        positive = positive * _factor(name, "pos_weight", pos_weight, x)
    loss = positive + (1.0 - y) * softplus(x)
    if weight is not None:
        loss = loss * _factor(name, "weight", weight, x)
    return reduced(loss, reduction)


def _logits_and_shares(name: str, logits: TensorLike, target: TensorLike) -> tuple[Tensor, Tensor]:
    """Logits, and targets in [0, 1] of the same shape and dtype."""
    x = floating(as_tensor(logits))
    y = as_tensor(target, like=x)
    if x.shape != y.shape:
        raise ValueError(f"{name}: logits {x.shape} and target {y.shape} must have one shape; reshape one")
    if y.is_on_host and y.size and not (y.data.min() >= 0 and y.data.max() <= 1):
        raise ValueError(
            f"{name}: targets of shape {y.shape} must be in [0, 1], but go from {y.data.min()} to {y.data.max()}; "
            "masks of 0 and 255 must be divided by 255"
        )
    return x, y.astype(x.dtype, copy=False)


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
