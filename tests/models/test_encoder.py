"""VGG and ResNet against PyTorch networks with torchvision's names, whose weights come through files; their sizes."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch_encoders import RESNET_PLANS, VGG_PLANS, TorchResNet, TorchVGG

import minifcn as mf
from minifcn.io import read_weights, to_torch_layout
from minifcn.models import VGG, ResNet
from minifcn.models.encoder import adapted
from minifcn.nn import init


def shaken(twin):
    """The twin in float64, with statistics, norms and biases that do something."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in twin.double().state_dict().items():
            if tensor.dtype == torch.float64 and tensor.ndim == 1:
                noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
                tensor.copy_(noise + 0.5 if name.endswith(("weight", "running_var")) else noise - 0.5)
    return twin


def assert_near(actual, expected, context):
    """To 1e-9 of the largest number: norms divide by the deviations of few numbers, some of which are small."""
    expected = expected.detach().numpy()
    assert actual.shape == expected.shape, context
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-9 * max(1.0, np.abs(expected).max()), err_msg=context)


def nchw(array):
    return torch.tensor(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))


CASES = [
    # encoder, twin, suffix of the file, size
    (lambda: VGG(11, 2, 2), lambda: TorchVGG(11, 2, 2, False), ".pth", (32, 64)),
    (lambda: VGG(13, 1, 1, "batch"), lambda: TorchVGG(13, 1, 1, True), ".safetensors", (32, 32)),
    (lambda: VGG(16, 3, 2, "batch"), lambda: TorchVGG(16, 3, 2, True), ".pth", (32, 48)),
    (lambda: ResNet(18, 3, 2), lambda: TorchResNet(18, 3, 2), ".safetensors", (64, 96)),
    (lambda: ResNet(34, 1, 1), lambda: TorchResNet(34, 1, 1), ".pth", (64, 64)),
    (lambda: ResNet(50, 3, 1), lambda: TorchResNet(50, 3, 1), ".safetensors", (64, 64)),
]
NAMES = ["vgg11", "vgg13_bn", "vgg16_bn", "resnet18", "resnet34", "resnet50"]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_all_maps_and_gradients_with_weights_from_a_file(case, training, tmp_path):
    build, build_twin, suffix, size = case
    twin, encoder = shaken(build_twin()).train(training), build().astype(np.float64).train(training)
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(twin.state_dict(), path)
    encoder.load_torch(read_weights(path))

    rng = np.random.default_rng(1)
    channels = dict(encoder.named_parameters())[f"{encoder.first}.weight"].shape[2]
    images = rng.standard_normal((2, *size, channels))
    x, z = mf.tensor(images, requires_grad=True), nchw(images).requires_grad_()
    maps, expected = encoder(x), twin(z)
    assert [y.shape[3] for y in maps] == list(encoder.channels)
    assert [(size[0] // y.shape[1], size[1] // y.shape[2]) for y in maps] == [(s, s) for s in encoder.strides]
    total, torch_total = mf.zeros(1, dtype=np.float64).sum(), torch.zeros(())
    for stage, (y, other) in enumerate(zip(maps, expected, strict=True)):
        assert_near(y.data.transpose(0, 3, 1, 2), other, f"map {stage}")
        weights = rng.standard_normal(y.shape)
        total, torch_total = total + (y * weights).sum(), torch_total + (other * nchw(weights)).sum()
    total.backward()
    torch_total.backward()
    assert_near(x.grad.data.transpose(0, 3, 1, 2), z.grad, "gradient of the images")
    others, statistics = dict(twin.named_parameters()), dict(twin.named_buffers())
    for name, parameter in encoder.named_parameters():
        assert_near(to_torch_layout(parameter.grad.data), others[name].grad, f"gradient of {name}")
    for name, buffer in encoder.named_buffers():
        assert_near(buffer.data, statistics[name], name)


# --- the published sizes ----------------------------------------------------------------------------------------------


def vgg_parameters(depth, norm):
    widths = [64 * step for step in VGG_PLANS[depth] if step != "M"]
    convolutions = sum(9 * i * o + o for i, o in zip([3, *widths], widths, strict=False))
    return convolutions + (2 * sum(widths) if norm else 0)


def resnet_parameters(depth):
    expansion, counts = RESNET_PLANS[depth]
    total, inputs = 49 * 3 * 64 + 2 * 64, 64
    for i, count in enumerate(counts):
        width, outputs = 64 * 2**i, 64 * 2**i * expansion
        if expansion == 1:
            inside = [9 * width * width + 2 * width for _ in range(2 * count - 1)]
            total += 9 * inputs * width + 2 * width + sum(inside)
        else:
            total += count * (9 * width * width + width * outputs + 4 * width + 2 * outputs)
            total += inputs * width + (count - 1) * outputs * width
        total += inputs * outputs + 2 * outputs if inputs != outputs else 0
        inputs = outputs
    return total


@pytest.mark.parametrize(
    ("build", "formula", "known"),
    [
        (lambda: VGG(11), lambda: vgg_parameters(11, False), 9_220_480),
        (lambda: VGG(13), lambda: vgg_parameters(13, False), 9_404_992),
        (lambda: VGG(16), lambda: vgg_parameters(16, False), 14_714_688),
        (lambda: VGG(16, norm="batch"), lambda: vgg_parameters(16, True), 14_723_136),
        (lambda: ResNet(18), lambda: resnet_parameters(18), 11_176_512),
        (lambda: ResNet(34), lambda: resnet_parameters(34), 21_284_672),
        (lambda: ResNet(50), lambda: resnet_parameters(50), 23_508_032),
    ],
)
def test_parameters_of_the_full_networks(build, formula, known):
    with init.skipped():
        encoder = build()
    assert sum(parameter.size for parameter in encoder.parameters()) == formula() == known


# --- loading ----------------------------------------------------------------------------------------------------------


def torch_state(encoder, **changed):
    """What a file of this encoder's weights would hold, all of them ones."""
    return {name: np.ones_like(to_torch_layout(array)) for name, array in encoder.state_dict().items()} | changed


def test_the_classifier_and_counters_are_left_out():
    encoder = ResNet(18, base=1)
    state = torch_state(encoder, **{"fc.weight": np.ones((5, 8)), "fc.bias": np.ones(5)})
    encoder.load_torch(state | {"bn1.num_batches_tracked": np.array(3)})
    assert all((array == 1).all() for array in encoder.state_dict().values())


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(1, [6.0]), (2, [6.0, 0.0]), (3, [1.0, 2.0, 3.0]), (4, [1.0, 2.0, 3.0, 0.0]), (5, [1.0, 2.0, 3.0, 0.0, 0.0])],
)
def test_the_first_convolution_is_adapted_to_the_images(channels, expected):
    encoder = VGG(11, channels, base=1)
    colours = np.arange(1.0, 4.0, dtype=np.float32).reshape(1, 3, 1, 1) * np.ones((1, 3, 3, 3), np.float32)
    encoder.load_torch(torch_state(encoder, **{"features.0.weight": colours}))
    assert encoder.features[0].weight.data[1, 2, :, 0].tolist() == expected


