"""What kernels should give, in float64 NumPy: formulas on whole arrays, as the reference is too slow for large ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.shapes import Pair, Window

Array = np.ndarray


# --- convolution ------------------------------------------------------------------------------------------------------


def _taps(window: Window, size: Pair, output_size: Pair) -> Iterator[tuple[int, int, Any, Any]]:
    """For each tap (r, t): which outputs read a pixel inside the image, and which pixels these are."""
    (kh, kw), s, padding, d = window
    for r in range(kh):
        p = np.arange(output_size[0]) * s[0] + r * d[0] - padding[0]
        i = np.flatnonzero((p >= 0) & (p < size[0]))
        for t in range(kw):
            q = np.arange(output_size[1]) * s[1] + t * d[1] - padding[1]
            j = np.flatnonzero((q >= 0) & (q < size[1]))
            yield r, t, np.ix_(i, j), np.ix_(p[i], q[j])


def conv2d(x: Array, w: Array, bias: Any, window: Window, groups: int, output_size: Pair, relu: bool) -> Array:
    """y[n, i, j, k] = Σ_{r, t, c} x[n, p, q, c] · w[r, t, c, k]."""
    K = w.shape[3]
    y = np.zeros((len(x), *output_size, K))
    for xg, wg, yg in zip(_split(x, groups), np.split(w, groups, axis=3), _split(y, groups), strict=True):
        for r, t, outputs, pixels in _taps(window, x.shape[1:3], output_size):
            yg[:, *outputs] += xg[:, *pixels] @ wg[r, t]
    return _finished(y, bias, relu)


def conv_transpose2d(y: Array, w: Array, bias: Any, window: Window, groups: int, size: Pair, relu: bool) -> Array:
    """The adjoint in x. Pixels of one tap are distinct, as strides are positive: so += adds up."""
    x = np.zeros((len(y), *size, w.shape[2] * groups))
    for xg, wg, yg in zip(_split(x, groups), np.split(w, groups, axis=3), _split(y, groups), strict=True):
        for r, t, outputs, pixels in _taps(window, size, y.shape[1:3]):
            xg[:, *pixels] += yg[:, *outputs] @ wg[r, t].T
    return _finished(x, bias, relu)


def conv2d_weight(x: Array, y: Array, window: Window, groups: int) -> Array:
    """The adjoint in w."""
    w = np.zeros((*window.kernel_size, x.shape[3] // groups, y.shape[3]))
    for xg, wg, yg in zip(_split(x, groups), np.split(w, groups, axis=3), _split(y, groups), strict=True):
        for r, t, outputs, pixels in _taps(window, x.shape[1:3], y.shape[1:3]):
            wg[r, t] = np.einsum("nijc,nijk->ck", xg[:, *pixels], yg[:, *outputs], optimize=True)
    return w


def _split(x: Array, groups: int) -> list[Array]:
    return np.split(x, groups, axis=3)  # views


def _finished(y: Array, bias: Any, relu: bool) -> Array:
    y = y if bias is None else y + bias
    return np.maximum(y, 0) if relu else y


# --- pooling, resampling ----------------------------------------------------------------------------------------------


def max_pool2d(x: Array, window: Window, output_size: Pair) -> tuple[Array, Array]:
    """The first maximum of each window and its index."""
    N, H, W, C = x.shape
    y = np.full((N, *output_size, C), -np.inf)
    indices = np.full(y.shape, -1, np.int32)
    for _, _, outputs, (p, q) in _taps(window, (H, W), output_size):
        new, old = x[:, p, q], y[:, *outputs]
        better = (new > old) | (indices[:, *outputs] < 0)
        y[:, *outputs] = np.where(better, new, old)
        indices[:, *outputs] = np.where(better, (p * W + q)[:, :, None], indices[:, *outputs])
    return y, indices


def gather2d(x: Array, indices: Array) -> Array:
    """The pixels that the indices point at."""
    N, H, W, C = x.shape
    flat = indices.reshape(N, -1, C)
    y = np.take_along_axis(x.reshape(N, H * W, C), np.maximum(flat, 0), axis=1)
    return np.where(flat < 0, 0.0, y).reshape(indices.shape)


def max_unpool2d(y: Array, indices: Array, output_size: Pair, tile: Pair | None) -> Array:
    """Zeros, plus each value where its index points."""
    N, _, _, C = y.shape
    x = np.zeros((N, output_size[0] * output_size[1], C))
    flat, values = indices.reshape(N, -1, C), y.reshape(N, -1, C)
    n, _, c = np.indices(flat.shape)
    there = flat >= 0
    np.add.at(x, (n[there], flat[there], c[there]), values[there])
    return x.reshape(N, *output_size, C)


def resample2d(x: Array, rows: AxisMap, columns: AxisMap) -> Array:
    """Dense matrices along rows and columns."""
    return np.einsum("ip,npqc,jq->nijc", rows.dense(), x, columns.dense(), optimize=True)


# --- normalisation, classification ------------------------------------------------------------------------------------


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance over all but the last axis."""
    axes = tuple(range(x.ndim - 1))
    return x.mean(axes), x.var(axes)


