"""Batch normalisation: C is the last axis, everything before it is one long axis of M pixels."""

import math

import numpy as np

from minifcn.kernels.contract import Array


@np.errstate(all="ignore")
def moments(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of every channel, (C,) each: μ = Σ x / M, σ² = Σ (x − μ)² / M.

    >>> moments(np.array([[1.0, 10.0], [3.0, 10.0]]))
    (array([ 2., 10.]), array([1., 0.]))
    """
    pixels = x.reshape(-1, x.shape[-1]).astype(np.float64)
    M, C = pixels.shape
    mean, variance = np.zeros(C), np.zeros(C)
    for m, c in np.ndindex(M, C):
        mean[c] += pixels[m, c]
    mean /= M
    for m, c in np.ndindex(M, C):
        variance[c] += (pixels[m, c] - mean[c]) ** 2
    variance /= M
    return mean.astype(x.dtype), variance.astype(x.dtype)


@np.errstate(all="ignore")
def running_statistics(
    mean: Array,
    var: Array,
    running_mean: Array | None,
    running_var: Array | None,
    momentum: float,
    pixels: int,
    eps: float,
) -> Array:
    """1 / √(var + eps), (C,); and running = (1 − momentum) · running + momentum · batch, in place, where given.

    >>> average = np.array([1.0])
    >>> running_statistics(np.array([3.0]), np.array([4.0]), average, None, 0.5, 8, 0.0), average
    (array([0.5]), array([2.]))
    """
    inverse_std = np.empty(var.shape, var.dtype)
    for c in range(len(var)):
        inverse_std[c] = 1.0 / math.sqrt(float(var[c]) + eps)
        if running_mean is not None:
            running_mean[c] = (1.0 - momentum) * float(running_mean[c]) + momentum * float(mean[c])
        if running_var is not None:
            unbiased = float(var[c]) * pixels / (pixels - 1)
            running_var[c] = (1.0 - momentum) * float(running_var[c]) + momentum * unbiased
    return inverse_std


@np.errstate(all="ignore")
def batch_norm(x: Array, mean: Array, inverse_std: Array, weight: Array, bias: Array, relu: bool) -> Array:
    """(x − mean) · inverse_std · weight + bias, all (C,); then ReLU if asked.

    >>> one = np.array([1.0])
    >>> batch_norm(np.array([[1.0], [4.0]]), 2 * one, 0.5 * one, 3 * one, one, relu=True)  # −1.5 + 1, 3 + 1
    array([[0.],
           [4.]])
    """
    y = np.empty(x.shape, x.dtype)
    for i in np.ndindex(x.shape):
        c = i[-1]
        value = (float(x[i]) - float(mean[c])) * float(inverse_std[c]) * float(weight[c]) + float(bias[c])
        y[i] = 0.0 if relu and value <= 0 else value
    return y


@np.errstate(all="ignore")
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
    """Gradients to x, weight and bias of `batch_norm`; with ``training``, mean and std depended on x.

    With x̂ = (x − mean) · inverse_std, and g the gradient (zeroed where ReLU was off):
    gb = Σ g, gw = Σ g·x̂, gx = weight · inverse_std · (g − [training] (gb + x̂ · gw) / M).

    Two pixels are normalised to −1 and 1 whatever they are, so no gradient reaches them:

    >>> zero, one = np.array([0.0]), np.array([1.0])
    >>> x, g = np.array([[1.0], [3.0]]), np.array([[1.0], [0.0]])
    >>> batch_norm_gradient(g, x, 2 * one, one, one, zero, relu=False, training=True)
    (array([[0.],
           [0.]]), array([-1.]), array([1.]))
    """
    C = x.shape[-1]
    M = x.size // C
    mean, inverse_std, weight, bias = (v.astype(np.float64) for v in (mean, inverse_std, weight, bias))
    g, x_hat = np.empty((M, C)), np.empty((M, C))
    g_weight, g_bias = np.zeros(C), np.zeros(C)
    pixels, slopes = x.reshape(M, C), gradient.reshape(M, C)
    for m, c in np.ndindex(M, C):
        x_hat[m, c] = (pixels[m, c] - mean[c]) * inverse_std[c]
        off = relu and x_hat[m, c] * weight[c] + bias[c] <= 0
        g[m, c] = 0.0 if off else slopes[m, c]
        g_bias[c] += g[m, c]
        g_weight[c] += g[m, c] * x_hat[m, c]

    g_x = np.empty((M, C))
    for m, c in np.ndindex(M, C):
        through_statistics = (g_bias[c] + x_hat[m, c] * g_weight[c]) / M if training else 0.0
        g_x[m, c] = weight[c] * inverse_std[c] * (g[m, c] - through_statistics)
    return g_x.reshape(x.shape).astype(x.dtype), g_weight.astype(x.dtype), g_bias.astype(x.dtype)