def test_grey_images_give_what_they_would_in_colour():
    colour, grey = ResNet(18, 3, base=2).eval(), ResNet(18, 1, base=2).eval()
    grey.load_torch({name: to_torch_layout(array) for name, array in colour.state_dict().items()})
    image = np.random.default_rng(0).random((1, 32, 32, 1), np.float32)
    for one, three in zip(grey(mf.tensor(image)), colour(mf.tensor(image.repeat(3, axis=3))), strict=True):
        np.testing.assert_allclose(one.data, three.data, rtol=1e-4, atol=1e-5)


def test_weights_of_grey_images_stay_as_they_are():
    assert adapted(np.ones((3, 3, 1, 4)), 3).shape == (3, 3, 1, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer1.0.conv1.weight": None}, r"missing: layer1\.0\.conv1\.weight \(3, 3, 1, 1\)"),
        ({"layer5.0.conv1.weight": np.ones((1, 1, 3, 3))}, r"unexpected: layer5\.0\.conv1\.weight"),
        ({"conv1.weight": np.ones((2, 3, 7, 7))}, r"wrong shape: conv1\.weight is \(7, 7, 1, 1\), got \(7, 7, 1, 2\)"),
        ({"conv1.weight": np.ones(3)}, r"wrong shape: conv1\.weight"),
        ({"conv1.weight": None}, r"missing: conv1\.weight"),
    ],
)
def test_weights_of_another_network_are_refused(change, message):
    encoder = ResNet(18, 1, base=1)
    before = encoder.state_dict()
    state = {name: array for name, array in torch_state(encoder, **change).items() if array is not None}
    with pytest.raises(ValueError, match=message):
        encoder.load_torch(state)
    for name, array in encoder.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: VGG(19), "vgg: depth must be 11 or 13 or 16, not 19"),
        (lambda: VGG(11, norm="layer"), "vgg: norm must be None or 'batch', not 'layer'"),
        (lambda: VGG(11, base=0), "vgg: base must be a positive integer, got 0"),
        (lambda: ResNet(101), "resnet: depth must be 18 or 34 or 50, not 101"),
        (lambda: ResNet(18, in_channels=0), "resnet: in_channels must be a positive integer, got 0"),
    ],
)
def test_impossible_options(build, message):
    with pytest.raises(ValueError, match=message):
        build()
