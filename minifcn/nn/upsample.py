"""The upsampling layer."""

from __future__ import annotations

from typing import Literal

from minifcn import functional as F
from minifcn.functional.upsample import Factor
from minifcn.kernels.shapes import Pair
from minifcn.nn.module import Module
from minifcn.tensor import Tensor


class Upsample(Module):
    """Enlarge images by replication ("nearest") or "bilinear" interpolation; see `minifcn.functional.upsample`.

    >>> import minifcn as mf
    >>> Upsample(scale_factor=2)(mf.zeros(1, 3, 5, 8)).shape
    (1, 6, 10, 8)
    """

    def __init__(
        self,
        size: int | Pair | None = None,
        scale_factor: Factor | None = None,
        mode: Literal["nearest", "bilinear"] = "nearest",
        align_corners: bool = False,
    ):
        if (size is None) == (scale_factor is None):
            raise ValueError("Upsample: give either size or scale_factor")
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f"Upsample: mode must be 'nearest' or 'bilinear', not {mode!r}")
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge images."""
        return F.upsample(x, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        """Size or factor, and mode."""
        target = f"size={self.size}" if self.size is not None else f"scale_factor={self.scale_factor}"
        return f"{target}, mode={self.mode!r}"
