"""Batch normalisation and its statistics: per-channel vectors meet flat runs of pixels (see `runs`)."""

import numpy as np
from numba import prange

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.jit import kernel
from minifcn.kernels.cpu.runs import block_count, block_size, fold, run_size, spread, sum_pixels


@np.errstate(all="ignore")  # no pixels: 0 / 0
def moments(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance (÷ M) of every channel, (C,) each."""
    x = np.asarray(x, order="C")
    channels = x.shape[-1]
    pixels = x.size // channels
    mean = sum_pixels(x.reshape(1, pixels, channels))[0] / np.float64(pixels)
    run, block, blocks = _split(x)
    partial = np.zeros((blocks, run))
    _sum_squares(x.ravel(), spread(mean, run), block, partial)
    variance = fold(partial, channels) / np.float64(pixels)
    return mean.astype(x.dtype), variance.astype(x.dtype)


@np.errstate(all="ignore")
def batch_norm(x: Array, mean: Array, inverse_std: Array, weight: Array, bias: Array, relu: bool) -> Array:
    """(x − mean) · inverse_std · weight + bias, all (C,); then ReLU if asked."""
    x = np.asarray(x, order="C")
    y = np.empty_like(x)
    run, block, _ = _split(x)
    mean, scale, bias = (spread(v.astype(x.dtype), run) for v in (mean, inverse_std * weight, bias))
    _batch_norm(x.ravel(), mean, scale, bias, relu, block, y.ravel())
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
    """Gradients to x, weight and bias of `batch_norm`.

    With d = x − mean: gb = Σ g, gw = inverse_std · Σ g·d, gx = scale · (g − gb/M − d · inverse_std · gw/M).
    """
    x, gradient = np.asarray(x, order="C"), np.asarray(gradient, order="C")
    channels = x.shape[-1]
    run, block, blocks = _split(x)

    def lay(vector: Array) -> Array:
        return spread(vector.astype(x.dtype), run)

    flat = gradient.ravel(), x.ravel(), lay(mean), lay(inverse_std * weight), lay(bias)
    partial = np.zeros((2, blocks, run))
    _sum_gradients(*flat, relu, block, partial)
    g_bias, g_weight = fold(partial, channels)
    g_weight *= inverse_std

    # The statistics' share of the gradient; none when they were constants.
    share = channels / x.size if training and x.size else 0.0
    g_x = np.empty_like(x)
    _input_gradient(*flat, lay(g_bias * share), lay(inverse_std * g_weight * share), relu, block, g_x.ravel())
    return g_x, g_weight.astype(x.dtype), g_bias.astype(x.dtype)


def _split(x: Array) -> tuple[int, int, int]:
    """The run, the block and the number of blocks into which to cut x, (..., C)."""
    channels = x.shape[-1]
    run = run_size(x.size // channels, channels)
    block = block_size(run)
    return run, block, block_count(x.size, block)


@kernel
def _sum_squares(x: Array, mean: Array, block: int, partial: Array) -> None:
    for b in prange(len(partial)):
        total = partial[b]
        for begin in range(b * block, min((b + 1) * block, x.size), mean.size):
            piece = x[begin : begin + mean.size]
            for k in range(piece.size):
                difference = piece[k] - mean[k]
                total[k] += difference * difference


@kernel
def _batch_norm(x: Array, mean: Array, scale: Array, bias: Array, relu: bool, block: int, y: Array) -> None:
    zero = y.dtype.type(0)
    for b in prange((x.size + block - 1) // block):
        for begin in range(b * block, min((b + 1) * block, x.size), mean.size):
            piece, result = x[begin : begin + mean.size], y[begin : begin + mean.size]
            for k in range(piece.size):
                value = (piece[k] - mean[k]) * scale[k] + bias[k]
                result[k] = zero if relu and value <= zero else value


@kernel
def _sum_gradients(
    gradient: Array, x: Array, mean: Array, scale: Array, bias: Array, relu: bool, block: int, partial: Array
) -> None:
    """partial[0] += g, partial[1] += g · (x − mean), by blocks."""
    zero = x.dtype.type(0)
    for b in prange(partial.shape[1]):
        sums, products = partial[0, b], partial[1, b]
        for begin in range(b * block, min((b + 1) * block, x.size), mean.size):
            piece, slope = x[begin : begin + mean.size], gradient[begin : begin + mean.size]
            for k in range(piece.size):
                difference = piece[k] - mean[k]
                off = relu and difference * scale[k] + bias[k] <= zero
                g = zero if off else slope[k]
                sums[k] += g
                products[k] += g * difference


@kernel
def _input_gradient(
    gradient: Array,
    x: Array,
    mean: Array,
    scale: Array,
    bias: Array,
    shift: Array,
    slant: Array,
    relu: bool,
    block: int,
    g_x: Array,
) -> None:
    """g_x = scale · (g − shift − slant · (x − mean))."""
    zero = x.dtype.type(0)
    for b in prange((x.size + block - 1) // block):
        for begin in range(b * block, min((b + 1) * block, x.size), mean.size):
            end = begin + mean.size
            piece, slope, result = x[begin:end], gradient[begin:end], g_x[begin:end]
            for k in range(piece.size):
                difference = piece[k] - mean[k]
                off = relu and difference * scale[k] + bias[k] <= zero
                g = zero if off else slope[k]
                result[k] = scale[k] * (g - shift[k] - slant[k] * difference)
