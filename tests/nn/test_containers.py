"""Sequential and ModuleList."""

import pytest

import minifcn as mf
from minifcn import nn


def test_sequential_applies_in_order():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = mf.randn(4, 2)
    assert net(x).tolist() == net[2](net[1](net[0](x))).tolist()
    assert nn.Sequential()(x) is x


def test_indexing_and_slicing():
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert isinstance(net[-1], nn.Sigmoid)
    assert len(net) == 4
    part = net[1:3]
    assert isinstance(part, nn.Sequential)
    assert [type(layer).__name__ for layer in part] == ["ReLU", "Tanh"]
    assert net[:1][0] is net[0], "a slice shares the modules"
    with pytest.raises(IndexError, match="Sequential: index 4 is out of range, there are 4 modules"):
        _ = net[4]


def test_named():
    net = nn.Sequential({"conv": nn.Conv2d(1, 2, 1), "act": nn.ReLU()})
    assert net["act"] is net.act is net[1]
    assert [name for name, _ in net.named_parameters()] == ["conv.weight", "conv.bias"]
    assert [name for name, _ in net[1:].named_children()] == ["act"]


@pytest.mark.parametrize("name", ["", "a.b", "forward", "append"])
def test_impossible_names(name):
    with pytest.raises(ValueError, match="cannot name a module"):
        nn.Sequential({name: nn.ReLU()})


def test_only_modules():
    with pytest.raises(TypeError, match="Sequential: '0' must be a Module, not function"):
        nn.Sequential(lambda x: x)


def test_module_list():
    levels = nn.ModuleList([nn.ReLU(), nn.Linear(1, 2)])
    levels.append(nn.Tanh())
    assert [type(level).__name__ for level in levels] == ["ReLU", "Linear", "Tanh"]
    assert isinstance(levels[1:], nn.ModuleList)
    assert [name for name, _ in levels.named_parameters()] == ["1.weight", "1.bias"]
    with pytest.raises(NotImplementedError):
        levels(mf.zeros(1))
