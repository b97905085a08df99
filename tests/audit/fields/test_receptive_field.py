"""Receptive fields against the lecture's numbers, and against the support of gradients."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import nn
from minifcn.audit import receptive_field
from minifcn.models import Network, UNet


class Function(nn.Module):
    """A module that computes what a function says, between two convolutions."""

    def __init__(self, function, channels=2, channels_after=None):
        self.before = nn.Conv2d(1, channels, 3, padding=1)
        self.function = function
        self.after = nn.Conv2d(channels_after or channels, 1, 3)

    def forward(self, x):
        return self.after(self.function(self.before(x)))


class SkippedPooling(nn.Module):
    """Indices memorised on the way down put values back on the way up, as in SegNet."""

    def __init__(self):
        self.inside = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        pooled, indices = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(self.inside(pooled), indices, 2, output_size=(x.shape[1], x.shape[2]))


def fields(module, *shape):
    """(P,) first and last input rows at which the gradient of each output row is not zero."""
    module.astype("float64").eval()
    random = np.random.default_rng(0)
    with mf.no_grad():
        for parameter in module.parameters():
            parameter.copy_(random.uniform(0.1, 1.0, parameter.shape))  # no two paths cancel
    # A maximum passes its gradient to one place: many images, so that each place is that of some.
    image = mf.tensor(random.uniform(0.5, 1.5, (16, *shape)), dtype="float64", requires_grad=True)
    output = module(image)
    weights = mf.tensor(random.uniform(0.5, 1.5, output.shape[2:]), dtype="float64")
    rows = [mf.grad((output[:, i] * weights).sum(), image, retain_graph=True)[0] for i in range(output.shape[1])]
    seen = np.stack([row.data.any(axis=(0, 2, 3)) for row in rows])
    return seen.argmax(axis=1), seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)


MODULES = {
    "odd stride": nn.Sequential(nn.Conv2d(1, 2, 3, 3, 1), nn.Conv2d(2, 1, (3, 2), (2, 1))),
    "dilation": nn.Sequential(nn.Conv2d(1, 1, 3, dilation=2, padding=1), nn.Conv2d(1, 1, 2, dilation=3)),
    "groups": nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 1, 1)),
    "transposed": nn.Sequential(nn.Conv2d(1, 2, 3, 2), nn.ConvTranspose2d(2, 1, 3, 2, 1, output_padding=1)),
    "transposed, dilated": nn.Sequential(nn.ConvTranspose2d(1, 1, 3, 2, dilation=2), nn.Conv2d(1, 1, 3, 3)),
    "gaps": nn.ConvTranspose2d(1, 1, 1, 2, output_padding=1),
    "average pooling": nn.Sequential(nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.Conv2d(1, 1, 3, padding=1)),
    "max-pooling": nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.Conv2d(1, 1, 3)),
    "replication": nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=3), nn.Conv2d(1, 1, 2)),
    "bilinear": nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(1, 1, 2)),
    "aligned corners": nn.Upsample(size=(23, 9), mode="bilinear", align_corners=True),
    "unpooling": SkippedPooling(),
    "batch norm": nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 3)),
    "its own statistics": nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False)),
    "softmax": Function(lambda x: F.softmax(x)),
    "mirrored border": Function(lambda x: F.pad(x, (1, 1, 2, 3), mode="reflect")),
    "crop and join": Function(lambda x: F.concatenate([F.crop(x, (11, 5)), F.crop(x, (11, 5), (0, 1))]), 1, 2),
    "join, then groups": Function(
        lambda x: F.conv2d(F.concatenate([x, F.pad(x, (0, 0, 3, -3))]), np.ones((3, 3, 1, 2), x.dtype), groups=2), 1, 2
    ),
    "every other row": Function(lambda x: x[:, 1::2, ..., 0][..., None] * 2.0, 2, 1),
    "upside down": Function(lambda x: F.flip(x, 1)),
    "turned": Function(lambda x: F.transpose(x, (0, 2, 1, 3))),
    "columns of channels": Function(lambda x: F.linear(x, np.ones((2, 2), x.dtype))),
    "pixel shuffle": Function(
        lambda x: F.reshape(
            F.transpose(F.reshape(x, (*x.shape[:3], 2, 2, 1)), (0, 1, 3, 2, 4, 5)),
            (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], 1),
        ),
        4,
        1,
    ),
    "squeeze and excite": Function(lambda x: x * F.sigmoid(F.mean(x, (1, 2), keepdims=True))),
    "all that is above": Function(lambda x: x + F.max(x, axis=2, keepdims=True)),
    "unet": UNet(1, 1, base=1, depth=2),
    "valid unet": UNet(1, 1, base=1, depth=1, padding="valid", up="bilinear", down="stride"),
}
SIZES = {"upside down": (13, 8), "unet": (36, 8), "valid unet": (38, 20)}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_spans_are_the_support_of_the_gradient(name):
    module, (height, width) = MODULES[name], SIZES.get(name, (17, 9))
    rows = receptive_field(module, (height, width)).rows
    first, last = fields(module, height, width, 1)
    some = rows.last >= rows.first
    assert some.any()
    np.testing.assert_array_equal(rows.first[some], first[some])
    np.testing.assert_array_equal(rows.last[some], last[some])
    # A row that no pixel reaches has a gradient of zeros, which looks like the whole image.
    np.testing.assert_array_equal(last[~some] - first[~some], height - 1)


def plain(hidden):
    convolutions = [layer for _ in range(hidden) for layer in (nn.Conv2d(1, 1, 3, padding=1), nn.ReLU())]
    return nn.Sequential(*convolutions, nn.Conv2d(1, 1, 3, padding=1))


@pytest.mark.parametrize("hidden", [0, 1, 3, 7])
def test_a_plain_cnn_sees_2n_plus_3_pixels(hidden):
    rows = receptive_field(plain(hidden), 64).rows
    assert (rows.size, rows.stride, rows.offset) == (2 * hidden + 3, 1, -hidden - 1)


def test_unet_sees_188_or_204_by_phase():
    field = receptive_field(UNet(1, 2, base=1, padding="valid"), 572)
    assert field.rows.sizes == field.columns.sizes == (188,) * 4 + (204,) * 12
    assert (field.rows.period, field.rows.offset) == ((16, 16), 0)
    assert str(field) == "188 or 204 pixels, stride 16"


def levels(counts, padding=0):
    """Convolutions of 3 x 3, so many a level, pooled between levels."""
    layers = []
    for count in counts:
        layers += [nn.Conv2d(1, 1, 3, padding=padding) for _ in range(count)]
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return layers


def test_the_bottom_of_a_unet_sees_140():
    rows = receptive_field(nn.Sequential(*levels([2] * 5)[:-1]), 300).rows
    assert (rows.sizes, rows.stride) == ((140,), 16)


def test_fcn_32s_sees_404_before_it_is_enlarged():
    vgg = levels([2, 2, 3, 3, 3], padding=1)
    rows = receptive_field(nn.Sequential(*vgg, nn.Conv2d(1, 1, 7), nn.Conv2d(1, 1, 1)), 1024).rows
    assert (rows.sizes, rows.stride) == ((404,), 32)


def test_phases_of_skips_with_different_strides_are_those_of_both():
    class Both(nn.Module):
        def __init__(self):
            self.two = nn.Sequential(nn.Conv2d(1, 1, 9, padding=4), nn.MaxPool2d(2), nn.Upsample(scale_factor=2))
            self.three = nn.Sequential(nn.MaxPool2d(3), nn.Upsample(scale_factor=3))

        def forward(self, x):
            return self.two(x) + self.three(x)

    rows = receptive_field(Both(), 48).rows
    assert rows.period == (6, 6)
    assert set(rows.sizes) == {10}


def test_dilated_and_interlaced_copies_have_a_period_all_the_same():
    def interlaced(x):  # what a pooling of stride 2 sees, for both shifts, put together again
        copies = [F.pad(F.max_pool2d(F.pad(x, (0, 0, -shift, shift)), (2, 1)), (0, 0, 0, 0)) for shift in (0, 1)]
        return F.reshape(F.stack(copies, axis=2), x.shape)

    rows = receptive_field(Function(interlaced, 1), (24, 8)).rows
    assert rows.period == (1, 1)
    assert rows.size == 2 + 2 + 2


def test_the_mode_and_the_generator_are_left_as_they_were():
    net = UNet(1, 2, base=1, depth=1, dropout=0.5)
    net.bottom.eval()
    modes = [module.training for module in net.modules()]
    receptive_field(net)
    assert [module.training for module in net.modules()] == modes
    assert all(parameter.grad is None for parameter in net.parameters())


def test_under_no_grad_it_records_all_the_same():
    with mf.no_grad():
        assert receptive_field(plain(1), 16).size == (5, 5)


def test_weights_that_were_not_drawn_do_not_matter():
    net = UNet(1, 2, base=1, depth=1)
    with mf.no_grad():
        for parameter in net.parameters():
            parameter.copy_(np.full(parameter.shape, np.nan, np.float32))
    assert receptive_field(net).size == (18, 18)


def test_a_network_that_pools_globally_sees_the_whole_image():
    field = receptive_field(nn.Sequential(nn.Conv2d(1, 2, 3), nn.GlobalAvgPool2d(), nn.Linear(2, 3)), (9, 12))
    assert field.size == (9, 12)
    assert not field.complete
    assert (field.rows.stride, field.rows.offset) == (None, None)
    assert str(field.rows) == "9 pixels of 9, of which none is surely free of the borders"
    assert str(field).startswith("rows: 9 pixels of 9")


class OnlyWindows(Network):
    """Takes windows of 5 pixels, and gives one output."""

    def __init__(self):
        self.in_channels, self.classes = 2, 1
        self.conv = nn.Conv2d(2, 1, 5)

    def forward(self, images):
        return self.conv(self.checked(images))

    def output_length(self, length):
        return int(length == 5)


def test_a_network_of_one_legal_size():
    field = receptive_field(OnlyWindows())
    assert field.size == (5, 5)
    assert not field.complete


def test_an_image_too_small_for_the_borders():
    assert not receptive_field(plain(3), 8).complete


class Cube(mf.Operation):
    def forward(self, x):
        self.save(x)
        return x**3

    def backward(self, gradient):
        return gradient * 3.0 * self.saved[0] ** 2


@pytest.mark.parametrize(
    ("function", "size", "error", "message"),
    [
        (lambda x: Cube()(x), 8, NotImplementedError, "no rule says which input rows .* the operation Cube depends on"),
        (lambda x: x, (8, 0), ValueError, r"size must be an int, \(H, W\) or \(H, W, C\), all positive, got \(8, 0\)"),
        (lambda x: x.detach(), 8, ValueError, "the output does not depend on the image by any recorded operation"),
        (lambda x: F.conv2d(x, x[0, :3, :3, :, None]), 8, NotImplementedError, "weight of a Conv2d depends on the"),
    ],
)
def test_what_cannot_be_followed_is_explained(function, size, error, message):
    with pytest.raises(error, match=message):
        receptive_field(Function(function, 1), size)


def test_what_is_not_recorded_is_explained():
    class Wrapped(nn.Module):
        def __init__(self, function):
            self.function = function

        def forward(self, x):
            return self.function(x)

    def foreign_unpooling(x):
        return F.max_unpool2d(x, np.arange(64).reshape(1, 8, 8, 1).astype("int32"), 2)

    with pytest.raises(ValueError, match="no recorded operation made the output"):
        receptive_field(Wrapped(lambda x: x.detach()), 8)
    with pytest.raises(ValueError, match="must return one Tensor, not a tuple"):
        receptive_field(Wrapped(lambda x: (x, x)), 8)
    with pytest.raises(ValueError, match="the indices of a max_unpool2d come from no max_pool2d before it"):
        receptive_field(Wrapped(foreign_unpooling), 8)


def test_a_network_without_a_legal_size():
    class Nothing(OnlyWindows):
        def output_length(self, length):
            return 0

    with pytest.raises(ValueError, match="Nothing takes no size up to 2048"):
        receptive_field(Nothing())
