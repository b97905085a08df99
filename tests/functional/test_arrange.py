"""Functions that move elements: shape, order, slices, borders, joints."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import Numbers, assert_adjoint, assert_as_torch, image, images, leaf, numbers, vector
from tolerances import assert_close

import minifcn as mf
from minifcn import Tensor
from minifcn import functional as F

# --- borders ----------------------------------------------------------------------------------------------------------


@given(images, st.tuples(*[st.integers(-3, 4)] * 4), numbers, st.sampled_from(["constant", "reflect", "replicate"]))
def test_pad_is_torchs(shape, sides, draw, mode):
    left, right, top, bottom = sides
    # PyTorch counts the border of a cropped image otherwise, and has no mirrored border for an empty batch.
    if mode != "constant":
        sides = left, right, top, bottom = tuple(abs(side) for side in sides)
        assume(shape[0] > 0)
    if mode == "reflect":
        assume(max(top, bottom) < shape[1] and max(left, right) < shape[2])
    assume(min(0, top) + min(0, bottom) + shape[1] > 0 and min(0, left) + min(0, right) + shape[2] > 0)
    value = {"value": 2.5} if mode == "constant" else {}
    assert_as_torch(
        partial(F.pad, padding=sides, mode=mode, **value),
        partial(torch.nn.functional.pad, pad=sides, mode=mode, **value),
        [draw.normal(*shape)],
        image,
        image,
        terms=25,
    )


def test_pad_of_one_number_and_of_two():
    x = np.ones((1, 2, 3, 1))
    np.testing.assert_array_equal(F.pad(x, 1).data, np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
    np.testing.assert_array_equal(F.pad(x, (2, 1)).data, np.pad(x, ((0, 0), (0, 0), (2, 1), (0, 0))))
    assert F.pad(x, np.int64(1)).shape == (1, 4, 5, 1)


@given(images, st.tuples(*[st.integers(0, 3)] * 4), numbers)
def test_crop_is_the_adjoint_of_pad(shape, sides, draw):
    draw.dtype = np.dtype(np.float64)
    left, right, top, bottom = sides
    height, width = shape[1] + top + bottom, shape[2] + left + right
    assert_adjoint(
        lambda x: F.pad(x, sides),
        lambda y: F.crop(y, shape[1:3], (top, left)),
        draw.normal(*shape),
        draw.normal(shape[0], height, width, shape[3]),
    )


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_border_that_repeats_has_its_transpose_as_backward(mode):
    draw = Numbers(1)
    x = leaf(draw.normal(2, 3, 4, 2))
    pad = partial(F.pad, padding=(1, 2, 2, 0), mode=mode)
    assert_adjoint(pad, pad(x).operation.backward, x.data, draw.normal(2, 5, 7, 2))


@pytest.mark.parametrize(("size", "expected"), [(2, (0, 1)), (3, (0, 0)), ((1, 4), (1, 0)), ((3, 1), (0, 1))])
def test_crop_is_centred_nearer_to_the_top_left(size, expected):
    x = Numbers(2).normal(2, 3, 4, 1)
    (height, width), (top, left) = size if isinstance(size, tuple) else (size, size), expected
    np.testing.assert_array_equal(F.crop(x, size).data, x[:, top : top + height, left : left + width])


# --- order, shape, slices ---------------------------------------------------------------------------------------------

KEYS = {
    "number": 1,
    "negative": (-1, ..., 2),
    "slices": (slice(None, None, 2), slice(3, 0, -1)),
    "new axis": (None, 0, slice(1, None)),
    "integers": np.array([2, 0, 2, 2]),
    "two arrays": (np.array([[0, 1], [2, 2]]), slice(None), np.array([4, 4])),
    "list": [0, 0, 1],
    "mask": np.arange(12).reshape(3, 4) % 5 == 0,
    "no rows": slice(0, 0),
    "tensor": Tensor(np.array([1, 1])),
}


def numpys(key):
    return key.data if isinstance(key, Tensor) else key


@pytest.mark.parametrize("name", KEYS)
def test_index_is_numpys_and_its_adjoint_adds_repeated_positions_up(name):
    draw, key = Numbers(3), KEYS[name]
    x = draw.normal(3, 4, 5)
    expected = x[numpys(key)]
    np.testing.assert_array_equal(F.index(x, key).data, expected)
    y = draw.normal(*expected.shape)
    added = np.zeros(x.shape)
    np.add.at(added, numpys(key), y)
    t = leaf(x)
    t[key].backward(y)
    assert_close(t.grad.data, added, terms=4)
    operation = F.index(leaf(x), key).operation
    assert_adjoint(lambda x: F.index(x, key), operation.backward, x, y)


def test_index_remembers_its_key_as_it_was():
    key = np.array([0, 1])
    x = vector(1.0, 2.0, 3.0)
    y = x[key]
    key[:] = 2
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("axes", [0, 1, (0, 2), (0, 1, 2)])
def test_flip_is_its_own_adjoint(axes):
    draw = Numbers(4)
    x = draw.normal(2, 3, 4)
    np.testing.assert_array_equal(F.flip(x, axes).data, np.flip(x, axes))
    assert_adjoint(partial(F.flip, axis=axes), partial(F.flip, axis=axes), x, draw.normal(2, 3, 4))


@pytest.mark.parametrize("axes", [None, (1, 2, 0), (0, 2, 1), (-1, 0, 1)])
def test_transpose_and_its_inverse_are_adjoint(axes):
    draw = Numbers(5)
    x = draw.normal(2, 3, 4)
    expected = np.transpose(x, axes)
    np.testing.assert_array_equal(F.transpose(x, axes).data, expected)
    inverse = None if axes is None else tuple(np.argsort(np.array(axes) % 3).tolist())
    assert_adjoint(partial(F.transpose, axes=axes), partial(F.transpose, axes=inverse), x, draw.normal(*expected.shape))


def test_transpose_methods():
    x = Tensor(np.arange(6.0).reshape(2, 3))
    assert x.T.tolist() == x.transpose().tolist() == x.transpose(1, 0).tolist() == x.transpose((1, 0)).tolist()
    assert x.T.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert F.swap_last_axes(Tensor(np.ones((2, 3, 4)))).shape == (2, 4, 3)


@pytest.mark.parametrize("shape", [(24,), 24, (4, 6), (-1, 3), (2, -1, 2), (2, 3, 4)])
def test_reshape_and_its_inverse_are_adjoint(shape):
    draw = Numbers(6)
    x = draw.normal(2, 3, 4)
    expected = x.reshape(shape)
    np.testing.assert_array_equal(F.reshape(x, shape).data, expected)
    assert_adjoint(lambda x: F.reshape(x, shape), lambda y: F.reshape(y, x.shape), x, draw.normal(*expected.shape))


def test_reshape_of_nothing():
    assert F.reshape(np.ones((0, 3)), (-1, 3)).shape == (0, 3)
    assert F.reshape(np.ones((0, 3)), (7, 0)).shape == (7, 0)
    assert Tensor(np.ones(1)).reshape(()).shape == ()


# --- joints -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_split_is_the_adjoint_of_concatenate(axis):
    draw = Numbers(7)
    lengths = (1, 0, 3)
    x = draw.normal(*(sum(lengths) if a == axis % 3 else 2 for a in range(3)))

    def rejoined(x):
        return F.concatenate([k * part for k, part in enumerate(F.split(x, lengths, axis), 1)], axis)

    factors = np.repeat([1.0, 2.0, 3.0], lengths).reshape([-1 if a == axis % 3 else 1 for a in range(3)])
    np.testing.assert_array_equal(rejoined(x).data, factors * x)
    assert_adjoint(rejoined, rejoined, x, draw.normal(*x.shape))  # a diagonal matrix: its own transpose


def test_split_takes_numpys_integers():
    assert [part.tolist() for part in F.split([1.0, 2.0, 3.0], np.int64(2))] == [[1.0, 2.0], [3.0]]


def test_split_into_equal_pieces_is_torchs():
    x = Numbers(8).normal(7, 2)
    pieces = F.split(x, 3)
    expected = torch.split(torch.from_numpy(x.copy()), 3)
    assert len(pieces) == len(expected)
    for piece, other in zip(pieces, expected, strict=True):
        np.testing.assert_array_equal(piece.data, other.numpy())


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stack_and_concatenate_are_torchs(axis, dtype):
    draw = Numbers(9, dtype=dtype)
    arrays = [draw.normal(2, 3) for _ in range(3)]
    assert_as_torch(lambda *xs: F.stack(xs, axis), lambda *xs: torch.stack(xs, axis), arrays)
    axis = axis % 2
    assert_as_torch(lambda *xs: F.concatenate(xs, axis), lambda *xs: torch.cat(xs, axis), arrays)


def test_concatenate_joins_channels_by_default():
    assert F.concatenate([np.ones((1, 2, 2, 3)), mf.zeros(1, 2, 2, 2)]).shape == (1, 2, 2, 5)


# --- type and place ---------------------------------------------------------------------------------------------------


def test_cast_copies_and_returns_gradients_in_the_old_dtype():
    x = vector(1.5, -2.5, dtype=np.float32)
    y = F.cast(x, "float64")
    assert (y.dtype, y.tolist()) == (np.float64, [1.5, -2.5])
    (y * 3.0).sum().backward()
    assert x.grad.dtype == np.float32
    assert not np.shares_memory(F.cast(x, "float32").data, x.data)
    assert x.astype("float32", copy=False) is x
    assert F.cast(np.array([1e300]), np.float32).item() == np.inf


def test_move_there_and_gradient_back():
    x = vector(1.0, 2.0)
    y = x.to("reference")
    assert y.device == "reference"
    assert x.to("cpu") is x
    (y * y).sum().backward()
    assert (x.grad.device, x.grad.tolist()) == ("cpu", [2.0, 4.0])


@pytest.mark.parametrize("check", [mf.gradcheck, mf.gradgradcheck])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.pad(x, (1, 0, -1, 2), value=3.0),
        lambda x: F.pad(x, 1, mode="reflect"),
        lambda x: F.pad(x, (2, 0, 0, 1), mode="replicate"),
        lambda x: F.crop(x, 2),
        lambda x: F.flip(x, (1, 2)),
        lambda x: x[np.array([0, 0]), :, 1],
        lambda x: x.transpose(3, 1, 0, 2).reshape(-1, 2),
        lambda x: F.concatenate([x, x[:, :1]], 1),
        lambda x: F.stack(F.split(x, 1, 1)),
        lambda x: x.sum_to((3, 1)).broadcast_to(2, 3, 3),
        lambda x: x.to("reference").to("cpu"),
        lambda x: x.clone(),
    ],
)
def test_derivatives_agree_with_finite_differences(check, function):
    check(lambda x: function(x * x), leaf(Numbers(10).normal(1, 3, 3, 2)), directions=1)


@pytest.mark.parametrize("function", [lambda x: F.pad(x, 1), lambda x: x[:, ::-1], lambda x: F.concatenate([x, x], 1)])
def test_reference_device_agrees(function):
    x = Numbers(11).normal(1, 2, 3, 2)
    with mf.device("reference"):
        there = mf.tensor(x, requires_grad=True)
    here = leaf(x)
    for t in (here, there):
        y = function(t)
        y.backward(Tensor(np.arange(float(y.size)).reshape(y.shape), device=y.device))
    assert there.grad.device == "reference"
    np.testing.assert_array_equal(here.grad.data, there.grad.data)


X, I = np.ones((2, 3)), np.ones((1, 3, 4, 2))
ERRORS = [
    (
        lambda: F.reshape(X, (4, -1)),
        "reshape: 6 elements of shape (2, 3) do not fit shape (4, -1); one length may be -1",
    ),
    (lambda: F.reshape(X, 5), "reshape: 6 elements of shape (2, 3) do not fit shape (5,)"),
    (lambda: F.reshape(X, (-1, -1)), "reshape: 6 elements of shape (2, 3) do not fit shape (-1, -1)"),
    (
        lambda: F.transpose(X, (0, 0)),
        "transpose: axes (0, 0) are not an order of the 2 axes of shape (2, 3); name each",
    ),
    (
        lambda: F.transpose(X, (0, 2)),
        "transpose: axis 2 does not exist in a tensor with 2 axes; give an int from -2 to 1",
    ),
    (
        lambda: F.broadcast_to(X, (3, 3)),
        "broadcast_to: shape (2, 3) does not fill shape (3, 3); lengths must agree or be 1",
    ),
    (lambda: F.broadcast_to(X, (3,)), "broadcast_to: shape (2, 3) does not fill shape (3,)"),
    (lambda: F.index(X, 2), "index: index 2 is out of bounds for axis 0 with size 2; the tensor has shape (2, 3)"),
    (lambda: F.index(X, (0, 0, 0)), "index: too many indices for array"),
    (lambda: F.flip(X, 2), "flip: axis 2 does not exist in a tensor with 2 axes"),
    (lambda: F.crop(X, 1), "crop: expected images of shape (N, H, W, C), got shape (2, 3)"),
    (lambda: F.crop(I, 0), "crop: size must be an int or a pair of ints >= 1, got 0"),
    (
        lambda: F.crop(I, 4),
        "crop: a 4 x 4 window at row -1, column 0 is not inside the image of 3 x 4; make it smaller or pad",
    ),
    (lambda: F.crop(I, 2, (2, 0)), "crop: a 2 x 2 window at row 2, column 0 is not inside the image of 3 x 4"),
    (lambda: F.crop(I, 2, (-1, 0)), "crop: offset must be an int or a pair of ints >= 0, got (-1, 0)"),
    (
        lambda: F.pad(I, (1, 2, 3)),
        "pad: padding must be an int, (left, right) or (left, right, top, bottom), got (1, 2, 3)",
    ),
    (lambda: F.pad(I, 0.5), "pad: padding must be an int, (left, right) or (left, right, top, bottom), got 0.5"),
    (lambda: F.pad(I, 1, mode="wrap"), "pad: mode must be 'constant', 'reflect' or 'replicate', not 'wrap'"),
    (lambda: F.pad(I, (0, 0, -1, -2)), "pad: padding (-1, -2) crops away the whole height of 3; leave at least 1"),
    (lambda: F.pad(I, (0, -5, 0, 0)), "pad: padding (0, -5) crops away the whole width of 4; leave at least 1"),
    (
        lambda: F.pad(I, 3, mode="reflect"),
        "pad: a reflected border must be narrower than the image: 3 around 3 x 4 pixels;",
    ),
    (
        lambda: F.pad(I[:, :0], 1, mode="replicate"),
        "pad: images of shape (1, 0, 4, 2) have no pixel to repeat; use mode='c",
    ),
    (lambda: F.concatenate([]), "concatenate: needs at least one tensor, got none"),
    (
        lambda: F.concatenate([X, X.T]),
        "concatenate: shapes (2, 3), (3, 2) differ in more than axis 1; crop or pad them first",
    ),
    (lambda: F.concatenate([X, X[0]]), "concatenate: shapes (2, 3), (3,) differ in more than axis 1"),
    (lambda: F.concatenate([X], 2), "concatenate: axis 2 does not exist in a tensor with 2 axes"),
    (
        lambda: F.stack([X, X[0]]),
        "stack: needs at least one tensor, all of one shape, got [(2, 3), (3,)]; concatenate joins",
    ),
    (lambda: F.stack([]), "stack: needs at least one tensor, all of one shape, got []"),
    (lambda: F.split(X, 0), "split: split_size must be at least 1, got 0"),
    (lambda: F.split(X, [1, 2]), "split: lengths [1, 2] do not add up to 2, the length of axis 0 of (2, 3)"),
    (lambda: F.split(X, [3, -1]), "split: lengths [3, -1] do not add up to 2"),
    (lambda: F.move(Tensor(X), "abacus"), "unknown device 'abacus'; devices: reference, cpu"),
    (lambda: mf.device("abacus").__enter__(), "unknown device 'abacus'; devices: reference, cpu"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_input_is_refused(call, message):
    with pytest.raises((ValueError, IndexError), match=re.escape(message)):
        call()
