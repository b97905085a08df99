"""The graph: what is recorded, how gradients travel, what they leave behind, and which mistakes are caught."""

import threading

import numpy as np
import pytest
from strategies import Double, leaf, vector

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F

# --- values of gradients ---------------------------------------------------------------------------------------------


def test_second_backward_adds_to_the_leaf():
    x = vector(1.0, 2.0)
    for expected in ([3.0, 3.0], [6.0, 6.0]):
        (3.0 * x).sum().backward()
        assert x.grad.tolist() == expected


def test_second_backward_does_not_accumulate_inside_the_graph():
    x = vector(2.0)
    y = (x * x) * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [2 * 12.0]


def test_shared_subexpression_is_differentiated_once_and_counted_twice():
    x = vector(3.0)
    calls = []
    square = x * x
    shared = Double(lambda gradient: calls.append(1) or 2.0 * gradient)(square)
    (shared + shared * shared).backward()  # 2x² + 4x⁴: 4x + 16x³
    assert x.grad.tolist() == [4 * 3.0 + 16 * 27.0]
    assert len(calls) == 1


def test_ladder_of_diamonds_takes_linear_time():
    x = vector(1.0)
    y = x
    for _ in range(64):  # 2^64 paths
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**64


def test_same_input_twice_in_one_operation():
    x = vector(5.0)
    (x - x * 2.0 + F.maximum(x, x)).backward()
    assert x.grad.tolist() == [0.0]


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 1), (2, 3)])
def test_broadcasting_is_undone(shape):
    a, b = leaf(np.ones(shape)), leaf(np.ones((2, 3)))
    weights = np.arange(6.0).reshape(2, 3)
    (a * b).backward(weights)
    padded = (1,) * (2 - len(shape)) + shape
    axes = tuple(axis for axis in range(2) if padded[axis] == 1)
    assert a.grad.shape == shape
    np.testing.assert_array_equal(a.grad.data, weights.sum(axes, keepdims=True).reshape(shape))
    np.testing.assert_array_equal(b.grad.data, weights)


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("float32", "int64", "float32"),
        ("float32", "uint8", "float32"),
        ("float64", "int32", "float64"),
        ("float32", "bool", "float32"),
        ("float32", "float64", "float64"),
        ("int32", "int64", "int64"),
    ],
)
@pytest.mark.parametrize("function", [F.add, F.multiply, F.maximum, lambda a, b: F.concatenate([a, b])])
def test_dtypes_meet(function, left, right, result):
    a, b = Tensor(np.ones(2, left)), Tensor(np.ones(2, right))
    assert function(a, b).dtype == function(b, a).dtype == result


def test_python_numbers_take_the_dtype_of_the_tensor_beside_them():
    assert (mf.ones(2) * 2.5).dtype == np.float32
    assert (2 * mf.ones(2, dtype="float64")).dtype == np.float64
    assert (mf.arange(3) * 2).dtype == np.int64
    assert (mf.arange(3) * 0.5).dtype == np.float32
    assert (np.ones(2, np.float32) * mf.ones(2)).dtype == np.float32
    assert (mf.ones(2) * [1.0, 2.0]).dtype == np.float32
    assert (mf.ones(2, dtype="float64") * [1.0, 2.0]).dtype == np.float64


def test_gradients_have_the_dtype_of_their_tensor():
    a, b = vector(1.0, dtype=np.float32), vector(2.0)
    (a * b).backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_scalars_and_empty_tensors():
    x = leaf(np.array(3.0))
    (x * x).backward()
    assert x.grad.shape == ()
    assert x.grad.item() == 6.0
    empty = leaf(np.ones((0, 3)))
    (empty * 2.0).sum().backward()
    assert empty.grad.shape == (0, 3)


def test_leaf_itself_can_be_the_root():
    x = vector(1.0)
    x.backward()
    assert x.grad.tolist() == [1.0]
    assert mf.grad(x, x)[0].tolist() == [1.0]


# --- what is recorded ------------------------------------------------------------------------------------------------


def test_no_grad_and_enable_grad_nest():
    seen = []
    with mf.no_grad():
        seen.append(mf.is_grad_enabled())
        with mf.enable_grad():
            seen.append((vector(1.0) * 2.0).requires_grad)
            with mf.set_grad_enabled(False):
                seen.append((vector(1.0) * 2.0).requires_grad)
        seen.append((vector(1.0) * 2.0).requires_grad)
    assert [*seen, mf.is_grad_enabled()] == [False, True, False, False, True]


def test_mode_is_restored_after_an_exception():
    with pytest.raises(KeyError), mf.no_grad():
        raise KeyError
    assert mf.is_grad_enabled()


def test_mode_as_decorator_keeps_the_function_and_allows_recursion():
    @mf.no_grad()
    def countdown(n):
        """Documented."""
        assert not mf.is_grad_enabled()
        return countdown(n - 1) if n else "done"

    assert (countdown(3), countdown.__name__, countdown.__doc__) == ("done", "countdown", "Documented.")
    assert mf.is_grad_enabled()


