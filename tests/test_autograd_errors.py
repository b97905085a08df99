"""Mistakes that the graph catches, and what it leaves behind when something fails."""

import re

import numpy as np
import pytest
from strategies import Double, vector

import minifcn as mf
from minifcn import Tensor
from minifcn.autograd import Operation


def test_only_scalars_start_a_walk_by_themselves():
    with pytest.raises(
        RuntimeError, match=re.escape("this tensor has shape (2,); reduce it first (.sum() or .mean())")
    ):
        (vector(1.0, 2.0) * 2.0).backward()


def test_backward_of_a_constant():
    with pytest.raises(RuntimeError, match="does not depend on anything that requires grad; create its inputs with"):
        mf.ones(1).backward()


def test_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"backward: gradient has shape \(3,\), the tensor \(2,\); they must agree"):
        (vector(1.0, 2.0) * 2.0).backward(np.ones(3))


@pytest.mark.parametrize("shape", [(3,), (1,), (2, 2, 1)])
def test_operation_that_returns_a_gradient_of_a_wrong_shape(shape):
    y = Double(lambda gradient: Tensor(np.ones(shape)))(vector(1.0, 2.0))
    with pytest.raises(ValueError, match=rf"backward of Double .* shape {re.escape(str(shape))} for .* shape \(2,\)"):
        y.sum().backward()


def test_operation_that_returns_too_many_gradients():
    y = Double(lambda gradient: (gradient, gradient))(vector(1.0))
    with pytest.raises(ValueError, match="backward of Double returned 2 gradients for 1 inputs"):
        y.backward()


def test_operation_without_rules_says_which():
    with pytest.raises(NotImplementedError, match=r"Operation\.forward"):
        Operation()(mf.ones(1))


def test_operation_applied_to_an_array():
    with pytest.raises(
        TypeError, match="Double: input 0 is of type ndarray, but operations are applied to Tensors; ma"
    ):
        Double()(np.ones(1))


CHANGED = (
    r"backward of Multiply needs an array of shape \(2,\) that was changed in place after it was saved; make a new"
)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.__setitem__(0, 9.0),
        lambda y: y.copy_(0.0),
        lambda y: setattr(y, "data", np.zeros(2)),
        lambda y: y.data.__setitem__(0, 9.0),
        lambda y: y.detach().__setitem__(0, 9.0),
        lambda y: y.reshape(1, 2).__setitem__((0, 1), 9.0),
        lambda y: y[1:].__setitem__(0, 9.0),
        lambda y: y[np.int64(1)].copy_(9.0),
    ],
    ids=["assignment", "copy_", ".data =", "numpy", "detached", "reshaped", "slice", "element"],
)
@pytest.mark.parametrize("kind", ["leaf", "interior"])
def test_change_of_a_saved_array_is_noticed(change, kind):
    y = vector(1.0, 2.0) if kind == "leaf" else vector(1.0, 2.0) * 3.0
    z = y * y
    with mf.no_grad():
        change(y)
    with pytest.raises(RuntimeError, match=CHANGED):
        z.sum().backward()


def test_change_of_an_output_that_was_saved_is_noticed():
    y = vector(1.0).exp()
    with mf.no_grad():
        y[...] = 0.0
    with pytest.raises(RuntimeError, match=r"backward of Exp needs an array .* changed in place"):
        y.backward()


def test_change_of_an_array_that_was_not_saved_does_no_harm():
    x = vector(-1.0, 2.0)
    y = abs(x)  # saves the sign only
    z = y + 1.0  # saves nothing
    with mf.no_grad():
        y[...] = 7.0
        z[...] = 7.0
    z.sum().backward()
    assert x.grad.tolist() == [-1.0, 1.0]


def test_recorded_assignment_is_refused():
    with pytest.raises(RuntimeError, match=r"requires grad \(shape \(2,\)\) cannot be recorded; build a new tensor"):
        vector(1.0, 2.0)[0] = 1.0


@pytest.mark.parametrize("assign", [lambda x, y: x.__setitem__(slice(2), y), lambda x, y: x.copy_(y)])
def test_assignment_that_would_lose_a_gradient_is_refused(assign):
    buffer, values = mf.zeros(2), vector(1.0, 2.0) * 2.0
    with pytest.raises(
        RuntimeError, match=r"of a tensor that requires grad \(shape \(2,\)\) cannot be recorded, so its"
    ):
        assign(buffer, values)
    assert buffer.tolist() == [0.0, 0.0]
    assign(buffer, values.detach())
    assert buffer.tolist() == [2.0, 4.0]
    with mf.no_grad():
        assign(buffer, values * 2.0)
    assert buffer.tolist() == [4.0, 8.0]


@pytest.mark.parametrize("shape", [(4096,), (64, 64), (2, 32, 64)])
def test_every_element_of_a_small_array_is_compared(shape):
    y = Tensor(np.ones(shape).T, requires_grad=True)
    for position in (1, 2049, 4095):
        z = y * y
        y.data.flat[position] += 1.0
        with pytest.raises(RuntimeError, match=r"backward of Multiply needs an array .* changed in place"):
            z.sum().backward()


def test_large_array_that_is_overwritten_is_noticed():
    y = Tensor(np.ones(4097), requires_grad=True)
    z = y * y
    y.data[...] = 2.0
    with pytest.raises(RuntimeError, match=r"backward of Multiply needs an array .* changed in place"):
        z.sum().backward()


def test_exception_inside_backward_leaves_nothing_behind():
    def fail(gradient):
        raise ZeroDivisionError

    x = vector(1.0)
    broken = Double(fail)(x * 2.0)
    with pytest.raises(ZeroDivisionError):
        broken.backward()
    assert mf.is_grad_enabled()
    assert x.grad is None
    (x * 3.0).backward()
    assert x.grad.item() == 3.0
