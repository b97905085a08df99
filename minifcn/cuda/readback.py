"""Values from the GPU, asked for now and looked at later: a loop that logs its losses need not stand still for them.

``loss.item()`` waits until the GPU has done everything that it was given. Then it has nothing left to do until Python
has started the next kernels. To look at the loss of the step before costs no waiting.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn.tensor import Tensor


class Readback:
    """A tensor's values on their way to the host, as they are when the work so far is done::

        late = None
        for images, labels in batches:
            loss = step(images, labels)
            if late is not None:
                print(late.value())
            late = Readback(loss)

    Args:
        tensor: of any device and shape. What is written into it later changes nothing.

    >>> Readback(Tensor(np.array(2.5))).value()
    2.5
    """

    def __init__(self, tensor: Tensor):
        self._values: np.ndarray | None = None
        self._download: Any = None
        if tensor.is_on_host:
            self._values = np.array(tensor._data)
        else:
            from minifcn.kernels.cuda.transfers import Download

            self._download = Download(tensor._data)

    @property
    def ready(self) -> bool:
        """Whether `value` would return at once."""
        return self._values is not None or bool(self._download.done)

    def value(self) -> Any:
        """A Python number of a 0-d tensor, else a NumPy array; waits for these values, and for nothing after them."""
        if self._values is None:
            self._values, self._download = self._download.result(), None
        return self._values.item() if self._values.ndim == 0 else self._values
