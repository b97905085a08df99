"""Matrix products, which BLAS does on all threads."""

import numpy as np

from minifcn.kernels.contract import Array


def matmul(a: Array, b: Array) -> Array:
    """(..., M, K) times (..., K, N) -> (..., M, N); leading axes broadcast."""
    with np.errstate(all="ignore"):
        return np.matmul(a, b)
