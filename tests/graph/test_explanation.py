"""A backward pass told step by step: the same gradients, and local gradients against finite differences."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import nn
from minifcn.graph import Explanation


def leaf(values, name):
    tensor = mf.tensor(np.asarray(values, np.float64), requires_grad=True)
    tensor.name = name
    return tensor


def test_without_it_backward_returns_nothing():
    assert leaf(1.0, "x").sum().backward() is None


def test_a_scalar_chain():
    x, w = leaf(2.0, "x"), leaf(-3.0, "w")
    explanation = (x * w).tanh().backward(explain=True)
    assert [step.operation for step in explanation] == ["tanh", "multiply"]
    assert explanation[1].rule == "The product a · b: each factor's gradient is the other."
    to_x, to_w = explanation[1].sent
    assert (to_x.to, to_x.local.item(), to_w.to, to_w.local.item()) == ("x", -3.0, "w", 2.0)
    slope = 1 - np.tanh(-6.0) ** 2
    np.testing.assert_allclose([to_x.gradient, to_w.gradient], [-3 * slope, 2 * slope])
    assert x.grad.item() == to_x.gradient


def test_gradients_are_those_of_a_plain_backward_pass():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3)).astype(np.float64)
    image = mf.tensor(np.random.default_rng(0).normal(size=(1, 6, 6, 1)))
    net(image).sum().backward()
    plain = [parameter.grad.numpy().copy() for parameter in net.parameters()]
    net.zero_grad()
    explanation = net(image).sum().backward(explain=True)
    assert isinstance(explanation, Explanation)
    for parameter, expected in zip(net.parameters(), plain, strict=True):
        np.testing.assert_array_equal(parameter.grad.numpy(), expected)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.exp(x),
        lambda x: F.softmax(x),
        lambda x: F.reshape(x, (3, 2)),
        lambda x: F.sum(x, axis=0),
        lambda x: F.conv2d(F.reshape(x, (1, 2, 3, 1)), np.arange(4.0).reshape(2, 2, 1, 1)),
    ],
)
def test_local_gradients_chained_are_the_derivative(function):
    values = np.random.default_rng(1).normal(size=(2, 3))
    x = leaf(values, "x")
    output = function(x)
    seed = np.ones(output.shape)
    explanation = output.backward(seed, explain=True)
    arrived = seed.reshape(-1)
    for step in explanation:
        arrived = arrived @ step.sent[0].local.reshape(arrived.size, -1)
        np.testing.assert_allclose(arrived, step.sent[0].gradient.reshape(-1), rtol=1e-12, atol=1e-15)
    step_size = 1e-6
    for place in np.ndindex(values.shape):
        moved = values.copy()
        moved[place] += step_size
        rise = (function(mf.tensor(moved)).numpy() - function(mf.tensor(values)).numpy()).sum() / step_size
        # A forward difference: off by half the second derivative times the step, and rounding / step.
        np.testing.assert_allclose(arrived.reshape(values.shape)[place], rise, atol=2e-5)


def test_words_for_local_gradients():
    x = leaf([1.0, 2.0, 3.0], "x")
    table = str((x * x).sum().backward(explain=True))
    assert "1 for each element" in table
    assert "[1, 2, 3], each element" in table
    matrix = leaf(np.ones((2, 2)), "w")
    assert "2 x 4 matrix" in str((matrix @ leaf(np.arange(2.0), "v")).sum().backward(explain=True))


def test_large_local_gradients_are_left_out():
    step = (leaf(np.ones(100), "x") * 2.0).sum().backward(explain=True)[1]
    assert step.sent[0].local is None
    assert "to x: (100,), norm 20" in str(step)


def test_it_shows_itself():
    explanation = leaf(2.0, "<x>").exp().backward(explain=True)
    assert "&lt;x&gt;" in explanation._repr_html_()
    assert repr(explanation).startswith("<Explanation of 1 steps")
    assert len(explanation) == 1


def test_the_graph_can_be_kept():
    y = leaf(2.0, "x").exp()
    y.backward(explain=True, retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="already freed"):
        y.backward(explain=True)


def test_empty_tensors_infinite_slopes_and_rules_that_return_nothing():
    x = leaf(np.zeros((0, 3)), "x")
    (x * 2.0).sum().backward(explain=True)
    assert x.grad.shape == (0, 3)
    # 0 times an infinite slope is NaN beside the diagonal, and no warning.
    assert "2 x 2 matrix" in str(F.sqrt(leaf([0.0, 1.0], "x")).sum().backward(explain=True))

    class Blocked(mf.Operation):
        def forward(self, x):
            return x + 0.0

        def backward(self, gradient):
            return None

    x = leaf(np.ones(10**6), "x")
    assert Blocked()(x).sum().backward(explain=True)[1].sent == ()
    assert x.grad is None


def test_a_rule_whose_gradients_come_and_go():
    class Fickle(mf.Operation):
        def forward(self, a, b):
            return a + b

        def backward(self, gradient):
            return gradient, gradient if gradient.numpy().all() else None

    step = Fickle()(leaf([1.0, 2.0], "a"), leaf([3.0, 4.0], "b")).sum().backward(explain=True)[1]
    assert [(each.to, each.local) for each in step.sent] == [("a", None), ("b", None)]


def test_hooks_act_and_gradients_can_be_differentiated():
    x = leaf(3.0, "x")
    y = x * x
    y.register_hook(lambda gradient: 10.0 * gradient)
    explanation = (y * 1.0).backward(explain=True, create_graph=True)
    assert explanation[1].arrived == 10.0
    assert x.grad.item() == 60.0
    (curvature,) = mf.grad(x.grad, x)
    assert curvature.item() == 20.0


def test_parameters_have_their_names():
    net = nn.Sequential(nn.Linear(2, 1))
    steps = net(mf.ones(1, 2)).sum().backward(explain=True)
    assert {each.to for step in steps for each in step.sent} >= {"0.weight", "0.bias"}
