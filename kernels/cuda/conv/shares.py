"""The sum of the shares of a contraction, in a fixed order: the second half of a product whose terms were divided."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda.array import CudaArray
from minifcn.kernels.cuda.conv.walk import finished
from minifcn.kernels.cuda.lang import SIMULATED, array_type, cuda, scalar_type, u32
from minifcn.kernels.cuda.launching import Kernel, jit

#: Threads to an element, each adding every _SLICES-th share; elements to a block.
_SLICES = 2 if SIMULATED else 8
_WIDTH = 8 if SIMULATED else 32
_SIZE = _SLICES * _WIDTH


@functools.cache
def _made(dtype: np.dtype) -> Kernel:
    number = dtype.type if SIMULATED else array_type(dtype).dtype

    @jit(launch_bounds=(_SIZE, 4))
    def add_shares(parts, bias, out, size, shares, channels, biased, relu):  # type: ignore[no-untyped-def]
        """out[e] = Σ_s parts[s, e] + bias[e mod channels], then ReLU if asked."""
        sums = cuda.shared.array(_SIZE, number)
        t = u32(cuda.threadIdx.x)
        lane = u32(t % u32(_WIDTH))
        e = u32(u32(cuda.blockIdx.x * u32(_WIDTH)) + lane)
        total = number(0)
        if e < size:
            s = u32(t // u32(_WIDTH))
            while u32(s + u32(3 * _SLICES)) < shares:  # four loads under way at a time
                first = parts[u32(u32(s * size) + e)]
                second = parts[u32(u32(u32(s + u32(_SLICES)) * size) + e)]
                third = parts[u32(u32(u32(s + u32(2 * _SLICES)) * size) + e)]
                fourth = parts[u32(u32(u32(s + u32(3 * _SLICES)) * size) + e)]
                total += (first + second) + (third + fourth)
                s = u32(s + u32(4 * _SLICES))
            while s < shares:
                total += parts[u32(u32(s * size) + e)]
                s = u32(s + u32(_SLICES))
        sums[t] = total
        cuda.syncthreads()
        if t < u32(_WIDTH) and e < size:
            total = number(0)
            for i in range(_SLICES):
                total += sums[u32(t + u32(i * _WIDTH))]
            offset = bias[u32(e % channels)] if biased != u32(0) else number(0)
            out[e] = finished(total, offset, relu, number(0))

    return add_shares


def add_shares(parts: CudaArray, bias: CudaArray | None, out: CudaArray, relu: bool) -> None:
    """Write the sum of ``parts`` (shares, *out.shape), plus ``bias`` along the last axis, rectified if asked."""
    _made(out.dtype).launch(
        -(-out.size // _WIDTH),
        _SIZE,
        *(parts, parts if bias is None else bias, out, out.size, parts.shape[0], out.shape[-1]),
        *(int(bias is not None), int(relu)),
    )


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Every kernel of this file with the types it is compiled for: (label, kernel, types)."""
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        array, number = array_type(dtype), scalar_type(np.dtype(np.uint32))
        yield f"add_shares {dtype}", _made(dtype), (array, array, array, *[number] * 5)
