"""What can be shown as one picture: Tensors and arrays become arrays of NumPy, without axes of length one."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn.tensor import Tensor


def values_of(array: Any) -> np.ndarray:
    """The numbers of a Tensor (of any device) or array."""
    return np.asarray(array.detach().to("cpu").data if isinstance(array, Tensor) else array)


def picture(array: Any, name: str) -> np.ndarray:
    """An image (H, W), or (H, W, 3) in [0, 1] or of bytes, of whatever is one: (1, H, W, C) and (H, W, 1) as well.

    Raises:
        ValueError: it is no image, an empty one, or one of neither one nor three channels.

    >>> picture(np.zeros((1, 4, 5, 1)), "x").shape
    (4, 5)
    """
    given = values_of(array)
    values = given[0] if given.ndim == 4 and len(given) == 1 else given
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 2 and values.size:
        return values
    if values.ndim == 3 and values.size and values.shape[-1] == 3:
        if values.dtype.kind in "iu":
            return np.clip(values, 0, 255).astype(np.uint8)
        return np.clip(values, 0, 1)
    raise ValueError(
        f"plots: {name} has shape {given.shape}, and an image is (H, W), (H, W, 1) or (H, W, 3); show one of a batch "
        "as images[0], one channel as image[..., 0], all of them with plots.feature_maps"
    )
