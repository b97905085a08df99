"""Convolution and its adjoints: the result, and the room that the CPU's algorithm takes meanwhile."""

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.conv import choose
from minifcn.kernels.cpu.conv.blocks import is_pixelwise
from minifcn.kernels.cpu.conv.direct import job_of, workspace
from minifcn.kernels.cpu.conv.direct_weight import read_size
from minifcn.kernels.cpu.conv.winograd import workspace as winograd_workspace
from minifcn.kernels.cpu.conv.winograd_weight import workspace as winograd_weight_workspace
from minifcn.kernels.cpu.simd import lanes
from minifcn.kernels.cpu.threads import get_num_threads
from minifcn.kernels.meta.space import contiguous, empty
from minifcn.kernels.shapes import Pair, Window


def conv2d(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
) -> Array:
    """(N, H, W, C) -> (N, *output_size, K)."""
    y = empty((x.shape[0], *output_size, weight.shape[3]), x.dtype)
    if y.size:
        _correlate(x, weight, y, window, groups, transposed=False)
    return y


def conv_transpose2d(
    y: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
) -> Array:
    """(N, P, Q, K) -> (N, *output_size, C)."""
    x = empty((y.shape[0], *output_size, weight.shape[2] * groups), y.dtype)
    if x.size:
        _correlate(y, weight, x, window, groups, transposed=True)
    return x


def conv2d_weight(x: Array, y: Array, window: Window, groups: int) -> Array:
    """(N, H, W, C) and (N, P, Q, K) -> (kh, kw, C // groups, K)."""
    channels, K = x.shape[3] // groups, y.shape[3]
    shape, threads = (*window.kernel_size, channels, K), get_num_threads()
    if x.size == 0 or y.size == 0:
        return empty(shape, x.dtype)
    y = _pixelwise(y)
    room = empty(0, x.dtype)
    if choose(window, groups, channels) == "winograd":
        x = _pixelwise(x)
        sizes, parts = winograd_weight_workspace(channels, K, lanes(x.itemsize), threads)
        room = empty((threads, sum(sizes)), x.dtype)
    else:
        x = _with_border(x, window.padding, read_size(window, *y.shape[1:3]))
        parts = min(threads, y.shape[0] * y.shape[1])
    sums = empty((parts, *shape), x.dtype)
    result = sums[0] if parts == 1 else empty(shape, x.dtype)
    del room  # it was there to the end
    return result


def _correlate(x: Array, weight: Array, out: Array, window: Window, groups: int, transposed: bool) -> None:
    """Take what the computation of ``out`` takes beside it, and give it back."""
    x, weight = _pixelwise(x), contiguous(weight)
    if choose(window, groups, x.shape[3]) == "winograd":
        C, K = (weight.shape[3], weight.shape[2]) if transposed else weight.shape[2:]
        empty((get_num_threads(), sum(winograd_workspace(C, K, lanes(x.itemsize)))), x.dtype)
    else:
        job = job_of(x, weight, out.shape[1:3], window, groups, transposed)
        rooms = [empty(shape, x.dtype) for shape in workspace(job, weight, groups, transposed)]
        del rooms  # which were there at a time


def _pixelwise(x: Array) -> Array:
    """x itself where the channels of a pixel lie side by side, else room for a copy."""
    return x if is_pixelwise(x) else contiguous(x)


def _with_border(x: Array, before: Pair, size: Pair) -> Array:
    """Room for a copy with its border, unless x itself will do."""
    N, H, W, C = x.shape
    if before == (0, 0) and size[0] <= H and size[1] <= W:
        return _pixelwise(x)
    x = contiguous(x)
    return empty((N, *size, C), x.dtype)
