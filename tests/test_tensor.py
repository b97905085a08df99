"""A Tensor as an array: its values, its memory, and how it is shown."""

import re

import numpy as np
import pytest
from strategies import leaf, vector

import minifcn as mf
from minifcn import Tensor


def test_tensor_shares_memory_and_the_function_copies():
    array = np.ones(3)
    assert np.shares_memory(Tensor(array).data, array)
    assert not np.shares_memory(mf.tensor(array).data, array)
    assert not np.shares_memory(Tensor(array).clone().data, array)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1.0, 2.0], "float32"),
        (1.5, "float32"),
        ([1, 2], "int64"),
        ([True], "bool"),
        (np.ones(2), "float64"),
        (np.uint8(3), "uint8"),
        (Tensor(np.ones(2)), "float64"),
    ],
)
def test_python_floats_become_float32_and_arrays_stay(value, dtype):
    assert mf.tensor(value).dtype == np.dtype(dtype)


def test_makers():
    assert mf.zeros(2, 3).tolist() == [[0.0] * 3] * 2
    assert mf.ones((2,), dtype="float64").dtype == np.float64
    assert mf.full((2,), 3, "int32").tolist() == [3, 3]
    assert mf.arange(1, 7, 2).tolist() == [1, 3, 5]
    assert mf.zeros_like(mf.ones(2, dtype="float64")).dtype == np.float64
    assert mf.ones_like(mf.arange(2)).tolist() == [1, 1]
    assert mf.zeros().shape == ()
    assert mf.zeros(1, requires_grad=True).requires_grad


def test_random_makers_follow_the_seed_and_the_distribution():
    uniform, normal = mf.rand(10_000).data, mf.randn(10_000).data
    assert uniform.min() >= 0.0
    assert uniform.max() < 1.0
    assert abs(uniform.mean() - 0.5) < 5 / np.sqrt(12 * 10_000)
    assert abs(normal.mean()) < 5 / np.sqrt(10_000)
    assert abs(normal.std() - 1.0) < 5 / np.sqrt(2 * 10_000)
    mf.manual_seed(0)
    np.testing.assert_array_equal(mf.rand(10_000).data, uniform)
    state = mf.random.get_state()
    following = mf.rand(3).tolist()
    mf.random.set_state(state)
    assert mf.rand(3).tolist() == following


def test_numpy_is_a_view_that_protects_what_the_graph_needs():
    plain, wanted = Tensor(np.ones(2)), vector(1.0, 2.0)
    plain.numpy()[0] = 5.0
    assert plain.tolist() == [5.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        wanted.numpy()[0] = 5.0


def test_tensors_are_read_by_numpy():
    x = vector(1.0, 2.0)
    assert np.asarray(x).tolist() == [1.0, 2.0]
    assert np.array(x, np.float32).dtype == np.float32
    np.testing.assert_array_equal(np.stack([x, x]), [[1.0, 2.0]] * 2)


def test_numbers_and_iteration():
    x = Tensor(np.array([[1.5], [2.5]]))
    assert [len(x), [row.item() for row in x]] == [2, [1.5, 2.5]]
    assert (float(x[0]), int(x[1]), bool(x[0]), bool(Tensor(np.array(0)))) == (1.5, 2, True, False)


def test_tensors_are_keys_by_identity():
    a, b = mf.ones(1), mf.ones(1)
    assert {a: 1, b: 2}[a] == 1
    assert (a == b).tolist() == [True]
    assert (a != b).tolist() == [False]
    assert (Tensor(np.array([np.nan])) != np.nan).tolist() == [True]


def test_nothing_equals_none():
    x = mf.zeros(2, 3)
    assert (x == None).tolist() == [[False] * 3] * 2  # noqa: E711
    assert (x != None).tolist() == [[True] * 3] * 2  # noqa: E711


def test_flatten_shares_memory_and_the_graph():
    x = leaf(np.arange(6.0).reshape(2, 3))
    y = x.flatten()
    assert (y.shape, np.shares_memory(y.data, x.data)) == ((6,), True)
    (y * np.arange(6.0)).sum().backward()
    assert x.grad.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert mf.zeros(0, 3).flatten().shape == (0,)


@pytest.mark.parametrize(
    ("tensor", "shown"),
    [
        (mf.ones(2), "tensor([1., 1.])"),
        (mf.arange(2), "tensor([0, 1])"),
        (mf.zeros(1, dtype="float64"), "tensor([0.], dtype=float64)"),
        (mf.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
        (mf.ones(1, requires_grad=True) * 2.0, "tensor([2.], operation=Multiply)"),
        (mf.ones(1).to("reference"), "tensor([1.], device='reference')"),
        (mf.ones(2, 2), "tensor([[1., 1.],\n        [1., 1.]])"),
    ],
)
def test_repr(tensor, shown):
    assert repr(tensor) == shown


def test_assignment_broadcasts_and_keeps_the_dtype():
    x = mf.zeros(2, 2)
    x[0] = np.array([1.0, 2.0])
    x[:, 1:] = mf.full((1,), 7)
    assert x.tolist() == [[1.0, 7.0], [0.0, 7.0]]
    assert x.copy_(3).tolist() == [[3.0, 3.0]] * 2
    x.data = np.ones((2, 2))
    assert (x.dtype, x.tolist()) == (np.float32, [[1.0, 1.0]] * 2)


def test_default_device_holds_inside_its_block():
    with mf.device("reference"):
        assert mf.device() == mf.ones(1).device == (mf.ones(1) + 1.0).device == "reference"
        with mf.device("cpu"):
            assert mf.rand(1).device == "cpu"
    assert mf.ones(1).device == "cpu"


def test_thread_count():
    limit = mf.get_num_threads()
    mf.set_num_threads(1)
    assert mf.get_num_threads() == 1
    mf.set_num_threads(limit)


ERRORS = [
    (lambda: Tensor(np.array(["a"])), "a Tensor holds floats, integers or booleans, not <U1"),
    (lambda: Tensor(np.ones(1, complex)), "a Tensor holds floats, integers or booleans, not complex128"),
    (
        lambda: setattr(mf.ones(2), "data", np.ones(3)),
        "data: the new array has shape (3,), the tensor (2,); they must agree",
    ),
    (lambda: mf.ones(2).item(), "item: the tensor has 2 elements, shape (2,); only one can become a number"),
    (lambda: bool(mf.ones(2)), "the truth of a tensor of shape (2,) is ambiguous; compare and reduce it first"),
    (lambda: len(mf.tensor(1.0)), "len() of a 0-d tensor"),
    (lambda: iter(mf.tensor(1.0)), "len() of a 0-d tensor"),
    (lambda: mf.set_num_threads(0), "set_num_threads: 0 is not between 1 and"),
    (lambda: leaf(np.ones(2)).reshape(3), "reshape: 2 elements of shape (2,) do not fit shape (3,)"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        call()
