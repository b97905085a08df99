"""Every layer against the function it stands for, and the arguments it refuses."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import nn

X = np.random.default_rng(0).standard_normal((2, 7, 6, 4)).astype(np.float32)


def check(layer, function):
    """The same numbers, and the same gradient, as ``function(x, layer)``."""
    x, again = mf.tensor(X, requires_grad=True), mf.tensor(X, requires_grad=True)
    y, expected = layer(x), function(again, layer)
    np.testing.assert_array_equal(y.data, expected.data)
    (y * y).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_array_equal(x.grad.data, again.grad.data)


CASES = {
    "conv": (lambda: nn.Conv2d(4, 3, 3), lambda x, m: F.conv2d(x, m.weight, m.bias)),
    "conv, everything": (
        lambda: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2, False),
        lambda x, m: F.conv2d(x, m.weight, None, (2, 1), (1, 0), (1, 2), 2),
    ),
    "conv, same": (
        lambda: nn.Conv2d(4, 3, (3, 4), padding="same"),
        lambda x, m: F.conv2d(x, m.weight, m.bias, padding="same"),
    ),
    "conv, rectified": (
        lambda: nn.Conv2d(4, 3, 3, activation="relu"),
        lambda x, m: F.conv2d(x, m.weight, m.bias, activation="relu"),
    ),
    "conv, mirrored": (
        lambda: nn.Conv2d(4, 3, (3, 4), padding="same", padding_mode="reflect"),
        lambda x, m: F.conv2d(F.same_padding(x, (3, 4)), m.weight, m.bias),
    ),
    "conv, replicated": (
        lambda: nn.Conv2d(4, 3, 3, padding=(2, 1), padding_mode="replicate"),
        lambda x, m: F.conv2d(F.pad(x, (1, 1, 2, 2), "replicate"), m.weight, m.bias),
    ),
    "conv, valid and mirrored": (
        lambda: nn.Conv2d(4, 3, 3, padding="valid", padding_mode="reflect"),
        lambda x, m: F.conv2d(x, m.weight, m.bias),
    ),
    "transposed": (lambda: nn.ConvTranspose2d(4, 3, 2, 2), lambda x, m: F.conv_transpose2d(x, m.weight, m.bias, 2)),
    "transposed, everything": (
        lambda: nn.ConvTranspose2d(4, 6, 3, (2, 3), 1, (1, 0), 2, False, 2),
        lambda x, m: F.conv_transpose2d(x, m.weight, None, (2, 3), 1, (1, 0), 2, 2),
    ),
    "transposed, rectified": (
        lambda: nn.ConvTranspose2d(4, 3, 2, 2, activation="relu"),
        lambda x, m: F.conv_transpose2d(x, m.weight, m.bias, 2, activation="relu"),
    ),
    "linear": (lambda: nn.Linear(4, 3), lambda x, m: F.linear(x, m.weight, m.bias)),
    "linear without bias": (lambda: nn.Linear(4, 3, bias=False), lambda x, m: F.linear(x, m.weight)),
    "max": (lambda: nn.MaxPool2d(3, 2, 1, 1, ceil_mode=True), lambda x, m: F.max_pool2d(x, 3, 2, 1, 1, True)),
    "average": (
        lambda: nn.AvgPool2d((2, 3), 2, (1, 0), True, False),
        lambda x, m: F.avg_pool2d(x, (2, 3), 2, (1, 0), True, False),
    ),
    "average, divisor": (
        lambda: nn.AvgPool2d(2, divisor_override=3),
        lambda x, m: F.avg_pool2d(x, 2, divisor_override=3),
    ),
    "global average": (nn.GlobalAvgPool2d, lambda x, m: F.global_avg_pool2d(x)),
    "global max": (nn.GlobalMaxPool2d, lambda x, m: F.global_max_pool2d(x)),
    "upsample": (lambda: nn.Upsample(scale_factor=2), lambda x, m: F.upsample_nearest(x, scale_factor=2)),
    "upsample, bilinear": (
        lambda: nn.Upsample((9, 8), mode="bilinear", align_corners=True),
        lambda x, m: F.upsample_bilinear(x, (9, 8), align_corners=True),
    ),
    "relu": (nn.ReLU, lambda x, m: F.relu(x)),
    "leaky relu": (lambda: nn.LeakyReLU(0.2), lambda x, m: F.leaky_relu(x, 0.2)),
    "sigmoid": (nn.Sigmoid, lambda x, m: F.sigmoid(x)),
    "tanh": (nn.Tanh, lambda x, m: F.tanh(x)),
    "softplus": (nn.Softplus, lambda x, m: F.softplus(x)),
    "softmax": (nn.Softmax, lambda x, m: F.softmax(x)),
    "softmax along height": (lambda: nn.Softmax(1), lambda x, m: F.softmax(x, 1)),
    "log-softmax": (nn.LogSoftmax, lambda x, m: F.log_softmax(x)),
    "log-softmax along width": (lambda: nn.LogSoftmax(2), lambda x, m: F.log_softmax(x, 2)),
    "sum": (lambda: nn.SumPool2d(2), lambda x, m: F.sum_pool2d(x, 2)),
    "sum, everything": (lambda: nn.SumPool2d(3, (2, 1), 1), lambda x, m: F.sum_pool2d(x, 3, (2, 1), 1)),
    "zeros around": (lambda: nn.ZeroPad2d((1, 2, 3, 0)), lambda x, m: F.pad(x, (1, 2, 3, 0))),
    "mirrored around": (lambda: nn.ReflectionPad2d([1, 2, 3, 0]), lambda x, m: F.pad(x, (1, 2, 3, 0), "reflect")),
    "repeated around": (lambda: nn.ReplicationPad2d(2), lambda x, m: F.pad(x, 2, "replicate")),
    "identity": (nn.Identity, lambda x, m: x),
    "batch norm": (
        lambda: nn.BatchNorm2d(4, 1e-3),
        lambda x, m: F.batch_norm(x, None, None, m.weight, m.bias, True, eps=1e-3),
    ),
    "batch norm, fused": (
        lambda: nn.BatchNorm2d(4, affine=False, activation="relu"),
        lambda x, m: F.relu(F.batch_norm(x, training=True)),
    ),
    "batch norm, untracked": (
        lambda: nn.BatchNorm2d(4, track_running_stats=False).eval(),
        lambda x, m: F.batch_norm(x, training=True),
    ),
    "dropout in evaluation": (lambda: nn.Dropout().eval(), lambda x, m: x),
    "dropout2d in evaluation": (lambda: nn.Dropout2d().eval(), lambda x, m: x),
}


@pytest.mark.parametrize("case", CASES)
def test_layer_is_its_function(case):
    make, function = CASES[case]
    check(make(), function)


@pytest.mark.parametrize(("layer", "function"), [(nn.Dropout(0.3), F.dropout), (nn.Dropout2d(0.3), F.dropout2d)])
def test_dropout_draws_from_the_one_generator(layer, function):
    x = mf.ones(2, 4, 4, 50)
    mf.manual_seed(3)
    y = layer(x)
    mf.manual_seed(3)
    np.testing.assert_array_equal(y.data, function(x, 0.3).data)
    assert 0.0 < (y.data == 0).mean() < 1.0


def test_unpooling_puts_maxima_back():
    x = mf.tensor(X)
    y, where = nn.MaxPool2d(2, return_indices=True)(x)
    z = nn.MaxUnpool2d(2)(y, where, (7, 6))
    np.testing.assert_array_equal(z.data, F.max_unpool2d(y, where, 2, output_size=(7, 6)).data)
    assert np.all((z.data == 0) | (z.data == X))


def test_transposed_convolution_to_a_chosen_size():
    layer = nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1)
    assert layer(mf.tensor(X)).shape == (2, 13, 11, 1)
    assert layer(mf.tensor(X), output_size=(14, 12)).shape == (2, 14, 12, 1)


def test_running_statistics_move_in_training_only():
    norm, x = nn.BatchNorm2d(4, momentum=0.5), mf.tensor(X)
    norm.eval()(x)
    assert norm.running_mean.tolist() == [0.0] * 4
    norm.train()(x)
    np.testing.assert_allclose(norm.running_mean.data, 0.5 * X.mean((0, 1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(norm.running_var.data, 0.5 + 0.5 * X.var((0, 1, 2), ddof=1), rtol=1e-5)
    y = norm.eval()(x)
    expected = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    np.testing.assert_array_equal(y.data, expected.data)
    norm.reset_running_stats()
    assert (norm.running_mean.tolist(), norm.running_var.tolist()) == ([0.0] * 4, [1.0] * 4)


def test_he_initialisation_of_layers():
    mf.manual_seed(0)
    for layer, fan_in in [
        (nn.Conv2d(32, 64, 3), 9 * 32),
        (nn.Conv2d(32, 64, 3, groups=4), 9 * 8),
        (nn.ConvTranspose2d(256, 64, 2, 2), 256),  # every output pixel sees one tap
        (nn.ConvTranspose2d(64, 64, 4, 2, groups=2), 4 * 32),
        (nn.Linear(300, 100), 300),
    ]:
        assert layer.weight.data.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.05)
        assert not layer.bias.data.any()


def test_shapes_of_weights():
    assert nn.Conv2d(4, 6, (3, 5), groups=2).weight.shape == (3, 5, 2, 6)
    assert nn.ConvTranspose2d(4, 6, (3, 5), groups=2).weight.shape == (3, 5, 3, 4)
    assert nn.Linear(4, 6).weight.shape == (4, 6)


def test_the_same_seed_gives_the_same_layer():
    layers = []
    for _ in range(2):
        mf.manual_seed(5)
        layers.append(nn.Conv2d(2, 2, 3))
    np.testing.assert_array_equal(layers[0].weight.data, layers[1].weight.data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(0, 1, 1), "Conv2d: in_channels=0 and out_channels=1 must be positive multiples of groups=1"),
        (
            lambda: nn.Conv2d(3, 4, 1, groups=2),
            "out_channels=4 must be positive multiples of groups=2",
        ),
        (lambda: nn.ConvTranspose2d(4, 3, 1, groups=2), "ConvTranspose2d: in_channels=4 and out_channels=3"),
        (lambda: nn.Conv2d(1, 1, 1, groups=0), "multiples of groups=0"),
        (lambda: nn.Conv2d(1, 1, 0), "Conv2d: kernel_size must be an int or a pair of ints >= 1"),
        (lambda: nn.Conv2d(1, 1, 3, stride=0), "Conv2d: stride"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), "Conv2d: padding"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), "padding must be an int, a pair, 'same' or 'valid', not 'full'"),
        (lambda: nn.Conv2d(1, 1, 3, 2, padding="same"), "Conv2d: padding='same' needs stride 1, got 2"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), "padding_mode must be 'zeros', 'reflect' or 'replicate'"),
        (lambda: nn.Conv2d(1, 1, 3, activation="tanh"), "Conv2d: activation must be None or 'relu', not 'tanh'"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, output_padding=-1), "ConvTranspose2d: output_padding"),
        (lambda: nn.Linear(2, 0), "Linear: in_features=2 and out_features=0 must be positive"),
        (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size"),
        (lambda: nn.AvgPool2d(2, 0), "AvgPool2d: stride"),
        (
            lambda: nn.ZeroPad2d((1, 2)),
            r"ZeroPad2d: padding must be an int or \(left, right, top, bottom\), got \(1, 2",
        ),
        (lambda: nn.ReflectionPad2d(1.5), "ReflectionPad2d: padding must be"),
        (lambda: nn.Upsample(), "Upsample: give either size or scale_factor"),
        (lambda: nn.Upsample(2, 2.0), "Upsample: give either size or scale_factor"),
        (lambda: nn.Upsample(2, mode="bicubic"), "Upsample: mode must be 'nearest' or 'bilinear', not 'bicubic'"),
        (lambda: nn.BatchNorm2d(0), "BatchNorm2d: num_features=0 must be positive"),
        (lambda: nn.BatchNorm2d(1, activation="tanh"), "BatchNorm2d: activation must be None or 'relu', not 'tanh'"),
        (lambda: nn.Dropout(1.5), "Dropout: p is a probability, got 1.5"),
        (lambda: nn.Dropout2d(-0.5), "Dropout2d: p is a probability, got -0.5"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        (
            nn.Conv2d(2, 4, 3, 1, "same", 2, 2, False, "reflect"),
            "Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), padding='same', dilation=(2, 2), groups=2, bias=False, "
            "padding_mode='reflect')",
        ),
        (nn.ConvTranspose2d(2, 4, 2, 2), "ConvTranspose2d(2, 4, kernel_size=(2, 2), stride=(2, 2))"),
        (
            nn.ConvTranspose2d(2, 4, 2, 2, activation="relu"),
            "ConvTranspose2d(2, 4, kernel_size=(2, 2), stride=(2, 2), activation='relu')",
        ),
        (nn.MaxPool2d(2), "MaxPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"),
        (nn.Upsample(scale_factor=2), "Upsample(scale_factor=2, mode='nearest')"),
        (nn.Upsample((3, 4)), "Upsample(size=(3, 4), mode='nearest')"),
        (nn.Linear(2, 3), "Linear(in_features=2, out_features=3, bias=True)"),
        (
            nn.BatchNorm2d(3, activation="relu"),
            "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, activation='relu')",
        ),
        (nn.Dropout2d(0.25), "Dropout2d(p=0.25)"),
        (nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"),
        (nn.Softmax(), "Softmax(axis=-1)"),
        (nn.LogSoftmax(), "LogSoftmax(axis=-1)"),
        (nn.SumPool2d(2), "SumPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"),
        (nn.ReplicationPad2d((1, 2, 3, 4)), "ReplicationPad2d(padding=(1, 2, 3, 4))"),
        (nn.ZeroPad2d(1), "ZeroPad2d(padding=(1, 1, 1, 1))"),
    ],
)
def test_repr(layer, shown):
    assert repr(layer) == shown
