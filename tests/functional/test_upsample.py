"""Upsampling by replication and by bilinear interpolation."""

import math
import re
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import Numbers, assert_adjoint, assert_as_torch, image, images, leaf, numbers
from tolerances import assert_close

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F

sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))
factors = st.sampled_from([1, 2, 3, 0.5, 1.25, 1.5, 2.25, 2.5, 3.75])


@given(images, sizes, numbers)
def test_nearest_to_a_size_is_torchs(shape, size, draw):
    theirs = partial(torch.nn.functional.interpolate, size=size, mode="nearest")
    x = draw.normal(*shape)
    assert_as_torch(lambda x: F.upsample(x, size), theirs, [x], image, image, terms=400)
    np.testing.assert_array_equal(F.upsample_nearest(x, size).data, theirs(image(x)).numpy().transpose(0, 2, 3, 1))


@given(images, sizes, numbers, st.booleans())
def test_bilinear_to_a_size_is_torchs(shape, size, draw, corners):
    theirs = partial(torch.nn.functional.interpolate, size=size, mode="bilinear", align_corners=corners)
    ours = partial(F.upsample_bilinear, size=size, align_corners=corners)
    assert_as_torch(ours, theirs, [draw.normal(*shape)], image, image, terms=400)


@given(images, st.one_of(factors, st.tuples(factors, factors)), numbers, st.sampled_from(["nearest", False, True]))
def test_scale_factor_is_torchs(shape, factor, draw, kind):
    both = factor if isinstance(factor, tuple) else (factor, factor)
    if min(math.floor(n * f) for n, f in zip(shape[1:3], both, strict=True)) < 1:
        with pytest.raises(ValueError, match="leaves nothing of"):
            F.upsample(np.ones(shape), scale_factor=factor)
        return
    arguments = {"mode": "nearest"} if kind == "nearest" else {"mode": "bilinear", "align_corners": kind}
    assert_as_torch(
        partial(F.upsample, scale_factor=factor, **arguments),
        partial(torch.nn.functional.interpolate, scale_factor=factor, **arguments),
        [draw.normal(*shape)],
        image,
        image,
        terms=400,
    )


@pytest.mark.parametrize("corners", [False, True])
@given(images, sizes, numbers)
def test_bilinear_backward_is_its_transpose(corners, shape, size, draw):
    draw.dtype = np.dtype(np.float64)
    x = leaf(draw.normal(*shape))
    up = partial(F.upsample_bilinear, size=size, align_corners=corners)
    transpose = up(x).operation.backward  # linear: the gradient of the input is a linear map of that of the output
    assert_adjoint(up, transpose, x.data, draw.normal(shape[0], *size, shape[3]))


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize(
    "up",
    [
        partial(F.upsample_nearest, size=(5, 7)),
        partial(F.upsample_bilinear, scale_factor=2),
        partial(F.upsample_bilinear, size=(2, 9), align_corners=True),
    ],
)
def test_derivatives_agree_with_finite_differences(check, up):
    check(lambda x: up(x * x), leaf(Numbers().normal(2, 3, 4, 2)), directions=1)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_nan_spreads_as_torchs_does(mode):
    x = np.array([0.0, 0.0, np.nan, 0.0, 0.0]).reshape(1, 1, 5, 1)
    expected = torch.nn.functional.interpolate(image(x), scale_factor=(1, 2), mode=mode)
    assert_close(F.upsample(x, scale_factor=(1, 2), mode=mode).data.ravel(), expected.numpy().ravel())


def test_reference_device_agrees():
    x = Numbers(layout="contiguous").normal(1, 3, 4, 2)
    results = []
    for device in ("cpu", "reference"):
        t = Tensor(x).to(device).requires_grad_()
        (F.upsample_bilinear(t, (5, 6)) * F.upsample_nearest(t, (5, 6))).sum().backward()
        assert t.grad.device == device
        results.append(t.grad.data)
    assert_close(*results, terms=30)


X = np.ones((2, 4, 5, 3))
ERRORS = [
    (lambda: F.upsample(np.ones((4, 5, 3)), 2), "upsample: expected images of shape (N, H, W, C), got shape (4, 5, 3)"),
    (lambda: F.upsample(X), "upsample: give either size or scale_factor; got size=None, scale_factor=None"),
    (lambda: F.upsample(X, 8, 2), "upsample: give either size or scale_factor; got size=8, scale_factor=2"),
    (lambda: F.upsample(X, 8, mode="cubic"), "upsample: mode must be 'nearest' or 'bilinear', not 'cubic'"),
    (
        lambda: F.upsample(X, 8, align_corners=True),
        "upsample: align_corners means nothing for mode='nearest'; use mode=",
    ),
    (
        lambda: F.upsample(X[:, :0], 8),
        "upsample: images of shape (2, 0, 5, 3) have no pixels; height and width must be at",
    ),
    (lambda: F.upsample(X, 0), "upsample: size must be an int or a pair of ints >= 1, got 0"),
    (lambda: F.upsample(X, (8, 8, 8)), "upsample: size must be an int or a pair of ints >= 1, got (8, 8, 8)"),
    (lambda: F.upsample(X, scale_factor=-1), "upsample: scale_factor must be one or two positive numbers, got -1"),
    (
        lambda: F.upsample(X, scale_factor=(1, 2, 3)),
        "upsample: scale_factor must be one or two positive numbers, got (1,",
    ),
    (lambda: F.upsample(X, scale_factor=0.1), "upsample: scale_factor 0.1 leaves nothing of 4 x 5 pixels; enlarge it"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
