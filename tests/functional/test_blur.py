"""Blurring before subsampling, against PyTorch's depthwise convolution with a binomial filter."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import Numbers, assert_adjoint, assert_as_torch, both, image, images, leaf, numbers, pairs
from tolerances import assert_close

import minifcn as mf
from minifcn import functional as F

TORCHS = {"reflect": "reflect", "replicate": "replicate", "zeros": "constant"}


def blurred_by_torch(x, kernel_size, stride, padding_mode):
    """As in the paper's code: pad, then a convolution of every channel by itself."""
    filters, sides = [], []
    for size in both(kernel_size):
        filters.append(torch.tensor([math.comb(size - 1, tap) for tap in range(size)], dtype=x.dtype) / 2 ** (size - 1))
        sides = [(size - 1) // 2, size // 2, *sides]
    padded = torch.nn.functional.pad(x, sides, TORCHS[padding_mode])
    weight = torch.outer(*filters).expand(x.shape[1], 1, -1, -1)
    return torch.nn.functional.conv2d(padded, weight, stride=stride, groups=x.shape[1])


@pytest.mark.parametrize("mode", list(TORCHS))
@given(images, pairs(1, 5), pairs(1, 3), numbers)
def test_it_is_torchs_convolution(mode, shape, kernel_size, stride, draw):
    # PyTorch mirrors once, and no farther than the image reaches.
    shape = (max(shape[0], 1), *(max(n, k) for n, k in zip(shape[1:3], both(kernel_size), strict=True)), shape[3])
    arguments = {"kernel_size": kernel_size, "stride": stride, "padding_mode": mode}
    theirs = partial(blurred_by_torch, **arguments)
    assert_as_torch(partial(F.blur_pool2d, **arguments), theirs, [draw.normal(*shape)], image, image, terms=25)


@pytest.mark.parametrize("mode", list(TORCHS))
def test_backward_is_the_adjoint(mode):
    draw = Numbers()
    x = leaf(draw.normal(2, 5, 6, 3))
    blur = partial(F.blur_pool2d, padding_mode=mode)
    assert_adjoint(blur, blur(x).operation.backward, x.data, draw.normal(2, 3, 3, 3))


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
def test_derivatives_agree_with_finite_differences(check):
    check(lambda x: F.blur_pool2d(x * x, 3), leaf(Numbers().normal(1, 4, 5, 2)), directions=1)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_a_constant_stays_constant_however_small_the_image(size, mode):
    image = np.full((1, size, 1, 1), 3.0)
    result = F.blur_pool2d(image, 7, 2, mode).data
    assert result.shape == (1, (size + 1) // 2, 1, 1)
    assert_close(result, np.full_like(result, 3.0), terms=49)


def test_a_small_image_is_mirrored_again_and_again():
    # ... a b a b a ...: of 7 taps from -3 to 3, those that are even see a.
    result = F.blur_pool2d(np.array([1.0, 0.0]).reshape(1, 1, 2, 1), (1, 7), 1).data.ravel()
    assert_close(result, np.array([6 + 20 - 20 + 20 + 6, 1 + 15 + 15 + 1]) / 64.0)


@given(st.integers(2, 9))
def test_even_and_odd_sizes_give_half_rounded_up(size):
    assert F.blur_pool2d(np.zeros((1, size, 1, 2))).shape == (1, -(-size // 2), 1, 2)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="padding_mode must be 'reflect', 'replicate' or 'zeros', not 'wrap'"):
        F.blur_pool2d(np.zeros((1, 2, 2, 1)), padding_mode="wrap")
    with pytest.raises(ValueError, match="have no pixels"):
        F.blur_pool2d(np.zeros((1, 0, 2, 1)))
