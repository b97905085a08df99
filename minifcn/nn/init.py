"""Initial values, written in place. Random numbers come from `minifcn.random`.

The fans follow from the layouts. A convolution weight (kh, kw, C_in / groups, C_out) sums kh · kw · C_in / groups
numbers for each output (fan in) and spreads each input over kh · kw · C_out outputs (fan out); a dense weight (in, out)
is the 1 x 1 case. A transposed convolution's weight counts as that of the convolution it transposes, as in PyTorch.

>>> import minifcn as mf
>>> from minifcn import nn
>>> mf.manual_seed(0)
>>> layer = nn.Conv2d(64, 128, 3)
>>> _ = kaiming_normal_(layer.weight)
>>> round(float(layer.weight.data.std() / np.sqrt(2 / (9 * 64))), 2)
1.0
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from minifcn import memory, random
from minifcn.autograd import no_grad
from minifcn.tensor import Tensor

Mode = Literal["fan_in", "fan_out"]
Nonlinearity = Literal["linear", "sigmoid", "tanh", "relu", "leaky_relu"]


def fans(weight: Tensor) -> tuple[int, int]:
    """(fan in, fan out) of a convolution or dense weight.

    >>> fans(Tensor(np.zeros((3, 3, 16, 32))))
    (144, 288)
    """
    if weight.ndim not in (2, 4):
        raise ValueError(f"init: fans need a weight (kh, kw, C_in, C_out) or (in, out), got shape {weight.shape}")
    *kernel, channels_in, channels_out = weight.shape
    return math.prod(kernel) * channels_in, math.prod(kernel) * channels_out


def calculate_gain(nonlinearity: Nonlinearity, param: float = 0.01) -> float:
    """The factor that keeps the scale through an activation; ``param`` is the slope of "leaky_relu"."""
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": 2**0.5, "leaky_relu": (2 / (1 + param**2)) ** 0.5}
    if nonlinearity not in gains:
        raise ValueError(f"init: nonlinearity must be one of {', '.join(gains)}, not {nonlinearity!r}")
    return gains[nonlinearity]


def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: Nonlinearity = "leaky_relu"
) -> Tensor:
    """N(0, gain² / fan). With the defaults, √(2 / fan in): He et al. 2015, and U-Net's choice."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: Nonlinearity = "leaky_relu"
) -> Tensor:
    """U(−b, b), b = gain · √(3 / fan): as `kaiming_normal_`, uniform. PyTorch's layers use it with a = √5."""
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, 2 gain² / (fan in + fan out)). Glorot & Bengio 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """U(−b, b), b = gain · √(6 / (fan in + fan out)). Glorot & Bengio 2010, eq. 16."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """N(mean, std²)."""
    if _skipping.get():
        return tensor
    values = random.generator().standard_normal(out=memory.empty(tensor.shape, np.float64))
    values *= std
    values += mean
    return _fill(tensor, values)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """U(a, b)."""
    return tensor if _skipping.get() else _fill(tensor, random.generator().uniform(a, b, tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value everywhere."""
    return tensor if _skipping.get() else _fill(tensor, np.asarray(val))


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros: biases, and FCN's score layers."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def bilinear_(tensor: Tensor) -> Tensor:
    """A transposed convolution that interpolates bilinearly, each channel by itself. Long et al. 2015, FCN.

    With f = ⌊(k + 1) / 2⌋ and c = f − 1 (odd k) or f − ½ (even k), the kernel is the outer product of 1 − |i − c| / f
    with itself. It stands on the diagonal of (kh, kw, C, C); grouped weights (kh, kw, 1, C) have it in every channel.

    >>> bilinear_(Tensor(np.zeros((4, 4, 1, 1)))).data[1, :, 0, 0].tolist()
    [0.1875, 0.5625, 0.5625, 0.1875]
    """
    if tensor.ndim != 4 or tensor.shape[2] not in (1, tensor.shape[3]):
        raise ValueError(f"bilinear_: expected a weight (kh, kw, C, C) or (kh, kw, 1, C), got shape {tensor.shape}")
    rows, columns = (_triangle(length) for length in tensor.shape[:2])
    channels = np.ones if tensor.shape[2] == 1 else np.eye
    return _fill(tensor, np.outer(rows, columns)[:, :, None, None] * np.atleast_2d(channels(tensor.shape[3])))


def _triangle(k: int) -> np.ndarray:
    f = (k + 1) // 2
    centre = f - 1.0 if k % 2 else f - 0.5
    return 1.0 - np.abs(np.arange(k) - centre) / f


def _kaiming_std(tensor: Tensor, a: float, mode: Mode, nonlinearity: Nonlinearity) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"init: mode must be 'fan_in' or 'fan_out', not {mode!r}")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


@contextlib.contextmanager
def skipped() -> Iterator[None]:
    """Modules made inside draw no initial values: their parameters hold whatever the memory held.

    For networks whose weights are read from a file, or that are only looked at: 134 million numbers take 2 s to draw.

    >>> from minifcn import nn
    >>> with skipped():
    ...     nn.Conv2d(512, 4096, 7).weight.shape
    (7, 7, 512, 4096)
    """
    token = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(token)


_skipping = contextvars.ContextVar("minifcn-skip-init", default=False)


def _fill(tensor: Tensor, values: np.ndarray) -> Tensor:
    with no_grad():
        return tensor.copy_(values)
