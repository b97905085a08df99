"""SegNet and SegNet-Basic: the paper's numbers, sizes, folding, learning, and their twins in PyTorch."""

from itertools import pairwise

import numpy as np
import pytest
from torch import nn as torch_nn
from torch.nn import functional as TF
from torch_twin import NormReLU, assert_twins

import minifcn as mf
from minifcn import functional as F
from minifcn import nn, optim
from minifcn.models import SegNet, SegNetBasic
from minifcn.nn import init

NETWORKS = [SegNet, SegNetBasic]


def layers(net, kind):
    return [layer for layer in net.modules() if isinstance(layer, kind)]


def count(modules):
    return sum(parameter.size for module in modules for parameter in module.parameters())


@pytest.fixture(scope="module")
def paper():
    with init.skipped():
        return SegNet(3, 11)


def test_parameters_of_the_paper(paper):
    assert count(layers(paper, nn.Conv2d)) == 29_433_483
    assert count(layers(paper, nn.BatchNorm2d)) == 15_872
    assert count([paper]) == 29_433_483 + 15_872


def test_layers_of_the_paper(paper):
    encoder, decoder = layers(paper.encoder, nn.Conv2d), [*layers(paper.decoder, nn.Conv2d), paper.head]
    assert len(encoder) == len(decoder) == 13
    # But for the image's channels and the classes, the decoder is the encoder turned around.
    shapes = [(layer.out_channels, layer.in_channels) for layer in encoder[::-1]]
    assert [(layer.in_channels, layer.out_channels) for layer in decoder][:-1] == shapes[:-1]
    assert all(layer.kernel_size == (3, 3) for layer in encoder + decoder)
    assert all(norm.activation == "relu" for norm in layers(paper, nn.BatchNorm2d))


def test_layers_of_the_basic_network():
    with init.skipped():
        net = SegNetBasic(3, 11)
    for part, activation in ((net.encoder, "relu"), (net.decoder, None)):
        convolutions = layers(part, nn.Conv2d)
        assert [(layer.out_channels, layer.kernel_size) for layer in convolutions] == [(64, (7, 7))] * 4
        assert [norm.activation for norm in layers(part, nn.BatchNorm2d)] == [activation] * 4
    assert net.head.weight.shape == (1, 1, 64, 11)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (45, 60), (33, 50), (31, 64)])
def test_every_size_is_kept(network, size):
    net = network(1, 2, 1).eval()
    assert net.output_size(*size) == size
    with mf.no_grad():
        assert net(mf.zeros(1, *size, 1)).shape == (1, *size, 2)


def test_camvid_pools_to_23_rows():
    sizes, net = [], SegNetBasic(3, 11, width=1).eval()
    net.pool.register_forward_hook(lambda module, inputs, output: sizes.append(output[0].shape[1:3]))
    with mf.no_grad():
        net(mf.zeros(1, 360, 480, 3))
    assert sizes == [(180, 240), (90, 120), (45, 60), (23, 30)]


class TorchSegNet(torch_nn.Module):
    """Stages of convolutions, with pooling that remembers and unpooling that puts back."""

    def __init__(self, encoder, decoder, kernel_size, relu_back, head, classes):
        super().__init__()

        def stage(widths, norm):
            pairs = pairwise(widths)
            convolutions = ((torch_nn.Conv2d(i, o, kernel_size, padding=kernel_size // 2), norm(o)) for i, o in pairs)
            return torch_nn.Sequential(*(layer for pair in convolutions for layer in pair))

        self.encoder = torch_nn.ModuleList(stage(widths, NormReLU) for widths in encoder)
        back = NormReLU if relu_back else torch_nn.BatchNorm2d
        self.decoder = torch_nn.ModuleList(stage(widths, back) for widths in decoder)
        self.head = torch_nn.Conv2d(decoder[-1][-1], classes, head, padding=head // 2)

    def forward(self, x):
        pooled = []
        for stage in self.encoder:
            x = stage(x)
            size = x.shape
            x, indices = TF.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
            pooled.append((indices, size))
        for stage in self.decoder:
            indices, size = pooled.pop()
            x = stage(TF.max_unpool2d(x, indices, 2, output_size=size))
        return self.head(x)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(2, 37, 50, 3), (1, 40, 64, 1)], ids=str)
def test_twin(training, shape):
    b = 2
    encoder = [(shape[3], b, b), (b, 2 * b, 2 * b), (2 * b, *[4 * b] * 3), (4 * b, *[8 * b] * 3), [8 * b] * 4]
    decoder = [[8 * b] * 4, (*[8 * b] * 3, 4 * b), (*[4 * b] * 3, 2 * b), (2 * b, 2 * b, b), (b, b)]
    twin = TorchSegNet(encoder, decoder, 3, True, 3, 4)
    assert_twins(SegNet(shape[3], 4, base=b).train(training), twin, shape)


@pytest.mark.parametrize("training", [True, False])
def test_twin_of_the_basic_network(training):
    twin = TorchSegNet([(2, 3), (3, 3), (3, 3), (3, 3)], [(3, 3)] * 4, 7, False, 1, 1)
    assert_twins(SegNetBasic(2, 1, width=3).train(training), twin, (2, 23, 34, 2))


@pytest.mark.parametrize("network", NETWORKS)
def test_batch_norm_can_be_folded(network):
    net, x = network(1, 2, 2), mf.randn(2, 35, 33, 1)
    with mf.no_grad():
        net(x)  # statistics that are not 0 and 1
        folded = net.fold_batch_norm()
        assert not layers(folded, nn.BatchNorm2d)
        np.testing.assert_allclose(folded(x).data, net.eval()(x).data, rtol=1e-3, atol=1e-4)


def test_one_image_is_learnt_by_heart():
    image = np.random.default_rng(0).normal(0.0, 0.1, (1, 18, 21, 1)).astype(np.float32)
    labels = np.zeros((1, 18, 21), np.int64)
    labels[:, 4:11, 5:12] = 1
    x, target = mf.tensor(image + labels[..., None].astype(np.float32)), mf.tensor(labels)
    net = SegNetBasic(1, 2, width=4)
    optimizer, losses = optim.Adam(net.parameters(), lr=1e-2), []
    for _ in range(40):
        loss = F.cross_entropy(net(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-5:]) < 0.2 * losses[0]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_batch_with_one_number_a_channel_has_no_variance(network):
    net = network(1, 2, 1)
    with pytest.raises(ValueError, match="batch_norm"):
        net(mf.zeros(1, 2, 2, 1))
    assert net(mf.zeros(2, 2, 2, 1)).shape == (2, 2, 2, 2)


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (SegNet, {"in_channels": 0}, "segnet: in_channels must be a positive integer, got 0"),
        (SegNet, {"classes": 1.5}, "segnet: classes must be a positive integer, got 1.5"),
        (SegNet, {"base": -1}, "segnet: base"),
        (SegNetBasic, {"width": 0}, "segnet-basic: width"),
    ],
)
def test_impossible_options(network, options, message):
    with pytest.raises(ValueError, match=message):
        network(**{"in_channels": 1, "classes": 2, **options})


@pytest.mark.parametrize("network", NETWORKS)
def test_no_pixels(network):
    with pytest.raises(ValueError, match=r"height 0 of input \(1, 0, 2, 1\) is not a legal size; nearest legal: 1 "):
        network(1, 2, 1)(mf.zeros(1, 0, 2, 1))
