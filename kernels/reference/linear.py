"""Matrix products."""

import numpy as np

from minifcn.kernels.contract import Array


@np.errstate(all="ignore")
def matmul(a: Array, b: Array) -> Array:
    """(..., M, K) times (..., K, N) -> (..., M, N): y[m, n] = Σ_k a[m, k] · b[k, n]; leading axes broadcast.

    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    (M, K), N = a.shape[-2:], b.shape[-1]
    a, b = np.broadcast_to(a, (*batch, M, K)), np.broadcast_to(b, (*batch, K, N))
    y = np.empty((*batch, M, N), np.result_type(a, b))
    for i in np.ndindex(batch):
        left, right = a[i].tolist(), b[i].tolist()
        for m, n in np.ndindex(M, N):
            y[(*i, m, n)] = sum(left[m][k] * right[k][n] for k in range(K))
    return y
