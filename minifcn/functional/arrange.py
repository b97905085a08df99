"""Functions that move elements: shape, order, slices, borders, joints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from minifcn.functional.arguments import (
    TensorLike,
    array_key,
    as_image,
    as_tensor,
    as_tensors,
    axes_of,
    axis_of,
    image_size,
    one_kind,
    pair,
)
from minifcn.kernels import axismap
from minifcn.kernels.shapes import Pair
from minifcn.ops import arrange as ops
from minifcn.ops.reduce import BroadcastTo
from minifcn.ops.resample import Resample2d
from minifcn.tensor import Tensor


def cast(x: TensorLike, dtype: Any) -> Tensor:
    """A copy of ``x`` with elements of ``dtype``; the gradient comes back in the dtype of ``x``."""
    return ops.Cast(np.dtype(dtype))(as_tensor(x))


def move(x: Tensor, device: str) -> Tensor:
    """``x`` on another device, or ``x`` itself if it is there; the gradient comes back to the device of ``x``."""
    return x if x.device == device else ops.Move(device)(x)


def reshape(x: TensorLike, shape: int | Sequence[int]) -> Tensor:
    """The same elements in another shape; one length may be −1, and is worked out."""
    x = as_tensor(x)
    asked = target = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    known = math.prod(length for length in target if length != -1)
    if target.count(-1) == 1 and known and x.size % known == 0:
        target = tuple(x.size // known if length == -1 else length for length in target)
    if min(target, default=0) < 0 or math.prod(target) != x.size:
        raise ValueError(
            f"reshape: {x.size} elements of shape {x.shape} do not fit shape {asked}; one length may be -1"
        )
    return x if target == x.shape else ops.Reshape(target)(x)


def transpose(x: TensorLike, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order, reversed if None; axis i of the result is axis ``axes[i]`` of ``x``."""
    x = as_tensor(x)
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(axis_of("transpose", a, x.ndim) for a in axes)
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(
            f"transpose: axes {axes} are not an order of the {x.ndim} axes of shape {x.shape}; name each once"
        )
    return ops.Transpose(order)(x)


