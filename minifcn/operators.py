"""What a Tensor computes: operators and methods are the public functions under another name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # At run time, minifcn.tensor puts F here: the functions need Tensor, and Tensor needs this class.
    from minifcn import functional as F
    from minifcn.tensor import Tensor

Axis = int | tuple[int, ...] | None


class Operators:
    """The arithmetic of `Tensor`, and nothing of what it holds."""

    __slots__ = ()

    def __add__(self: Any, other: Any) -> Tensor:
        return F.add(self, other)

    def __radd__(self: Any, other: Any) -> Tensor:
        return F.add(other, self)

    def __sub__(self: Any, other: Any) -> Tensor:
        return F.subtract(self, other)

    def __rsub__(self: Any, other: Any) -> Tensor:
        return F.subtract(other, self)

    def __mul__(self: Any, other: Any) -> Tensor:
        return F.multiply(self, other)

    def __rmul__(self: Any, other: Any) -> Tensor:
        return F.multiply(other, self)

    def __truediv__(self: Any, other: Any) -> Tensor:
        return F.divide(self, other)

    def __rtruediv__(self: Any, other: Any) -> Tensor:
        return F.divide(other, self)

    def __pow__(self: Any, other: Any) -> Tensor:
        return F.pow(self, other)

    def __rpow__(self: Any, other: Any) -> Tensor:
        return F.pow(other, self)

    def __matmul__(self: Any, other: Any) -> Tensor:
        return F.matmul(self, other)

    def __rmatmul__(self: Any, other: Any) -> Tensor:
        return F.matmul(other, self)

    def __neg__(self: Any) -> Tensor:
        return F.negative(self)

    def __abs__(self: Any) -> Tensor:
        return F.abs(self)

    def __gt__(self: Any, other: Any) -> Tensor:
        return F.greater(self, other)

    def __ge__(self: Any, other: Any) -> Tensor:
        return F.greater_equal(self, other)

    def __lt__(self: Any, other: Any) -> Tensor:
        return F.greater(other, self)

    def __le__(self: Any, other: Any) -> Tensor:
        return F.greater_equal(other, self)

    def __eq__(self: Any, other: object) -> Tensor:  # type: ignore[override]  # elementwise, as for arrays
        return F.equal(self, other)

    def __ne__(self: Any, other: object) -> Tensor:  # type: ignore[override]
        return F.equal(F.equal(self, other), False)

    # --- functions that read well as methods --------------------------------------------------------------------------

    def exp(self: Any) -> Tensor:
        """e to the power of each element."""
        return F.exp(self)

    def log(self: Any) -> Tensor:
        """Natural logarithm of each element."""
        return F.log(self)

    def sqrt(self: Any) -> Tensor:
        """Square root of each element."""
        return F.sqrt(self)

    def abs(self: Any) -> Tensor:
        """Absolute value of each element."""
        return F.abs(self)

    def clip(self: Any, min: Any = None, max: Any = None) -> Tensor:
        """Each element limited to [min, max]."""
        return F.clip(self, min, max)

    def relu(self: Any) -> Tensor:
        """max(x, 0) of each element."""
        return F.relu(self)

    def sigmoid(self: Any) -> Tensor:
        """1 / (1 + e^−x) of each element."""
        return F.sigmoid(self)

    def tanh(self: Any) -> Tensor:
        """Hyperbolic tangent of each element."""
        return F.tanh(self)

    def sum(self: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Sum over axes (all if None)."""
        return F.sum(self, axis, keepdims)

    def mean(self: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Mean over axes (all if None)."""
        return F.mean(self, axis, keepdims)

    def var(self: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """Variance over axes (all if None), dividing by the count minus ``ddof``."""
        return F.var(self, axis, ddof, keepdims)

    def std(self: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """Standard deviation over axes (all if None): the root of `var`."""
        return F.std(self, axis, ddof, keepdims)

    def max(self: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Largest over axes (all if None)."""
        return F.max(self, axis, keepdims)

    def min(self: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Smallest over axes (all if None)."""
        return F.min(self, axis, keepdims)

    def argmax(self: Any, axis: int | None = None) -> Tensor:
        """Index of the first largest element along an axis, or in the flattened tensor."""
        return F.argmax(self, axis)

    def reshape(self: Any, *shape: Any) -> Tensor:
        """The same elements in another shape; one length may be −1."""
        return F.reshape(self, _unpacked(shape))

    def flatten(self: Any) -> Tensor:
        """The same elements along one axis."""
        return F.reshape(self, (self.size,))

    def transpose(self: Any, *axes: Any) -> Tensor:
        """The axes in another order; reversed if none is given."""
        return F.transpose(self, _unpacked(axes) if axes else None)

    @property
    def T(self: Any) -> Tensor:  # noqa: N802
        """The axes in reverse order."""
        return F.transpose(self)

    def broadcast_to(self: Any, *shape: Any) -> Tensor:
        """Repeated along axes of length 1, and new leading ones, to fill ``shape``."""
        return F.broadcast_to(self, _unpacked(shape))

    def sum_to(self: Any, shape: tuple[int, ...]) -> Tensor:
        """Summed over axes along which ``shape`` would be broadcast to this shape: the adjoint of `broadcast_to`."""
        return F.sum_to(self, shape)


def _unpacked(arguments: Sequence[Any]) -> Any:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], (tuple, list)) else tuple(arguments)
