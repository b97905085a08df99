"""Kernels of shapes alone: the reference's shapes and dtypes, and no memory."""

import numpy as np
import pytest
from kernel_cases import CASES, LAYOUTS, Draw

from minifcn import kernels
from minifcn.kernels import meta
from minifcn.kernels.cpu.choice import forcing
from minifcn.kernels.meta.space import Space, block_of, contiguous, empty, inside
from minifcn.kernels.shapes import Window

reference = kernels.load("reference")


def results(device, case, arguments):
    with forcing(case.algorithm):
        result = getattr(device, case.kernel)(*arguments)
    return [array for array in (result if isinstance(result, tuple) else (result,)) if array is not None]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_shapes_and_dtypes_are_the_references(case, dtype):
    expected = results(reference, case, case.arguments(Draw(dtype)))
    for layout in LAYOUTS:
        actual = results(meta, case, case.arguments(Draw(dtype, layout)))
        assert [(a.shape, a.dtype) for a in actual] == [(e.shape, e.dtype) for e in expected], layout


def test_arrays_of_any_size_take_no_memory():
    space = Space()
    with inside(space):
        image = empty((1, 20_000, 20_000, 64), np.float32)
        assert (image.nbytes, image.flags.c_contiguous) == (102_400_000_000, True)
        y = meta.conv2d(image, np.ones((3, 3, 64, 64), np.float32), None, Window((3, 3)), 1, (19_998, 19_998), False)
        assert y.shape == (1, 19_998, 19_998, 64)
        assert not np.may_share_memory(image, y)
        assert np.may_share_memory(image, image[:, ::2])
        assert image[0, ::5000, ::5000, 0].sum() == 0.0


def test_an_array_lives_as_long_as_its_views():
    space = Space()
    with inside(space):
        array = empty((256, 256), np.float32)
        view = array[::2].T
        block = block_of(view)
        del array
        assert space.stats().in_use == block.bytes == 2**18
        del view
    assert space.stats().in_use == 0
    assert [(event[0], event[2]) for event in space.events] == [(block, True), (block, False)]


def test_a_copy_is_made_where_there_has_to_be_one():
    with inside(Space()):
        array = empty((256, 256), np.float32)
        assert contiguous(array) is array
        assert not np.may_share_memory(contiguous(array[:, 1:]), array)


def test_small_arrays_have_memory():
    space = Space()
    assert space.full((3,), 2.0, np.float32).tolist() == [2.0] * 3
    assert space.empty((0, 5), np.float32).shape == (0, 5)
    assert block_of(np.zeros(3)) is None


def test_addresses_come_to_an_end():
    with pytest.raises(MemoryError, match=r"the system has no 1,024\.0 TiB of addresses left; give a smaller size"):
        Space().empty((2**50,), np.uint8)


def test_replacement_holds_in_its_block_and_thread():
    from concurrent.futures import ThreadPoolExecutor

    real = kernels.load("cpu")
    with ThreadPoolExecutor(1) as pool, kernels.replaced("cpu", meta):
        assert kernels.load("cpu") is meta
        assert kernels.load("reference") is reference
        assert pool.submit(kernels.load, "cpu").result() is real
    assert kernels.load("cpu") is real
