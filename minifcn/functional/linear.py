"""Matrix products and dense layers."""

from __future__ import annotations

import numpy as np

from minifcn.functional.arguments import TensorLike, as_tensor, as_tensors, one_kind
from minifcn.functional.arrange import reshape
from minifcn.ops.linear import MatMul
from minifcn.tensor import Tensor


def matmul(a: TensorLike, b: TensorLike) -> Tensor:
    """(..., M, K) @ (..., K, N) -> (..., M, N); leading axes are broadcast, a vector is a single row or column.

    >>> matmul([[1.0, 2.0]], [3.0, 4.0]).tolist()
    [11.0]
    """
    x, y = one_kind(*as_tensors(a, b))
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(f"matmul: needs vectors or matrices, got shapes {x.shape} and {y.shape}; use * for numbers")
    rows = reshape(x, (1, x.size)) if x.ndim == 1 else x
    columns = reshape(y, (y.size, 1)) if y.ndim == 1 else y
    if rows.shape[-1] != columns.shape[-2]:
        raise ValueError(
            f"matmul: shapes {x.shape} and {y.shape}: {rows.shape[-1]} columns meet {columns.shape[-2]} rows; "
            "they must be as many"
        )
    try:
        np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    except ValueError:
        raise ValueError(
            f"matmul: leading axes of shapes {x.shape} and {y.shape} cannot be broadcast; lengths must agree or be 1"
        ) from None
    product = MatMul()(rows, columns)
    shape = product.shape
    if x.ndim == 1:
        shape = (*shape[:-2], shape[-1])
    if y.ndim == 1:
        shape = shape[:-1]
    return reshape(product, shape)


def linear(x: TensorLike, weight: TensorLike, bias: TensorLike | None = None) -> Tensor:
    """A dense layer, x W + b: (..., in_features) -> (..., out_features).

    ``weight`` is (in_features, out_features): a 1 x 1 convolution's weight without its first two axes.

    >>> linear([[1.0, 2.0]], [[1.0], [10.0]], [0.5]).tolist()
    [[21.5]]
    """
    x = as_tensor(x)
    w = as_tensor(weight, like=x)
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[0]:
        raise ValueError(
            f"linear: input {x.shape} and weight {w.shape} do not fit; they must be (..., in_features) and "
            "(in_features, out_features)"
        )
    x, w = one_kind(x, w)
    flat = reshape(x, (x.size // max(1, x.shape[-1]), x.shape[-1]))
    y = reshape(MatMul()(flat, w), (*x.shape[:-1], w.shape[1]))
    if bias is None:
        return y
    b = as_tensor(bias, like=x)
    if b.shape != (w.shape[1],):
        raise ValueError(f"linear: bias must have shape {(w.shape[1],)}, one number an output; got {b.shape}")
    return y + b
