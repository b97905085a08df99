"""Upsampling of images by replication or bilinear interpolation."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from minifcn.functional.arguments import TensorLike, as_image, pair
from minifcn.kernels import axismap
from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.shapes import Pair
from minifcn.ops.resample import Resample2d
from minifcn.tensor import Tensor

Factor = float | tuple[float, float]


def upsample(
    x: TensorLike,
    size: int | Pair | None = None,
    scale_factor: Factor | None = None,
    mode: Literal["nearest", "bilinear"] = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """(N, H, W, C) -> (N, *size, C), or (N, ⌊H · scale_factor⌋, ⌊W · scale_factor⌋, C).

    Args:
        x: images.
        size: of the output, (height, width); or
        scale_factor: one for both axes or (vertical, horizontal).
        mode: "nearest" repeats pixels (the lecture's replication); "bilinear" interpolates between the nearest four.
        align_corners: the centres of the corner pixels coincide, not their outer edges ("bilinear" only).

    Raises:
        ValueError: not exactly one of ``size`` and ``scale_factor``, or an empty output.

    >>> upsample(np.array([1.0, 2.0]).reshape(1, 1, 2, 1), scale_factor=(1, 2)).data.ravel().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    x = as_image("upsample", x)
    if (size is None) == (scale_factor is None):
        raise ValueError(f"upsample: give either size or scale_factor; got size={size}, scale_factor={scale_factor}")
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"upsample: mode must be 'nearest' or 'bilinear', not {mode!r}")
    if mode == "nearest" and align_corners:
        raise ValueError("upsample: align_corners means nothing for mode='nearest'; use mode='bilinear'")
    if min(x.shape[1:3]) < 1:
        raise ValueError(f"upsample: images of shape {x.shape} have no pixels; height and width must be at least 1")
    steps: tuple[float | None, float | None] = (None, None)
    if scale_factor is not None:
        factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor, scale_factor)
        if len(factors) != 2 or min(factors) <= 0:
            raise ValueError(f"upsample: scale_factor must be one or two positive numbers, got {scale_factor!r}")
        size = (axismap.scaled_size(x.shape[1], factors[0]), axismap.scaled_size(x.shape[2], factors[1]))
        # As in PyTorch, the factor that was asked for rules, not the ratio of the rounded sizes.
        steps = tuple(None if float(f).is_integer() else 1.0 / f for f in factors)  # type: ignore[assignment]
    target = pair("upsample", "size", size, 0 if scale_factor is not None else 1)
    if min(target) < 1:
        raise ValueError(
            f"upsample: scale_factor {scale_factor} leaves nothing of {x.shape[1]} x {x.shape[2]} pixels; enlarge it"
        )
    rows, columns = (_axis(x.shape[1 + a], target[a], mode, align_corners, steps[a]) for a in (0, 1))
    return Resample2d(rows, columns)(x)


def upsample_nearest(x: TensorLike, size: int | Pair | None = None, scale_factor: Factor | None = None) -> Tensor:
    """Upsampling through replication; its adjoint is `sum_pool2d`. See `upsample`.

    >>> upsample_nearest(np.array([1.0, 2.0]).reshape(1, 1, 2, 1), (1, 4)).data.ravel().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    return upsample(x, size, scale_factor, "nearest")


def upsample_bilinear(
    x: TensorLike, size: int | Pair | None = None, scale_factor: Factor | None = None, align_corners: bool = False
) -> Tensor:
    """Upsampling through bilinear interpolation. See `upsample`.

    >>> upsample_bilinear(np.array([1.0, 3.0]).reshape(1, 1, 2, 1), (1, 3), align_corners=True).data.ravel().tolist()
    [1.0, 2.0, 3.0]
    """
    return upsample(x, size, scale_factor, "bilinear", align_corners)


@lru_cache(maxsize=256)
def _axis(input_size: int, output_size: int, mode: str, align_corners: bool, step: float | None) -> AxisMap:
    # As in PyTorch, a size that stays keeps its pixels, and one that doubles repeats each of them twice.
    if output_size == input_size or (mode == "nearest" and output_size == 2 * input_size):
        step = None
    if mode == "nearest":
        return axismap.nearest(input_size, output_size, step)
    return axismap.bilinear(input_size, output_size, align_corners, step)
