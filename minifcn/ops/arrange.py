"""Operations that move elements without computing on them; each sits beside the one that moves them back."""

from typing import Any, cast

import numpy as np

from minifcn import functional as F
from minifcn.autograd import Gradients
from minifcn.kernels import HOST, load
from minifcn.kernels.shapes import Pair
from minifcn.ops.base import KernelOperation
from minifcn.tensor import Tensor


class Cast(KernelOperation):
    """The same values in another dtype (or a copy). The walk back casts gradients to their input's dtype."""

    def __init__(self, dtype: Any):
        self.dtype = dtype

    def forward(self, x: Any) -> Any:
        return self.kernels.cast(x, self.dtype)

    def backward(self, gradient: Tensor) -> Gradients:
        return gradient


class Move(KernelOperation):
    """The same values on another device; the gradient moves back."""

    def __init__(self, device: str):
        load(device)  # an unknown name is an error here
        self.output_device = device

    def forward(self, x: Any) -> Any:
        host = self.kernels.to_host(x)
        if host is x and self.output_device in HOST:
            host = self.kernels.cast(x, x.dtype)  # the other device's own
        return load(cast(str, self.output_device)).from_host(host)

    def backward(self, gradient: Tensor) -> Gradients:
        return Move(self.device)(gradient)


class Reshape(KernelOperation):
    """The same elements in another shape."""

    is_view = True

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def forward(self, x: Any) -> Any:
        try:
            return x.reshape(self.shape, copy=False)
        except ValueError:  # not without a copy: the kernel's, so that its memory is used again, and counted
            return self.kernels.cast(x, x.dtype).reshape(self.shape)

    def backward(self, gradient: Tensor) -> Gradients:
        return F.reshape(gradient, self.input_shape(0))


class Transpose(KernelOperation):
    """The axes in another order; the adjoint is the inverse permutation."""

    is_view = True

    def __init__(self, axes: tuple[int, ...]):
        self.axes = axes

    def forward(self, x: Any) -> Any:
        return x.transpose(self.axes)

    def backward(self, gradient: Tensor) -> Gradients:
        inverse = sorted(range(len(self.axes)), key=self.axes.__getitem__)
        return F.transpose(gradient, tuple(inverse))


class Index(KernelOperation):
    """x[key]; crop, split and flip are this. Its adjoint is `IndexAdd`."""

    def __init__(self, key: Any):
        keys = key if isinstance(key, tuple) else (key,)
        # Own copies: backward must find the key as it was, whatever becomes of an array of indices.
        keys = tuple(k.copy() if isinstance(k, np.ndarray) else k for k in keys)
        self.key = keys if isinstance(key, tuple) else keys[0]
        self.is_view = all(isinstance(k, (int, np.integer, slice)) or k is None or k is Ellipsis for k in keys)

    def forward(self, x: Any) -> Any:
        return self.kernels.index(x, self.key)

    def backward(self, gradient: Tensor) -> Gradients:
        return IndexAdd(self.key, self.input_shape(0))(gradient)


class IndexAdd(KernelOperation):
    """Zeros, to which x is added at key; its adjoint is `Index`."""

    def __init__(self, key: Any, shape: tuple[int, ...]):
        self.key, self.shape = key, shape

    def forward(self, x: Any) -> Any:
        return self.kernels.index_add(x, self.key, self.shape)

    def backward(self, gradient: Tensor) -> Gradients:
        return Index(self.key)(gradient)


class Pad(KernelOperation):
    """Surround with a constant; the adjoint crops."""

    def __init__(self, widths: tuple[Pair, ...], value: float):
        self.widths, self.value = widths, value

    def forward(self, x: Any) -> Any:
        return self.kernels.pad(x, self.widths, self.value)

    def backward(self, gradient: Tensor) -> Gradients:
        inside = zip(self.widths, self.input_shape(0), strict=True)
        return F.index(gradient, tuple(slice(before, before + length) for (before, _), length in inside))


class Concatenate(KernelOperation):
    """Join along an axis; the adjoint splits.

    Where a part can be computed again, so can the whole: then only the other parts are kept. So a skip connection costs
    no memory of its own, if batch normalisation made what is skipped.
    """

    def __init__(self, axis: int):
        self.axis = axis

    def forward(self, *arrays: Any) -> Any:
        self.recomputes = self.after_recomputed()
        if self.recomputes:
            self.save(*arrays)
        return self.kernels.concatenate(arrays, self.axis)

    def recompute(self) -> Any:
        return self.kernels.concatenate(tuple(part.data for part in self.saved), self.axis)

    def backward(self, gradient: Tensor) -> Gradients:
        lengths = [shape[self.axis] for shape, _ in self.input_types]
        return tuple(F.split(gradient, lengths, self.axis))
