"""Which module an operation belongs to: after errors, in other threads, and without keeping anything alive."""

import copy
import gc
import pickle
import threading
import weakref

import pytest

import minifcn as mf
from minifcn import nn, scope


class Fails(nn.Module):
    def forward(self, x):
        raise ValueError("no")


def test_operations_know_the_module_and_those_around_it():
    net = nn.Sequential(nn.Sequential(nn.Conv2d(1, 1, 1)), nn.ReLU())
    output = net(mf.ones(1, 2, 2, 1))
    relu, conv = output.operation, output.operation.parents[0]
    assert [call.module for call in relu.call.chain()] == [net[1], net]
    assert [call.module for call in conv.call.chain()] == [net[0][0], net[0], net]
    assert (mf.ones(1, requires_grad=True) * 2.0).operation.call is None


def test_an_error_leaves_the_module():
    with pytest.raises(ValueError, match="no"):
        nn.Sequential(Fails())(mf.ones(1))
    assert scope.inside.call is None


def test_threads_have_their_own():
    seen = []

    class Asks(nn.Module):
        def forward(self, x):
            thread = threading.Thread(target=lambda: seen.append(scope.inside.call))
            thread.start()
            thread.join()
            return x

    Asks()(mf.ones(1))
    assert seen == [None]


def test_an_output_does_not_keep_its_network():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
    gone = weakref.ref(net)
    output = net(mf.ones(1, 2, 2, 1))
    graph = output.sum().graph(0)
    del net
    assert gone() is None
    assert graph.boxes[0].title == "Sequential"
    assert [box.title for box in output.sum().graph(0).boxes if box.kind == "module"] == ["module"]


def test_a_module_that_keeps_its_output_is_no_circle():
    class Keeps(nn.Module):
        def __init__(self):
            self.layer = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            self.last = self.layer(x)
            return self.last

    gc.disable()
    try:
        net = Keeps()
        net(mf.ones(1, 2, 2, 1))
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()


def test_copies_forget_where_they_come_from():
    net = nn.Conv2d(1, 1, 1)
    net.register_forward_hook(lambda *call: None)  # nothing that could be pickled
    output = net(mf.ones(1, 2, 2, 1))
    output.sum().backward()
    assert output.operation.call is None
    assert pickle.loads(pickle.dumps(output)).shape == (1, 2, 2, 1)
    assert copy.deepcopy(net(mf.ones(1, 2, 2, 1)).detach()).shape == (1, 2, 2, 1)
