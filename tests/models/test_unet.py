"""U-Net: the paper's numbers, sizes, errors, and that it learns."""

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minifcn as mf
from minifcn import functional as F
from minifcn import nn, optim
from minifcn.models import UNet

UPS, DOWNS = ("transposed", "nearest", "bilinear", "transposed3"), ("max", "stride")


def count(net):
    return sum(parameter.size for parameter in net.parameters())


# --- the paper's network ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paper():
    return UNet.original()


def test_parameters_of_the_paper(paper):
    assert count(paper) == 31_030_658
    assert count(paper) - sum(count(up) for up in paper.ups) == 28_244_418


def test_sizes_of_the_paper(paper):
    assert paper.output_size(572, 572) == (388, 388)
    legal = [n for n in range(1, 700) if paper.size_error(n, 572) is None]
    assert legal == [16 * k + 60 for k in range(8, 40)]
    assert [paper.output_size(n, 572)[0] for n in legal] == [n - 184 for n in legal]


def test_layers_of_the_paper(paper):
    layers = list(paper.modules())
    assert sum(isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) for layer in layers) == 23
    dropouts = [name for name, layer in paper.named_modules() if isinstance(layer, nn.Dropout)]
    assert dropouts == ["encoder.3.4", "bottom.4"]


def test_initialisation_of_the_paper(paper):
    for layer in paper.modules():
        if isinstance(layer, nn.Conv2d):
            fan_in = layer.weight.size / layer.out_channels
            if layer.weight.size > 10_000:
                assert layer.weight.data.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.05)
            assert not layer.bias.data.any()


@pytest.mark.parametrize("up", UPS[:3])
def test_the_way_up_does_not_change_the_count(up):
    assert count(UNet(1, 2, base=4, up=up)) == count(UNet(1, 2, base=4))


def test_what_strides_and_norms_add():
    widths = [4, 8, 16, 32]
    plain = count(UNet(1, 2, base=4))
    assert count(UNet(1, 2, base=4, down="stride")) == plain + sum(9 * c * c + c for c in widths)
    convolutions = 2 * sum(2 * c for c in widths) + 2 * 64  # channels out of all 3 x 3 convolutions
    assert count(UNet(1, 2, base=4, norm="batch")) == plain + convolutions  # minus a bias, plus weight and bias
    both = count(UNet(1, 2, base=4, norm="batch", down="stride"))
    assert both == plain + convolutions + sum(9 * c * c + 2 * c for c in widths)


def test_what_transposed_convolutions_of_three_taps_add():
    ups = sum(2 * c * c for c in (4, 8, 16, 32))
    assert count(UNet(1, 2, base=4, up="transposed3")) == count(UNet(1, 2, base=4)) + (9 - 4) * ups


def test_what_residual_blocks_add():
    """A 1 x 1 convolution for each level, because each changes the channels; of the decoder's, half are the skip's."""
    projections = [(1, 4), (4, 8), (8, 16), (16, 8), (8, 4)]
    plain, norm = UNet(1, 2, base=4, depth=2), UNet(1, 2, base=4, depth=2, norm="batch")
    added = sum(i * o + o for i, o in projections)
    assert count(UNet(1, 2, base=4, depth=2, block="residual")) == count(plain) + added
    added = sum(i * o + 2 * o for i, o in projections)
    assert count(UNet(1, 2, base=4, depth=2, block="residual", norm="batch")) == count(norm) + added


def test_a_level_that_keeps_its_channels_adds_the_identity():
    net = UNet(4, 2, base=4, depth=1, block="residual", padding="valid")
    block = net.encoder[0][0]
    assert isinstance(block.shortcut, nn.Identity)
    for parameter in block.body.parameters():
        parameter.data[...] = 0.0
    x = mf.tensor(np.random.default_rng(0).standard_normal((1, 8, 9, 4)).astype(np.float32))
    np.testing.assert_array_equal(block(x).data, np.maximum(x.data[:, 2:-2, 2:-2], 0.0))


def test_coordinates_are_two_more_channels_of_the_first_level():
    net = UNet(1, 2, base=2, depth=1, coordinates=True)
    assert net.in_channels == 1
    assert net.encoder[0][0].weight.shape == (3, 3, 3, 2)
    assert set(net.state_dict()) == set(UNet(1, 2, base=2, depth=1).state_dict())
    # A plain image looks the same everywhere but at the borders; with coordinates, no two pixels are alike.
    with mf.no_grad():
        alike = [UNet(1, 2, base=2, depth=1, coordinates=c)(mf.ones(1, 40, 40, 1)).data for c in (False, True)]
    spread = [np.ptp(y[0, 16:24:2, 16:24:2], axis=(0, 1)).max() for y in alike]
    assert spread[0] < 1e-6 < 1e-3 < spread[1]


