"""Convolution, its adjoint in the image and its adjoint in the weight: which algorithm computes them.

`direct` and `direct_weight` follow the definition and take any geometry. `winograd` and `winograd_weight` need a
quarter of the multiplications and take 3 × 3 kernels of stride 1. `choose` decides.
"""

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.choice import forced
from minifcn.kernels.cpu.conv.direct import direct, direct_transposed
from minifcn.kernels.cpu.conv.direct_weight import direct_weight
from minifcn.kernels.cpu.conv.winograd import winograd
from minifcn.kernels.cpu.conv.winograd_weight import winograd_weight
from minifcn.kernels.cpu.memory import empty, zeros
from minifcn.kernels.shapes import Pair, Window

#: With fewer channels in the image that is read, most lanes of a vector are empty when its tiles are transformed.
#: Measured: with 4, Winograd takes 1.6 to 2 times as long as the direct sum, with 8 as long, with 12 three
#: quarters.
_LEAST_CHANNELS = 8


def choose(window: Window, groups: int, channels: int) -> str:
    """ "winograd" or "direct", whichever is faster for an image of ``channels``, unless `minifcn.settings` forces one.

    >>> choose(Window((3, 3), padding=(1, 1)), 1, 64), choose(Window((3, 3), stride=(2, 2)), 1, 64)
    ('winograd', 'direct')
    """
    if window._replace(padding=(0, 0)) != Window((3, 3)) or groups > 1:
        return "direct"
    if forced() != "auto":
        return forced()
    return "winograd" if channels >= _LEAST_CHANNELS else "direct"


def conv2d(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
) -> Array:
    """(N, H, W, C) -> (N, *output_size, K), plus ``bias``, then ReLU if asked."""
    if x.shape[0] * output_size[0] * output_size[1] == 0:
        return empty((x.shape[0], *output_size, weight.shape[3]), x.dtype)
    if choose(window, groups, x.shape[3]) == "winograd":
        return winograd(x, weight, bias, window.padding, output_size, relu)
    return direct(x, weight, bias, window, groups, output_size, relu)


def conv_transpose2d(
    y: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
) -> Array:
    """(N, P, Q, K) -> (N, *output_size, C), plus ``bias``, then ReLU if asked."""
    if y.shape[0] * output_size[0] * output_size[1] == 0:
        return empty((y.shape[0], *output_size, weight.shape[2] * groups), y.dtype)
    if choose(window, groups, y.shape[3]) == "winograd":
        padding = 2 - window.padding[0], 2 - window.padding[1]
        return winograd(y, weight, bias, padding, output_size, relu, transposed=True)
    return direct_transposed(y, weight, bias, window, groups, output_size, relu)


def conv2d_weight(x: Array, y: Array, window: Window, groups: int) -> Array:
    """(N, H, W, C) and (N, P, Q, K) -> (kh, kw, C // groups, K)."""
    channels, outputs = x.shape[3] // groups, y.shape[3]
    if x.size == 0 or y.size == 0:
        return zeros((*window.kernel_size, channels, outputs), x.dtype)
    if choose(window, groups, channels) == "winograd":
        return winograd_weight(x, y, window.padding)
    return direct_weight(x, y, window, groups)
