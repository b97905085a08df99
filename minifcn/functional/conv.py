"""Convolution and transposed convolution of images, with checks that say what does not fit and what would."""

from __future__ import annotations

from typing import Literal

from minifcn.functional.arguments import (
    Activation,
    TensorLike,
    as_image,
    beside,
    image_size,
    layout_hint,
    pair,
    wants_relu,
)
from minifcn.functional.arrange import pad
from minifcn.kernels import shapes
from minifcn.kernels.shapes import Pair, Window
from minifcn.ops import conv as ops
from minifcn.tensor import Tensor

Padding = int | Pair | Literal["same", "valid"]


def conv2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: int | Pair = 1,
    padding: Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    activation: Activation = None,
) -> Tensor:
    """Convolution (cross-correlation, as everywhere in the field): (N, H, W, C_in) -> (N, P, Q, C_out).

    y[n, i, j, k] = bias[k] + Σ_{r, t, c} x[n, i·s + r·d − p, j·s + t·d − p, c] · weight[r, t, c, k], with zeros outside
    the image, and P = ⌊(H + 2p − d (kh − 1) − 1) / s⌋ + 1.

    Args:
        x: images (N, H, W, C_in).
        weight: (kh, kw, C_in / groups, C_out).
        bias: (C_out,).
        stride: rows and columns between neighbouring outputs.
        padding: rows and columns of zeros on each side; "valid" is none; "same" keeps the size (stride 1 only; an even
            kernel gets the odd one below and to the right).
        dilation: rows and columns between neighbouring taps.
        groups: input and output channels fall into this many groups, convolved independently.
        activation: "relu" applies ReLU in the same pass over memory.

    Raises:
        ValueError: channels do not agree, or the kernel does not fit into the padded image.

    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> conv2d(x, np.ones((2, 2, 1, 1))).data[0, :, :, 0].tolist()
    [[8.0, 12.0], [20.0, 24.0]]
    """
    x = as_image("conv2d", x)
    w = _weight("conv2d", weight, x)
    _check_groups("conv2d", groups, w.shape[3])
    if x.shape[3] != w.shape[2] * groups:
        raise ValueError(
            f"conv2d: input {x.shape} has {x.shape[3]} channels, but weight {w.shape} with groups={groups} takes "
            f"{w.shape[2] * groups}; weights are (kh, kw, C_in / groups, C_out){layout_hint(x, w.shape[2] * groups)}"
        )
    window, after = _window("conv2d", w, stride, padding, dilation)
    size = shapes.conv_size(image_size(x), window, after)
    if min(size) < 1:
        raise ValueError(
            f"conv2d: a kernel of {window.extent[0]} x {window.extent[1]} (dilation included) does not fit into an "
            f"image of {x.shape[1]} x {x.shape[2]} with padding {padding!r}; enlarge the image or the padding"
        )
    operation = ops.Conv2d(window, groups, size, wants_relu("conv2d", activation))
    return operation(x, w) if bias is None else operation(x, w, _bias("conv2d", bias, w.shape[3], x))


def conv_transpose2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: int | Pair = 1,
    padding: Padding = 0,
    output_padding: int | Pair = 0,
    groups: int = 1,
    dilation: int | Pair = 1,
    output_size: int | Pair | None = None,
    activation: Activation = None,
) -> Tensor:
    """Transposed convolution: the adjoint of the `conv2d` with this weight: (N, P, Q, C_in) -> (N, H, W, C_out).

    Every input pixel adds its multiple of the kernel to the output, ``stride`` apart:
    H = s (P − 1) + d (kh − 1) + 1 − 2p + output_padding.

    Args:
        x: images (N, P, Q, C_in).
        weight: (kh, kw, C_out / groups, C_in): the weight of the convolution that this one transposes, which maps C_out
            channels to C_in.
        bias: (C_out,).
        stride: rows and columns between the contributions of neighbouring inputs.
        padding: rows and columns cut off on each side; "valid" is none; "same" keeps the size at stride 1.
        output_padding: rows and columns added below and to the right; less than stride or dilation.
        groups: as for `conv2d`.
        dilation: rows and columns between neighbouring taps.
        output_size: (H, W), one of the sizes that the convolution maps to (P, Q); instead of ``output_padding``.
        activation: "relu" applies ReLU in the same pass over memory.

    Raises:
        ValueError: channels do not agree, or no such output size.

    >>> conv_transpose2d(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1)), stride=2).shape
    (1, 4, 4, 1)
    """
    name = "conv_transpose2d"
    x = as_image(name, x)
    w = _weight(name, weight, x)
    _check_groups(name, groups, w.shape[3])
    if x.shape[3] != w.shape[3]:
        raise ValueError(
            f"{name}: input {x.shape} has {x.shape[3]} channels, but weight {w.shape} takes {w.shape[3]}; weights are "
            f"(kh, kw, C_out / groups, C_in){layout_hint(x, w.shape[3])}"
        )
    if min(image_size(x)) < 1:
        raise ValueError(f"{name}: input {x.shape} has no pixels; height and width must be at least 1")
    window, after = _window(name, w, stride, padding, dilation)
    size = _transposed_size(x, window, after, output_padding, output_size)
    if min(size) < 1:
        raise ValueError(
            f"{name}: padding {padding!r} cuts the output for input {x.shape} down to {size}; use less padding"
        )
    operation = ops.ConvTranspose2d(window, groups, size, wants_relu(name, activation))
    return operation(x, w) if bias is None else operation(x, w, _bias(name, bias, w.shape[2] * groups, x))


