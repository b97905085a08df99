"""Output sizes against the ones that PyTorch produces."""

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from minifcn.kernels.shapes import (
    Window,
    conv_size,
    conv_transpose_size,
    pool_size,
    same_padding,
    unpool_size,
)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


SIZES = pairs(1, 12)
WINDOWS = st.builds(Window, pairs(1, 4), pairs(1, 3), pairs(0, 3), pairs(1, 3))


def fits(size, window):
    return all(n + 2 * p >= e for n, p, e in zip(size, window.padding, window.extent, strict=True))


@settings(deadline=None)
@given(SIZES, WINDOWS)
def test_convolution(size, window):
    assert all(s >= 1 for s in conv_size(size, window)) == fits(size, window)
    assume(fits(size, window))
    image, weight = torch.zeros(1, 1, *size), torch.zeros(1, 1, *window.kernel_size)
    y = functional.conv2d(image, weight, None, window.stride, window.padding, window.dilation)
    assert conv_size(size, window) == tuple(y.shape[2:])


@settings(deadline=None)
@given(pairs(1, 6), WINDOWS, pairs(0, 2))
def test_transposed_convolution(size, window, output_padding):
    assume(all(o < max(s, d) for o, s, d in zip(output_padding, window.stride, window.dilation, strict=True)))
    expected = conv_transpose_size(size, window, output_padding)
    assume(all(n >= 1 for n in expected))
    image, weight = torch.zeros(1, 1, *size), torch.zeros(1, 1, *window.kernel_size)
    x = functional.conv_transpose2d(
        image, weight, None, window.stride, window.padding, output_padding, 1, window.dilation
    )
    assert expected == tuple(x.shape[2:])


@settings(deadline=None)
@given(pairs(1, 6), WINDOWS)
def test_transposed_convolution_undoes_the_size_of_a_convolution(size, window):
    image = conv_transpose_size(size, window)
    assume(all(n >= 1 for n in image))
    assert conv_size(image, window) == size


@st.composite
def poolings(draw):
    """A size and a window that fits into it, padded by no more than PyTorch allows: half the kernel."""
    kernel_size, stride, dilation = draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(1, 3))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel_size)
    window = Window(kernel_size, stride, padding, dilation)
    least = [max(1, extent - 2 * p) for extent, p in zip(window.extent, padding, strict=True)]
    return tuple(n + draw(st.integers(0, 11)) for n in least), window


@settings(deadline=None)
@given(poolings(), st.booleans())
def test_pooling(pooling, ceil_mode):
    size, window = pooling
    y = functional.max_pool2d(
        torch.zeros(1, 1, *size), window.kernel_size, window.stride, window.padding, window.dilation, ceil_mode
    )
    assert pool_size(size, window, ceil_mode) == tuple(y.shape[2:])


@settings(deadline=None)
@given(pairs(1, 6), st.builds(Window, pairs(1, 4), pairs(1, 3), pairs(0, 1), st.just((1, 1))))
def test_unpooling(size, window):
    expected = unpool_size(size, window)
    assume(all(n >= 1 for n in expected))
    indices = torch.zeros(1, 1, *size, dtype=torch.int64)
    x = functional.max_unpool2d(torch.zeros(1, 1, *size), indices, window.kernel_size, window.stride, window.padding)
    assert expected == tuple(x.shape[2:])


@settings(deadline=None)
@given(SIZES, pairs(1, 5), pairs(1, 3))
def test_same_padding_keeps_the_size(size, kernel_size, dilation):
    before, after = same_padding(Window(kernel_size, dilation=dilation))
    window = Window(kernel_size, padding=before, dilation=dilation)
    assert conv_size(size, window, padding_after=after) == size
    assert all(0 <= a - b <= 1 for b, a in zip(before, after, strict=True))
