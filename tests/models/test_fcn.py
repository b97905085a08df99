"""FCN-32s, FCN-16s and FCN-8s: the paper's numbers, sizes, start values, transfers, and their twins in PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn as torch_nn
from torch.nn import functional as TF
from torch_twin import assert_near, assert_twins, images_to_torch

import minifcn as mf
from minifcn import optim
from minifcn.models import FCN8s, FCN16s, FCN32s
from minifcn.nn import init

NETWORKS = [FCN32s, FCN16s, FCN8s]
STAGES = [(2, 1), (2, 2), (3, 4), (3, 8), (3, 8)]


def count(net):
    return sum(parameter.size for parameter in net.parameters())


# --- the paper's networks ---------------------------------------------------------------------------------------------


def test_parameters_of_the_paper():
    with init.skipped():
        coarse, fine = FCN32s(3, 21), FCN8s(3, 21)
    assert count(coarse) - coarse.upscore.weight.size == 134_346_581
    assert coarse.upscore.weight.shape == (64, 64, 21, 21)
    added = {name: p.shape for name, p in fine.named_parameters() if name not in dict(coarse.named_parameters())}
    assert added == {
        "upscore2.weight": (4, 4, 21, 21),
        "score_pool4.weight": (1, 1, 512, 21),
        "score_pool4.bias": (21,),
        "upscore_pool4.weight": (4, 4, 21, 21),
        "score_pool3.weight": (1, 1, 256, 21),
        "score_pool3.bias": (21,),
        "upscore8.weight": (16, 16, 21, 21),
    }


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 50), (26, 27), (31, 64)])
def test_every_size_is_kept(network, size):
    net = network(1, 2, base=1, hidden=1).eval()
    assert net.output_size(*size) == size
    with mf.no_grad():
        assert net(mf.zeros(1, *size, 1)).shape == (1, *size, 2)


def test_offsets_are_where_the_middles_of_windows_meet():
    """Follow row 0 of the image: a convolution maps it to x + p − (k − 1) / 2, pooling to (x − ½) / 2."""
    x, pools = 0 + 100 - 1.0, {}
    for stage in range(1, 6):
        x = (x - 0.5) / 2
        pools[f"pool{stage}"] = x
    scores = x - 3.0  # fc6
    for network in NETWORKS:
        x = scores
        for skip in network._skips:
            x = 2 * x + 1.5  # a transposed convolution of k = 4 maps to s x + (k − 1) / 2
            assert skip.offset == pools[skip.pool] - x
        name, factor, offset = network._last
        assert offset == factor * x + (2 * factor - 1) / 2, name


@pytest.mark.parametrize("network", NETWORKS)
def test_start_values(network):
    """Scores start at zero; constant ones stay constant, but for 25 pixels at the edge, where nothing lies beyond."""
    net = network(2, 3, base=1, hidden=2).eval()
    x = mf.rand(1, 60, 77, 2)
    assert not net(x).data.any()
    scores = [layer for name, layer in net.named_modules() if name.startswith("score")]
    with mf.no_grad():
        for layer in scores:
            layer.bias.copy_(np.array([1.0, -2.0, 0.5]))
        expected = np.broadcast_to(len(scores) * np.array([1.0, -2.0, 0.5]), (1, 10, 27, 3))
        np.testing.assert_allclose(net(x).data[:, 25:-25, 25:-25], expected, rtol=1e-5)


# --- twins ------------------------------------------------------------------------------------------------------------


class TorchFCN(torch_nn.Module):
    """The layers of the authors' net.py, one after the other."""

    def __init__(self, skips, inputs, classes, base, hidden):
        super().__init__()
        self.skips = skips
        for stage, (convolutions, multiple) in enumerate(STAGES, 1):
            for number in range(1, convolutions + 1):
                padding = 100 if (stage, number) == (1, 1) else 1
                layer = torch_nn.Conv2d(inputs, multiple * base, 3, padding=padding)
                self.add_module(f"conv{stage}_{number}", layer)
                inputs = multiple * base
        self.fc6, self.fc7 = torch_nn.Conv2d(inputs, hidden, 7), torch_nn.Conv2d(hidden, hidden, 1)
        self.score_fr = torch_nn.Conv2d(hidden, classes, 1)

        def enlarge(factor):
            return torch_nn.ConvTranspose2d(classes, classes, 2 * factor, factor, bias=False)

        if skips >= 1:
            self.upscore2, self.score_pool4 = enlarge(2), torch_nn.Conv2d(8 * base, classes, 1)
        if skips == 2:
            self.upscore_pool4, self.score_pool3 = enlarge(2), torch_nn.Conv2d(4 * base, classes, 1)
        self.add_module(("upscore", "upscore16", "upscore8")[skips], enlarge(32 // 2**skips))

    def forward(self, images):
        x, pools = images, {}
        for stage, (convolutions, _) in enumerate(STAGES, 1):
            for number in range(1, convolutions + 1):
                x = TF.relu(self.get_submodule(f"conv{stage}_{number}")(x))
            pools[stage] = x = TF.max_pool2d(x, 2, ceil_mode=True)
        x = self.score_fr(TF.relu(self.fc7(TF.relu(self.fc6(x)))))

        def cropped(finer, offset, like):
            return finer[:, :, offset : offset + like.shape[2], offset : offset + like.shape[3]]

        if self.skips == 0:
            return cropped(self.upscore(x), 19, images)
        x = self.upscore2(x)
        x = x + cropped(self.score_pool4(pools[4]), 5, x)
        if self.skips == 1:
            return cropped(self.upscore16(x), 27, images)
        x = self.upscore_pool4(x)
        x = x + cropped(self.score_pool3(pools[3]), 9, x)
        return cropped(self.upscore8(x), 31, images)


@pytest.mark.parametrize("skips", [0, 1, 2])
@pytest.mark.parametrize("shape", [(2, 35, 4, 1), (1, 9, 30, 3)], ids=str)
def test_twin(skips, shape):
    net = NETWORKS[skips](shape[3], 2, base=2, hidden=5, dropout=0.0)
    assert_twins(net, TorchFCN(skips, shape[3], 2, base=2, hidden=5), shape)


# --- weights of others ------------------------------------------------------------------------------------------------


def torch_vgg16(base, hidden):
    """torchvision's vgg16, in its names and order, of any width; without the layer of ImageNet's classes."""
    features, inputs = torch_nn.Sequential(), 3
    for convolutions, multiple in STAGES:
        for _ in range(convolutions):
            features.extend([torch_nn.Conv2d(inputs, multiple * base, 3, padding=1), torch_nn.ReLU()])
            inputs = multiple * base
        features.append(torch_nn.MaxPool2d(2))
    dense = torch_nn.Linear(49 * inputs, hidden), torch_nn.ReLU(), torch_nn.Dropout(), torch_nn.Linear(hidden, hidden)
    classifier = torch_nn.Sequential(*dense, torch_nn.ReLU())
    return torch_nn.ModuleDict({"features": features, "classifier": classifier}).eval()


def weights_of(twin):
    return {name: tensor.numpy() for name, tensor in twin.state_dict().items()}


def test_vgg16_gives_what_it_gave():
    """On 224 x 224 pixels, with VGG16's own border, fc7 is the classifier's second layer."""
    torch.manual_seed(0)
    twin = torch_vgg16(base=2, hidden=6)
    for parameter in twin.parameters():
        fan_in = parameter[0].numel()
        parameter.data = torch.randn_like(parameter) * (0.1 if parameter.ndim == 1 else (2 / fan_in) ** 0.5)
    net = FCN8s(3, 2, base=2, hidden=6).eval()
    net.load_pretrained({**weights_of(twin), "classifier.6.weight": np.zeros((1000, 6))})
    net, twin = net.astype(np.float64), twin.double()
    net.conv1_1.padding = (1, 1)
    images = np.random.default_rng(0).standard_normal((1, 224, 224, 3))
    with mf.no_grad(), torch.no_grad():
        y = mf.tensor(images)
        for layer in net._vgg16():
            y = layer(y)
        expected = twin["classifier"](twin["features"](images_to_torch(images)).flatten(1)).numpy()
    assert np.abs(expected).max() > 0.1
    assert_near(y.data, expected[:, None, None, :], "fc7")
    assert not net.score_fr.weight.data.any()


def test_vgg16_that_does_not_fit():
    net = FCN32s(3, 2, base=2, hidden=6)
    before, weights = net.state_dict(), weights_of(torch_vgg16(base=2, hidden=6))
    del weights["features.28.bias"]
    weights["classifier.0.weight"] = np.zeros((6, 100))
    with pytest.raises(ValueError, match="not the weights of torchvision's vgg16") as error:
        net.load_pretrained(weights)
    assert str(error.value).split("\n")[1:] == [
        "  missing: features.28.bias (16,), for conv5_3",
        "  wrong shape: classifier.0.weight is (6, 100), but fc6 takes (6, 784)",
    ]
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name], name)


