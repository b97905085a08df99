"""Hooks on gradients, and gradients kept inside the graph."""

import gc
import weakref

import numpy as np
import pytest
from strategies import vector

import minifcn as mf
from minifcn import Tensor


@pytest.mark.parametrize("interior", [False, True])
def test_hook_sees_and_replaces_the_whole_gradient(interior):
    x = vector(1.0, 2.0)
    y = x * 2.0 if interior else x
    seen = []
    y.register_hook(lambda gradient: seen.append(gradient.tolist()))
    y.register_hook(lambda gradient: gradient * 10.0)
    (y * 3.0 + y).sum().backward()
    assert seen == [[4.0, 4.0]]
    assert x.grad.tolist() == ([80.0, 80.0] if interior else [40.0, 40.0])


def test_removed_hook_is_not_called_and_another_of_the_same_function_is():
    x = vector(1.0)
    calls = []
    first, _ = (x.register_hook(calls.append) for _ in range(2))
    first.remove()
    first.remove()
    x.backward()
    assert len(calls) == 1


def test_hook_cannot_change_the_dtype():
    x = vector(1.0, dtype=np.float32)
    x.register_hook(lambda gradient: gradient.astype(np.float64))
    x.backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize(("result", "got"), [(Tensor(np.ones(3)), r"shape \(3,\)"), (1.0, "float")])
def test_hook_with_a_wrong_result(result, got):
    x = vector(1.0, 2.0)
    x.register_hook(lambda gradient: result)
    with pytest.raises(ValueError, match=rf"hook must return None or a Tensor of shape \(2,\), not {got}"):
        x.sum().backward()


def test_hook_needs_a_gradient_to_come():
    with pytest.raises(RuntimeError, match=r"register_hook: the tensor, shape \(2,\), does not require grad"):
        mf.ones(2).register_hook(print)


def test_retain_grad_needs_a_gradient_to_come():
    with pytest.raises(RuntimeError, match=r"retain_grad: the tensor, shape \(2,\), does not require grad"):
        mf.ones(2).retain_grad()


def test_retain_grad_keeps_the_gradient_of_an_interior_tensor_once():
    x = vector(1.0, 2.0)
    y = x * 2.0
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0, 8.0]
    assert (x * 3.0).grad is None


def test_retain_grad_does_not_keep_its_tensor_alive():
    gc.disable()
    try:
        y = vector(1.0) * 2.0
        y.retain_grad()
        gone = weakref.ref(y)
        z = y * 2.0
        del y
        assert gone() is None
        z.backward()
    finally:
        gc.enable()


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_of_two_tensors_do_not_share_memory(create_graph):
    a, b = vector(1.0), vector(2.0)
    c = a + b
    c.retain_grad()
    seed = Tensor(np.ones(1))
    c.backward(seed, create_graph=create_graph)
    arrays = [a.grad.data, b.grad.data, c.grad.data, seed.data]
    assert not any(np.shares_memory(p, q) for i, p in enumerate(arrays) for q in arrays[:i])
