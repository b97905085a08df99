"""Memory shared with other libraries: NumPy and PyTorch on the host, anything with DLPack or CUDA's array interface."""

import gc
import weakref

import numpy as np
import pytest
import torch

import minifcn as mf
from minifcn import cuda

on_gpu = pytest.mark.skipif(not cuda.is_available(), reason=str(cuda.unavailable_because()))


def shared(tensor, array):
    """Whether a write into the one is seen in the other."""
    before = array[0, 0].item()
    tensor[0, 0] = before + 1
    return array[0, 0].item() == before + 1


# --- on the host ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, np.uint8])
def test_pytorch_shares_a_tensors_memory(dtype, turned):
    tensor = mf.tensor(np.arange(6).reshape(2, 3).astype(dtype))
    tensor = tensor.T if turned else tensor
    other = torch.from_dlpack(tensor)
    assert other.tolist() == tensor.tolist()
    assert other.shape == tensor.shape
    assert shared(tensor, other)


@pytest.mark.parametrize("turned", [False, True])
def test_a_tensor_shares_pytorchs_memory(turned):
    other = torch.arange(6.0).reshape(2, 3)
    other = other.T if turned else other
    tensor = mf.from_dlpack(other)
    assert (tensor.device, tensor.dtype, tensor.shape) == ("cpu", np.float32, tuple(other.shape))
    assert shared(tensor, other)
    assert tensor.tolist() == other.tolist()


def test_a_tensor_keeps_pytorchs_memory():
    tensor = mf.from_dlpack(torch.full((1000,), 3.0))
    gc.collect()
    assert tensor.sum().item() == 3000.0


def test_there_and_back_is_the_same_memory():
    tensor = mf.zeros(2, 2)
    assert shared(tensor, mf.from_dlpack(torch.from_dlpack(tensor)))
    assert shared(tensor, mf.from_dlpack(tensor))
    assert shared(tensor, np.from_dlpack(tensor))


def test_a_tensor_that_requires_grad_is_not_handed_to_other_libraries():
    tensor = mf.tensor([[1.0]], requires_grad=True)
    with pytest.raises(BufferError, match=r"requires grad.*\.detach\(\)"):
        torch.from_dlpack(tensor)
    assert shared(tensor.detach(), torch.from_dlpack(tensor.detach()))


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(TypeError, match="a list has neither __dlpack__"):
        mf.from_dlpack([1.0])
    with pytest.raises(TypeError, match="not complex64"):
        mf.from_dlpack(np.zeros(2, np.complex64))


class Elsewhere:
    """An array on a device that is not ours."""

    def __dlpack_device__(self):
        return 7, 0  # Vulkan

    def __dlpack__(self, **options):
        raise AssertionError("nobody should ask")


@on_gpu
def test_other_devices_are_refused():
    with pytest.raises(BufferError, match=r"device \(7, 0\)"):
        mf.from_dlpack(Elsewhere())


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(12)[::-2],
        np.array(3.0),
        np.empty((0, 3)),
        np.array([True, False]),
    ],
)
def test_numpy_shares_a_tensors_memory(array):
    tensor = mf.Tensor(array)
    seen = np.asarray(tensor)
    assert (seen.shape, seen.dtype, seen.flags.writeable) == (array.shape, array.dtype, True)
    np.testing.assert_array_equal(seen, array)
    assert np.shares_memory(seen, array) or array.size == 0
    assert not np.shares_memory(np.array(tensor), array)


def test_numpy_may_only_read_a_tensor_that_requires_grad():
    seen = np.asarray(mf.tensor([1.0, 2.0], requires_grad=True))
    assert not seen.flags.writeable
    assert seen.tolist() == [1.0, 2.0]


def test_numpys_view_outlives_the_tensor_and_its_array():
    tensor = mf.Tensor(np.arange(100_000.0))
    seen, array = np.asarray(tensor), weakref.ref(tensor.data)
    tensor.data = np.zeros(100_000)
    gc.collect()
    assert array() is not None
    assert seen[-1] == 99_999.0
    del seen, tensor
    gc.collect()
    assert array() is None


def test_each_device_has_its_own_interface():
    assert hasattr(mf.zeros(1), "__array_interface__")
    assert not hasattr(mf.zeros(1), "__cuda_array_interface__")


# --- on the GPU, or in the simulator, whose GPU is the host -----------------------------------------------------------


class Numbas:
    """An array that only has Numba's interface."""

    def __init__(self, array, **changes):
        self._array = array
        interface = array.__cuda_array_interface__
        self.__cuda_array_interface__ = interface | changes


