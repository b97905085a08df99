"""The kernels' arithmetic, compiled for the CPU from the same functions, at full speed over whole arrays."""

import math

import numba
import numpy as np
import pytest
from tolerances import assert_close

from minifcn import kernels
from minifcn.kernels.shapes import Window

pytest.importorskip("minifcn.kernels.cuda", exc_type=(ImportError, RuntimeError))  # no GPU, and no simulator

from minifcn.kernels.cuda.bodies import classify, norm, optimiser, pooling

cpu = kernels.load("cpu")
SIDE = 512


def compiled(function):
    """As hardware has it: 0 / 0 is NaN, and nothing is raised."""
    return numba.njit(error_model="numpy")(function)


def image(*shape):
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def test_pooling_of_a_whole_image():
    first_largest = compiled(pooling.first_largest)

    @numba.njit
    def pool(x, y, indices):
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                best, where = np.float32(-np.inf), np.int32(-1)
                for p in range(2 * i, 2 * i + 2):
                    for q in range(2 * j, 2 * j + 2):
                        best, where = first_largest(best, where, x[p, q], np.int32(p * x.shape[1] + q))
                y[i, j], indices[i, j] = best, where

    x = np.round(2 * image(SIDE, SIDE))  # many ties
    x[::7, ::5] = np.nan
    y, indices = np.empty((SIDE // 2, SIDE // 2), np.float32), np.empty((SIDE // 2, SIDE // 2), np.int32)
    pool(x, y, indices)
    wanted = cpu.max_pool2d(x[None, :, :, None], Window((2, 2), (2, 2)), (SIDE // 2, SIDE // 2))
    np.testing.assert_array_equal(y, wanted[0][0, :, :, 0])
    np.testing.assert_array_equal(indices, wanted[1][0, :, :, 0])


@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_moments_of_a_whole_image(mean):
    eight = compiled(norm.eight_moments)

    @numba.njit
    def moments(x):
        total, squared, k = 0.0, 0.0, x[0]
        for e in range(0, len(x), 8):
            d = x[e : e + 8] - k
            m, r, q = eight(d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], np.float32(0.125))
            total += 8.0 * m + r
            squared += q + np.float64(m) * (8.0 * m + 2.0 * r)
        d = total / len(x)
        return k + d, squared / len(x) - d * d

    x = image(SIDE * SIDE) + np.float32(mean)
    x[0] -= 50.0  # the number that is subtracted from all others is not like them
    exact = x.astype(np.float64)
    assert_close(np.float32(moments(x)), np.float32([exact.mean(), exact.var()]))


def test_batch_norm_and_its_mask_agree():
    normalised, affine, slope = compiled(norm.normalised), compiled(norm.affine), compiled(norm.slope)

    @numba.njit
    def forward_and_mask(x, y, g):
        zero, half = np.float32(0), np.float32(0.5)
        for e in range(len(x)):
            x_hat = normalised(x[e], half, np.float32(2))
            y[e] = affine(x_hat, np.float32(-1.5), half, 1, zero)
            g[e] = slope(np.float32(1), x_hat, np.float32(-1.5), half, 1, zero)

    x = image(SIDE * SIDE)
    x[3] = np.nan
    y, g = np.empty_like(x), np.empty_like(x)
    forward_and_mask(x, y, g)
    vectors = [np.array([v], np.float32) for v in (0.5, 2.0, -1.5, 0.5)]
    assert_close(y, cpu.batch_norm(x[:, None], *vectors, True)[:, 0], scale=4.0)
    np.testing.assert_array_equal(g, ~(y <= 0))


@pytest.mark.parametrize("classes", [2, 21])
def test_losses_of_a_whole_image(classes):
    maximum, total, loss = map(compiled, (classify.row_maximum, classify.row_total, classify.row_loss))

    @numba.njit(error_model="numpy")
    def losses(x, labels, K, y):
        for m in range(len(labels)):
            top = maximum(x, m * K, K)
            rest = total(x, m * K, K, top, np.float32(0))
            y[m] = loss(x, m * K, K, labels[m], top, rest, np.float32(np.nan))

    x, labels = 5 * image(SIDE * SIDE, classes), np.arange(SIDE * SIDE) % classes
    y = np.empty(len(x), np.float32)
    losses(x.ravel(), labels, classes, y)
    wanted = -np.take_along_axis(cpu.log_softmax(x), labels[:, None], 1)[:, 0]
    assert_close(y, wanted, classes, scale=8.0)
    losses(x.ravel()[: 2 * classes], np.array([classes, -1]), classes, y)
    assert np.isnan(y[:2]).all()


def test_steps_of_a_million_parameters():
    sgd, adam, rmsprop = map(compiled, (optimiser.sgd, optimiser.adam, optimiser.rmsprop))

    @numba.njit(error_model="numpy")
    def steps(p, g, m, v, hyper, out):
        one = np.float32(1)
        for e in range(len(p)):
            lr, a, na, b, nb, eps, decay = hyper[0], hyper[1], hyper[2], hyper[3], hyper[4], hyper[5], hyper[6]
            out[0, e], out[1, e] = sgd(p[e], g[e], m[e], lr, a, decay, 1, 0)
            out[2, e], out[3, e], out[4, e] = adam(p[e], g[e], m[e], v[e], lr, a, na, b, nb, na, nb, eps, decay, one)
            out[5, e], out[6, e], out[7, e] = rmsprop(p[e], g[e], v[e], m[e], lr, b, nb, eps, decay, a)

    n, (lr, a, b, eps, decay) = SIDE * SIDE, (0.1, 0.9, 0.99, 1e-8, 0.05)
    p, g, m, v = image(n), image(n + 1)[1:], image(n + 2)[2:], np.abs(image(n + 3)[3:]) + 1
    out = np.empty((8, n), np.float32)
    steps(p, g, m, v, np.float32([lr, a, 1 - a, b, 1 - b, eps, decay]), out)
    wanted = []
    for step, state, numbers in (
        (cpu.sgd_step, (m,), (lr, a, decay, True, False)),
        (cpu.adam_step, (m, v), (lr, a, b, eps, decay, False, 1)),
        (cpu.rmsprop_step, (v, m), (lr, b, eps, decay, a)),
    ):
        own, states = p.copy(), [s.copy() for s in state]
        step([own], [g.copy()], *[[s] for s in states], *numbers)
        wanted += [own, *states]
    for computed, expected in zip(out, wanted, strict=True):
        assert_close(computed, expected, scale=4.0)
    assert math.isfinite(out.sum())
