"""Convolution, its adjoint in the image and its adjoint in the weight."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from strategies import (
    Numbers,
    assert_adjoint,
    assert_as_torch,
    both,
    convolutions,
    image,
    leaf,
    numbers,
    plain,
    transposed_convolutions,
    weight,
)
from tolerances import assert_close

import minifcn as mf
from minifcn import functional as F


@given(convolutions(), numbers)
def test_conv2d_is_torchs(case, draw):
    x, w, bias = draw.normal(*case.x), draw.normal(*case.weight), draw.normal(case.weight[3])
    assert_as_torch(
        partial(F.conv2d, **case.arguments),
        partial(torch.nn.functional.conv2d, **case.arguments),
        [x, w, bias],
        [image, weight, plain],
        image,
        terms=case.terms,
        scale=4.0,
    )


@given(transposed_convolutions(), numbers)
def test_conv_transpose2d_is_torchs(case, draw):
    outputs = case.weight[2] * case.arguments["groups"]
    x, w, bias = draw.normal(*case.x), draw.normal(*case.weight), draw.normal(outputs)
    assert_as_torch(
        partial(F.conv_transpose2d, **case.arguments),
        partial(torch.nn.functional.conv_transpose2d, **case.arguments),
        [x, w, bias],
        [image, weight, plain],
        image,
        terms=case.terms * 16,
        scale=4.0,
    )


@given(convolutions(named_padding=False), numbers)
def test_conv2d_weight_is_torchs_weight_gradient(case, draw):
    x, w = draw.normal(*case.x), torch.zeros(weight(np.zeros(case.weight)).shape, dtype=plain(draw.normal(1)).dtype)
    w.requires_grad_()
    y = torch.nn.functional.conv2d(image(x), w, **case.arguments)
    gradient = draw.normal(*(y.shape[axis] for axis in (0, 2, 3, 1)))
    y.backward(image(gradient))
    actual = F.conv2d_weight(x, gradient, case.weight[:2], **case.arguments)
    assert_close(actual.data, w.grad.numpy().transpose(2, 3, 1, 0), case.terms, 4.0)


@given(convolutions(), numbers)
def test_the_three_convolutions_are_adjoint(case, draw):
    draw.dtype = np.dtype(np.float64)
    x, w = draw.normal(*case.x), draw.normal(*case.weight)
    y = draw.normal(*F.conv2d(x, w, **case.arguments).shape)
    padding = case.arguments["padding"]
    in_x = partial(F.conv2d, weight=w, **case.arguments)
    back = partial(F.conv_transpose2d, weight=w, output_size=case.x[1:3], **case.arguments)
    stride, dilation = both(case.arguments["stride"]), both(case.arguments["dilation"])
    # A transposed convolution makes no image whose last rows or columns its convolution would not look at.
    reachable = [case.x[1 + a] - _unseen(case, y.shape, a) for a in (0, 1)]
    if all(case.x[1 + a] - reachable[a] < max(stride[a], dilation[a]) for a in (0, 1)):
        assert_adjoint(in_x, back, x, y)
    if not isinstance(padding, str):
        in_w = partial(F.conv2d, x, **case.arguments)
        assert_adjoint(lambda w: in_w(w), lambda y: F.conv2d_weight(x, y, w.shape[:2], **case.arguments), w, y)


def _unseen(case, y_shape, axis):
    """Rows (or columns) of the padded image behind the last window."""
    stride, dilation, padding = (case.arguments[name] for name in ("stride", "dilation", "padding"))
    extent = both(dilation)[axis] * (case.weight[axis] - 1) + 1
    total = {"same": extent - 1, "valid": 0}[padding] if isinstance(padding, str) else 2 * both(padding)[axis]
    return case.x[1 + axis] + total - (both(stride)[axis] * (y_shape[1 + axis] - 1) + extent)


@pytest.mark.parametrize("kernel", [(2, 2), (4, 3), (1, 2)])
@pytest.mark.parametrize("dilation", [1, (2, 3)])
def test_same_padding_puts_the_odd_row_and_column_where_torch_does(kernel, dilation):
    draw = Numbers()
    x, w = draw.normal(2, 5, 6, 3), draw.normal(*kernel, 3, 4)
    same = {"padding": "same", "dilation": dilation}
    theirs = partial(torch.nn.functional.conv2d, **same)
    assert_as_torch(partial(F.conv2d, **same), theirs, [x, w], [image, weight], image, terms=500, scale=4.0)
    # Of its own accord, without an output_size, the transposed convolution keeps the size too.
    there, back = partial(F.conv2d, weight=w, **same), partial(F.conv_transpose2d, weight=w, **same)
    assert_adjoint(there, back, x, draw.normal(2, 5, 6, 4))


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (9, 7)])
def test_output_size_chooses_among_the_sizes_that_give_the_same_convolution(size):
    draw = Numbers()
    x, w = draw.normal(1, *size, 2), draw.normal(3, 3, 2, 4)
    y = F.conv2d(x, w, stride=3, padding=1)
    z = F.conv_transpose2d(y, w, stride=3, padding=1, output_size=size)
    expected = torch.nn.functional.conv_transpose2d(
        image(y.data), weight(w), stride=3, padding=1, output_padding=tuple(n - (3 * (m - 1) + 1) for n, m in
                                                                           zip(size, y.shape[1:3], strict=True))
    )  # fmt: skip
    assert_close(z.data, expected.numpy().transpose(0, 2, 3, 1), terms=36, scale=4.0)


GEOMETRY = [
    {},
    {"stride": 2, "padding": 1, "dilation": (1, 2)},
    {"groups": 2, "padding": (0, 2)},
]
ARRAYS = (2, 6, 6, 4), (2, 3, 4, 6), (6,)


def _leaves(groups, shapes=ARRAYS):
    draw = Numbers()
    x, w, *bias = shapes
    return [leaf(draw.normal(*shape)) for shape in (x, (*w[:2], w[2] // groups, w[3]), *bias)]


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("geometry", GEOMETRY)
@pytest.mark.parametrize("function", ["conv2d", "conv_transpose2d", "conv2d_weight"])
def test_derivatives_agree_with_finite_differences(check, geometry, function):
    groups = geometry.get("groups", 1)
    x, w, bias = _leaves(groups)
    if function == "conv2d":
        check(partial(F.conv2d, **geometry), [x, w, bias], directions=1)
    elif function == "conv_transpose2d":
        y = leaf(Numbers().normal(2, 3, 4, 6))
        check(partial(F.conv_transpose2d, **geometry), [y, w, leaf(np.ones(4))], directions=1)
    else:
        y = leaf(Numbers().normal(*F.conv2d(x, w, **geometry).shape))
        check(partial(F.conv2d_weight, kernel_size=(2, 3), **geometry), [x, y], directions=1)


@pytest.mark.parametrize("function", [F.conv2d, F.conv_transpose2d])
def test_fused_relu_is_relu_after_it(function):
    draw = Numbers()
    x, w, bias = draw.normal(2, 5, 6, 3), draw.normal(3, 2, 3, 3), draw.normal(3)
    fused, apart = [[leaf(array) for array in (x, w, bias)] for _ in range(2)]
    y, expected = function(*fused, 2, 1, activation="relu"), F.relu(function(*apart, 2, 1))
    assert 0.2 < (y.data == 0).mean() < 0.8
    assert_close(y.data, expected.data)
    gradient = draw.normal(*y.shape)
    y.backward(mf.tensor(gradient))
    expected.backward(mf.tensor(gradient))
    for one, other in zip(fused, apart, strict=True):
        assert_close(one.grad.data, other.grad.data)


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("function", [F.conv2d, F.conv_transpose2d])
def test_derivatives_of_the_fused_relu_agree_with_finite_differences(check, function):
    # Outputs stay away from the kink at 0, on either side of it.
    draw = Numbers()
    x, w = (leaf(draw.uniform(*shape, low=0.5)) for shape in ((1, 4, 4, 2), (2, 2, 2, 2)))
    bias = leaf(np.array([0.5, -20.0]))
    assert {0.0} < set(function(x, w, bias, activation="relu").data.ravel().tolist())
    check(partial(function, activation="relu"), [x, w, bias], directions=2)


def test_only_what_is_needed_is_saved():
    x, w = mf.ones(1, 4, 4, 1), leaf(np.ones((3, 3, 1, 1), np.float32))
    to_weight = F.conv2d(x, w).operation
    assert [saved is None for saved in to_weight.saved] == [False, True, True]
    to_image = F.conv2d(leaf(x.data), w.detach()).operation
    assert [saved is None for saved in to_image.saved] == [True, False, True]
    rectified = F.conv2d(x, w, activation="relu")
    assert [saved is None for saved in rectified.operation.saved] == [False, True, False]
    assert rectified.operation.saved[2].data is rectified.data


def test_nan_spreads_to_the_windows_that_see_it():
    x = np.zeros((1, 5, 5, 1))
    x[0, 2, 3, 0] = np.nan
    seen = np.isnan(F.conv2d(x, np.ones((2, 2, 1, 1))).data[0, :, :, 0])
    assert np.argwhere(seen).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]


def test_same_padding_mirrors_the_border():
    x = np.arange(12.0).reshape(1, 3, 4, 1)
    padded = F.same_padding(x, (3, 2))
    np.testing.assert_array_equal(padded.data[0, :, :, 0], np.pad(x[0, :, :, 0], ((1, 1), (0, 1)), "reflect"))
    assert F.conv2d(padded, np.ones((3, 2, 1, 1))).shape == x.shape
    zeros = F.same_padding(x, 3, mode="constant")
    np.testing.assert_array_equal(zeros.data[0, :, :, 0], np.pad(x[0, :, :, 0], 1))


def test_reference_device_agrees():
    draw = Numbers(layout="contiguous")
    x, w = draw.normal(1, 5, 4, 2), draw.normal(3, 2, 2, 3)
    here = [leaf(x), leaf(w)]
    F.conv2d(*here, stride=2, padding=1).sum().backward()
    with mf.device("reference"):
        there = [mf.tensor(x, requires_grad=True), mf.tensor(w, requires_grad=True)]
        y = F.conv2d(*there, stride=2, padding=1)
        assert y.device == "reference"
        y.sum().backward()
    for one, other in zip(here, there, strict=True):
        assert other.grad.device == "reference"
        assert_close(one.grad.data, other.grad.data, terms=20)


def ones(*shape, dtype=np.float64):
    return np.ones(shape, dtype)


X, W = ones(2, 5, 5, 2), ones(3, 3, 2, 4)
ERRORS = [
    (
        lambda: F.conv2d(ones(5, 5, 2), W),
        "conv2d: expected images of shape (N, H, W, C), got shape (5, 5, 2)",
    ),
    (lambda: F.conv2d(ones(5, 5), W), "conv2d: expected images of shape (N, H, W, C), got shape (5, 5)"),
    (
        lambda: F.conv2d(ones(2, 5, 5, 2, dtype=np.uint8), W),
        "conv2d: expected float32 or float64 images, got uint8 of shape (2, 5, 5, 2); convert with x.astype('float32')",
    ),
    (
        lambda: F.conv2d(ones(2, 5, 5, 2, dtype=np.float16), W),
        "conv2d: expected float32 or float64 images, got float16",
    ),
    (
        lambda: F.conv2d(X, ones(3, 3, 2, 4, dtype=np.float32)),
        "conv2d: the input (2, 5, 5, 2) is float64, but weight (3, 3, 2, 4) is float32; convert one with .astype()",
    ),
    (
        lambda: F.conv2d(X, W, ones(4, dtype=np.float32)),
        "conv2d: the input (2, 5, 5, 2) is float64, but bias (4,) is float32; convert one with .astype()",
    ),
    (
        lambda: F.conv2d_weight(X, ones(2, 3, 3, 4, dtype=np.float32), 3),
        "conv2d_weight: the input (2, 5, 5, 2) is float64, but y (2, 3, 3, 4) is float32; convert one with .astype()",
    ),
    (
        lambda: F.conv2d(X, ones(3, 3)),
        "conv2d: weight must have four axes, kernel height and width first",
    ),
    (lambda: F.conv2d(X, ones(0, 3, 2, 4)), "conv2d: weight (0, 3, 2, 4) is empty; every length must be at least 1"),
    (
        lambda: F.conv2d(X, ones(3, 3, 3, 4)),
        "conv2d: input (2, 5, 5, 2) has 2 channels, but weight (3, 3, 3, 4) with groups=1 takes 3; weights are",
    ),
    (
        lambda: F.conv2d(ones(1, 2, 5, 5), W),
        "weights are (kh, kw, C_in / groups, C_out); images are (N, H, W, C): x.transpose(0, 2, 3, 1)",
    ),
    (
        lambda: F.conv_transpose2d(ones(1, 4, 5, 5), W),
        "weights are (kh, kw, C_out / groups, C_in); images are (N, H, W, C): x.transpose(0, 2, 3, 1)",
    ),
    (lambda: F.conv2d(X, W, groups=3), "conv2d: groups=3 does not divide the weight's 4 channels; use a divisor"),
    (lambda: F.conv2d(X, W, groups=0), "conv2d: groups=0 does not divide the weight's 4 channels"),
    (lambda: F.conv2d(X, W, ones(3)), "conv2d: bias must have shape (4,), one number an output channel; got (3,)"),
    (
        lambda: F.conv2d(X, W, dilation=3),
        "conv2d: a kernel of 7 x 7 (dilation included) does not fit into an image of 5 x 5 with padding 0; enlarge",
    ),
    (
        lambda: F.conv2d(X, W, padding="reflect"),
        "conv2d: padding must be an int, a pair, 'same' or 'valid', not 'reflect'",
    ),
    (
        lambda: F.conv2d(X, W, stride=2, padding="same"),
        "conv2d: padding='same' needs stride 1, got 2; give the padding as a number",
    ),
    (lambda: F.conv2d(X, W, stride=0), "conv2d: stride must be an int or a pair of ints >= 1, got 0"),
    (lambda: F.conv2d(X, W, stride=1.5), "conv2d: stride must be an int or a pair of ints >= 1, got 1.5"),
    (lambda: F.conv2d(X, W, padding=(1, 2, 3)), "conv2d: padding must be an int or a pair of ints >= 0, got (1, 2, 3)"),
    (
        lambda: F.conv2d(X, W, activation="tanh"),
        "conv2d: activation must be None or 'relu', not 'tanh'; apply others to the result",
    ),
    (lambda: F.conv_transpose2d(ones(1, 2, 2, 4), W, activation=True), "conv_transpose2d: activation must be None or"),
    (
        lambda: F.conv_transpose2d(X, W),
        "conv_transpose2d: input (2, 5, 5, 2) has 2 channels, but weight (3, 3, 2, 4) takes 4; weights are (kh, kw,",
    ),
    (
        lambda: F.conv_transpose2d(ones(1, 0, 5, 4), W),
        "conv_transpose2d: input (1, 0, 5, 4) has no pixels; height and width must be at least 1",
    ),
    (
        lambda: F.conv_transpose2d(ones(1, 2, 2, 4), W, stride=2, output_padding=2),
        "conv_transpose2d: output_padding 2 is not possible for input (1, 2, 2, 4); output sizes go from (5, 5) to",
    ),
    (
        lambda: F.conv_transpose2d(ones(1, 2, 2, 4), W, stride=2, output_size=(5, 7)),
        "conv_transpose2d: output_size (5, 7) is not possible for input (1, 2, 2, 4); output sizes go from (5, 5) to",
    ),
    (
        lambda: F.conv_transpose2d(ones(1, 1, 1, 4), W, padding=2),
        "conv_transpose2d: padding 2 cuts the output for input (1, 1, 1, 4) down to (-1, -1); use less padding",
    ),
    (
        lambda: F.conv2d_weight(X, ones(2, 3, 3, 4), 3, groups=3),
        "conv2d_weight: groups=3 does not divide the channels of x (2, 5, 5, 2) and y (2, 3, 3, 4); use a common",
    ),
    (
        lambda: F.conv2d_weight(X, ones(2, 3, 2, 4), 3),
        "conv2d_weight: y has shape (2, 3, 2, 4), but x (2, 5, 5, 2) is convolved to (2, 3, 3, 4); give the stride",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        call()
