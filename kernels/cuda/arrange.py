"""Arrangement: copies, selections, joins. What lies side by side is moved as one run of memory."""

from __future__ import annotations

from minifcn.kernels.cuda.array import CudaArray


def contiguous(x: CudaArray) -> CudaArray:
    """The array itself if its elements lie one after the other, else a copy of which that holds."""
    if x.is_contiguous:
        return x
    raise NotImplementedError
