"""Ciresan's networks: the published numbers, their twins in PyTorch, and that they learn."""

import numpy as np
import pytest
import torch
from torch import nn as tnn

import minifcn as mf
from minifcn import functional as F
from minifcn import nn, optim
from minifcn.models import CiresanN3, CiresanN4, create


def test_parameters_and_sizes_of_n4():
    net = CiresanN4(1, 2)
    assert sum(parameter.size for parameter in net.parameters()) == 219_290
    assert net.window == 95
    sizes = []
    for layer in net.layers:
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
            layer.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[1]))
    net(mf.zeros(1, 95, 95, 1))
    assert sizes == [92, 46, 42, 21, 18, 9, 6, 3]
    assert [net.layers[i].in_features for i in (13, 15)] == [3 * 3 * 48, 200]


def test_parameters_of_n3():
    net = CiresanN3(1, 2)
    expected = (25 * 48 + 48) + 2 * (25 * 48 * 48 + 48) + (4 * 4 * 48 * 200 + 200) + (200 * 2 + 2)
    assert sum(parameter.size for parameter in net.parameters()) == expected
    assert net.window == 65


def test_initialisation():
    weights = CiresanN4(1, 2).layers[3].weight.data
    assert np.abs(weights).max() <= 0.05
    assert weights.std() == pytest.approx(0.05 / np.sqrt(3), rel=0.02)
    weights = CiresanN4(1, 2, activation="relu").layers[3].weight.data
    assert weights.std() == pytest.approx(np.sqrt(2 / (25 * 48)), rel=0.02)


@pytest.mark.parametrize(("name", "network", "window"), [("ciresan-n3", CiresanN3, 65), ("ciresan-n4", CiresanN4, 95)])
def test_by_name(name, network, window):
    net = create(name, in_channels=3, classes=5, **network.narrow)
    assert type(net) is network
    assert net(mf.zeros(2, window, window, 3)).shape == (2, 1, 1, 5)
    with pytest.raises(ValueError, match=rf"^{name}: input \(2, 64, 64, 3\) is no window"):
        net(mf.zeros(2, 64, 64, 3))
    assert list(net.state_dict()) == list(net.for_images().state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"maps": 0}, "ciresan-n3: maps must be a positive integer, got 0"),
        ({"hidden": 1.5}, "ciresan-n3: hidden must be a positive integer, got 1.5"),
        ({"in_channels": 0}, "ciresan-n3: in_channels"),
        ({"classes": "2"}, "ciresan-n3: classes must be a positive integer, got '2'"),
        ({"activation": "elu"}, "ciresan-n3: activation must be 'tanh' or 'relu', not 'elu'"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        CiresanN3(**{"in_channels": 1, "classes": 2, **options})


# --- PyTorch ----------------------------------------------------------------------------------------------------------


class Activation(tnn.Module):
    def __init__(self, name):
        super().__init__()
        self.name = name

    def forward(self, x):
        return torch.relu(x) if self.name == "relu" else 1.7159 * torch.tanh(0.6666 * x)


def twin(kernels, last, in_channels, classes, maps, hidden, name):
    """Activations before poolings, as published; channels last where pixels become features."""
    layers, channels = [], in_channels
    for kernel in kernels:
        layers += [tnn.Conv2d(channels, maps, kernel), Activation(name), tnn.MaxPool2d(2)]
        channels = maps
    dense = [tnn.Linear(last * last * maps, hidden), Activation(name), tnn.Linear(hidden, classes)]
    return tnn.Sequential(*layers).double(), tnn.Sequential(*dense).double()


def to_torch(array):
    return torch.tensor(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("network", "kernels", "last"), [(CiresanN3, (5, 5, 5), 4), (CiresanN4, (4, 5, 4, 4), 3)])
def test_forward_and_all_gradients(network, kernels, last, activation):
    net = network(2, 3, maps=4, hidden=5, activation=activation).astype(np.float64)
    rng = np.random.default_rng(0)
    for parameter in net.parameters():
        parameter.data[...] = rng.standard_normal(parameter.shape) / np.sqrt(parameter.size / parameter.shape[-1])
    convolutions, dense = twin(kernels, last, 2, 3, 4, 5, activation)
    others = [*convolutions.parameters(), *dense.parameters()]
    for other, parameter in zip(others, net.parameters(), strict=True):
        other.data = to_torch(parameter.data)

    windows, weights = rng.standard_normal((2, net.window, net.window, 2)), rng.standard_normal((2, 1, 1, 3))
    x, z = mf.tensor(windows, requires_grad=True), torch.tensor(windows, requires_grad=True)
    y = net(x)
    expected = dense(convolutions(z.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).reshape(2, -1))
    (y * weights).sum().backward()
    (expected * torch.tensor(weights[:, 0, 0])).sum().backward()
    assert_near(y.data[:, 0, 0], expected.detach().numpy(), "output")
    assert_near(x.grad.data, z.grad.numpy(), "gradient of the windows")
    for other, (name, parameter) in zip(others, net.named_parameters(), strict=True):
        assert_near(to_torch(parameter.grad.data).numpy(), other.grad.numpy(), f"gradient of {name}")


def assert_near(actual, expected, context):
    """To 1e-10 of the largest number of the array."""
    assert actual.shape == expected.shape, context
    assert expected.any(), context
    assert np.abs(actual - expected).max() <= 1e-10 * max(1.0, np.abs(expected).max()), context


# --- learning ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_windows_are_learnt_by_heart(activation):
    """Is the pixel in the middle on a bright disc?"""
    net = CiresanN3(1, 2, maps=4, hidden=8, activation=activation)
    rng = np.random.default_rng(0)
    windows = rng.normal(0.0, 0.3, (8, 65, 65, 1)).astype(np.float32)
    labels = np.arange(8).reshape(8, 1, 1) % 2
    windows[1::2, 22:43, 22:43] += 1.0
    optimizer, losses = optim.Adam(net.parameters(), lr=1e-2), []
    for _ in range(25):
        loss = F.cross_entropy(net(windows), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.2 * losses[0]