def test_skips_carry_the_dropped_map():
    net = UNet(1, 2, base=8, depth=1, dropout=0.5)
    maps = {}
    net.encoder[0].register_forward_hook(lambda module, inputs, output: maps.update(skip=output))
    net.decoder[0].register_forward_pre_hook(lambda module, inputs: maps.update(joined=inputs[0]))
    net(mf.rand(1, 8, 8, 1))
    joined = maps["joined"].data
    np.testing.assert_array_equal(joined[..., 8:], maps["skip"].data, "[up, skip]")
    assert (maps["skip"].data == 0).mean() > 0.4


def test_batch_norm_is_fused_with_relu():
    net = UNet(1, 2, base=2, depth=1, norm="batch")
    assert not any(isinstance(layer, nn.ReLU) for layer in net.modules())
    norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 6
    assert all(norm.activation == "relu" for norm in norms)


def test_relu_is_fused_into_the_convolutions():
    net = UNet(1, 2, base=2, depth=2, down="stride")
    convolutions = {name: layer for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d)}
    assert not any(isinstance(layer, nn.ReLU) for layer in net.modules())
    assert [name for name, layer in convolutions.items() if layer.activation is None] == ["head"]


@pytest.mark.parametrize("norm", [None, "batch"])
def test_names_in_checkpoints_count_a_place_for_every_relu(norm):
    names = UNet(1, 2, base=2, depth=1, norm=norm, down="stride").state_dict()
    places = {name.rsplit(".", 1)[0] for name in names if name.split(".")[-1] == "weight" and names[name].ndim == 4}
    levels = ("encoder.0", "bottom", "decoder.0")
    assert places == {f"{level}.{place}" for level in levels for place in (0, 2)} | {"downs.0.0", "ups.0", "head"}


# --- sizes ------------------------------------------------------------------------------------------------------------

NETS = st.builds(
    UNet,
    in_channels=st.integers(1, 3),
    classes=st.integers(1, 5),
    base=st.integers(1, 3),
    depth=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid"]),
    norm=st.sampled_from([None, "batch"]),
    up=st.sampled_from(UPS),
    down=st.sampled_from(DOWNS),
    block=st.sampled_from(["plain", "residual"]),
    coordinates=st.booleans(),
)


@settings(deadline=None, max_examples=25)
@given(NETS, st.integers(1, 60), st.integers(1, 60))
def test_every_legal_size_gives_the_promised_output(net, height, width):
    height, width = net.legal_size(height), net.legal_size(width)
    with mf.no_grad():
        y = net.eval()(mf.zeros(1, height, width, net.in_channels))
    assert y.shape == (1, *net.output_size(height, width), net.classes)


@settings(deadline=None, max_examples=50)
@given(NETS, st.integers(1, 100))
def test_legal_sizes_are_what_the_layers_can_do(net, length):
    """Legal by the network's word exactly when arithmetic, layer by layer, never meets an odd or an empty image."""
    lost = 4 if net.padding == "valid" else 0
    n, legal = length, True
    for _ in range(net.depth):
        n -= lost
        legal = legal and n > 0 and n % 2 == 0
        n //= 2
    n -= lost
    legal = legal and n > 0
    for _ in range(net.depth):
        n = 2 * n - lost
        legal = legal and n > 0
    assert (net.size_error(length, net.legal_size(1)) is None) == legal
    assert net.legal_size(length) >= length
    assert (net.legal_size(length) == length) == legal


@pytest.mark.parametrize(
    ("net", "size", "message"),
    [
        (
            {"padding": "valid"},
            (571, 572),
            "unet: height 571 of input (1, 571, 572, 1) is not a legal size; nearest legal: 556, 572 (pad by 1)",
        ),
        (
            {},
            (512, 500),
            "unet: width 500 of input (1, 512, 500, 1) is not a legal size; nearest legal: 496, 512 (pad by 12)",
        ),
        ({}, (16, 5), "unet: width 5 of input (1, 16, 5, 1) is not a legal size; nearest legal: 16 (pad by 11)"),
        (
            {"padding": "valid"},
            (100, 189),
            "unet: height 100 of input (1, 100, 189, 1) is not a legal size; nearest legal: 188 (pad by 88)\n"
            "unet: width 189 of input (1, 100, 189, 1) is not a legal size; nearest legal: 188, 204 (pad by 15)",
        ),
    ],
)
def test_illegal_sizes(net, size, message):
    net = UNet(1, 2, base=1, **net)
    assert net.size_error(*size) == message
    for refuse in (lambda: net.output_size(*size), lambda: net(mf.zeros(1, *size, 1))):
        with pytest.raises(ValueError, match="not a legal size") as error:
            refuse()
        assert str(error.value) == message


