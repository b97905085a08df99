"""Batch normalisation: C is the last axis, everything before it is one long axis of M pixels.

Neighbouring threads take neighbouring channels, and with fewer channels than threads also neighbouring pixels, so that
a block reads runs of memory whatever C is; a thread stays with its channel. Statistics are sums over pixels: threads
add up in twice the precision what eight pixels give (see `bodies.norm`), blocks add their threads, and a second kernel
the blocks, always in the same order, so the bits are the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minifcn.kernels.cuda import driver, lang
from minifcn.kernels.cuda.arrange import contiguous
from minifcn.kernels.cuda.array import CudaArray, empty
from minifcn.kernels.cuda.bodies import norm as bodies
from minifcn.kernels.cuda.lang import SIMULATED, cuda, device_function, f64, sqrt, u32
from minifcn.kernels.cuda.launching import Kernel, jit, threads_and_blocks

_THREADS = 32 if SIMULATED else 256
_AT_ONCE = 8  # pixels that a thread reads before it adds them up
_EACH = 4  # pixels that a thread normalises
_CHANNELS = 8  # that a block of a second pass adds up
_LANES = _THREADS // _CHANNELS

_eight_moments = device_function(bodies.eight_moments)
_normalised = device_function(bodies.normalised)
_affine = device_function(bodies.affine)
_slope = device_function(bodies.slope)


def moments(x: CudaArray) -> tuple[CudaArray, CudaArray]:
    """Mean and biased variance of every channel, (C,) each: μ = Σ x / M, σ² = Σ (x − μ)² / M.

    The sums are those of d = x − k, with k the channel's first number: σ² = Σ d² / M − (Σ d / M)². As k is one of the
    numbers, (μ − k)² is at most M σ²: in float64 the difference costs a relative error of 10⁻¹⁶ M at the very worst.
    """
    x = contiguous(x)
    C = x.shape[-1]
    M = x.size // C if C else 0
    mean, variance = empty((C,), x.dtype), empty((C,), x.dtype)
    plan = _plan(M, C)
    sums, squares = empty((plan.blocks, C), np.float64), empty((plan.blocks, C), np.float64)
    _sum_moments.launch(plan.grid, _THREADS, x, sums, squares, (M, C, plan.width, plan.lanes, plan.span))
    _finish_moments.launch(-(-C // _CHANNELS), _THREADS, x, sums, squares, mean, variance, plan.blocks, M, C)
    return mean, variance


def batch_norm(
    x: CudaArray, mean: CudaArray, inverse_std: CudaArray, weight: CudaArray, bias: CudaArray, relu: bool
) -> CudaArray:
    """(x − mean) · inverse_std · weight + bias, all (C,); then ReLU if asked."""
    x = contiguous(x)
    y = empty(x.shape, x.dtype)
    if x.size:
        vectors = [contiguous(v) for v in (mean, inverse_std, weight, bias)]
        grid, shape = _pieces(x)
        _normalise.launch(grid, _THREADS, x, *vectors, y, shape, int(relu))
    return y


def batch_norm_gradient(
    gradient: CudaArray,
    x: CudaArray,
    mean: CudaArray,
    inverse_std: CudaArray,
    weight: CudaArray,
    bias: CudaArray,
    relu: bool,
    training: bool,
) -> tuple[CudaArray, CudaArray, CudaArray]:
    """Gradients to x, weight and bias of `batch_norm`; with ``training``, mean and std depended on x.

    With x̂ = (x − mean) · inverse_std, and g the gradient (zeroed where ReLU was off):
    gb = Σ g, gw = Σ g·x̂, gx = weight · inverse_std · (g − [training] (gb + x̂ · gw) / M).
    """
    x, gradient = contiguous(x), contiguous(gradient)
    vectors = [contiguous(v) for v in (mean, inverse_std, weight, bias)]
    C = x.shape[-1]
    M = x.size // C if C else 0
    g_x, g_weight, g_bias = empty(x.shape, x.dtype), empty((C,), x.dtype), empty((C,), x.dtype)
    plan = _plan(M, C)
    sums, products = empty((plan.blocks, C), np.float64), empty((plan.blocks, C), np.float64)
    geometry = (M, C, plan.width, plan.lanes, plan.span)
    _sum_gradients.launch(plan.grid, _THREADS, gradient, x, *vectors, sums, products, geometry, int(relu))
    _finish_sums.launch(-(-C // _CHANNELS), _THREADS, sums, products, g_bias, g_weight, plan.blocks, C)
    if x.size:
        grid, shape = _pieces(x)
        flags = (int(relu), int(training))
        _normalise_adjoint.launch(grid, _THREADS, gradient, x, *vectors, g_bias, g_weight, g_x, shape, flags)
    return g_x, g_weight, g_bias


def running_statistics(
    mean: CudaArray,
    var: CudaArray,
    running_mean: CudaArray | None,
    running_var: CudaArray | None,
    momentum: float,
    pixels: int,
    eps: float,
) -> CudaArray:
    """1 / √(variance + eps), (C,); where running averages are given, they move towards the batch's, in place.

    running = (1 − momentum) · running + momentum · batch, of the variance the unbiased one: · pixels / (pixels − 1).
    """
    mean, variance = contiguous(mean), contiguous(var)
    inverse_std = empty(variance.shape, variance.dtype)
    running = (
        mean if running_mean is None else running_mean,  # in place of what is not there, something to point at
        variance if running_var is None else running_var,
    )
    if not all(array.is_contiguous for array in running):
        raise ValueError("running averages are updated in place, and have to be contiguous")
    # A single pixel has no unbiased variance: 0 · ∞, NaN, as the formula says.
    unbiased = pixels / (pixels - 1) if pixels > 1 else np.inf
    flags = (int(running_mean is not None), int(running_var is not None))
    grid, block = threads_and_blocks(mean.size)
    numbers = [variance.dtype.type(v) for v in (momentum, 1 - momentum, momentum * unbiased, eps)]
    _running_statistics.launch(grid, block, mean, variance, *running, inverse_std, *numbers, mean.size, flags)
    return inverse_std


class _Plan(NamedTuple):
    """Who adds up what: blocks along the pixels, and along the channels; ``span`` pixels to a block."""

    blocks: int
    chunks: int
    width: int
    lanes: int
    span: int

    @property
    def grid(self) -> tuple[int, int]:
        return self.blocks, self.chunks


def _width(C: int) -> tuple[int, int, int]:
    """A block's channels, its pixels at a time, and the number of such pieces that make up all channels."""
    chunks = max(1, -(-C // _THREADS))
    width = max(C, 1) if chunks == 1 else min(_THREADS, 32 * -(-C // (32 * chunks)))
    return width, _THREADS // width, -(-C // width)


def _plan(M: int, C: int) -> _Plan:
    """Enough blocks for every multiprocessor to have eight, if there are pixels for them."""
    width, lanes, chunks = _width(C)
    if C == 0:
        return _Plan(0, 0, 1, 1, 1)
    step = lanes * _AT_ONCE
    wanted = max(1, 8 * driver.info().multiprocessors // chunks)
    span = step * max(1, -(-M // (step * wanted)))
    return _Plan(-(-M // span), chunks, width, lanes, span)


def _pieces(x: CudaArray) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """The grid for what is done to each element, and (M, C, width, lanes)."""
    C = x.shape[-1]
    M = x.size // C
    width, lanes, chunks = _width(C)
    return (-(-M // (lanes * _EACH)), chunks), (M, C, width, lanes)


# --- kernels ---------------------------------------------------------------------------------------------------------

# mypy: disable-error-code="no-untyped-def,no-untyped-call"


@device_function
def _fold(a, b, width, lanes):
    """Add up a block's sums: thread t holds those of channel t % width and lane t // width; lane 0 ends with all."""
    t = u32(cuda.threadIdx.x)
    n = lanes
    while n > u32(1):
        half = u32(u32(n + u32(1)) >> u32(1))
        cuda.syncthreads()
        if t < u32(u32(n - half) * width):
            other = u32(t + u32(half * width))
            a[t] += a[other]
            b[t] += b[other]
        n = half


@device_function
def _eight(x, e, step):
    """Eight numbers of an array, ``step`` apart."""
    return (
        x[e],
        x[u32(e + step)],
        x[u32(e + u32(step * u32(2)))],
        x[u32(e + u32(step * u32(3)))],
        x[u32(e + u32(step * u32(4)))],
        x[u32(e + u32(step * u32(5)))],
        x[u32(e + u32(step * u32(6)))],
        x[u32(e + u32(step * u32(7)))],
    )


@jit()
def _sum_moments(x, sums, squares, geometry):
    """Σ d and Σ d² of a block's pixels, with d = x − the channel's first number."""
    a = cuda.shared.array(_THREADS, f64)
    b = cuda.shared.array(_THREADS, f64)
    M, C, width, lanes, span = geometry
    t = u32(cuda.threadIdx.x)
    lane = u32(t // width)
    channel = u32(u32(cuda.blockIdx.y * width) + u32(t - u32(lane * width)))
    total, squared = f64(0), f64(0)
    if lane < lanes and channel < C:
        k = x[channel]
        if k - k != x.dtype.type(0):  # infinity or NaN: subtracted, it would make NaN of the others
            k = x.dtype.type(0)
        p = u32(u32(cuda.blockIdx.x * span) + lane)
        end = min(M, u32(u32(cuda.blockIdx.x + u32(1)) * span))
        step = u32(lanes * C)
        while u32(p + u32(lanes * u32(7))) < end:
            x0, x1, x2, x3, x4, x5, x6, x7 = _eight(x, u32(u32(p * C) + channel), step)
            m, r, q = _eight_moments(
                x0 - k, x1 - k, x2 - k, x3 - k, x4 - k, x5 - k, x6 - k, x7 - k, x.dtype.type(0.125)
            )
            squared += f64(q) + f64(m) * (f64(8) * f64(m) + f64(2) * f64(r))
            if r != r:  # of an infinite mean there is no rest
                r = x.dtype.type(0)
            total += f64(8) * f64(m) + f64(r)
            p = u32(p + u32(lanes * u32(8)))
        while p < end:
            d = f64(x[u32(u32(p * C) + channel)]) - f64(k)
            total += d
            squared += d * d
            p = u32(p + lanes)
    a[t] = total
    b[t] = squared
    _fold(a, b, width, lanes)
    if lane == u32(0) and channel < C:
        o = u32(u32(cuda.blockIdx.x * C) + channel)
        sums[o] = a[t]
        squares[o] = b[t]


@jit()
def _finish_moments(x, sums, squares, mean, variance, blocks, M, C):
    """Mean and variance from the blocks' sums."""
    a = cuda.shared.array(_THREADS, f64)
    b = cuda.shared.array(_THREADS, f64)
    t = u32(cuda.threadIdx.x)
    channel = u32(u32(cuda.blockIdx.x * u32(_CHANNELS)) + u32(t % u32(_CHANNELS)))
    total, squared = f64(0), f64(0)
    if channel < C:
        block = u32(t // u32(_CHANNELS))
        while block < blocks:
            total += sums[u32(u32(block * C) + channel)]
            squared += squares[u32(u32(block * C) + channel)]
            block = u32(block + u32(_LANES))
    a[t] = total
    b[t] = squared
    _fold(a, b, u32(_CHANNELS), u32(_LANES))
    if t < u32(_CHANNELS) and channel < C:
        k = x.dtype.type(0)
        if M:
            k = x[channel]
            if k - k != x.dtype.type(0):
                k = x.dtype.type(0)
        count = f64(M)
        d = a[t] / count
        spread = b[t] / count - d * d
        if spread < f64(0):  # by rounding
            spread = f64(0)
        mean[channel] = x.dtype.type(f64(k) + d)
        variance[channel] = x.dtype.type(spread)


@jit()
def _normalise(x, mean, inverse_std, weight, bias, y, shape, relu):
    """A thread takes four pixels of a channel."""
    M, C, width, lanes = shape
    t = u32(cuda.threadIdx.x)
    lane = u32(t // width)
    channel = u32(u32(cuda.blockIdx.y * width) + u32(t - u32(lane * width)))
    if lane < lanes and channel < C:
        m, s, w, b = mean[channel], inverse_std[channel], weight[channel], bias[channel]
        zero = x.dtype.type(0)
        p = u32(u32(u32(cuda.blockIdx.x * lanes) * u32(_EACH)) + lane)
        e = u32(u32(p * C) + channel)
        step = u32(lanes * C)
        if u32(p + u32(lanes * u32(3))) < M:
            e1, e2, e3 = u32(e + step), u32(e + u32(step * u32(2))), u32(e + u32(step * u32(3)))
            x0, x1, x2, x3 = x[e], x[e1], x[e2], x[e3]
            y[e] = _affine(_normalised(x0, m, s), w, b, relu, zero)
            y[e1] = _affine(_normalised(x1, m, s), w, b, relu, zero)
            y[e2] = _affine(_normalised(x2, m, s), w, b, relu, zero)
            y[e3] = _affine(_normalised(x3, m, s), w, b, relu, zero)
        else:
            while p < M:
                y[e] = _affine(_normalised(x[e], m, s), w, b, relu, zero)
                p = u32(p + lanes)
                e = u32(e + step)


@jit()
def _sum_gradients(gradient, x, mean, inverse_std, weight, bias, sums, products, geometry, relu):
    """Σ g and Σ g·x̂ of a block's pixels."""
    a = cuda.shared.array(_THREADS, f64)
    b = cuda.shared.array(_THREADS, f64)
    M, C, width, lanes, span = geometry
    t = u32(cuda.threadIdx.x)
    lane = u32(t // width)
    channel = u32(u32(cuda.blockIdx.y * width) + u32(t - u32(lane * width)))
    total, product = f64(0), f64(0)
    if lane < lanes and channel < C:
        mu, s, w, shift = mean[channel], inverse_std[channel], weight[channel], bias[channel]
        zero = x.dtype.type(0)
        p = u32(u32(cuda.blockIdx.x * span) + lane)
        end = min(M, u32(u32(cuda.blockIdx.x + u32(1)) * span))
        step = u32(lanes * C)
        while u32(p + u32(lanes * u32(3))) < end:
            e = u32(u32(p * C) + channel)
            e1, e2, e3 = u32(e + step), u32(e + u32(step * u32(2))), u32(e + u32(step * u32(3)))
            g0, g1, g2, g3 = gradient[e], gradient[e1], gradient[e2], gradient[e3]
            x0, x1, x2, x3 = x[e], x[e1], x[e2], x[e3]
            h0, h1 = _normalised(x0, mu, s), _normalised(x1, mu, s)
            h2, h3 = _normalised(x2, mu, s), _normalised(x3, mu, s)
            g0, g1 = _slope(g0, h0, w, shift, relu, zero), _slope(g1, h1, w, shift, relu, zero)
            g2, g3 = _slope(g2, h2, w, shift, relu, zero), _slope(g3, h3, w, shift, relu, zero)
            total += f64((g0 + g1) + (g2 + g3))
            product += f64((g0 * h0 + g1 * h1) + (g2 * h2 + g3 * h3))
            p = u32(p + u32(lanes * u32(4)))
        while p < end:
            e = u32(u32(p * C) + channel)
            h = _normalised(x[e], mu, s)
            g = _slope(gradient[e], h, w, shift, relu, zero)
            total += f64(g)
            product += f64(g) * f64(h)
            p = u32(p + lanes)
    a[t] = total
    b[t] = product
    _fold(a, b, width, lanes)
    if lane == u32(0) and channel < C:
        o = u32(u32(cuda.blockIdx.x * C) + channel)
        sums[o] = a[t]
        products[o] = b[t]


@jit()
def _finish_sums(sums, products, total, product, blocks, C):
    """Add up the blocks' sums."""
    a = cuda.shared.array(_THREADS, f64)
    b = cuda.shared.array(_THREADS, f64)
    t = u32(cuda.threadIdx.x)
    channel = u32(u32(cuda.blockIdx.x * u32(_CHANNELS)) + u32(t % u32(_CHANNELS)))
    first, second = f64(0), f64(0)
    if channel < C:
        block = u32(t // u32(_CHANNELS))
        while block < blocks:
            first += sums[u32(u32(block * C) + channel)]
            second += products[u32(u32(block * C) + channel)]
            block = u32(block + u32(_LANES))
    a[t] = first
    b[t] = second
    _fold(a, b, u32(_CHANNELS), u32(_LANES))
    if t < u32(_CHANNELS) and channel < C:
        total[channel] = total.dtype.type(a[t])
        product[channel] = total.dtype.type(b[t])


@jit()
def _normalise_adjoint(gradient, x, mean, inverse_std, weight, bias, g_bias, g_weight, g_x, shape, flags):
    """weight · inverse_std · (g − (gb + x̂ · gw) / M), the second term only in training."""
    M, C, width, lanes = shape
    relu, training = flags
    t = u32(cuda.threadIdx.x)
    lane = u32(t // width)
    channel = u32(u32(cuda.blockIdx.y * width) + u32(t - u32(lane * width)))
    if lane < lanes and channel < C:
        mu, s, w, shift = mean[channel], inverse_std[channel], weight[channel], bias[channel]
        zero = x.dtype.type(0)
        along, across = zero, zero
        if training != u32(0):
            along, across = g_bias[channel] / x.dtype.type(M), g_weight[channel] / x.dtype.type(M)
        scale = w * s
        p = u32(u32(u32(cuda.blockIdx.x * lanes) * u32(_EACH)) + lane)
        e = u32(u32(p * C) + channel)
        step = u32(lanes * C)
        if u32(p + u32(lanes * u32(3))) < M:
            e1, e2, e3 = u32(e + step), u32(e + u32(step * u32(2))), u32(e + u32(step * u32(3)))
            g0, g1, g2, g3 = gradient[e], gradient[e1], gradient[e2], gradient[e3]
            x0, x1, x2, x3 = x[e], x[e1], x[e2], x[e3]
            h0, h1 = _normalised(x0, mu, s), _normalised(x1, mu, s)
            h2, h3 = _normalised(x2, mu, s), _normalised(x3, mu, s)
            # Outside training x̂ must not come in: 0 · NaN is NaN.
            c0, c1, c2, c3 = zero, zero, zero, zero
            if training != u32(0):
                c0, c1, c2, c3 = along + h0 * across, along + h1 * across, along + h2 * across, along + h3 * across
            g_x[e] = scale * (_slope(g0, h0, w, shift, relu, zero) - c0)
            g_x[e1] = scale * (_slope(g1, h1, w, shift, relu, zero) - c1)
            g_x[e2] = scale * (_slope(g2, h2, w, shift, relu, zero) - c2)
            g_x[e3] = scale * (_slope(g3, h3, w, shift, relu, zero) - c3)
        else:
            while p < M:
                h = _normalised(x[e], mu, s)
                c = along + h * across if training != u32(0) else zero
                g_x[e] = scale * (_slope(gradient[e], h, w, shift, relu, zero) - c)
                p = u32(p + lanes)
                e = u32(e + step)


@jit()
def _running_statistics(
    mean, variance, running_mean, running_variance, inverse_std, momentum, rest, unbiased, eps, C, flags
):
    """A thread is a channel; ``rest`` is 1 − momentum, ``unbiased`` momentum · M / (M − 1)."""
    c = u32(u32(cuda.blockIdx.x * cuda.blockDim.x) + cuda.threadIdx.x)
    if c < C:
        v = variance[c]
        inverse_std[c] = variance.dtype.type(1) / sqrt(v + eps)
        if flags[0] != u32(0):
            running_mean[c] = rest * running_mean[c] + momentum * mean[c]
        if flags[1] != u32(0):
            running_variance[c] = rest * running_variance[c] + unbiased * v


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    number, double = lang.scalar_type(np.dtype(np.uint32)), lang.array_type(np.dtype(np.float64))
    two, four, five = lang.tuple_type(2), lang.tuple_type(4), lang.tuple_type(5)
    for dtype in map(np.dtype, (np.float32, np.float64)):
        x, scalar = lang.array_type(dtype), lang.scalar_type(dtype)
        yield f"moments {dtype}", _sum_moments, (x, double, double, five)
        yield f"moments, second pass {dtype}", _finish_moments, (x, double, double, x, x, *[number] * 3)
        yield f"batch_norm {dtype}", _normalise, (*[x] * 6, four, number)
        yield f"batch_norm_gradient, sums {dtype}", _sum_gradients, (*[x] * 6, double, double, five, number)
        yield f"batch_norm_gradient, second pass {dtype}", _finish_sums, (double, double, x, x, number, number)
        yield f"batch_norm_gradient {dtype}", _normalise_adjoint, (*[x] * 9, four, two)
        yield f"running_statistics {dtype}", _running_statistics, (*[x] * 5, *[scalar] * 4, number, two)