def conv2d_weight(
    x: TensorLike,
    y: TensorLike,
    kernel_size: int | Pair,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The adjoint of `conv2d` in its weight: correlates images with output gradients.

    (N, H, W, C_in) and (N, P, Q, C_out) -> (kh, kw, C_in / groups, C_out):
    w[r, t, c, k] = Σ_{n, i, j} x[n, i·s + r·d − p, j·s + t·d − p, c] · y[n, i, j, k].

    Raises:
        ValueError: ``y`` is not of the size that the convolution makes of ``x``, or groups do not divide the channels.

    >>> conv2d_weight(np.ones((1, 3, 3, 1)), np.ones((1, 2, 2, 1)), 2).data[:, :, 0, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    name = "conv2d_weight"
    x = as_image(name, x)
    y = beside(name, "y", as_image(name, y), x)
    window = Window(
        pair(name, "kernel_size", kernel_size, 1),
        pair(name, "stride", stride, 1),
        pair(name, "padding", padding),
        pair(name, "dilation", dilation, 1),
    )
    if groups < 1 or x.shape[3] % groups or y.shape[3] % groups:
        raise ValueError(
            f"{name}: groups={groups} does not divide the channels of x {x.shape} and y {y.shape}; use a common divisor"
        )
    size = shapes.conv_size(image_size(x), window)
    if (x.shape[0], *size) != y.shape[:3]:
        raise ValueError(
            f"{name}: y has shape {y.shape}, but x {x.shape} is convolved to {(x.shape[0], *size, y.shape[3])}; "
            "give the stride, padding and dilation of that convolution"
        )
    return ops.Conv2dWeight(window, groups)(x, y)


def same_padding(
    x: TensorLike, kernel_size: int | Pair, mode: Literal["constant", "reflect", "replicate"] = "reflect"
) -> Tensor:
    """Pad so that a "valid" convolution of ``kernel_size`` and stride 1 keeps the size, with a border of any kind.

    (N, H, W, C) -> (N, H + kh − 1, W + kw − 1, C); an even kernel gets the odd row and column below and to the right.

    >>> same_padding(np.array([1.0, 2.0]).reshape(1, 1, 2, 1), (1, 3)).data.ravel().tolist()
    [2.0, 1.0, 2.0, 1.0]
    """
    before, after = shapes.same_padding(Window(pair("same_padding", "kernel_size", kernel_size, 1)))
    return pad(x, (before[1], after[1], before[0], after[0]), mode)


def _transposed_size(
    x: Tensor, window: Window, after: Pair, output_padding: int | Pair, output_size: int | Pair | None
) -> Pair:
    """The size that ``output_size`` or ``output_padding`` asks for, if the convolution maps it to that of ``x``."""
    name = "conv_transpose2d"
    extra = pair(name, "output_padding", output_padding)
    smallest = shapes.conv_transpose_size(image_size(x), window)
    # Padding "same" of an even kernel is one wider behind than before, and cuts as much more off.
    smallest = (smallest[0] + window.padding[0] - after[0], smallest[1] + window.padding[1] - after[1])
    if output_size is not None:
        size = pair(name, "output_size", output_size, 1)
        extra = (size[0] - smallest[0], size[1] - smallest[1])
    limit = [max(s, d) for s, d in zip(window.stride, window.dilation, strict=True)]
    if not all(0 <= e < bound for e, bound in zip(extra, limit, strict=True)):
        largest = (smallest[0] + limit[0] - 1, smallest[1] + limit[1] - 1)
        asked = f"output_size {output_size}" if output_size is not None else f"output_padding {output_padding}"
        raise ValueError(
            f"{name}: {asked} is not possible for input {x.shape}; output sizes go from {smallest} to {largest}"
        )
    return smallest[0] + extra[0], smallest[1] + extra[1]


def _weight(name: str, weight: TensorLike, x: Tensor) -> Tensor:
    w = beside(name, "weight", weight, x)
    if w.ndim != 4:
        raise ValueError(f"{name}: weight must have four axes, kernel height and width first; got shape {w.shape}")
    if 0 in w.shape:
        raise ValueError(f"{name}: weight {w.shape} is empty; every length must be at least 1")
    return w


def _bias(name: str, bias: TensorLike, channels: int, x: Tensor) -> Tensor:
    b = beside(name, "bias", bias, x)
    if b.shape != (channels,):
        raise ValueError(f"{name}: bias must have shape {(channels,)}, one number an output channel; got {b.shape}")
    return b


def _check_groups(name: str, groups: int, channels: int) -> None:
    if groups < 1 or channels % groups:
        raise ValueError(f"{name}: groups={groups} does not divide the weight's {channels} channels; use a divisor")


def _window(name: str, w: Tensor, stride: int | Pair, padding: Padding, dilation: int | Pair) -> tuple[Window, Pair]:
    """The window, padding before included, and the padding after."""
    kernel_size = (w.shape[0], w.shape[1])
    window = Window(kernel_size, pair(name, "stride", stride, 1), (0, 0), pair(name, "dilation", dilation, 1))
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"{name}: padding must be an int, a pair, 'same' or 'valid', not {padding!r}")
        if padding == "valid":
            return window, (0, 0)
        if window.stride != (1, 1):
            raise ValueError(f"{name}: padding='same' needs stride 1, got {stride}; give the padding as a number")
        before, after = shapes.same_padding(window)
        return window._replace(padding=before), after
    both = pair(name, "padding", padding)
    return window._replace(padding=both), both