def test_mode_belongs_to_a_thread_also_in_a_shared_decorated_function():
    entered, leave = threading.Event(), threading.Event()
    shared = mf.no_grad()(lambda inside: inside())
    seen = []

    def other():
        with mf.no_grad():
            shared(lambda: (entered.set(), leave.wait(10)))
            seen.append(mf.is_grad_enabled())

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(10)
    assert mf.is_grad_enabled()
    shared(lambda: (leave.set(), thread.join(10)))  # entered second, left second
    assert seen == [False]
    assert mf.is_grad_enabled()


def test_detach_shares_memory_but_not_the_graph():
    x = vector(1.0, 2.0)
    y = (x * 2.0).detach()
    assert not y.requires_grad
    assert np.shares_memory(x.detach().data, x.data)
    (x * y).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_only_floats_can_require_grad():
    message = "only floating-point tensors can require grad, and this one is int64"
    with pytest.raises(TypeError, match=message):
        mf.tensor([1, 2], requires_grad=True)
    with pytest.raises(TypeError, match=message):
        mf.arange(2).requires_grad_()
    assert not vector(1.5).astype("int64").requires_grad


def test_operation_that_makes_integers_is_not_recorded():
    x = vector(1.5)
    assert not (x.astype("int64") * 2.0).requires_grad
    assert not (x > 1.0).requires_grad


def test_requires_grad_cannot_be_turned_off_inside_a_graph():
    with pytest.raises(RuntimeError, match=r"only be turned off on leaves; use \.detach\(\)"):
        (vector(1.0) * 2.0).requires_grad = False


def test_operation_is_one_node():
    operation = Double()
    operation(vector(1.0))
    with pytest.raises(RuntimeError, match="Double: applied already, and now a node of a graph; make a new one"):
        operation(vector(1.0))


def test_inputs_on_different_devices_are_refused():
    here, there = mf.ones(2), mf.ones(2).to("reference")
    for function in (F.add, F.greater):
        with pytest.raises(ValueError, match=r"different devices \(cpu, reference\); move them to one with"):
            function(here, there)


# --- retain_graph, create_graph, grad() ------------------------------------------------------------------------------


FREED = r"backward through a graph that was already freed .* give the first pass retain_graph=True"


def test_freed_graph_is_refused_also_through_a_shared_part():
    x = vector(2.0)
    shared = x * x
    y, z = shared * 3.0, shared * 4.0
    y.backward()
    for root in (y, z):
        with pytest.raises(RuntimeError, match=FREED):
            root.backward()
    assert x.grad.tolist() == [12.0]


def test_create_graph_gives_third_derivatives():
    x = vector(2.0)
    y = x**4
    for expected in (32.0, 48.0, 48.0, 24.0):
        (y,) = mf.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected)
        if expected == 32.0:
            assert y.requires_grad


def test_backward_with_create_graph_can_be_differentiated():
    x = vector(3.0)
    (x**3).backward(create_graph=True)
    slope = x.grad
    x.grad = None
    slope.backward()
    assert x.grad.item() == pytest.approx(18.0)


def test_without_create_graph_gradients_are_leaves():
    x = vector(3.0)
    (slope,) = mf.grad(x * x, x)
    assert slope.is_leaf
    assert not slope.requires_grad


def test_grad_of_several_outputs_and_inputs():
    a, b = vector(2.0), vector(5.0)
    to_a, to_b = mf.grad([a * b, a * a], [a, b], [vector(10.0), None])
    assert (to_a.item(), to_b.item()) == (10 * 5.0 + 4.0, 20.0)
    assert a.grad is None
    assert b.grad is None


def test_grad_with_respect_to_an_interior_tensor_walks_no_further():
    y = Double(lambda gradient: pytest.fail("walked"))(vector(2.0))
    assert mf.grad(y * 3.0, y)[0].item() == 3.0


def test_grad_walks_only_the_paths_that_lead_to_its_inputs():
    a, b = vector(1.0), vector(2.0)
    away = Double(lambda gradient: pytest.fail("walked"))(b)
    assert mf.grad(a * 3.0 + away, a)[0].item() == 3.0


def test_grad_of_an_unused_input():
    used, unused = vector(1.0), leaf(np.ones((2, 3)))
    with pytest.raises(RuntimeError, match=r"grad: input 1, shape \(2, 3\), was not used .* allow_unused=True"):
        mf.grad(used * 2.0, [used, unused])
    assert mf.grad(used * 2.0, [used, unused], allow_unused=True)[1] is None


def test_grad_of_something_that_wants_none():
    with pytest.raises(RuntimeError, match=r"grad: input 0, shape \(2,\), does not require grad; set requires_grad"):
        mf.grad(vector(1.0) * 2.0, mf.ones(2))


def test_grad_with_too_few_output_gradients():
    x = vector(1.0)
    with pytest.raises(ValueError, match="grad: 1 grad_outputs for 2 outputs; give each output one, or None"):
        mf.grad([x * 1.0, x * 2.0], x, [None])
