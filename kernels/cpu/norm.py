"""Batch normalisation and its statistics: per-channel vectors meet flat runs of pixels (see `runs`).

Each function is one kernel, which also prepares the vectors: on small images, what Python does around it would cost
more than the pixels.
"""

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.copying import contiguous
from minifcn.kernels.cpu.jit import helper, kernel
from minifcn.kernels.cpu.memory import empty_like
from minifcn.kernels.cpu.runs import Split, add_runs, block_count, block_of, fold, split, spread


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance (÷ M) of every channel, (C,) each; one pass over memory.

    A block of n pixels is summed up relative to a shift s, the mean of its first p pixels: with d = x − s in float64,
    its mean is μ_b = s + Σ d / n, its squares S_b = Σ d² − (Σ d)² / n. The p pixels alone make S_b at least
    p (μ_b − s)², so the subtraction loses a factor of n / p, at most 8 of float64's 53 bits. Blocks of n_b pixels then
    give μ = Σ n_b μ_b / M and M σ² = Σ (S_b + n_b (μ_b − μ)²): nothing cancels. Chan et al. 1979.
    """
    x = contiguous(x)
    channels = x.shape[-1]
    mean, variance = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
    _moments(x.ravel(), split(x.size, channels), mean, variance)
    return mean, variance


def running_statistics(
    mean: Array,
    var: Array,
    running_mean: Array | None,
    running_var: Array | None,
    momentum: float,
    pixels: int,
    eps: float,
) -> Array:
    """1 / √(var + eps), (C,); the running statistics, where given, move towards the batch's. Vectors: NumPy will do."""
    inverse_std = (1.0 / np.sqrt(var + eps)).astype(var.dtype, copy=False)
    if running_mean is not None:
        running_mean[...] = (1.0 - momentum) * running_mean + momentum * mean
    if running_var is not None:
        running_var[...] = (1.0 - momentum) * running_var + momentum * (var * (pixels / (pixels - 1)))
    return inverse_std


def batch_norm(x: Array, mean: Array, inverse_std: Array, weight: Array, bias: Array, relu: bool) -> Array:
    """(x − mean) · inverse_std · weight + bias, all (C,); then ReLU if asked."""
    x = contiguous(x)
    y = empty_like(x)
    mean, inverse_std, weight, bias = _vectors(x, mean, inverse_std, weight, bias)
    _batch_norm(x.ravel(), mean, inverse_std, weight, bias, relu, split(x.size, x.shape[-1]), y.ravel())
    return y


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
    """Gradients to x, weight and bias of `batch_norm`.

    With d = x − mean: gb = Σ g, gw = inverse_std · Σ g·d, gx = scale · (g − gb/M − d · inverse_std · gw/M).
    """
    x, gradient = contiguous(x), contiguous(gradient)
    mean, inverse_std, weight, bias = _vectors(x, mean, inverse_std, weight, bias)
    g_x, g_weight, g_bias = empty_like(x), np.empty(x.shape[-1], x.dtype), np.empty(x.shape[-1], x.dtype)
    _batch_norm_gradient(
        gradient.ravel(),
        x.ravel(),
        mean,
        inverse_std,
        weight,
        bias,
        relu,
        training,
        split(x.size, x.shape[-1]),
        g_x.ravel(),
        g_weight,
        g_bias,
    )
    return g_x, g_weight, g_bias


def _vectors(x: Array, *given: Array) -> list[Array]:
    """Vectors of channels, as the kernels want them: contiguous, and of the type of x."""
    return [np.asarray(vector, x.dtype, order="C") for vector in given]


