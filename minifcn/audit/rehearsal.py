"""A rehearsal: a network run on shapes alone, so that what it would do and take is known before it does.

The kernels are replaced by ones that compute output shapes and nothing else (`minifcn.kernels.meta`). Everything above
them is the code that really runs: modules, operations, what they save, and the walk back. So any module can be
rehearsed, at any size, in milliseconds, and nothing has to be kept in step with it by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Spec(NamedTuple):
    """Shape and dtype of an array that need not exist."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """What it would take."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class Call(NamedTuple):
    """One kernel as it was called."""

    kernel: str  # its name in `minifcn.kernels.contract`
    layer: str  # path of the module that the call is due to, as in `Module.named_modules`; "" is the network itself
    backward: bool  # in the walk back
    arguments: Mapping[str, Any]  # by the contract's names; arrays as Specs
    results: tuple[Spec, ...]


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What a network would do with a batch of images.

    Attributes:
        images: (N, H, W, C).
        output: shape of the result.
        training: whether it walked back.
        calls: every kernel, in order.
    """

    images: tuple[int, ...]
    output: tuple[int, ...]
    training: bool
    calls: list[Call]