@pytest.mark.parametrize(("coarse", "fine"), [(FCN32s, FCN16s), (FCN16s, FCN8s)])
def test_training_in_stages(coarse, fine):
    coarse, fine = coarse(1, 2, base=1, hidden=2), fine(1, 2, base=1, hidden=2)
    with mf.no_grad():
        coarse.score_fr.bias.copy_(np.ones(2))
    theirs, before = coarse.state_dict(), fine.state_dict()
    left = fine.adopt(coarse)
    assert left == [name for name in before if name not in theirs]
    assert {name.split(".")[0] for name in left} in (
        {"upscore2", "score_pool4", "upscore16"},
        {"upscore_pool4", "score_pool3", "upscore8"},
    )
    for name, array in fine.state_dict().items():
        np.testing.assert_array_equal(array, (before if name in left else theirs)[name], name)


def test_other_classes_keep_their_scores():
    fine = FCN32s(1, 3, base=1, hidden=2)
    assert fine.adopt(FCN32s(1, 2, base=1, hidden=2)) == ["score_fr.weight", "score_fr.bias", "upscore.weight"]


def test_nothing_in_common():
    with pytest.raises(ValueError, match="fcn8s: Conv2d has no parameter of the same name and shape; adopt from"):
        FCN8s(1, 2, base=1, hidden=1).adopt(mf.nn.Conv2d(1, 1, 1))


