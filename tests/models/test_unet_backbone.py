"""U-Net on a classification network: sizes, pretrained weights, freezing."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import models, optim
from minifcn.io import to_torch_layout
from minifcn.models import BackboneUNet
from minifcn.models.unet_backbone import BACKBONES


def tiny(backbone="resnet18", in_channels=1, classes=2, **options):
    return models.create(
        "unet-backbone", in_channels=in_channels, classes=classes, backbone=backbone, base=1, **options
    )


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_the_output_has_the_size_of_the_input(backbone):
    net = tiny(backbone, in_channels=2, classes=3)
    step = 32 if backbone.startswith("resnet") else 16
    assert [n for n in range(1, 70) if net.output_length(n)] == list(range(step, 70, step))
    with mf.no_grad():
        assert net(mf.zeros(1, step, 2 * step, 2)).shape == (1, step, 2 * step, 3)


@pytest.mark.parametrize("up", ["transposed", "nearest", "bilinear", "transposed3"])
def test_every_way_up_and_every_parameter_learns(up):
    net = tiny("resnet18", norm=None, up=up)
    net(mf.rand(2, 64, 64, 1)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_widths_of_the_decoder():
    with mf.nn.init.skipped():
        nets = {name: BackboneUNet(3, 2, name, base=4) for name in ("vgg16", "resnet18", "resnet50")}
    widths = {name: [level[0].out_channels for level in net.decoder] for name, net in nets.items()}
    assert widths == {"vgg16": [32, 16, 8, 4], "resnet18": [16, 8, 4, 4, 2], "resnet50": [32, 16, 8, 4, 2]}
    joined = {name: [level[0].in_channels for level in net.decoder] for name, net in nets.items()}
    # The map from below, and the skip's channels; the last level of a ResNet has no skip.
    assert joined["resnet50"] == [32 + 64, 16 + 32, 8 + 16, 4 + 4, 2]


def test_skips_reach_the_decoder():
    """Without its way up, the decoder's last joined level still sees the encoder's first map."""
    net = tiny("vgg11").eval()
    seen = {}
    net.encoder.register_forward_hook(lambda module, inputs, maps: seen.update(first=maps[0]))
    net.decoder[3].register_forward_pre_hook(lambda module, inputs: seen.update(joined=inputs[0]))
    net(mf.rand(1, 16, 16, 1))
    np.testing.assert_array_equal(seen["joined"].data[..., 1:], seen["first"].data, "[up, skip]")


def test_folding_keeps_the_outputs():
    net = tiny("vgg11_bn")
    net(mf.rand(2, 32, 32, 1))  # statistics that are not 0 and 1
    image = mf.rand(1, 32, 32, 1)
    with mf.no_grad():
        np.testing.assert_allclose(net.fold_batch_norm()(image).data, net.eval()(image).data, rtol=1e-4, atol=1e-5)


def test_weights_go_into_the_encoder_alone():
    net, other = tiny(), tiny(in_channels=3)
    decoder = net.decoder.state_dict()
    net.load_pretrained({name: to_torch_layout(array) for name, array in other.encoder.state_dict().items()})
    ours, theirs = net.encoder.state_dict(), other.encoder.state_dict()
    np.testing.assert_array_equal(ours["layer4.1.conv2.weight"], theirs["layer4.1.conv2.weight"])
    np.testing.assert_allclose(ours["conv1.weight"][:, :, 0], theirs["conv1.weight"].sum(axis=2), rtol=1e-6)
    for name, array in net.decoder.state_dict().items():
        np.testing.assert_array_equal(array, decoder[name])


def test_weights_of_another_backbone_are_refused():
    state = {name: to_torch_layout(array) for name, array in tiny("resnet34").encoder.state_dict().items()}
    with pytest.raises(ValueError, match=r"does not fit into ResNet\n  unexpected: layer1\.2\.conv1\.weight"):
        tiny("resnet18").load_pretrained(state)


def test_a_frozen_backbone_stays_what_it_is():
    net = tiny().train()
    net.freeze_backbone()
    assert not net.encoder.bn1.training
    net.train()
    assert net.training
    assert net.decoder[0][1].training
    assert not net.encoder.layer1[0].bn1.training
    before, optimizer = net.state_dict(), optim.Adam(net.parameters(), lr=0.1)
    F.cross_entropy(net(mf.rand(1, 32, 32, 1)), np.zeros((1, 32, 32), np.int64)).backward()
    optimizer.step()
    changed = {name.split(".")[0] for name, array in net.state_dict().items() if (array != before[name]).any()}
    assert changed == {"ups", "decoder", "head"}
    net.unfreeze_backbone()
    assert net.encoder.bn1.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not net.eval().encoder.bn1.training


def test_errors():
    with pytest.raises(ValueError, match=r"unet-backbone: backbone must be 'resnet18' or .* not 'resnet101'"):
        tiny("resnet101")
    with pytest.raises(ValueError, match="unet-backbone: up must be"):
        tiny(up="bicubic")
    with pytest.raises(ValueError, match="unet-backbone: norm must be None or 'batch'"):
        tiny(norm="layer")
    with pytest.raises(ValueError, match="unet-backbone: classes must be a positive integer, got 0"):
        tiny(classes=0)
    message = r"unet-backbone: height 33 of input \(1, 33, 32, 1\) is not a legal size; nearest legal: 32, 64"
    with pytest.raises(ValueError, match=message):
        tiny()(mf.zeros(1, 33, 32, 1))
