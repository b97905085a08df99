"""What this machine can do at most, measured here and now in a second or two: multiplications, and bytes moved.

No kernel is faster than both limits allow: the roofline of Williams, Waterman & Patterson 2009. Rates are the best of a
few runs, because whatever else the machine does only slows them down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Limits:
    """Measured in this process.

    Attributes:
        matmul: multiplications a second of a large float32 matrix product.
        direct: multiplications a second of a convolution with many channels, by its definition.
        winograd: the same by Winograd's algorithm, which needs a quarter of them: those that it really takes.
        bandwidth: bytes a second, read and written, of copying arrays far larger than the caches.
        launch: seconds that a kernel on a few numbers takes, with the operation around it.
        threads: of the kernels.
    """

    matmul: float
    direct: float
    winograd: float
    bandwidth: float
    launch: float
    threads: int


def measure() -> Limits:
    """Measure all of them."""
    import minifcn as mf

    threads = mf.get_num_threads()
    return Limits(
        matmul=matmul_rate(1024, 4),
        direct=_convolution_rate("direct"),
        winograd=_convolution_rate("winograd"),
        bandwidth=copy_rate(threads, 2**27, 4),
        launch=_launch(),
        threads=threads,
    )


def matmul_rate(n: int, times: int) -> float:
    """Multiplications a second of NumPy's product of two n x n matrices of float32."""
    a, b, c = np.random.default_rng(0).random((3, n, n), np.float32)
    return n**3 / best(lambda: np.matmul(a, b, out=c), times)


def copy_rate(threads: int, size: int, times: int) -> float:
    """Bytes a second, read and written, of copying ``size`` bytes on so many threads."""
    pairs = [np.ones((2, size // 4 // threads), np.float32) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        seconds = best(lambda: list(pool.map(lambda pair: np.copyto(pair[0], pair[1]), pairs)), times)
    return sum(pair.nbytes for pair in pairs) / seconds


def best(function: Callable[[], Any], times: int) -> float:
    """Seconds of the quickest of so many calls."""
    shortest = float("inf")
    for _ in range(times):
        begin = time.perf_counter()
        function()
        shortest = min(shortest, time.perf_counter() - begin)
    return shortest


def _convolution_rate(algorithm: str) -> float:
    """3 x 3, 128 channels to 128, 64 x 64 pixels: long sums, and maps that stay in the caches."""
    from minifcn import kernels, settings
    from minifcn.kernels.shapes import Window

    conv2d, side, channels = kernels.load("cpu").conv2d, 64, 128
    image = np.ones((1, side, side, channels), np.float32)
    weight = np.ones((3, 3, channels, channels), np.float32)
    window, count = Window((3, 3), padding=(1, 1)), 9 * side**2 * channels**2
    with settings.override(conv=algorithm):
        seconds = best(lambda: conv2d(image, weight, None, window, 1, (side, side), False), 8)
    return count / (4 if algorithm == "winograd" else 1) / seconds


def _launch() -> float:
    """Of a ReLU of one number, as a network calls it."""
    from minifcn import functional as F
    from minifcn.autograd import no_grad
    from minifcn.tensor import Tensor

    x = Tensor(np.ones((1, 1, 1, 1), np.float32))
    with no_grad():
        return best(lambda: F.relu(x), 1000)  # one at a time: of many in a row, others' work disturbs some