class PyTorchs:
    """An array that only has DLPack, as libraries before its version 1 have it."""

    def __init__(self, array):
        self._array = array

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()

    def __dlpack__(self, stream=None):
        return self._array.__dlpack__(stream=stream)


def tensor_on_gpu():
    return mf.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device="cuda")


def pointer(tensor):
    return tensor.__cuda_array_interface__["data"][0]


@on_gpu
def test_the_array_interface_says_where_the_array_lies():
    tensor = tensor_on_gpu()
    interface = tensor.__cuda_array_interface__
    assert interface["shape"] == (2, 3)
    assert interface["typestr"] == "<f4"
    assert interface["strides"] is None
    assert tensor.T.__cuda_array_interface__["strides"] == (4, 12)
    assert not hasattr(tensor, "__array_interface__")
    with pytest.raises(TypeError, match=r'\.to\("cpu"\)'):
        np.asarray(tensor)
    tensor.requires_grad = True
    with pytest.raises(RuntimeError, match="requires grad"):
        tensor.__cuda_array_interface__  # noqa: B018


@on_gpu
@pytest.mark.parametrize("library", [Numbas, PyTorchs])
@pytest.mark.parametrize("turned", [False, True])
def test_arrays_of_other_libraries_are_taken_where_they_lie(library, turned):
    tensor = tensor_on_gpu().T if turned else tensor_on_gpu()
    from minifcn.kernels.cuda.interchange import imported

    taken = mf.Tensor(imported(library(tensor.data)), device="cuda")
    assert pointer(taken) == pointer(tensor)
    assert taken.data.strides == tensor.data.strides
    assert taken.to("cpu").tolist() == tensor.to("cpu").tolist()


@on_gpu
def test_the_owner_of_borrowed_memory_is_kept_alive():
    owner = Numbas(tensor_on_gpu().data)
    alive = weakref.ref(owner)
    taken = mf.from_dlpack(owner)
    view = taken[0]
    del owner, taken
    gc.collect()
    assert alive() is not None
    assert view.to("cpu").tolist() == [0.0, 1.0, 2.0]
    del view
    gc.collect()
    assert alive() is None


@on_gpu
def test_an_array_that_was_handed_out_keeps_its_block():
    from minifcn.kernels.cuda.interchange import imported
    from minifcn.kernels.cuda.pool import Pool, taking_from

    pool = Pool()
    with taking_from(pool):
        taken = imported(tensor_on_gpu().data)
        gc.collect()
        assert pool.stats().in_use > 0
        del taken
        unused = tensor_on_gpu().__dlpack__()
        assert pool.stats().in_use > 0
        del unused  # a capsule that nobody read
        assert pool.stats().in_use == 0
    pool.release()


@on_gpu
def test_an_array_with_a_mask_is_refused():
    with pytest.raises(TypeError, match="mask"):
        mf.from_dlpack(Numbas(tensor_on_gpu().data, mask=tensor_on_gpu()))


@on_gpu
@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_capsule_says_on_which_device_its_data_is(version):
    from minifcn.kernels.cuda import interchange

    array = tensor_on_gpu().data
    capsule = interchange._moved(array.__dlpack__(max_version=version), (interchange.GPU, 0))
    name = b"dltensor" if version is None else b"dltensor_versioned"
    place = interchange._pointer(capsule, name) + (
        0 if version is None else 32
    )  # dlpack.h: void* data; DLDevice device
    assert interchange.ctypes.c_void_p.from_address(place).value == array.pointer
    assert interchange.ctypes.c_int32.from_address(place + 8).value == 2  # kDLCUDA


@on_gpu
def test_a_copy_is_made_if_asked_and_refused_if_forbidden():
    array = tensor_on_gpu().data
    np.testing.assert_array_equal(np.from_dlpack(array, device="cpu"), array.to_host())
    with pytest.raises(BufferError, match=r"handed out on \(7, 0\)"):
        array.__dlpack__(dl_device=(7, 0))


@on_gpu
def test_a_tensor_on_the_gpu_that_requires_grad_is_not_handed_out():
    with pytest.raises(BufferError, match=r"requires grad.*\.detach\(\)"):
        tensor_on_gpu().requires_grad_().__dlpack__()


@on_gpu
def test_the_simulators_gpu_is_the_host():
    from minifcn.kernels.cuda.lang import SIMULATED

    if not SIMULATED:
        pytest.skip("a GPU's memory is shared with libraries on the GPU: benchmarks/gpu shows it")
    tensor = tensor_on_gpu()
    assert shared(tensor, torch.from_dlpack(tensor))
    assert mf.from_dlpack(tensor).device == "cpu"
