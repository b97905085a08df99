"""Values that come later: as they were when they were asked for."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import cuda
from minifcn.cuda import Readback

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=str(cuda.unavailable_because()))


def on_gpu(values, dtype=np.float32):
    return mf.Tensor(np.array(values, dtype), device="cuda")


def test_a_number():
    late = Readback(on_gpu(2.5))
    value = late.value()
    assert value == 2.5
    assert isinstance(value, float)
    assert late.ready
    assert late.value() == 2.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_arrays_of_any_dtype(dtype):
    expected = np.arange(6).reshape(2, 3).astype(dtype)
    value = Readback(on_gpu(expected, dtype)).value()
    assert value.dtype == dtype
    np.testing.assert_array_equal(value, expected)


def test_an_array_whose_elements_do_not_lie_side_by_side():
    np.testing.assert_array_equal(Readback(on_gpu([[1, 2, 3], [4, 5, 6]]).T).value(), [[1, 4], [2, 5], [3, 6]])


def test_what_is_written_later_is_not_seen():
    tensor = on_gpu([1.0, 2.0])
    late = Readback(tensor)
    tensor[...] = on_gpu([7.0, 8.0])
    assert late.value().tolist() == [1.0, 2.0]


def test_many_at_once_and_some_that_nobody_reads():
    late = [Readback(on_gpu(i)) for i in range(20)]
    del late[::3]
    assert [each.value() for each in late] == [i for i in range(20) if i % 3]
    assert [Readback(on_gpu(i)).value() for i in range(5)] == [0, 1, 2, 3, 4]


def test_values_that_were_read_stay_what_they_are():
    first = Readback(on_gpu([1.0, 2.0])).value()
    Readback(on_gpu([3.0, 4.0])).value()
    assert first.tolist() == [1.0, 2.0]


def test_an_empty_array():
    assert Readback(on_gpu(np.empty((0, 3)))).value().shape == (0, 3)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_on_the_host_values_are_there_at_once(device):
    tensor = mf.Tensor(np.array([1.0, 2.0]), device=device)
    late = Readback(tensor)
    assert late.ready
    tensor[...] = 9.0
    assert late.value().tolist() == [1.0, 2.0]
