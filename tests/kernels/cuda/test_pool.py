"""Memory that is used again: who gets which block, and what is said when there is none."""

import gc

import numpy as np
import pytest

pool_module = pytest.importorskip("minifcn.kernels.cuda.pool", exc_type=RuntimeError)

from minifcn.kernels.cuda import driver  # noqa: E402
from minifcn.kernels.cuda.array import empty, from_host  # noqa: E402
from minifcn.kernels.cuda.pool import Pool, bucket, taking_from  # noqa: E402
from minifcn.kernels.errors import OutOfDeviceMemoryError  # noqa: E402


@pytest.fixture
def pool():
    own = Pool()
    with taking_from(own):
        yield own
    gc.collect()
    own.release()


@pytest.mark.parametrize("size", [1, 512, 513, 4097, 10**6, 2**30 + 1])
def test_a_bucket_wastes_at_most_an_eighth(size):
    assert size <= bucket(size) <= max(512, size * 9 / 8)
    assert bucket(bucket(size)) == bucket(size)


def test_a_block_is_handed_out_again(pool):
    first = empty((100, 10), np.float32)
    address = first.pointer
    del first
    assert empty((1000,), np.float32).pointer == address
    assert pool.stats().held == bucket(4000)


def test_views_keep_the_block(pool):
    array = empty((100, 10), np.float32)
    view = array.reshape(10, 100).transpose().view(slice(3))
    address = array.pointer
    del array
    other = empty((100, 10), np.float32)
    assert other.pointer != address
    assert pool.stats().in_use == 2 * bucket(4000)
    del view
    assert empty((100, 10), np.float32).pointer == address


def test_stats_count_what_is_in_use_and_held(pool):
    a, b = empty(1000, np.float32), empty(2000, np.float32)
    assert pool.stats()[:3] == (bucket(4000) + bucket(8000),) * 3
    del a
    assert pool.stats().in_use == bucket(8000)
    assert pool.release() == bucket(4000)
    assert pool.stats().held == bucket(8000)
    pool.reset_peak()
    assert pool.stats().peak == bucket(8000)
    assert b.size == 2000


def test_a_full_gpu_first_gives_back_what_is_kept(pool, monkeypatch):
    kept = empty(1000, np.float32)
    del kept
    allocate, answers = driver.allocate, iter([None])
    monkeypatch.setattr(driver, "allocate", lambda size: next(answers, 1) and allocate(size))
    assert empty(5000, np.float32).size == 5000
    assert pool.stats().held == bucket(20000)


def test_a_full_gpu_says_who_holds_its_memory(pool, monkeypatch):
    held = empty(2**20, np.float32)
    monkeypatch.setattr(driver, "allocate", lambda size: None)
    with pytest.raises(
        OutOfDeviceMemoryError, match=r"no room for an array of 40\.0 MiB.* 4 MiB are in arrays.*audit memory"
    ):
        empty(10 * 2**20, np.float32)
    assert held.size == 2**20


def test_an_array_shows_numpys_geometry():
    x = np.arange(24.0).reshape(2, 3, 4)
    array = from_host(x)
    assert (array.shape, array.ndim, array.size, array.dtype, array.strides) == (x.shape, 3, 24, x.dtype, x.strides)
    np.testing.assert_array_equal(array.transpose(2, 0, 1).to_host(), x.transpose(2, 0, 1))
    np.testing.assert_array_equal(array.view((slice(None), slice(None, None, -2))).to_host(), x[:, ::-2])
    np.testing.assert_array_equal(array.reshape(4, 6).T.reshape(24).to_host(), x.reshape(4, 6).T.ravel())
    assert array.reshape(6, 4).pointer == array.pointer
    with pytest.raises(ValueError, match="reshap"):
        array.T.reshape(24, copy=False)
    with pytest.raises(ValueError, match="reshap"):
        array.reshape(5, 5)


def test_numpy_does_not_read_an_array_by_accident():
    array = from_host(np.zeros((2, 3)))
    with pytest.raises(TypeError, match=r"shape \(2, 3\) lies on the GPU.*to_host"):
        np.asarray(array)
