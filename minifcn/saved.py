"""Arrays that an operation keeps for its backward, and the proof that they are still what they were.

An input that its maker can compute again at the cost of reading it (see `Operation.recomputes`) is not kept at all, but
made anew when backward asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from minifcn.tensor import Tensor

if TYPE_CHECKING:
    from minifcn.autograd import Operation


#: Arrays of up to this many elements are compared as a whole.
_EXACT = 4096


class Saved(NamedTuple):
    """An array kept for backward: where it came from, and how it looked."""

    array: Any  # None if the operation that made it computes it again
    owner: Tensor | None  # a shell (no array) of the input or output that it belongs to; a leaf itself; None: to no one
    is_output: bool
    version: int
    sample: bytes

    @staticmethod
    def of(array: Any, inputs: tuple[Tensor, ...], result: Tensor) -> Saved | None:
        """What to remember of an array that an operation with these inputs and this result wants to keep."""
        if array is None:
            return None
        for tensor in (*inputs, result):
            if tensor._data is array:
                is_output = tensor is result
                owner = tensor if tensor.operation is None and not is_output else tensor.shell()
                # What NumPy may have written into is no longer, for certain, what its maker would compute.
                again = not is_output and tensor.is_untouched and tensor.operation and tensor.operation.recomputes
                return Saved(None if again else array, owner, is_output, tensor.version, _sample(array))
        return Saved(array, None, False, 0, _sample(array))

    def restore(self, operation: Operation) -> Tensor:
        """The array as a Tensor in its old place in the graph, if it is still what it was."""
        array = self.array
        if array is None:
            array = cast("Operation", cast(Tensor, self.owner).operation).recompute()
        version = self.owner.version if self.owner is not None else 0
        if self.version != version or self.sample != _sample(array):
            raise RuntimeError(
                f"backward of {type(operation).__name__} needs an array of shape {tuple(array.shape)} that was "
                "changed in place after it was saved; make a new tensor instead (x = x + 1, not x[...] = x + 1), or "
                "change it after the backward pass"
            )
        if self.owner is None:
            return Tensor(array, device=operation.device)
        if self.owner.operation is None and not self.is_output:
            return self.owner
        restored = Tensor(array, device=self.owner.device)
        restored.set_operation(operation if self.is_output else cast("Operation", self.owner.operation))
        return restored


def _sample(array: Any) -> bytes:
    """Up to `_EXACT` elements as bytes: all of them; of larger arrays, 64 to 128 evenly spaced ones.

    Version counters see every change made through a Tensor. This sees what they cannot: NumPy writing into the array
    behind a Tensor. It notices every change of a small array, and any large one that was overwritten as a whole.
    """
    if not isinstance(array, np.ndarray):
        return b""
    if array.size <= _EXACT:
        return array.tobytes()
    step = array.size // 64
    return (array.reshape(-1) if array.flags.c_contiguous else array.flat)[::step].tobytes()