# --- options ----------------------------------------------------------------------------------------------------------


def test_fixed_interpolation_is_not_trained():
    net = FCN8s(1, 2, base=1, hidden=2, learned=False)
    fixed = {name for name, parameter in net.named_parameters() if not parameter.requires_grad}
    assert fixed == {"upscore2.weight", "upscore_pool4.weight", "upscore8.weight"}
    before = net.state_dict()
    optimizer = optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    (net(mf.rand(1, 2, 2, 1)) ** 2 + 1).sum().backward()
    optimizer.step()
    after = net.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in fixed)
    assert not np.array_equal(before["conv3_1.weight"], after["conv3_1.weight"])


def test_dropout_drops_in_training_only():
    net = FCN32s(1, 1, base=1, hidden=64)
    init.ones_(net.score_fr.weight)
    x = mf.ones(1, 3, 3, 1)
    with mf.no_grad():
        assert not np.array_equal(net(x).data, net(x).data)
        np.testing.assert_array_equal(net.eval()(x).data, net(x).data)


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (FCN32s, {"in_channels": 0}, "fcn32s: in_channels must be a positive integer, got 0"),
        (FCN16s, {"classes": 1.5}, "fcn16s: classes must be a positive integer, got 1.5"),
        (FCN8s, {"base": -1}, "fcn8s: base"),
        (FCN8s, {"hidden": 0}, "fcn8s: hidden"),
        (FCN8s, {"dropout": 1.5}, "p is a probability, got 1.5"),
    ],
)
def test_impossible_options(network, options, message):
    with pytest.raises(ValueError, match=message):
        network(**{"in_channels": 1, "classes": 2, "base": 1, "hidden": 1, **options})


def test_no_pixels():
    with pytest.raises(
        ValueError, match=r"fcn8s: width 0 of input \(1, 2, 0, 1\) is not a legal size; nearest legal: 1"
    ):
        FCN8s(1, 2, base=1, hidden=1)(mf.zeros(1, 2, 0, 1))
