"""Max-pooling and unpooling, average and sum pooling."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import Numbers, assert_adjoint, assert_as_torch, both, image, leaf, numbers, poolings
from tolerances import assert_close

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F
from minifcn.ops.pool import Gather2d

nn = torch.nn.functional


@given(poolings(), numbers, st.booleans())
def test_max_pool2d_is_torchs(case, draw, ties):
    shape, arguments = case
    x = draw.few(*shape) if ties else draw.normal(*shape)
    assert_as_torch(
        partial(F.max_pool2d, **arguments), partial(nn.max_pool2d, **arguments), [x], image, image, terms=16
    )
    _, where = F.max_pool2d(x, **arguments, return_indices=True)
    _, expected = nn.max_pool2d(image(x), **arguments, return_indices=True)
    assert where.dtype == np.int32
    np.testing.assert_array_equal(where.data, expected.numpy().transpose(0, 2, 3, 1))


@given(poolings(dilated=False, ceil=False), numbers)
def test_max_unpool2d_is_torchs(case, draw):
    shape, arguments = case
    kernel, stride = both(arguments["kernel_size"]), arguments["stride"]
    # PyTorch leaves it open what becomes of indices that repeat; windows that do not overlap have none.
    arguments = {**arguments, "stride": tuple(max(k, s) for k, s in zip(kernel, both(stride or 1), strict=True))}
    _, where = F.max_pool2d(draw.distinct(*shape), **arguments, return_indices=True)
    y = draw.normal(*where.shape)
    indices = image(where.data).long()
    assert_as_torch(
        lambda y: F.max_unpool2d(y, where, **arguments, output_size=shape[1:3]),
        lambda y: _unpooled(y, indices, shape[1:3]),
        [y],
        image,
        image,
    )
    pads = both(arguments["padding"])
    smallest = tuple(
        s * (n - 1) + k - 2 * p for s, n, k, p in zip(arguments["stride"], y.shape[1:3], kernel, pads, strict=True)
    )
    if min(smallest) > 0 and (where.size == 0 or where.data.max() < smallest[0] * smallest[1]):
        z = F.max_unpool2d(y, where, **arguments)
        assert_close(z.data, _unpooled(image(y), indices, smallest).numpy().transpose(0, 2, 3, 1))


def _unpooled(y, indices, size):
    """PyTorch's own max_unpool2d takes no empty batch and few output sizes; its scatter takes all."""
    flat = torch.zeros(*y.shape[:2], size[0] * size[1], dtype=y.dtype)
    return flat.scatter(2, indices.flatten(2), y.flatten(2)).reshape(*y.shape[:2], *size)


def test_max_unpool2d_is_torchs_own():
    draw = Numbers()
    x = draw.distinct(2, 6, 8, 3)
    y, where = F.max_pool2d(x, (2, 4), return_indices=True)
    expected = nn.max_unpool2d(*nn.max_pool2d(image(x), (2, 4), return_indices=True), (2, 4))
    np.testing.assert_array_equal(F.max_unpool2d(y, where, (2, 4)).data, expected.numpy().transpose(0, 2, 3, 1))


@given(poolings(), numbers)
def test_unpooling_is_the_adjoint_of_pooling_by_its_indices(case, draw):
    draw.dtype = np.dtype(np.float64)
    shape, arguments = case
    x = draw.normal(*shape)
    pooled, where = F.max_pool2d(x, **arguments, return_indices=True)  # windows overlap, and indices repeat
    np.testing.assert_array_equal(Gather2d()(Tensor(x), where).data, pooled.data)
    assert_adjoint(
        lambda x: Gather2d()(x, where),
        lambda y: F.max_unpool2d(y, where, 1, output_size=shape[1:3]),
        x,
        draw.normal(*pooled.shape),
    )


