"""Keys of every kind, views in every direction, numbers of the host: the GPU's arrays against NumPy's."""

import numpy as np
import pytest

pytest.importorskip("minifcn.kernels.cuda", exc_type=(ImportError, RuntimeError))  # no GPU, and no simulator

from minifcn.kernels.cuda import add, arrange, divide, equal, multiply, power, rng, where
from minifcn.kernels.cuda.array import from_host
from minifcn.kernels.cuda.striding import collapsed, span

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 100, (4, 5, 3, 8)).astype(np.float32)
I, J = RANDOM.integers(-4, 4, 7), RANDOM.integers(0, 3, (2, 7))
FLIP = (slice(None, None, -1), slice(None), slice(None, None, -1))

BASIC = [
    np.s_[:, ::-1],
    np.s_[..., 4:8],
    np.s_[:, 1],
    np.s_[::-1, ..., ::-2],
    np.s_[..., 1:6],
    np.s_[None, 0, 0, 0, 0],
]
ADVANCED = [
    I,
    np.s_[:, np.array([0, 2, -1])],
    np.s_[..., np.array([1, 0, 0])],
    np.s_[I, 1:4],
    np.s_[:, :, J, ::-2],
    np.s_[I, :, J],
    np.s_[0, :, J],
    np.s_[I, ..., np.array(2)],
    np.s_[None, I],
    np.s_[1:3, None, np.array([1, 2]), np.array([[0], [1]])],
    X[..., 0] > 50,
    X > 50,
    np.s_[X[:, :, 0, 0] > 50, 0:2],
    np.s_[:, X[0, :, :, 0] > 50],
    [0, 1],
    np.array(2),
    True,
    np.zeros(0, int),
    np.zeros((4, 5), bool),
    np.s_[I, np.array(1), ..., 0],
]


def keys(group):
    return pytest.mark.parametrize("key", group, ids=[f"key {k}" for k in range(len(group))])


@pytest.mark.parametrize("flipped", [False, True])
@keys(BASIC + ADVANCED)
def test_keys_read_and_write_as_numpys(key, flipped):
    host, device = X.copy(), from_host(X)
    seen, there = (host[FLIP], device.view(FLIP)) if flipped else (host, device)
    np.testing.assert_array_equal(arrange.index(there, key).to_host(), seen[key])
    new = RANDOM.standard_normal(seen[key].shape).astype(np.float32)
    for values in (new, 7.0, new[..., :1]):
        seen[key] = values
        there[key] = values
        np.testing.assert_array_equal(device.to_host(), host)
    sums = np.zeros_like(X)
    np.add.at(sums, key, new)
    np.testing.assert_allclose(arrange.index_add(from_host(new), key, X.shape).to_host(), sums, atol=1e-5)


@keys([np.array([4]), np.array([-5]), np.array([1.5]), np.zeros((4, 4), bool), np.s_[0, 0, 0, 0, I]])
def test_wrong_keys_are_refused(key):
    with pytest.raises(IndexError):
        arrange.index(from_host(X), key)


def test_keys_on_the_device_are_as_good():
    np.testing.assert_array_equal(arrange.index(from_host(X), from_host(I)).to_host(), X[I])
    np.testing.assert_array_equal(arrange.index(from_host(X), from_host(X > 50)).to_host(), X[X > 50])


def test_a_copy_onto_itself():
    device, host = from_host(X), X.copy()
    device[1:] = device[:-1]
    host[1:] = X[:-1]
    np.testing.assert_array_equal(device.to_host(), host)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.float32, np.int64])
def test_copies_move_any_bits(dtype):
    x = X.astype(dtype)
    for key in BASIC:
        np.testing.assert_array_equal(arrange.contiguous(from_host(x).view(key)).to_host(), x[key])
    np.testing.assert_array_equal(arrange.contiguous(from_host(x).T).to_host(), x.T)
    np.testing.assert_array_equal(arrange.concatenate((from_host(x),) * 2, -1).to_host(), np.concatenate((x, x), -1))


@pytest.mark.parametrize("number", [2, 2.5, np.float32(2.5), np.float64(2.5), np.array(3, np.int32)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
def test_numbers_of_the_host_take_part_as_numpys(number, dtype):
    x = (X[0, 0] - 50).astype(dtype)
    device = from_host(x)
    for function, numpy in ((add, np.add), (multiply, np.multiply), (divide, np.divide), (equal, np.equal)):
        with np.errstate(all="ignore"):
            for a, b, got in ((x, number, function(device, number)), (number, x, function(number, device))):
                expected = numpy(a, b)
                assert got.dtype == expected.dtype
                np.testing.assert_allclose(got.to_host(), expected, rtol=1e-6)


def test_integers_to_a_power():
    x = from_host(np.arange(-3, 4))
    np.testing.assert_array_equal(power(x, 3).to_host(), np.arange(-3, 4) ** 3)


def test_where_broadcasts():
    condition, row = X[..., :1] > 50, np.arange(8, dtype=np.float32)
    y = where(from_host(condition), from_host(X).view(FLIP), from_host(row))
    np.testing.assert_array_equal(y.to_host(), np.where(condition, X[FLIP], row))


def test_neighbouring_axes_become_one():
    assert collapsed((2, 1, 3, 4), (12, 0, 4, 1)) == ((24,), [(1,)])
    assert collapsed((2, 3, 4), (12, 4, 1), kept=1) == ((2, 3, 4), [(12, 4, 1)])
    assert collapsed((), ()) == ((1,), [(0,)])
    assert collapsed((5, 1), (0, 7)) == ((5,), [(0,)])


def test_the_memory_of_a_view():
    row, place = span(from_host(np.arange(10)).view(slice(7, 2, -2)))
    assert (row.to_host().tolist(), place) == ([3, 4, 5, 6, 7], 4)


def test_random_numbers():
    key = 2**63 + 12345
    x = rng.uniform((33, 5), key).to_host()
    assert x.dtype == np.float32
    assert x.min() >= 0
    assert x.max() < 1
    assert abs(x.mean() - 0.5) < 0.1
    np.testing.assert_array_equal(rng.uniform((33, 5), from_host(np.array([key], np.uint64))).to_host(), x)
    np.testing.assert_array_equal(rng.uniform((7,), key).to_host(), x.ravel()[:7])
    assert len(np.unique(np.concatenate([x.ravel(), rng.uniform((33, 5), key + 1).to_host().ravel()]))) > 325
