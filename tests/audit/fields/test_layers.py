import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import nn
from minifcn.audit.fields.layers import attributed
from minifcn.models import REGISTRY, UNet, create


def paths(module, *shape):
    """(name of the operation, path) of each."""
    image = mf.tensor(mf.zeros(1, *shape).data, requires_grad=True)
    _, layers = attributed(module, image)
    return [(type(operation).__name__, path) for operation, path in layers.items()]


class Outer(nn.Module):
    """Operations of its own before, between and after two layers, of which one is applied twice."""

    def __init__(self):
        self.first, self.twice = nn.Conv2d(1, 2, 1), nn.Sequential(nn.ReLU())

    def forward(self, x):
        y = self.twice(self.first(-x) * 2.0)
        return F.concatenate([self.twice(y), x]) + 1.0


def test_operations_go_to_the_innermost_module():
    assert paths(Outer(), 4, 4, 1) == [
        ("Negative", ""),
        ("Conv2d", "first"),
        ("Multiply", ""),
        ("ReLU", "twice.0"),
        ("ReLU", "twice.0"),
        ("Concatenate", ""),
        ("Add", ""),
    ]


def test_what_the_inputs_were_computed_by_is_left_out():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
    _, layers = attributed(net, net[0](mf.ones(1, 2, 2, 1)))
    assert list(layers.values()) == ["0", "1"]


def test_the_join_of_a_unet_is_its_own():
    found = paths(UNet(1, 2, base=1, depth=1), 4, 4, 1)
    assert [path for name, path in found if name == "Concatenate"] == [""]
    assert found[-1] == ("Conv2d", "head")


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_operation_of_every_network_is_attributed(name):
    from minifcn.audit.subject import Subject
    from minifcn.graph.applications import applications

    net = create(name, in_channels=1, classes=2, **REGISTRY[name].narrow).eval()
    side = Subject(net).legal_size(32)
    output, layers = attributed(net, mf.zeros(1, side, side, 1))
    assert {each.operation for each in applications(output)} <= set(layers)
    assert set(layers.values()) <= {path for path, _ in net.named_modules()}


def test_hooks_are_gone_afterwards_even_after_an_error():
    net = nn.Sequential(nn.Conv2d(1, 1, 3))
    with pytest.raises(ValueError, match="conv2d"):
        attributed(net, mf.zeros(1, 2, 2, 1))
    assert not any(layer._hooks or layer._pre_hooks for layer in net.modules())


def test_it_records_under_no_grad_and_through_tuples():
    class Two(nn.Module):
        def __init__(self):
            self.pool = nn.MaxPool2d(2, return_indices=True)

        def forward(self, x):
            pooled, _ = self.pool(x)
            return {"a": [pooled * 2.0]}

    with mf.no_grad():
        assert paths(Two(), 4, 4, 1) == [("MaxPool2d", "pool"), ("Multiply", "")]