@kernel
def _moments(x: Array, cut: Split, mean: Array, variance: Array) -> None:
    blocks, channels = block_count(x.size, cut.block), mean.size
    means, squares = np.empty((blocks, channels)), np.empty((blocks, channels))
    for b in prange(blocks):
        piece, sums = block_of(x, b, cut.block), np.zeros((2, cut.run))
        count = piece.size // channels
        add_runs(piece[: cut.run], sums[0])
        fold(sums[0], means[b])
        means[b] /= min(cut.run, piece.size) // channels
        sums[0] = 0.0
        _add_powers(piece, spread(means[b], cut.run), sums[0], sums[1])
        first = np.empty(channels)
        fold(sums[0], first)
        fold(sums[1], squares[b])
        for c in range(channels):
            means[b, c] += first[c] / count
            squares[b, c] -= first[c] * first[c] / count

    pixels = np.float64(x.size // channels)
    for c in range(channels):
        total = 0.0
        for b in range(blocks):
            total += means[b, c] * (block_of(x, b, cut.block).size // channels)
        middle, total = total / pixels, 0.0
        for b in range(blocks):
            count = block_of(x, b, cut.block).size // channels
            total += squares[b, c] + count * (means[b, c] - middle) ** 2
        mean[c], variance[c] = middle, total / pixels


@helper
def _add_powers(x: Array, shift: Array, sums: Array, squares: Array) -> None:
    """Sums += x − shift, squares += (x − shift)²; two runs at a time, so the totals are loaded half as often."""
    run = shift.size
    whole = x.size // (2 * run) * (2 * run)
    for begin in range(0, whole, 2 * run):
        a, b = x[begin : begin + run], x[begin + run : begin + 2 * run]
        for k in range(run):
            left, right = a[k] - shift[k], b[k] - shift[k]
            sums[k] += left + right
            squares[k] += left * left + right * right
    for begin in range(whole, x.size, run):
        piece = x[begin : begin + run]  # the last one may be shorter
        for k in range(piece.size):
            difference = piece[k] - shift[k]
            sums[k] += difference
            squares[k] += difference * difference


@kernel
def _batch_norm(
    x: Array, mean: Array, inverse_std: Array, weight: Array, bias: Array, relu: bool, cut: Split, y: Array
) -> None:
    zero = y.dtype.type(0)
    center, scale, shift = spread(mean, cut.run), spread(inverse_std * weight, cut.run), spread(bias, cut.run)
    for b in prange(block_count(x.size, cut.block)):
        source, target = block_of(x, b, cut.block), block_of(y, b, cut.block)
        for begin in range(0, source.size, cut.run):
            piece, result = source[begin : begin + cut.run], target[begin : begin + cut.run]
            for k in range(piece.size):
                value = (piece[k] - center[k]) * scale[k] + shift[k]
                result[k] = zero if relu and value <= zero else value


@kernel
def _batch_norm_gradient(
    gradient: Array,
    x: Array,
    mean: Array,
    inverse_std: Array,
    weight: Array,
    bias: Array,
    relu: bool,
    training: bool,
    cut: Split,
    g_x: Array,
    g_weight: Array,
    g_bias: Array,
) -> None:
    blocks, channels = block_count(x.size, cut.block), cut.channels
    center, scale, offset = spread(mean, cut.run), spread(inverse_std * weight, cut.run), spread(bias, cut.run)
    sums, products = np.empty((blocks, channels)), np.empty((blocks, channels))
    for b in prange(blocks):
        runs = np.zeros((2, cut.run))
        slopes, values = block_of(gradient, b, cut.block), block_of(x, b, cut.block)
        _add_gradients(slopes, values, center, scale, offset, relu, runs[0], runs[1])
        fold(runs[0], sums[b])
        fold(runs[1], products[b])

    # The statistics' share of the gradient, shift + slant · d; none when they were constants.
    shift, slant = np.zeros(channels, x.dtype), np.zeros(channels, x.dtype)
    for c in range(channels):
        total, product = 0.0, 0.0
        for b in range(blocks):
            total += sums[b, c]
            product += products[b, c]
        product *= inverse_std[c]
        g_bias[c], g_weight[c] = total, product
        if training and x.size > 0:
            shift[c], slant[c] = total * channels / x.size, inverse_std[c] * product * channels / x.size
    shift, slant = spread(shift, cut.run), spread(slant, cut.run)

    for b in prange(blocks):
        slopes, values = block_of(gradient, b, cut.block), block_of(x, b, cut.block)
        _input_gradient(slopes, values, center, scale, offset, shift, slant, relu, block_of(g_x, b, cut.block))


@helper
def _add_gradients(
    gradient: Array, x: Array, mean: Array, scale: Array, bias: Array, relu: bool, sums: Array, products: Array
) -> None:
    """Sums += g, products += g · (x − mean)."""
    zero, run = x.dtype.type(0), mean.size
    for begin in range(0, x.size, run):
        piece, slope = x[begin : begin + run], gradient[begin : begin + run]
        for k in range(piece.size):
            difference = piece[k] - mean[k]
            off = relu and difference * scale[k] + bias[k] <= zero
            g = zero if off else slope[k]
            sums[k] += g
            products[k] += g * difference


@helper
def _input_gradient(
    gradient: Array,
    x: Array,
    mean: Array,
    scale: Array,
    bias: Array,
    shift: Array,
    slant: Array,
    relu: bool,
    g_x: Array,
) -> None:
    """g_x = scale · (g − shift − slant · (x − mean))."""
    zero, run = x.dtype.type(0), mean.size
    for begin in range(0, x.size, run):
        piece, slope, result = x[begin : begin + run], gradient[begin : begin + run], g_x[begin : begin + run]
        for k in range(piece.size):
            difference = piece[k] - mean[k]
            off = relu and difference * scale[k] + bias[k] <= zero
            g = zero if off else slope[k]
            result[k] = scale[k] * (g - shift[k] - slant[k] * difference)