def swap_last_axes(x: Tensor) -> Tensor:
    """The transposed matrix of each matrix in a stack (..., M, N)."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def broadcast_to(x: TensorLike, shape: Sequence[int]) -> Tensor:
    """Repeated along axes of length 1, and along new leading axes, to fill ``shape``."""
    x, target = as_tensor(x), tuple(shape)
    if target == x.shape:
        return x
    leading = len(target) - x.ndim
    if leading < 0 or any(old not in (1, new) for old, new in zip(x.shape, target[leading:], strict=True)):
        raise ValueError(
            f"broadcast_to: shape {x.shape} does not fill shape {target}; lengths must agree or be 1, from the "
            "last axis on"
        )
    return BroadcastTo(target)(x)


def index(x: TensorLike, key: Any) -> Tensor:
    """``x[key]`` for integers, slices, ``...``, None, integer and boolean arrays, as in NumPy.

    Repeated positions of an integer array add their gradients up.
    """
    x, key = as_tensor(x), array_key(key)
    try:
        return ops.Index(key)(x)
    except IndexError as error:
        raise IndexError(f"index: {error}; the tensor has shape {x.shape}") from None


def flip(x: TensorLike, axis: int | Sequence[int]) -> Tensor:
    """The elements in reverse order along ``axis``."""
    x = as_tensor(x)
    axes = axes_of("flip", axis, x.ndim)
    return index(x, tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(x.ndim)))


def crop(x: TensorLike, size: int | Pair, offset: Pair | None = None) -> Tensor:
    """A window of (height, width) ``size`` of images (N, H, W, C), at (row, column) ``offset``; centred if None.

    A centred window whose margin is odd lies nearer to the top left.

    >>> crop(np.arange(9.0).reshape(1, 3, 3, 1), 1).item()
    4.0
    """
    x, (h, w) = as_image("crop", x), pair("crop", "size", size, 1)
    top, left = ((x.shape[1] - h) // 2, (x.shape[2] - w) // 2) if offset is None else pair("crop", "offset", offset)
    if top < 0 or left < 0 or top + h > x.shape[1] or left + w > x.shape[2]:
        raise ValueError(
            f"crop: a {h} x {w} window at row {top}, column {left} is not inside the image of {x.shape[1]} x "
            f"{x.shape[2]}; make it smaller or pad the image first"
        )
    if (h, w) == (x.shape[1], x.shape[2]):
        return x  # nothing is cut off, and no gradient needs a frame of zeros
    return index(x, (slice(None), slice(top, top + h), slice(left, left + w)))


def pad(
    x: TensorLike,
    padding: int | Sequence[int],
    mode: Literal["constant", "reflect", "replicate"] = "constant",
    value: float = 0.0,
) -> Tensor:
    """Borders around images: (N, H, W, C) -> (N, top + H + bottom, left + W + right, C).

    Args:
        x: images.
        padding: (left, right, top, bottom), in PyTorch's order; (left, right) for the width alone; or one number for
            all four sides. Negative numbers crop.
        mode: "constant"; "reflect" mirrors about the outermost pixels, which are not repeated; "replicate" repeats
            them.
        value: of the constant border.

    Raises:
        ValueError: a reflected border is not narrower than the image, or more is cropped than there is.
    """
    x = as_image("pad", x)
    sides = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * 4
    if len(sides) == 2:
        sides = (*sides, 0, 0)
    if len(sides) != 4 or not all(isinstance(side, (int, np.integer)) for side in sides):
        raise ValueError(f"pad: padding must be an int, (left, right) or (left, right, top, bottom), got {padding!r}")
    left, right, top, bottom = sides
    if mode not in ("constant", "reflect", "replicate"):
        raise ValueError(f"pad: mode must be 'constant', 'reflect' or 'replicate', not {mode!r}")
    if min(sides) < 0:
        x = index(x, (slice(None), _kept("height", x.shape[1], top, bottom), _kept("width", x.shape[2], left, right)))
        left, right, top, bottom = (max(0, side) for side in sides)
    height, width = image_size(x)
    if mode == "constant":
        return ops.Pad(((0, 0), (top, bottom), (left, right), (0, 0)), float(value))(x)
    if mode == "reflect" and (max(top, bottom) >= height or max(left, right) >= width):
        raise ValueError(
            f"pad: a reflected border must be narrower than the image: {padding!r} around {height} x {width} pixels; "
            "use mode='replicate', or pad twice"
        )
    if min(height, width) < 1:
        raise ValueError(f"pad: images of shape {x.shape} have no pixel to repeat; use mode='constant'")
    border = axismap.mirror if mode == "reflect" else axismap.replicate
    return Resample2d(border(height, top, bottom), border(width, left, right))(x)


def _kept(name: str, length: int, before: int, after: int) -> slice:
    """What negative padding leaves of an axis."""
    first, last = max(0, -before), length - max(0, -after)
    if first >= last:
        raise ValueError(f"pad: padding {(before, after)} crops away the whole {name} of {length}; leave at least 1")
    return slice(first, last)


def concatenate(tensors: Sequence[TensorLike], axis: int = -1) -> Tensor:
    """Join tensors along an existing axis; the default joins the channels of images, as U-Net's skips do.

    >>> concatenate([np.zeros((1, 2, 2, 3)), np.ones((1, 2, 2, 1))]).shape
    (1, 2, 2, 4)
    """
    if not tensors:
        raise ValueError("concatenate: needs at least one tensor, got none")
    parts = one_kind(*as_tensors(*tensors))
    joined = axis_of("concatenate", axis, parts[0].ndim)
    first = parts[0].shape
    for part in parts:
        others = [a for a in range(len(first)) if a != joined]
        if part.ndim != len(first) or any(part.shape[a] != first[a] for a in others):
            shapes = ", ".join(str(p.shape) for p in parts)
            raise ValueError(f"concatenate: shapes {shapes} differ in more than axis {joined}; crop or pad them first")
    return ops.Concatenate(joined)(*parts)


def stack(tensors: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis."""
    parts = as_tensors(*tensors)
    if not parts or any(part.shape != parts[0].shape for part in parts):
        raise ValueError(
            f"stack: needs at least one tensor, all of one shape, got {[part.shape for part in parts]}; "
            "concatenate joins different lengths"
        )
    at = axis_of("stack", axis, parts[0].ndim + 1)
    return concatenate([reshape(p, (*p.shape[:at], 1, *p.shape[at:])) for p in parts], at)


def split(x: TensorLike, split_size: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Cut along an axis into pieces of ``split_size`` (the last may be shorter), or of the given lengths.

    >>> [part.tolist() for part in split([1.0, 2.0, 3.0], 2)]
    [[1.0, 2.0], [3.0]]
    """
    x = as_tensor(x)
    axis = axis_of("split", axis, x.ndim)
    total = x.shape[axis]
    if isinstance(split_size, (int, np.integer)):
        if split_size < 1:
            raise ValueError(f"split: split_size must be at least 1, got {split_size}")
        lengths = [min(split_size, total - begin) for begin in range(0, total, split_size)]
    else:
        lengths = list(split_size)
    if sum(lengths) != total or min(lengths, default=0) < 0:
        raise ValueError(f"split: lengths {lengths} do not add up to {total}, the length of axis {axis} of {x.shape}")
    ends = np.cumsum(lengths).tolist()
    before = (slice(None),) * axis
    return [index(x, (*before, slice(end - n, end))) for n, end in zip(lengths, ends, strict=True)]
