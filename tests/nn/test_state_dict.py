"""Saving into arrays, loading from them, and the one error that names all that does not fit."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn


def net(channels=2):
    return nn.Sequential({"conv": nn.Conv2d(1, channels, 3), "norm": nn.BatchNorm2d(channels)})


def test_names_shapes_and_order():
    assert {name: array.shape for name, array in net().state_dict().items()} == {
        "conv.weight": (3, 3, 1, 2),
        "conv.bias": (2,),
        "norm.weight": (2,),
        "norm.bias": (2,),
        "norm.running_mean": (2,),
        "norm.running_var": (2,),
    }


def test_it_is_a_copy():
    model = net()
    state = model.state_dict()
    model.conv.bias.data[:] = 7.0
    assert np.all(state["conv.bias"] == 0.0)


def test_buffers_that_are_not_persistent_are_left_out():
    module = nn.Module()
    module.register_buffer("cache", mf.zeros(1), persistent=False)
    module.register_buffer("kept", mf.zeros(1))
    module.register_buffer("nothing", None)
    assert list(module.state_dict()) == ["kept"]
    assert [name for name, _ in module.named_buffers()] == ["cache", "kept"]


@pytest.mark.parametrize("convert", [lambda a: a, mf.tensor, np.asfortranarray, lambda a: a.astype(np.float64)])
def test_round_trip_in_place(convert):
    source, target = net().train(), net()
    source(mf.randn(2, 5, 5, 1))
    before = list(target.parameters())
    arrays = [parameter.data for parameter in before]
    versions = [parameter.version for parameter in before]
    left = target.load_state_dict({name: convert(array) for name, array in source.state_dict().items()})
    assert left == ([], [])
    for name, array in source.state_dict().items():
        np.testing.assert_array_equal(target.state_dict()[name], array)
    for parameter, was, array, version in zip(target.parameters(), before, arrays, versions, strict=True):
        assert parameter is was
        assert parameter.data is array
        assert parameter.dtype == np.float32
        assert parameter.version > version


def test_one_error_names_everything_and_nothing_changes():
    model, state = net(), net(3).state_dict()
    del state["norm.running_mean"], state["conv.bias"]
    state["conv.wieght"] = np.zeros((1, 2))
    for name in ("norm.weight", "norm.bias"):
        state[name] = model.state_dict()[name] + 5.0
    before = model.state_dict()
    with pytest.raises(ValueError, match="does not fit into Sequential") as error:
        model.load_state_dict(state)
    assert str(error.value) == (
        "load_state_dict: the state does not fit into Sequential\n"
        "  missing: conv.bias (2,)\n"
        "  missing: norm.running_mean (2,)\n"
        "  unexpected: conv.wieght (1, 2)\n"
        "  wrong shape: conv.weight is (3, 3, 1, 2), got (3, 3, 1, 3)\n"
        "  wrong shape: norm.running_var is (2,), got (3,)"
    )
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_not_strict_returns_what_was_passed_over():
    model, state = net(), net().state_dict()
    del state["conv.bias"]
    state["extra"] = np.zeros(1)
    state["norm.bias"] += 3.0
    left = model.load_state_dict(state, strict=False)
    assert (left.missing_keys, left.unexpected_keys) == (["conv.bias"], ["extra"])
    assert np.all(model.norm.bias.data == 3.0)


def test_not_strict_still_refuses_wrong_shapes():
    with pytest.raises(ValueError, match=r"wrong shape: conv\.weight") as error:
        net().load_state_dict({"conv.weight": np.zeros(3)}, strict=False)
    assert "missing" not in str(error.value)


def test_loading_keeps_frozen_parameters_frozen():
    model = net().requires_grad_(False)
    model.load_state_dict(net().state_dict())
    assert not any(parameter.requires_grad for parameter in model.parameters())