@given(poolings(dilated=False), numbers, st.booleans(), st.sampled_from([None, None, 3, -2]))
def test_avg_pool2d_is_torchs(case, draw, count_include_pad, divisor):
    shape, arguments = case
    arguments = {**arguments, "count_include_pad": count_include_pad, "divisor_override": divisor}
    x = draw.normal(*shape)
    assert_as_torch(
        partial(F.avg_pool2d, **arguments), partial(nn.avg_pool2d, **arguments), [x], image, image, terms=64
    )


@given(poolings(dilated=False, ceil=False), numbers)
def test_sum_pool2d_is_torchs_average_without_division(case, draw):
    shape, arguments = case
    x = draw.normal(*shape)
    theirs = partial(nn.avg_pool2d, divisor_override=1, **arguments)
    assert_as_torch(partial(F.sum_pool2d, **arguments), theirs, [x], image, image, terms=64)


@pytest.mark.parametrize("factor", [1, 2, (3, 2)])
def test_sum_pool2d_is_the_adjoint_of_upsample_nearest(factor):
    draw = Numbers()
    x = draw.normal(2, 3, 4, 5)
    height, width = (n * f for n, f in zip((3, 4), both(factor), strict=True))
    assert_adjoint(
        lambda x: F.upsample_nearest(x, scale_factor=factor),
        lambda y: F.sum_pool2d(y, factor),
        x,
        draw.normal(2, height, width, 5),
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (F.global_avg_pool2d, partial(nn.adaptive_avg_pool2d, output_size=1)),
        (F.global_max_pool2d, partial(torch.amax, dim=(2, 3), keepdim=True)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_global_pooling_is_torchs(ours, theirs, dtype):
    draw = Numbers(dtype=dtype)
    assert_as_torch(ours, theirs, [draw.normal(2, 5, 3, 4)], image, image, terms=15)
    assert_as_torch(ours, theirs, [draw.few(2, 5, 3, 4)], image, image, terms=15)


POOLS = [
    partial(F.max_pool2d, kernel_size=2),
    partial(F.max_pool2d, kernel_size=(3, 2), stride=1, padding=1, dilation=(1, 2), ceil_mode=True),
    partial(F.avg_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
    partial(F.avg_pool2d, kernel_size=2, divisor_override=3),
    partial(F.sum_pool2d, kernel_size=(1, 3), stride=2, padding=(0, 1)),
    F.global_avg_pool2d,
    F.global_max_pool2d,
]


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize("pool", POOLS)
def test_derivatives_agree_with_finite_differences(check, pool):
    x = leaf(Numbers().distinct(2, 5, 6, 2))
    check(lambda x: pool(x) * pool(x), x, directions=1)  # squared, so that there is a second derivative


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
def test_unpooling_agrees_with_finite_differences(check):
    draw = Numbers()
    _, where = F.max_pool2d(draw.distinct(2, 5, 6, 2), 3, stride=1, return_indices=True)
    y = leaf(draw.normal(*where.shape))
    check(lambda y: F.max_unpool2d(y * y, where, 3, stride=1), y, directions=1)


def test_nan_wins_in_max_pooling_and_receives_the_gradient():
    x = leaf(np.array([[1.0, np.nan], [5.0, np.nan]]).reshape(1, 2, 2, 1))
    y, where = F.max_pool2d(x, 2, return_indices=True)
    y.sum().backward()
    assert np.isnan(y.item())
    assert where.item() == 1
    assert x.grad.data.ravel().tolist() == [0.0, 1.0, 0.0, 0.0]


def test_padding_is_never_the_maximum():
    y, where = F.max_pool2d(np.full((1, 2, 2, 1), -7.0), 2, padding=1, return_indices=True)
    assert y.data.ravel().tolist() == [-7.0] * 4
    assert where.data.ravel().tolist() == [0, 1, 2, 3]


def test_window_without_a_pixel_points_nowhere_and_unpools_to_nothing():
    # Taps 2 apart, the first in the padding before an image of width 1: the second lies behind it.
    x = leaf(np.ones((1, 3, 1, 1)))
    y, where = F.max_pool2d(x, (1, 2), stride=1, padding=(0, 1), dilation=(1, 2), return_indices=True)
    assert y.data.ravel().tolist() == [-np.inf] * 3
    assert where.data.ravel().tolist() == [-1] * 3
    y.sum().backward()
    assert x.grad.data.ravel().tolist() == [0.0] * 3
    assert F.max_unpool2d(y, where, 1).data.ravel().tolist() == [0.0] * 3


def test_reference_device_agrees():
    x = Numbers(layout="contiguous").distinct(1, 5, 4, 2)
    results = []
    for device in ("cpu", "reference"):
        with mf.device(device):
            t = mf.tensor(x, requires_grad=True)
            y, where = F.max_pool2d(t, 2, stride=1, return_indices=True)
            (F.max_unpool2d(y, where, 2, stride=1) * F.avg_pool2d(t, 3, stride=1, padding=1)).sum().backward()
        assert t.grad.device == device
        results.append(t.grad.data)
    assert_close(*results, terms=9)


X = np.ones((2, 4, 4, 3))
ERRORS = [
    (
        lambda: F.max_pool2d(np.ones((4, 4, 3)), 2),
        "max_pool2d: expected images of shape (N, H, W, C), got",
    ),
    (
        lambda: F.avg_pool2d(X.astype(int), 2),
        "avg_pool2d: expected float32 or float64 images, got int64 of shape (2, 4,",
    ),
    (lambda: F.max_pool2d(X, 0), "max_pool2d: kernel_size must be an int or a pair of ints >= 1, got 0"),
    (lambda: F.max_pool2d(X, 2, stride=(1, 0)), "max_pool2d: stride must be an int or a pair of ints >= 1, got (1, 0)"),
    (
        lambda: F.max_pool2d(X, 3, padding=2),
        "max_pool2d: padding 2 is more than half of kernel_size 3, so a window could lie outside the image; pad() the",
    ),
    (
        lambda: F.sum_pool2d(X, 5),
        "sum_pool2d: a window of 5 x 5 does not fit into an image of 4 x 4; use a smaller kernel, padding or ceil_mode",
    ),
    (lambda: F.avg_pool2d(X, 2, divisor_override=0), "avg_pool2d: divisor_override must not be 0; None divides by the"),
    (
        lambda: F.max_unpool2d(X, np.zeros((2, 4, 4, 3)), 2),
        "max_unpool2d: indices must be integers of shape (2, 4, 4, 3), got float64 of shape (2, 4, 4, 3); max_pool2d(",
    ),
    (
        lambda: F.max_unpool2d(X, np.zeros((2, 4, 4, 1), int), 2),
        "max_unpool2d: indices must be integers of shape (2, 4, 4, 3), got int64 of shape (2, 4, 4, 1)",
    ),
    (
        lambda: F.max_unpool2d(X[:, :1, :1], np.full((2, 1, 1, 3), 4), 2),
        "max_unpool2d: indices go from 4 to 4, but the output of 2 x 2 has 4 pixels; give output_size= the size",
    ),
    (lambda: F.max_unpool2d(X[:, :1, :1], np.full((2, 1, 1, 3), -2), 2), "max_unpool2d: indices go from -2 to -2, but"),
    (
        lambda: F.max_unpool2d(X[:, :1, :1], np.zeros((2, 1, 1, 3), int), 2, padding=1),
        "max_unpool2d: input (2, 1, 1, 3) unpools to (0, 0), which is empty; give output_size=",
    ),
    (
        lambda: F.global_avg_pool2d(X[:, :0]),
        "mean: nothing to reduce over axis (1, 2) of an empty tensor of shape",
    ),
    (
        lambda: F.global_max_pool2d(X[:, :0]),
        "max: nothing to reduce over axis (1, 2) of an empty tensor of shape",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        call()
