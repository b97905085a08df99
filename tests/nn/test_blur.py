"""Layers that blur, and networks whose poolings do."""

import numpy as np
import pytest
import torch

from minifcn import Tensor, nn
from minifcn import functional as F
from minifcn.models import CiresanN3, FCN8s, SegNet, UNet


def noise(*shape):
    return Tensor(np.random.default_rng(0).standard_normal(shape))


def test_max_blur_pool_is_the_papers():
    x = noise(2, 8, 9, 3)
    maxima = torch.nn.functional.max_pool2d(torch.tensor(x.data.transpose(0, 3, 1, 2)), 2, 1)
    padded = torch.nn.functional.pad(maxima, (1, 2, 1, 2), "reflect")
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
    weight = torch.outer(taps, taps).expand(3, 1, 4, 4)
    expected = torch.nn.functional.conv2d(padded, weight, stride=2, groups=3).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(nn.MaxBlurPool2d(2)(x).data, expected, atol=1e-14)


@pytest.mark.parametrize("arguments", [(2,), (3, 2, 1), (2, 2, 0), ((2, 3), (1, 2)), (3, 3)])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("size", [3, 4, 5, 6, 7])
def test_sizes_are_those_of_the_pooling(arguments, ceil_mode, size):
    x = noise(1, size, size + 1, 2)
    plain = nn.MaxPool2d(*arguments, ceil_mode=ceil_mode)
    assert nn.MaxBlurPool2d(*arguments, ceil_mode=ceil_mode)(x).shape == plain(x).shape


def test_a_filter_of_one_pixel_is_the_pooling_itself():
    x = noise(1, 6, 8, 2)
    np.testing.assert_array_equal(nn.MaxBlurPool2d(2, blur=1)(x).data, nn.MaxPool2d(2)(x).data)


def test_layer_is_the_function_and_says_what_it_is():
    x = noise(1, 5, 6, 2)
    layer = nn.BlurPool2d((3, 2), (1, 2), "zeros")
    np.testing.assert_array_equal(layer(x).data, F.blur_pool2d(x, (3, 2), (1, 2), "zeros").data)
    assert repr(layer) == "BlurPool2d(kernel_size=(3, 2), stride=(1, 2), padding_mode='zeros')"
    with pytest.raises(ValueError, match="padding_mode must be"):
        nn.BlurPool2d(padding_mode="wrap")


@pytest.mark.parametrize(
    ("net", "size"),
    [
        (UNet(1, 2, base=1), 16),  # the last pooling leaves one pixel
        (UNet(1, 2, base=1, depth=2, padding="valid"), 44),
        (FCN8s(1, 2, **FCN8s.narrow), 33),
        (CiresanN3(1, 2, **CiresanN3.narrow), 65),
    ],
)
def test_a_network_becomes_another_with_the_same_parameters_and_sizes(net, size):
    x = Tensor(np.random.default_rng(0).standard_normal((1, size, size, 1)).astype(np.float32))
    net.eval()
    before = repr(net)
    smooth = nn.antialiased(net)
    assert not smooth.training
    assert smooth(x).shape == net(x).shape
    assert smooth.state_dict().keys() == net.state_dict().keys()
    assert not any(type(layer) is nn.MaxPool2d for layer in smooth.modules())
    assert repr(net) == before
    smooth.load_state_dict({name: array + 1 for name, array in smooth.state_dict().items()})
    assert repr(net.state_dict()) != repr(smooth.state_dict())


def test_only_poolings_that_drop_pixels_are_replaced_and_shared_layers_stay_shared():
    pool = nn.MaxPool2d(2, 3, 1, ceil_mode=True)
    smooth = nn.antialiased(nn.Sequential(pool, nn.MaxPool2d(2, stride=1), nn.Sequential(pool)), blur=3)
    assert smooth[0] is smooth[2][0]
    assert (smooth[0].stride, smooth[0].padding, smooth[0].ceil_mode, smooth[0].blur) == ((3, 3), (1, 1), True, (3, 3))
    assert type(smooth[1]) is nn.MaxPool2d
    assert isinstance(nn.antialiased(nn.MaxPool2d(2)), nn.MaxBlurPool2d)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (SegNet(1, 2, base=1), "return indices, by which its decoder puts values back"),
        (UNet(1, 2, base=1, down="stride"), "UNet has no MaxPool2d of a stride above 1 to replace"),
        (nn.antialiased(UNet(1, 2, base=1)), "UNet has no MaxPool2d"),
        (nn.Sequential(nn.MaxPool2d(2, dilation=2)), "dilation"),
    ],
)
def test_networks_that_cannot_be_changed_are_refused(net, message):
    with pytest.raises(ValueError, match=message):
        nn.antialiased(net)
