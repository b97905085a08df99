"""The check itself: it finds wrong gradients, and says which."""

import numpy as np
import pytest
from strategies import Double, Numbers, leaf, vector

import minifcn as mf
from minifcn import Operation, Tensor
from minifcn import functional as F


def test_right_gradients_pass():
    assert mf.gradcheck(F.multiply, [vector(1.0, 2.0), vector(3.0, 4.0)])
    assert mf.gradgradcheck(F.multiply, [vector(1.0, 2.0), vector(3.0, 4.0)])


@pytest.mark.parametrize("factor", [0.0, 1.999, 2.001, -2.0, np.nan])
def test_wrong_gradient_is_found(factor):
    with pytest.raises(AssertionError, match=r"gradcheck: the gradient of input 0, shape \(3,\), is wrong: in"):
        mf.gradcheck(lambda x: Double(lambda gradient: gradient * factor)(x), vector(1.0, 2.0, 3.0))


def test_wrong_entry_among_many_is_found():
    def one_off(gradient):
        factor = np.full(1000, 2.0)
        factor[123] = 2.5
        return gradient * factor

    with pytest.raises(AssertionError, match="is wrong"):
        mf.gradcheck(lambda x: Double(one_off)(x), leaf(Numbers().normal(1000)))


def test_forgotten_dependence_is_found():
    with pytest.raises(AssertionError, match=r"gradient of input 1, shape \(\), is wrong: .* backward gives 0, "):
        mf.gradcheck(lambda a, b: a * b.detach(), [vector(2.0), leaf(np.array(3.0))])


class Cube(Operation):
    """x³ with a right first derivative, whose own derivative is lost: it leaves the graph."""

    def forward(self, x):
        self.save(x)
        return x**3

    def backward(self, gradient):
        (x,) = self.saved
        return gradient * (3.0 * x.data**2)


def test_wrong_second_derivative_is_found_only_by_the_second_check():
    x = vector(1.0, 2.0)
    assert mf.gradcheck(lambda x: Cube()(x), x)
    with pytest.raises(AssertionError, match="is wrong"):
        mf.gradgradcheck(lambda x: Cube()(x), x)


class Step(Operation):
    """1 where x is positive, with a zero gradient that has left the graph."""

    def forward(self, x):
        return (x > 0.0).astype(x.dtype)

    def backward(self, gradient):
        return Tensor(np.zeros(gradient.shape))


@pytest.mark.parametrize("function", [lambda x: Step()(x), lambda x: 3.0 * x, lambda x: x, F.sum])
def test_constant_gradients_pass_both_checks(function):
    assert mf.gradcheck(function, vector(-1.0, 2.0))
    assert mf.gradgradcheck(function, vector(-1.0, 2.0))


def test_second_check_of_a_function_of_something_else():
    parameter = vector(3.0)
    assert mf.gradgradcheck(lambda x: parameter * parameter, vector(1.0))


def test_second_check_finds_a_gradient_that_left_the_graph():
    with pytest.raises(AssertionError, match=r"gradient of input 1, .* is wrong: .* backward gives 0, "):
        mf.gradgradcheck(lambda x: Double(lambda gradient: Tensor(2.0 * gradient.data))(x), vector(1.0, 2.0))


def test_inputs_are_left_as_they_were():
    x = vector(1.0, 2.0)
    mf.gradcheck(F.exp, x)
    assert x.grad is None
    assert x.tolist() == [1.0, 2.0]


def test_float32_is_refused():
    with pytest.raises(TypeError, match="gradcheck: input 0 is float32; differences need float64"):
        mf.gradcheck(F.exp, mf.ones(2, requires_grad=True))


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
def test_nothing_to_check_is_refused(check):
    with pytest.raises(ValueError, match=f"{check.__name__}: no input requires grad; give one requires_grad=True"):
        check(F.exp, Tensor(np.ones(2)))
