"""Optimisers against torch.optim's in float64, and what they refuse."""

import json

import numpy as np
import pytest
import torch

import minifcn as mf
from minifcn import optim

RNG = np.random.default_rng(0)
STARTS = [RNG.standard_normal(shape) for shape in [(3, 4), (5,), (2, 1, 2)]]
TARGETS = [RNG.standard_normal(start.shape) for start in STARTS]
STEPS = 7

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.2}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("SGD", {}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.3}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.5, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.05, "momentum": 0.9}),
]


def ours(dtype=np.float64):
    return [mf.tensor(start.astype(dtype), requires_grad=True) for start in STARTS]


def theirs():
    return [torch.tensor(start, requires_grad=True) for start in STARTS]


def descend(optimizer, params, wrap, steps=STEPS, after=None):
    """Minimise Σ (p − target)⁴; the middle parameter has no gradient every other time."""
    for step in range(steps):
        optimizer.zero_grad()
        loss = sum(
            ((p - wrap(target.astype(p.detach().numpy().dtype))) ** 4).sum()
            for i, (p, target) in enumerate(zip(params, TARGETS, strict=True))
            if i != 1 or step % 2 == 0
        )
        loss.backward()
        optimizer.step()
        if after is not None:
            after()
    return [p.detach().numpy().copy() for p in params]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_twin_of_torch(name, options):
    a, b = ours(), theirs()
    x = descend(getattr(optim, name)(a, **options), a, mf.tensor)
    y = descend(getattr(torch.optim, name)(b, **options), b, torch.tensor)
    for mine, other in zip(x, y, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "options"), [("SGD", {"lr": 0.1, "momentum": 0.5}), ("AdamW", {}), ("RMSprop", {})])
def test_groups_have_their_own_options(name, options):
    results = []
    for library, params, wrap in ((optim, ours(), mf.tensor), (torch.optim, theirs(), torch.tensor)):
        groups = [{"params": params[:1], "lr": 0.01, "weight_decay": 0.5}, {"params": params[1:2]}]
        optimizer = getattr(library, name)(groups, **options)
        optimizer.add_param_group({"params": params[2], "lr": 0.2})
        descend(optimizer, params, wrap, 3)
        optimizer.param_groups[1]["lr"] = 0.07
        results.append(descend(optimizer, params, wrap, 3))
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_resumed_run_equals_an_uninterrupted_one(name, options):
    whole, first, second = ours(), ours(), ours()
    make = getattr(optim, name)
    expected = descend(make(whole, **options), whole, mf.tensor, 8)
    stopped = make(first, **options)
    half = descend(stopped, first, mf.tensor, 4)
    for parameter, values in zip(second, half, strict=True):
        parameter.data = values
    resumed = make(second, lr=9.0)
    resumed.load_state_dict(through_json(stopped.state_dict()))
    for mine, other in zip(descend(resumed, second, mf.tensor, 4), expected, strict=True):
        np.testing.assert_array_equal(mine, other)


def through_json(state):
    """As a file would keep it: arrays apart, everything else as JSON."""
    arrays = {(i, k): v for i, s in state["state"].items() for k, v in s.items() if isinstance(v, np.ndarray)}
    rest = {i: {k: v for k, v in s.items() if not isinstance(v, np.ndarray)} for i, s in state["state"].items()}
    loaded = json.loads(json.dumps({"state": rest, "param_groups": state["param_groups"]}))
    for (i, k), array in arrays.items():
        loaded["state"][str(i)][k] = array
    return loaded


def test_format_of_the_state():
    params = ours()
    optimizer = optim.Adam([{"params": params[:2]}, {"params": params[2:], "lr": 0.5}])
    descend(optimizer, params, mf.tensor, 3)
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert [group["lr"] for group in state["param_groups"]] == [1e-3, 0.5]
    assert [entry["step"] for _, entry in sorted(state["state"].items())] == [3, 2, 3]
    assert state["state"][0]["exp_avg"].shape == params[0].shape
    state["state"][0]["exp_avg"][:] = np.nan
    assert np.isfinite(optimizer.state[params[0]]["exp_avg"]).all(), "the state is a copy"