def test_refused_before_anything_is_computed():
    net, calls = UNet(1, 2, base=1, depth=1), []
    for module in net.children():
        for layer in module.modules():
            layer.register_forward_pre_hook(lambda module, inputs: calls.append(module))
    for shape, message in [
        ((1, 7, 8, 1), "height 7"),
        ((3, 8, 8, 2), r"unet: input \(3, 8, 8, 2\) has 2 channels, but the network takes 1$"),
        ((3, 1, 8, 8), r"the network takes 1; images are \(N, H, W, C\): x\.transpose\(0, 2, 3, 1\)"),
        ((8, 8, 1), r"unet: expected images of shape .* x\[None\]"),
        ((3, 0, 8, 1), r"height 0 of input \(3, 0, 8, 1\) is not a legal size; nearest legal: 2 \(pad by 2\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            net(mf.zeros(*shape))
    assert not calls


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"base": 1024, "depth": 5},
            r"unet: base=1024 and depth=5 give the deepest level base · 2\^depth channels, which",
        ),
        ({"base": 10**30, "depth": 1}, "is more than 16384; make one of them smaller"),
        ({"base": 1, "depth": 10**12}, "is more than 16384"),
        ({"in_channels": 0}, "unet: in_channels must be a positive integer, got 0"),
        ({"classes": 1.5}, "unet: classes must be a positive integer, got 1.5"),
        ({"base": -1}, "unet: base"),
        ({"depth": 0}, "unet: depth"),
        ({"padding": "reflect"}, "unet: padding must be 'same' or 'valid', not 'reflect'"),
        ({"norm": "layer"}, "unet: norm must be None or 'batch', not 'layer'"),
        ({"up": "bicubic"}, "unet: up must be 'transposed' or 'nearest' or 'bilinear' or 'transposed3', not 'bicubic'"),
        ({"block": "dense"}, "unet: block must be 'plain' or 'residual', not 'dense'"),
        ({"coordinates": "yes"}, "unet: coordinates must be False or True, not 'yes'"),
        ({"down": "avg"}, "unet: down must be 'max' or 'stride', not 'avg'"),
        ({"dropout": 1.5}, "p is a probability, got 1.5"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        UNet(**{"in_channels": 1, "classes": 2, **options})


# --- learning ---------------------------------------------------------------------------------------------------------


def train(seed, steps, **options):
    """Losses of a tiny network on one image of a square."""
    mf.manual_seed(seed)
    net = UNet(1, 2, base=4, depth=2, **options)
    image = np.random.default_rng(0).normal(0.0, 0.1, (1, 16, 16, 1)).astype(np.float32)
    labels = np.zeros((1, 16, 16), np.int64)
    labels[:, 4:11, 5:12] = 1
    x, target = mf.tensor(image + labels[..., None].astype(np.float32)), mf.tensor(labels)
    optimizer, losses = optim.Adam(net.parameters(), lr=1e-2), []
    for _ in range(steps):
        loss = F.cross_entropy(net(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    "options", [{}, {"norm": "batch", "up": "bilinear", "down": "stride"}, {"block": "residual", "up": "transposed3"}]
)
def test_one_image_is_learnt_by_heart(options):
    losses = train(0, 60, **options)
    assert min(losses[-5:]) < 0.2 * losses[0]


def test_the_same_seed_gives_the_same_training():
    assert train(1, 4, dropout=0.5) == train(1, 4, dropout=0.5) != train(2, 4, dropout=0.5)


def test_summary_and_names():
    net = UNet(1, 2, base=4, depth=1)
    table = net.summary((16, 16, 1))
    assert f"parameters: {count(net):,}" in table
    assert table.split("\n")[-3].split()[:2] == ["head", "Conv2d"]
    assert "encoder.0.0.weight" in net.state_dict()


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [None, "batch"])
def test_inference_keeps_only_the_maps_that_are_still_needed(norm):
    """Before every layer, count the bytes of the maps that some layer has returned and that still live."""
    net, living, peak = UNet(1, 2, base=4, depth=2, norm=norm).eval().fold_batch_norm(), {}, []

    def keep_count(module, inputs, output):
        living[id(output.data)] = output.data.nbytes
        weakref.finalize(output.data, living.pop, id(output.data), None)

    def look(module, inputs):
        keep_count(module, (), inputs[0])  # no layer returned the image, nor a concatenation
        peak.append(sum(living.values()))

    for layer in net.modules():
        if not list(layer.children()):
            layer.register_forward_hook(keep_count)
            layer.register_forward_pre_hook(look)
    with mf.no_grad():
        y = net(mf.zeros(1, 32, 32, 1))
    assert list(living.values()) == [y.data.nbytes]
    # At the last level's second convolution: the image, the joined map that the level was called with, and its input.
    assert max(peak) == (1 + 8 + 4) * 32 * 32 * 4
