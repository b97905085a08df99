"""Initial values: their spread, FCN's bilinear kernel, and reproducibility."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import nn
from minifcn.nn import init

FAN_IN, FAN_OUT = 9 * 32, 9 * 64


@pytest.fixture
def weight():
    mf.manual_seed(0)
    return nn.Conv2d(32, 64, 3).weight


@pytest.mark.parametrize(
    ("initialise", "std"),
    [
        (init.kaiming_normal_, np.sqrt(2 / FAN_IN)),
        (init.kaiming_uniform_, np.sqrt(2 / FAN_IN)),
        (lambda w: init.kaiming_uniform_(w, a=5**0.5), np.sqrt(1 / 3 / FAN_IN)),
        (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), np.sqrt(2 / FAN_OUT)),
        (lambda w: init.kaiming_normal_(w, nonlinearity="tanh"), 5 / 3 / np.sqrt(FAN_IN)),
        (lambda w: init.kaiming_normal_(w, nonlinearity="linear"), 1 / np.sqrt(FAN_IN)),
        (init.xavier_normal_, np.sqrt(2 / (FAN_IN + FAN_OUT))),
        (lambda w: init.xavier_uniform_(w, 2.0), 2 * np.sqrt(2 / (FAN_IN + FAN_OUT))),
        (lambda w: init.normal_(w, 0.0, 3.0), 3.0),
        (lambda w: init.uniform_(w, -1.0, 1.0), 1 / np.sqrt(3)),
    ],
)
def test_spread(weight, initialise, std):
    version = weight.version
    assert initialise(weight) is weight
    assert weight.data.std() == pytest.approx(std, rel=0.02)
    assert abs(weight.data.mean()) < 0.02 * std
    assert weight.version > version
    assert weight.dtype == np.float32
    assert weight.is_leaf


def test_uniform_stays_within_its_bound(weight):
    bound = np.sqrt(6 / FAN_IN)
    init.kaiming_uniform_(weight)
    assert 0.99 * bound < np.abs(weight.data).max() <= np.float32(bound)


def test_constants(weight):
    assert set(init.constant_(weight, 0.5).data.ravel()) == {0.5}
    assert not init.zeros_(weight).data.any()
    assert init.ones_(weight).data.all()


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("stride", [2, 3, 4])
def test_a_bilinear_transposed_convolution_interpolates(groups, stride):
    """Away from the border it is bilinear upsampling, for FCN's kernel size 2 s − s mod 2."""
    kernel_size, padding = 2 * stride - stride % 2, stride // 2
    layer = nn.ConvTranspose2d(3, 3, kernel_size, stride, padding, groups=groups, bias=False)
    init.bilinear_(layer.weight)
    x = mf.randn(1, 6, 7, 3)
    size = layer(x).shape[1:3]
    expected = F.upsample(x, scale_factor=stride, mode="bilinear").data
    inside = (slice(None), slice(stride, -stride), slice(stride, -stride))
    assert size == (expected.shape[1], expected.shape[2])
    np.testing.assert_allclose(layer(x).data[inside], expected[inside], rtol=1e-5, atol=1e-5)


def test_impossible_arguments(weight):
    with pytest.raises(ValueError, match=r"fans need a weight .* got shape \(3,\)"):
        init.kaiming_normal_(mf.zeros(3))
    with pytest.raises(ValueError, match="mode must be 'fan_in' or 'fan_out', not 'fan'"):
        init.kaiming_normal_(weight, mode="fan")
    with pytest.raises(ValueError, match=r"nonlinearity must be one of linear, .* not 'elu'"):
        init.kaiming_normal_(weight, nonlinearity="elu")
    with pytest.raises(ValueError, match="bilinear_: expected a weight"):
        init.bilinear_(weight)