def test_loading_what_does_not_fit_changes_nothing():
    optimizer = optim.SGD(ours(), lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match=r"groups of \[1\] parameters do not fit into groups of \[3\]"):
        optimizer.load_state_dict(optim.SGD(ours()[:1]).state_dict())
    other = optim.SGD([mf.zeros(9, requires_grad=True) for _ in range(3)], lr=7.0, momentum=0.9)
    for group in other.param_groups:
        for parameter in group["params"]:
            parameter.grad = mf.ones(9)
    other.step()
    with pytest.raises(ValueError, match=r"momentum_buffer of a parameter must have shape \(3, 4\), got \(9,\)"):
        optimizer.load_state_dict(other.state_dict())
    with pytest.raises(ValueError, match="a group lacks 'momentum'; is it another optimiser's"):
        optimizer.load_state_dict(optim.Adam(ours(), lr=5.0).state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_step_counts_as_a_change_in_place():
    p = mf.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1)
    loss = (p * p * p).sum()
    p.grad = mf.tensor([1.0])
    array = p.data
    optimizer.step()
    assert p.data is array
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_float32_parameters_stay_float32():
    for name in ("SGD", "Adam", "AdamW", "RMSprop"):
        params = ours(np.float32)
        assert {x.dtype for x in descend(getattr(optim, name)(params), params, mf.tensor, 2)} == {np.dtype(np.float32)}


def test_zero_grad():
    params = ours()
    optimizer = optim.SGD(params)
    sum(p.sum() for p in params).backward()
    optimizer.zero_grad()
    assert [p.grad for p in params] == [None] * 3


def test_on_the_reference_device():
    p = mf.tensor([1.0], requires_grad=True, device="reference")
    p.grad = mf.tensor([2.0], device="reference")
    optim.SGD([p], lr=0.25).step()
    assert p.item() == 0.5


def leaf(name=None):
    tensor = mf.zeros(2, requires_grad=True)
    tensor.name = name
    return tensor


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.SGD([]), ValueError, "SGD: there are no parameters to optimise"),
        (lambda: optim.SGD([{"params": []}]), ValueError, "SGD: there are no parameters to optimise"),
        (lambda: optim.Adam(leaf()), TypeError, r"Adam: params must be several Tensors, such as model\.parameters\(\)"),
        (lambda: optim.Adam(3), TypeError, "not int"),
        (lambda: optim.Adam([np.zeros(2)]), TypeError, "Adam: params must be Tensors, .* not ndarray"),
        (lambda: optim.Adam([("weight", leaf())]), TypeError, "not tuple"),
        (lambda: optim.Adam([{"lr": 1.0}]), TypeError, "a group of parameters is a dictionary with 'params'"),
        (lambda: optim.SGD([leaf() * 2.0]), ValueError, r"of shape \(2,\) is the result of an operation"),
        (lambda: optim.SGD([mf.arange(3)]), ValueError, "only floating-point leaves"),
        (
            lambda: optim.SGD([leaf("head.bias")] * 2),
            ValueError,
            r"parameter head\.bias .* is given twice",
        ),
        (
            lambda: optim.SGD([{"params": leaf(), "beta": 1}]),
            ValueError,
            "SGD: unknown option 'beta' .* options: lr",
        ),
        (lambda: optim.SGD([leaf()], lr=-1), ValueError, "SGD: lr must be at least 0 and finite, got -1"),
        (lambda: optim.SGD([leaf()], lr=float("nan")), ValueError, "SGD: lr"),
        (lambda: optim.SGD([leaf()], lr=float("inf")), ValueError, "SGD: lr"),
        (lambda: optim.SGD([leaf()], momentum=-0.1), ValueError, "SGD: momentum"),
        (lambda: optim.SGD([leaf()], weight_decay=-0.1), ValueError, "SGD: weight_decay"),
        (lambda: optim.SGD([leaf()], nesterov=True), ValueError, "SGD: nesterov=True .* needs momentum > 0"),
        (
            lambda: optim.SGD([{"params": leaf(), "lr": -2}]),
            ValueError,
            "SGD: lr .* got -2",
        ),
        (lambda: optim.Adam([leaf()], betas=(0.9, 1.0)), ValueError, r"Adam: betas must be in \[0, 1\) and finite"),
        (lambda: optim.Adam([leaf()], betas=(0.9,)), ValueError, "Adam: betas must be two numbers"),
        (lambda: optim.AdamW([leaf()], eps=-1.0), ValueError, "AdamW: eps"),
        (lambda: optim.RMSprop([leaf()], alpha=-0.1), ValueError, "RMSprop: alpha"),
    ],
)
def test_impossible_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_gradient_of_another_shape_is_refused():
    p = leaf("w")
    p.grad = mf.zeros(3)
    with pytest.raises(
        ValueError, match=r"parameter w is float32 of shape \(2,\), its gradient float32 of shape \(3,\)"
    ):
        optim.SGD([p]).step()


def test_repr_is_short():
    assert repr(optim.SGD([leaf()], lr=0.5)) == (
        "SGD({lr: 0.5, momentum: 0.0, weight_decay: 0.0, nesterov: False, params: 1 Tensors})"
    )
