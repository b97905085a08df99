"""Depth that must not recurse, and memory that must be free when it can be."""

import gc
import weakref

import numpy as np
import pytest
from strategies import Numbers, leaf, vector

from minifcn import functional as F
from minifcn import memory


def test_chain_of_100_000_operations():
    x = vector(1.0)
    y = x
    for _ in range(100_000):
        y = y + 0.0
    y.backward(retain_graph=True)
    assert x.grad.item() == 1.0
    del y  # destroys the chain, without recursion


def test_backward_frees_what_it_has_used_as_it_goes():
    megabyte = Numbers(layout="contiguous").uniform(2**17)
    x = leaf(megabyte)
    y = x
    for _ in range(16):
        y = y.exp().log()  # exp saves its output, log its input: the same array
    y = y.sum()
    with memory.track() as usage:
        y.backward()
    # A few gradients at a time on top of what is there.
    assert megabyte.nbytes <= usage.peak < 6 * megabyte.nbytes


@pytest.mark.parametrize("retain", [False, True])
def test_activations_are_gone_after_backward_unless_retained(retain):
    gc.disable()  # freed by reference counts alone
    try:
        x = vector(1.0, 2.0)
        y = x.exp()
        gone = weakref.ref(y.data)
        z = y.log().sum()
        del y
        assert gone() is not None
        z.backward(retain_graph=retain)
        assert (gone() is not None) == retain
    finally:
        gc.enable()


def test_activations_are_gone_during_backward():
    gc.disable()
    try:
        x = vector(1.0, 2.0)
        alive = []
        early = x * 1.0
        early.register_hook(lambda gradient: alive.append(late() is not None))
        y = early.exp()
        late = weakref.ref(y.data)
        z = y.log().sum()
        del y, early
        z.backward()
        assert alive == [False]
    finally:
        gc.enable()


def test_graph_without_backward_is_destroyed_by_reference_counts():
    gc.disable()
    try:
        y = F.max_pool2d(F.relu(leaf(np.ones((1, 4, 4, 1)))), 2).sum()
        gone = weakref.ref(y.operation)
        del y
        assert gone() is None
    finally:
        gc.enable()
