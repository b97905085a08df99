"""Three fast ways to classify every window, against cutting every window out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minifcn as mf
from minifcn import nn
from minifcn.models import CiresanN3, CiresanN4, Dilated, Fragments, PatchClassifier, ShiftAndStitch, SlidingWindow
from minifcn.models.convolutionalize import receptive_field
from minifcn.models.sliding import interlace, part
from minifcn.prediction import Predictor
from tests.tolerances import assert_close

FAST = [ShiftAndStitch, Dilated, Fragments, lambda classifier: Fragments(classifier, most=40)]


def lively(network):
    """In float64, with weights that keep the scale of what they sum: so that outputs differ from place to place."""
    rng = np.random.default_rng(0)
    for parameter in network.astype(np.float64).parameters():
        fan_in = parameter.size / parameter.shape[-1]
        parameter.data[...] = rng.standard_normal(parameter.shape) * (1.5 / np.sqrt(fan_in))
    return network.eval()


def images(*shape):
    return mf.tensor(np.random.default_rng(1).standard_normal(shape))


def assert_all_agree(classifier, x, terms):
    with mf.no_grad():
        expected = SlidingWindow(classifier, batch=7)(x).data
        w = classifier.window
        assert expected.shape == (x.shape[0], x.shape[1] - w + 1, x.shape[2] - w + 1, classifier.classes)
        for position, fast in enumerate(FAST):
            assert_close(fast(classifier)(x).data, expected, terms, context=str(position))
    return expected


@pytest.mark.parametrize(
    ("network", "size"),
    [
        (CiresanN3, (65, 65)),
        (CiresanN3, (66, 65)),
        (CiresanN3, (68, 75)),
        (CiresanN4, (95, 95)),
        (CiresanN4, (96, 95)),
        (CiresanN4, (95, 112)),
    ],
)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_ciresan(network, size, activation):
    classifier = lively(network(2, 3, maps=3, hidden=8, activation=activation))
    answers = assert_all_agree(classifier, images(2, *size, 2), terms=400)
    assert answers.std(axis=(0, 1, 2)).max() > 1e-3


LAYER = st.tuples(
    st.booleans(),  # pooling, or convolution
    *(st.tuples(st.integers(1, most), st.integers(1, most)) for most in (3, 3, 2)),  # kernel, stride, dilation
)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(LAYER, min_size=1, max_size=3),
    st.tuples(*[st.integers(1, 2)] * 2),  # what the dense layer sees
    st.integers(0, 3),
    st.tuples(*[st.integers(0, 9)] * 2),
    st.integers(1, 2),
)
def test_any_geometry(geometry, last, slack, extra, channels):
    """Windows larger than what the layers read, strides larger than kernels, poolings that overlap."""
    layers = [
        nn.MaxPool2d(kernel, stride, dilation=dilation)
        if pool
        else nn.Conv2d(channels, channels, kernel, stride, dilation=dilation)
        for pool, kernel, stride, dilation in geometry
    ]
    fields = receptive_field([*layers, nn.Conv2d(1, 1, last)])[0]
    window = max(fields) + slack
    left = nn.Sequential(*layers)(mf.zeros(1, window, window, channels)).shape
    layers += [nn.ReLU(), nn.Flatten(), nn.Linear(int(np.prod(left)), 2)]
    classifier = lively(PatchClassifier(nn.Sequential(*layers), window, channels, 2))
    assert_all_agree(classifier, images(2, window + extra[0], window + extra[1], channels), terms=100)


def small():
    layers = [nn.Conv2d(1, 2, 2), nn.MaxPool2d(2), nn.Tanh(), nn.Conv2d(2, 2, 2), nn.MaxPool2d(2), nn.Flatten()]
    return lively(PatchClassifier(nn.Sequential(*layers, nn.Linear(8, 3)), 12, 1, 3))


@pytest.mark.parametrize("fast", FAST[1:])
def test_gradients_are_those_of_all_windows_together(fast):
    classifier, weights = small(), np.random.default_rng(2).standard_normal((1, 5, 6, 3))
    gradients = []
    for network in (SlidingWindow(classifier), fast(classifier)):
        x = images(1, 16, 17, 1).requires_grad_()
        (network(x) * weights).sum().backward()
        gradients.append([x.grad.data, *(p.grad.data for p in network.parameters())])
    for actual, expected in zip(gradients[1], gradients[0], strict=True):
        assert_close(actual.reshape(expected.shape), expected, terms=300)


def test_batch_normalisation_can_be_folded():
    layers = nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Linear(3, 2))
    classifier = PatchClassifier(layers, 3, 1, 2)
    for _ in range(3):
        classifier(mf.rand(4, 3, 3, 1))
    classifier = classifier.astype(np.float64).eval()
    x = images(1, 6, 7, 1)
    expected = assert_all_agree(classifier, x, terms=10)
    assert_close(classifier.for_images().fold_batch_norm()(x).data, expected, terms=10)


@pytest.mark.parametrize("stride", [(1, 1), (2, 3), (3, 1)])
def test_interlacing_undoes_parting(stride):
    x = images(2, 6, 12, 3)
    parts = part(x, stride)
    np.testing.assert_array_equal(interlace(parts, stride).data, x.data)
    np.testing.assert_array_equal(parts.data[-1], x.data[-1, stride[0] - 1 :: stride[0], stride[1] - 1 :: stride[1]])


def test_every_pixel_gets_the_answer_of_the_window_about_it():
    classifier = CiresanN3(1, 2, maps=2, hidden=3, activation="relu")
    image = np.random.default_rng(0).random((1, 11, 8, 1), np.float32)
    dense = Predictor(classifier.for_images(), normalise=lambda image: image)(image)
    assert dense.shape == (1, 11, 8, 2)
    mirrored = np.pad(image, ((0, 0), (32, 32), (32, 32), (0, 0)), mode="reflect")
    for row, column in ((0, 0), (10, 7), (4, 5)):
        window = mirrored[:, row : row + 65, column : column + 65]
        assert window[0, 32, 32, 0] == image[0, row, column, 0]
        logits = classifier(window).data.astype(np.float64)[0, 0, 0]
        assert_close(dense[0, row, column], (np.exp(logits) / np.exp(logits).sum()).astype(np.float32), terms=100)


# --- sizes and errors -------------------------------------------------------------------------------------------------


def test_a_classifier_takes_windows_only():
    classifier = small()
    assert classifier.output_size(12, 12) == (1, 1)
    assert classifier.legal_size(1) == classifier.legal_size(12) == 12
    message = (
        r"patchclassifier: input \(3, 12, 13, 1\) is no window: the network classifies windows of 12 x 12 pixels, one "
        r"answer each; cut crops of 12 for training, and take for_images\(\) \(or minifcn.models.convolutionalize\) "
        "for images$"
    )
    with pytest.raises(ValueError, match=message):
        classifier(images(3, 12, 13, 1))
    for refused in (lambda: classifier.legal_size(13), lambda: classifier.output_size(13, 13)):
        with pytest.raises(ValueError, match=r"input \(1, 13, 13, 1\) is no window"):
            refused()


@pytest.mark.parametrize("network", [SlidingWindow, *FAST])
def test_no_images_have_no_answers(network):
    assert network(small())(images(0, 13, 15, 1)).shape == (0, 2, 4, 3)


@pytest.mark.parametrize("network", [SlidingWindow, *FAST])
def test_images_smaller_than_a_window_are_refused(network):
    network = network(small())
    assert [network.output_length(n) for n in (0, 11, 12, 20)] == [0, 0, 1, 9]
    assert network.for_images() is network
    with pytest.raises(ValueError, match=r"height 11 of input \(1, 11, 12, 1\) is not a legal size.*12 \(pad by 1\)"):
        network(images(1, 11, 12, 1))
    with pytest.raises(ValueError, match="has 2 channels, but the network takes 1"):
        network(images(1, 12, 12, 2))


def test_layers_that_give_something_else_than_classes():
    classifier = PatchClassifier(nn.Sequential(nn.Conv2d(1, 2, 3)), 5, 1, 2)
    with pytest.raises(ValueError, match=r"of windows \(4, 5, 5, 1\) the layers made \(4, 3, 3, 2\), not 2"):
        classifier(mf.zeros(4, 5, 5, 1))
