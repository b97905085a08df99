"""conv2d, conv_transpose2d and conv2d_weight: the numbers of a launch."""

from __future__ import annotations

import math

import numpy as np

from minifcn.kernels.cuda.arrange import contiguous
from minifcn.kernels.cuda.array import CudaArray, empty, full
from minifcn.kernels.cuda.conv.choice import plan, weight_plan
from minifcn.kernels.cuda.conv.geometry import phases
from minifcn.kernels.cuda.conv.shares import add_shares
from minifcn.kernels.shapes import Pair, Window


def conv2d(
    x: CudaArray,
    weight: CudaArray,
    bias: CudaArray | None,
    window: Window,
    groups: int,
    output_size: Pair,
    relu: bool,
) -> CudaArray:
    """(N, H, W, C) -> (N, *output_size, K), plus ``bias``, then ReLU if asked."""
    return _convolved(x, weight, bias, window, groups, (x.shape[0], *output_size, weight.shape[3]), relu, False)


def conv_transpose2d(
    y: CudaArray,
    weight: CudaArray,
    bias: CudaArray | None,
    window: Window,
    groups: int,
    output_size: Pair,
    relu: bool,
) -> CudaArray:
    """(N, P, Q, K) -> (N, *output_size, C): conv2d's adjoint in x, plus ``bias``, then ReLU if asked."""
    shape = (y.shape[0], *output_size, weight.shape[2] * groups)
    return _convolved(y, weight, bias, window, groups, shape, relu, True)


def operand(x: CudaArray, dtype: np.dtype) -> CudaArray:
    """The array as kernels read it: contiguous, and of this dtype."""
    return contiguous(x if x.dtype == dtype else x.astype(dtype))


def _convolved(
    x: CudaArray,
    weight: CudaArray,
    bias: CudaArray | None,
    window: Window,
    groups: int,
    shape: tuple[int, int, int, int],
    relu: bool,
    transposed: bool,
) -> CudaArray:
    dtype = np.result_type(x.dtype, weight.dtype)
    x, weight = operand(x, dtype), operand(weight, dtype)
    bias = None if bias is None else operand(bias, dtype)
    out = empty(shape, dtype)
    if out.size == 0:
        return out
    geometry = phases(window, transposed)
    N, P, Q, K = shape
    _, H, W, C = x.shape
    pixels = geometry.pixels(N, P, Q)
    taps = max(phase.taps for phase in geometry.rows) * max(phase.taps for phase in geometry.columns)
    parts = groups * geometry.count
    chosen = plan(pixels, K // groups, C // groups, taps, parts, dtype, transposed)
    kernel, rows, columns, _, threads = chosen.variant
    m_tiles, n_tiles = -(-pixels // rows), -(-(K // groups) // columns)
    divided = chosen.shares > 1
    target = empty((chosen.shares, *shape), dtype) if divided else out
    sizes = (
        *(N, H, W, C, C // groups, P, Q, K, K // groups, window.kernel_size[1]),
        *(groups, len(geometry.rows), len(geometry.columns), n_tiles, m_tiles, chosen.shares, chosen.slabs),
        *(int(bias is not None and not divided), int(relu and not divided)),
    )
    grid = math.prod((n_tiles, m_tiles, parts, chosen.shares))
    kernel.launch(grid, threads, x, weight, x if bias is None else bias, target, geometry.table, sizes)
    if divided:
        add_shares(target, bias, out, relu)
    return out


def conv2d_weight(x: CudaArray, y: CudaArray, window: Window, groups: int) -> CudaArray:
    """(N, H, W, C) and (N, P, Q, K) -> (kh, kw, C // groups, K): conv2d's adjoint in the weight."""
    dtype = np.result_type(x.dtype, y.dtype)
    x, y = operand(x, dtype), operand(y, dtype)
    _, H, W, C = x.shape
    N, P, Q, K = y.shape
    shape = (*window.kernel_size, C // groups, K)
    if x.size == 0 or y.size == 0:
        return full(shape, 0, dtype)
    M, pixels = math.prod(shape[:3]), N * P * Q
    chosen = weight_plan(M, K // groups, C // groups, pixels, groups, dtype)
    kernel, rows, columns, _, threads = chosen.variant
    m_tiles, n_tiles = -(-M // rows), -(-(K // groups) // columns)
    out = empty(shape, dtype)
    target = out if chosen.shares == 1 else empty((chosen.shares, *shape), dtype)
    sizes = (
        *(H, W, C, C // groups, P, Q, K, K // groups, window.kernel_size[1]),
        *(*window.stride, *window.padding, *window.dilation, M, pixels, groups, n_tiles, m_tiles, chosen.slabs),
    )
    kernel.launch(math.prod((n_tiles, m_tiles, groups, chosen.shares)), threads, x, y, target, sizes)
    if target is not out:
        add_shares(target, None, out, relu=False)
    return out
