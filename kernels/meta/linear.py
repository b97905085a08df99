"""Matrix products."""

import numpy as np

from minifcn.kernels.contract import Array
from minifcn.kernels.meta.space import empty


def matmul(a: Array, b: Array) -> Array:
    """(..., M, K) times (..., K, N) -> (..., M, N)."""
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    return empty(shape, np.result_type(a.dtype, b.dtype))