def running_statistics(
    mean: Array, var: Array, average: Any, spread: Any, momentum: float, pixels: int, eps: float
) -> Array:
    """1 / √(var + eps); what is updated is in ``average`` and ``spread``."""
    if average is not None:
        average += momentum * (mean - average)
    if spread is not None:
        spread += momentum * (var * pixels / (pixels - 1) - spread)
    return 1 / np.sqrt(var + eps)


def batch_norm(x: Array, mean: Array, inverse_std: Array, weight: Array, bias: Array, relu: bool) -> Array:
    """Normalised, scaled and shifted."""
    return _finished((x - mean) * inverse_std * weight, bias, relu)


def batch_norm_gradient(
    gradient: Array,
    x: Array,
    mean: Array,
    inverse_std: Array,
    weight: Array,
    bias: Array,
    relu: bool,
    training: bool,
) -> tuple[Array, Array, Array]:
    """Gradients to x, weight and bias."""
    axes, M = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
    x_hat = (x - mean) * inverse_std
    g = np.where(x_hat * weight + bias > 0, gradient, 0.0) if relu else gradient
    gb, gw = g.sum(axes), (g * x_hat).sum(axes)
    return weight * inverse_std * (g - training * (gb + x_hat * gw) / M), gw, gb


def log_softmax(x: Array) -> Array:
    """Along the last axis."""
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def softmax(x: Array) -> Array:
    """Along the last axis."""
    return np.exp(log_softmax(x))


def cross_entropy(logits: Array, labels: Array, weight: Array) -> Array:
    """The weighted sum."""
    return -(weight * np.take_along_axis(log_softmax(logits), labels[:, None], 1)[:, 0]).sum()


def cross_entropy_gradient(gradient: Array, logits: Array, labels: Array, weight: Array) -> Array:
    """Gradient to the logits."""
    return gradient * weight[:, None] * (softmax(logits) - np.eye(logits.shape[1])[labels])


# --- optimisers: they change their lists ------------------------------------------------------------------------------


def adam_step(  # the contract's parameters
    parameters: list[Array],
    gradients: list[Array],
    first_moments: list[Array],
    second_moments: list[Array],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """Adam and AdamW."""
    for p, g, m, v in zip(parameters, gradients, first_moments, second_moments, strict=True):
        slope = g + (0 if decoupled else weight_decay) * p
        p *= 1 - lr * weight_decay if decoupled else 1
        m += (1 - beta1) * (slope - m)
        v += (1 - beta2) * (slope**2 - v)
        p -= lr * m / (1 - beta1**step) / (np.sqrt(v / (1 - beta2**step)) + eps)


def sgd_step(
    parameters: list[Array],
    gradients: list[Array],
    velocities: Any,
    lr: float,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """SGD with momentum."""
    for j, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
        slope = g + weight_decay * p
        if velocities is not None:
            velocities[j][...] = slope if first else momentum * velocities[j] + slope
            slope = slope + momentum * velocities[j] if nesterov else velocities[j]
        p -= lr * slope


def rmsprop_step(
    parameters: list[Array],
    gradients: list[Array],
    square_averages: list[Array],
    velocities: Any,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """RMSprop."""
    for j, (p, g, v) in enumerate(zip(parameters, gradients, square_averages, strict=True)):
        slope = g + weight_decay * p
        v += (1 - alpha) * (slope**2 - v)
        change = slope / (np.sqrt(v) + eps)
        if velocities is not None:
            velocities[j][...] = momentum * velocities[j] + change
            change = velocities[j]
        p -= lr * change


# --- the rest is NumPy's own ------------------------------------------------------------------------------------------


def _scale_all(arrays: list[Array], factor: Array) -> None:
    for array in arrays:
        array *= factor


def _index_add(x: Array, key: Any, shape: tuple[int, ...]) -> Array:
    y = np.zeros(shape)
    np.add.at(y, key, x)
    return y


def _scale_by_sign(x: Array, sign: Array, slope: float) -> Array:
    return np.where(sign > 0, x, slope * x)


NUMPY: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in ("add", "subtract", "multiply", "divide", "power", "negative", "exp")},
    **{name: getattr(np, name) for name in ("log", "sqrt", "absolute", "sign", "maximum", "minimum", "where", "tanh")},
    **{name: getattr(np, name) for name in ("greater", "greater_equal", "equal", "matmul", "broadcast_to")},
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x, slope: _scale_by_sign(x, x, slope),
    "scale_by_sign": _scale_by_sign,
    "sum": lambda x, axes, keepdims: x.sum(axes, keepdims=keepdims),
    "max": lambda x, axes, keepdims: x.max(axes, keepdims=keepdims),
    "min": lambda x, axes, keepdims: x.min(axes, keepdims=keepdims),
    "argmax": lambda x, axis: x.argmax(axis),
    "cast": lambda x, dtype: x.astype(dtype),
    "index": lambda x, key: x[key],
    "index_add": _index_add,
    "scale_all": _scale_all,
    "squared_norm": lambda arrays: np.asarray(sum((array**2).sum() for array in arrays)),
    "concatenate": np.concatenate,
    "pad": lambda x, widths, value: np.pad(x, widths, constant_values=value),
}


def find(name: str) -> Callable[..., Any]:
    """The formula of a kernel."""
    return NUMPY.get(name) or globals()[name]
