"""The plain CNN: the lecture's numbers, both activations, and that it learns."""

import numpy as np
import pytest
from torch import nn as torch_nn
from torch_twin import assert_twins

import minifcn as mf
from minifcn import functional as F
from minifcn import nn, optim
from minifcn.models import PangCNN
from minifcn.nn import init


def convolutions(net):
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


def test_parameters_of_the_lecture():
    counts = [sum(p.size for p in layer.parameters()) for layer in convolutions(PangCNN(1, 1))]
    assert counts == [80, 584, 584, 73]
    assert sum(counts) == 1321


def test_receptive_field():
    net = PangCNN(1, 1)
    for layer in convolutions(net):
        init.ones_(layer.weight)  # no ReLU stops anything
    x = mf.tensor(np.ones((1, 15, 17, 1), np.float32), requires_grad=True)
    net(x)[0, 7, 8, 0].backward()
    rows, columns = np.nonzero(x.grad.data[0, :, :, 0] > 0.5)  # 1 at the corners; Winograd's roundings lie farther out
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 11, 4, 12)


class TorchPang(torch_nn.Module):
    def __init__(self, inputs, classes, maps, hidden, activation, kernel_size):
        super().__init__()
        self.layers = torch_nn.Sequential()
        for channels in [inputs] + [maps] * (hidden - 1):
            self.layers.append(torch_nn.Conv2d(channels, maps, kernel_size, padding="same"))
            self.layers.append(torch_nn.ReLU() if activation == "relu" else torch_nn.Sigmoid())
        self.head = torch_nn.Conv2d(maps, classes, kernel_size, padding="same")

    def forward(self, x):
        return self.head(self.layers(x))


@pytest.mark.parametrize(
    "options",
    [(1, 1, 8, 3, "relu", 3), (3, 2, 2, 1, "relu", 5), (2, 3, 4, 2, "sigmoid", 3), (1, 1, 1, 1, "sigmoid", 1)],
)
def test_twin(options):
    assert_twins(PangCNN(*options), TorchPang(*options), (2, 5, 7, options[0]))


def test_every_size_is_kept():
    net = PangCNN(2, 3, maps=1)
    for size in [(1, 1), (1, 6), (3, 2)]:
        assert net.output_size(*size) == size
        assert net(mf.zeros(1, *size, 2)).shape == (1, *size, 3)
    with pytest.raises(ValueError, match=r"height 0 of input \(1, 0, 4, 2\) is not a legal size; nearest legal: 1 "):
        net(mf.zeros(1, 0, 4, 2))


def test_the_last_layer_has_no_activation():
    for activation in ("relu", "sigmoid"):
        net = PangCNN(1, 1, activation=activation)
        init.zeros_(net.head.weight)
        init.constant_(net.head.bias, -3.0)
        assert np.all(net(mf.zeros(1, 2, 2, 1)).data == -3.0)


def test_sigmoids_start_in_their_middle():
    """A layer that reads sigmoids at ½ all over gives 0: the middle of the next one."""
    net = PangCNN(1, 2, activation="sigmoid")
    for layer in convolutions(net)[1:]:
        y = layer(mf.tensor(np.full((1, 3, 3, 8), 0.5, np.float32))).data[0, 1, 1]
        np.testing.assert_allclose(y, 0.0, atol=1e-5)
    assert not net.layers[0].bias.data.any()


def test_no_start_values_where_they_are_skipped():
    with init.skipped():
        assert PangCNN(1, 1, activation="sigmoid").head.weight.shape == (3, 3, 8, 1)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_a_square_is_learnt_by_heart(activation):
    rng = np.random.default_rng(0)
    labels = np.zeros((1, 16, 16, 1), np.float32)
    labels[:, 4:11, 5:12] = 1
    x, target = mf.tensor(labels + rng.normal(0, 0.5, labels.shape).astype(np.float32)), mf.tensor(labels)
    net = PangCNN(1, 1, activation=activation)
    optimizer, losses = optim.SGD(net.parameters(), lr=0.2, momentum=0.9), []
    for _ in range(80):
        loss = F.binary_cross_entropy_with_logits(net(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-5:]) < 0.2 * losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 0}, "pang: in_channels must be a positive integer, got 0"),
        ({"classes": 1.5}, "pang: classes must be a positive integer, got 1.5"),
        ({"maps": -1}, "pang: maps"),
        ({"hidden": 0}, "pang: hidden"),
        ({"kernel_size": 0}, "pang: kernel_size"),
        ({"activation": "tanh"}, "pang: activation must be 'relu' or 'sigmoid', not 'tanh'"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        PangCNN(**{"in_channels": 1, "classes": 1, **options})
