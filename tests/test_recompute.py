"""What batch normalisation gives back is not kept: the same gradients, less memory, and no silent mistakes."""

import gc
import weakref

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn.ops.norm import BatchNorm


def network(x, weights, norm):
    """Normalise, convolve, pool, upsample, join with what was normalised: a U-Net of one level."""
    w1, w2, w3 = weights
    skip = F.batch_norm(F.conv2d(x, w1, padding=1), weight=norm[0], bias=norm[1], training=True, activation="relu")
    deep = F.conv2d(F.max_pool2d(skip, 2), w2, padding=1)
    return F.conv2d(F.concatenate([F.upsample_nearest(deep, scale_factor=2), skip]), w3, padding=1)


def tensors(dtype, channels=4):
    rng = np.random.default_rng(0)
    shapes = [(1, 6, 8, 2), (3, 3, 2, channels), (3, 3, channels, 3), (3, 3, 3 + channels, 2), (channels,), (channels,)]
    return [mf.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True) for shape in shapes]


def gradients():
    x, w1, w2, w3, scale, shift = every = tensors(np.float32)
    (network(x, (w1, w2, w3), (scale, shift)) ** 2).sum().backward()
    return [tensor.grad.data for tensor in every]


def test_gradients_are_the_same_bits_as_if_everything_were_kept(monkeypatch):
    computed_again = gradients()
    monkeypatch.setattr(BatchNorm, "recomputes", False)
    for again, kept in zip(computed_again, gradients(), strict=True):
        np.testing.assert_array_equal(again, kept)


def test_gradients_of_gradients():
    x, w1, w2, w3, scale, shift = tensors(np.float64, channels=2)
    assert mf.gradgradcheck(lambda *t: network(t[0], t[1:4], t[4:]), (x, w1, w2, w3, scale, shift))


@pytest.mark.parametrize("kept", [False, True])
def test_the_maps_die_with_their_tensors(kept, monkeypatch):
    if kept:
        monkeypatch.setattr(BatchNorm, "recomputes", False)
    x, w1, w2, _, scale, shift = tensors(np.float32)
    y = F.batch_norm(F.conv2d(x, w1, padding=1), weight=scale, bias=shift, training=True)
    result = F.conv2d(y, w2)
    map_of_y = weakref.ref(y._data)  # `y.data` would hand it out, and what was handed out is kept
    del y
    gc.collect()
    assert (map_of_y() is not None) == kept
    result.sum().backward()


def test_a_map_that_was_changed_before_it_was_used_is_kept():
    x, w1, w2, _, scale, shift = tensors(np.float32)
    with mf.no_grad():
        y0 = F.batch_norm(F.conv2d(x, w1, padding=1), weight=scale, bias=shift, training=True)
    y = F.batch_norm(F.conv2d(x, w1, padding=1), weight=scale, bias=shift, training=True)
    with mf.no_grad():
        y[...] = 2.0 * y0
    F.conv2d(y, w2).sum().backward()
    expected = F.conv2d_weight(2.0 * y0, mf.ones(1, 4, 6, 3), 3)
    np.testing.assert_allclose(w2.grad.data, expected.data, rtol=1e-5, atol=1e-5)


def test_a_map_that_was_changed_after_it_was_used_is_an_error():
    x, w1, w2, _, scale, shift = tensors(np.float32)
    y = F.batch_norm(F.conv2d(x, w1, padding=1), weight=scale, bias=shift, training=True)
    result = F.conv2d(y, w2).sum()
    with mf.no_grad():
        y[...] = 0.0
    with pytest.raises(RuntimeError, match="changed in place after it was saved"):
        result.backward()


def test_what_is_computed_again_must_not_have_changed():
    x, w1, w2, _, scale, shift = tensors(np.float32)
    result = F.conv2d(F.batch_norm(F.conv2d(x, w1, padding=1), weight=scale, bias=shift, training=True), w2).sum()
    with mf.no_grad():
        scale[...] = 3.0
    with pytest.raises(RuntimeError, match="changed in place after it was saved"):
        result.backward()


@pytest.mark.parametrize("hand_out", [lambda y: y.data, lambda y: y.detach().data, lambda y: y.reshape(-1, 8).data])
def test_a_large_map_that_numpy_wrote_into_is_kept(hand_out):
    """A write to a few of many numbers, which no sample of them would see."""
    rng = np.random.default_rng(0)
    x = mf.tensor(rng.standard_normal((1, 40, 40, 8)).astype(np.float32), requires_grad=True)
    weight = mf.tensor(rng.standard_normal((1, 1, 8, 3)).astype(np.float32), requires_grad=True)
    y = F.batch_norm(x, training=True)
    hand_out(y).reshape(-1)[12] = 100.0
    F.conv2d(y, weight).sum().backward()
    np.testing.assert_allclose(weight.grad.data[0, 0, :, 0], y.data.sum((0, 1, 2)), rtol=1e-4, atol=1e-3)
