"""Matrix products, which BLAS does on all threads."""

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.memory import empty


def matmul(a: Array, b: Array) -> Array:
    """(..., M, K) times (..., K, N) -> (..., M, N); leading axes broadcast."""
    with np.errstate(all="ignore"):
        shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
        return np.matmul(a, b, out=empty(shape, np.result_type(a, b)))
