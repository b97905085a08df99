"""An array on the GPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minifcn.kernels.cuda import driver
from minifcn.kernels.cuda.pool import pool

Shape = tuple[int, ...]


class CudaArray:
    """An n-dimensional array in the GPU's memory, with NumPy's ways of looking at it.

    Its geometry is kept as a NumPy array whose address lies on the GPU: so NumPy works out shapes, strides, slices and
    transpositions, and says when the last view of a block is gone. That array must never be read, which is why it is
    private: only shapes and addresses are taken from it.

    Views share memory, as NumPy's do. `numpy.asarray` refuses: a copy to the host waits for the GPU, so it is asked for
    by name, `to_host`. CuPy, PyTorch and Numba read the array where it lies, through ``__cuda_array_interface__`` and
    ``__dlpack__``.
    """

    __slots__ = ("__weakref__", "_layout", "_pointer")

    __array_ufunc__ = None  # NumPy must not take over `array * cuda_array`

    def __init__(self, layout: np.ndarray):
        self._layout = layout
        self._pointer: int | None = None

    # --- geometry -----------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return self._layout.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._layout.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._layout.size

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
        return self._layout.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self._layout.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._layout.nbytes

    @property
    def strides(self) -> Shape:
        """Bytes from an element to the next along each axis."""
        return self._layout.strides

    @property
    def pointer(self) -> int:
        """The address of the first element, on the GPU."""
        if self._pointer is None:
            self._pointer = self._layout.__array_interface__["data"][0]
        return self._pointer

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie one after the other, the last axis fastest."""
        return self._layout.flags.c_contiguous

    def __len__(self) -> int:
        return len(self._layout)

    def reshape(self, *shape: Any, copy: bool | None = None) -> CudaArray:
        """The same elements in another shape; where that takes a copy, one is made, unless ``copy`` is False.

        Raises:
            ValueError: it takes a copy, and there must be none.
        """
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        try:
            return CudaArray(self._layout.reshape(wanted, copy=False))
        except ValueError:
            if copy is False or math.prod(abs(n) for n in wanted) > max(self.size, 1):
                raise
        from minifcn.kernels.cuda.arrange import contiguous

        return CudaArray(contiguous(self)._layout.reshape(wanted))

    def ravel(self) -> CudaArray:
        """All elements along one axis."""
        return self.reshape(-1) if self.size else empty((0,), self.dtype)

    def transpose(self, *axes: Any) -> CudaArray:
        """The axes in another order."""
        return CudaArray(self._layout.transpose(*axes))

    @property
    def T(self) -> CudaArray:  # noqa: N802
        """The axes in reverse order."""
        return CudaArray(self._layout.T)

    def broadcast_view(self, shape: Shape) -> CudaArray:
        """The elements repeated to fill ``shape``, without a copy."""
        return CudaArray(np.broadcast_to(self._layout, shape))

    def flat_layout(self) -> np.ndarray:
        """The geometry as one axis; for the simulator, whose memory the host may read."""
        return self._layout.reshape(-1)

    # --- elements -----------------------------------------------------------------------------------------------------

    def view(self, key: Any) -> CudaArray:
        """The part that integers, slices, None and ``...`` select, without a copy."""
        keys = _tuple(key)
        return CudaArray(self._layout[keys if ... in keys else (*keys, ...)])  # with it, NumPy never gives a number

    def __getitem__(self, key: Any) -> CudaArray:
        from minifcn.kernels.cuda.arrange import index

        return index(self, key)

    def __setitem__(self, key: Any, values: Any) -> None:
        from minifcn.kernels.cuda.arrange import assign

        assign(self, key, values)

    def to_host(self) -> np.ndarray:
        """A copy as a NumPy array; waits for the GPU."""
        from minifcn.kernels.cuda.arrange import contiguous

        source = contiguous(self)
        target = np.empty(self.shape, self.dtype)
        driver.copy_to_host(target.ctypes.data, source.pointer, source.nbytes)
        driver.synchronize()
        return target

    def item(self) -> Any:
        """The value of an array with one element, as a Python number; waits for the GPU."""
        return self.to_host().item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers; waits for the GPU."""
        return self.to_host().tolist()

    def astype(self, dtype: Any, copy: bool = True) -> CudaArray:
        """The same values in another dtype."""
        from minifcn.kernels.cuda.arrange import cast

        return self if not copy and self.dtype == dtype else cast(self, dtype)

    def __deepcopy__(self, memo: Any) -> CudaArray:
        return self.astype(self.dtype)

    def __reduce__(self) -> Any:  # what pickle writes is a NumPy array; its reader needs a GPU
        return from_host, (self.to_host(),)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            f"an array of shape {self.shape} lies on the GPU, and NumPy cannot read it there; copy it with "
            '.to("cpu") (a Tensor) or .to_host() (an array)'
        )

    def __repr__(self) -> str:
        return f"CudaArray({self.to_host()!r})"

    # --- for other libraries ------------------------------------------------------------------------------------------

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer if self.size else 0, False),
            "strides": None if self.is_contiguous else self.strides,
            "stream": driver.stream() or None,
            "version": 3,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        from minifcn.kernels.cuda import interchange

        return interchange.device()

    def __dlpack__(self, **options: Any) -> Any:
        from minifcn.kernels.cuda import interchange

        return interchange.exported(self, **options)


def _tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


# --- new arrays -------------------------------------------------------------------------------------------------------


def empty(shape: int | Shape | list[int], dtype: Any) -> CudaArray:
    """A new contiguous array of arbitrary contents."""
    wanted = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(map(int, shape))
    kind = np.dtype(dtype)
    if math.prod(wanted) >= 2**32:
        raise ValueError(f"an array of shape {wanted} has 2^32 elements or more, beyond what kernels count; divide it")
    return CudaArray(pool().empty(wanted, kind, math.prod(wanted) * kind.itemsize))


def from_host(array: Any) -> CudaArray:
    """A copy of a NumPy array on the GPU."""
    source = np.ascontiguousarray(array).reshape(np.shape(array))  # which keeps 0-d arrays 0-d
    target = empty(source.shape, source.dtype)
    driver.copy_to_device(target.pointer, source.ctypes.data, source.nbytes)
    return target


def full(shape: int | Shape | list[int], value: float, dtype: Any) -> CudaArray:
    """A new array of one value."""
    array = empty(shape, dtype)
    if value == 0:
        driver.fill_zero(array.pointer, array.nbytes)
    else:
        from minifcn.kernels.cuda.arrange import fill

        fill(array, value)
    return array
