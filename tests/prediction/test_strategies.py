"""Pad, tile, resize and whole: one image of any size, an answer for every pixel."""

import numpy as np
import pytest
from prediction_networks import NETWORKS, OddStride, shaken
from tolerances import tolerance

import minifcn as mf
from minifcn import nn
from minifcn.data import Normalisation
from minifcn.models import CiresanN3, UNet
from minifcn.prediction import Predictor, predict, strategies
from minifcn.prediction.images import as_predictor

AS_IS = Normalisation("dataset", (0.0,), (1.0,))
IMAGE = np.random.default_rng(0).random((70, 101), np.float32)


def test_predict_is_exported():
    assert mf.predict is predict
    with pytest.raises(AttributeError, match="module 'minifcn' has no attribute 'predct'"):
        _ = mf.predct


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("unet 2", "softmax"),
        ("valid unet 2", "sigmoid"),
        ("pang", "identity"),
        ("odd stride", "identity"),
        ("ciresan", "softmax"),
    ],
)
def test_tiles_answer_what_padding_answers(name, activation):
    model = shaken(NETWORKS[name]())
    padded = predict(model, IMAGE, "pad", activation=activation)
    tiled = predict(model, IMAGE, "tile", tile=80, activation=activation)
    assert tiled.shape == (70, 101, 3 if name == "unet 2" else 2)
    assert tiled.dtype == np.float32
    np.testing.assert_allclose(
        tiled, padded, **tolerance(np.float32, terms=100, scale=float(np.abs(padded).max()), growth=4)
    )


@pytest.mark.parametrize("name", ["unet 2", "valid unet 2", "segnet", "fcn32s", "pang", "odd stride"])
def test_small_and_odd_images_are_answered(name):
    predictor = as_predictor(NETWORKS[name]())
    network = predictor.prepared()
    for height, width in ((1, 1), (1, 9), (2, 3), (17, 5)):
        image = IMAGE[None, :height, :width, None]
        padded = strategies.Pad()(network, image)
        assert padded.shape[:3] == (1, height, width)
        np.testing.assert_allclose(padded.sum(axis=-1), 1.0, rtol=1e-5)
        for other in (strategies.Auto(), strategies.TileBy()):
            np.testing.assert_array_equal(other(network, image), padded)


def test_blended_tiles_add_up_to_one():
    model = shaken(UNet(1, 2, base=1, depth=2))
    answers = predict(model, IMAGE, "tile", tile=32, halo=0, blend="gaussian")
    np.testing.assert_allclose(answers.sum(axis=-1), 1.0, rtol=1e-5)
    assert np.abs(answers - predict(model, IMAGE)).max() > 1e-4


def test_a_classifier_of_windows_answers_every_pixel():
    assert predict(CiresanN3(1, 2, maps=1, hidden=1), IMAGE[:9, :8], "tile").shape == (9, 8, 2)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (3, 4, 6, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.bool_, np.float32, np.float64])
def test_images_as_files_hold_them(shape, dtype):
    random = np.random.default_rng(0).random(shape)
    most = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    image = (random > 0.5) if dtype == np.bool_ else np.round(random * most).astype(dtype)
    model = UNet(1, 2, base=1, depth=1)
    answers = predict(model, image, normalise=AS_IS)
    assert answers.shape == (*((3,) if len(shape) == 4 else ()), 4, 6, 2)
    unit = (np.asarray(image, np.float32) / np.float32(most)).reshape(-1, 4, 6, 1)
    np.testing.assert_array_equal(answers.reshape(-1, 4, 6, 2), Predictor(model, AS_IS)(unit))


def test_resize_keeps_a_flat_image_and_the_size():
    seen = []
    model = nn.Sequential(nn.Conv2d(1, 2, 1))
    model.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[1:3]))
    flat = np.full((70, 101), 0.25, np.float32)
    answers = predict(model, flat, "resize", size=50, normalise=AS_IS)
    assert answers.shape == (70, 101, 2)
    np.testing.assert_allclose(answers, np.broadcast_to(answers[0, 0], answers.shape), rtol=1e-5)
    assert seen[-1] == (35, 50)


@pytest.mark.parametrize(("size", "target"), [(50, (35, 50)), ((8, 9), (8, 9)), (1, (1, 1)), (202, (140, 202))])
def test_resize_aims_at_the_longer_side(size, target):
    assert strategies.Resize(size).target(70, 101) == target
    assert strategies.resized(IMAGE[None, ..., None], target).shape == (1, *target, 1)


def test_resize_smooths_before_it_shrinks():
    checkers = np.indices((64, 64)).sum(axis=0)[None, ..., None].astype(np.float32) % 2
    small = strategies.resized(checkers, (9, 9))
    np.testing.assert_allclose(small[:, 1:-1, 1:-1], 0.5, atol=0.01)


def test_whole_takes_legal_sizes_only_and_adds_nothing():
    model = UNet(1, 2, base=1, depth=2, padding="valid")
    assert predict(model, np.zeros((52, 60)), "whole").shape == (*model.output_size(52, 60), 2)
    message = (
        r"height 51 of input \(1, 51, 60, 1\) is not a legal size; nearest legal: 48, 52 .*; or take strategy='pad'"
    )
    with pytest.raises(ValueError, match=message):
        predict(model, np.zeros((51, 60)), "whole")
    with pytest.raises(ValueError, match="OddStride: height 7 of input"):
        predict(OddStride(), np.zeros((7, 9)), "whole")


def test_auto_tiles_what_is_too_large_to_pad(monkeypatch):
    model = shaken(UNet(1, 2, base=1, depth=1))
    monkeypatch.setattr(strategies, "MOST_PADDED", 1000)
    taken = []
    monkeypatch.setattr(strategies.TileBy, "__call__", lambda self, network, images: taken.append(images.shape))
    strategies.Auto()(Predictor(model).prepared(), IMAGE[None, :20, :50, None])
    assert taken == []
    strategies.Auto()(Predictor(model).prepared(), IMAGE[None, ..., None])
    assert taken == [(1, 70, 101, 1)]
    told = Predictor(shaken(UNet(1, 2, base=1, depth=1, coordinates=True))).prepared()  # has no tiles without a seam
    assert strategies.Auto()(told, IMAGE[None, ..., None]).shape == (1, 70, 101, 2)
    assert len(taken) == 1


def test_float64_networks_compute_in_float64():
    model = UNet(1, 2, base=1, depth=1).astype(np.float64)
    assert predict(model, IMAGE).dtype == np.float32


def test_a_predictor_is_taken_as_it_is_and_left_so():
    predictor = Predictor(shaken(UNet(1, 2, base=1, depth=1)), AS_IS, activation="identity")
    values = predict(predictor, IMAGE, "tile", tile=64)
    assert values.min() < 0
    assert isinstance(predictor.strategy, strategies.Auto)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (IMAGE, {"strategy": "tiles"}, "no strategy 'tiles'; take one of auto, pad, tile, resize, whole"),
        (IMAGE, {"strategy": "pad", "tile": 64}, "are options of strategy='tile', not of 'pad'"),
        (IMAGE, {"strategy": "resize"}, "strategy='resize' needs size="),
        (IMAGE, {"strategy": "pad", "size": 5}, r"strategy='pad' takes no size \(5\)"),
        (IMAGE, {"strategy": "resize", "size": 0}, "size must be a positive whole number or"),
        (IMAGE, {"strategy": "resize", "size": (4, 5, 6)}, "size must be a positive whole number or"),
        (
            IMAGE[None],
            {},
            r"expected an image \(H, W\), .* as the network takes 1 channel\(s\), got shape \(1, 70, 101\)",
        ),
        (IMAGE[0], {}, r"got shape \(101,\)"),
        (IMAGE[:0], {}, r"no pixels: shape \(1, 0, 101, 1\)"),
    ],
)
def test_images_and_options_that_do_not_fit_are_refused(image, options, message):
    with pytest.raises(ValueError, match=message):
        predict(UNet(1, 2, base=1, depth=1), image, **options)


def test_what_is_no_model_is_refused():
    with pytest.raises(ValueError, match="a dict cannot be applied to images; give a"):
        predict({}, IMAGE)
    with pytest.raises(ValueError, match=r"must give a map \(1, P, Q, K\)"):
        predict(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten()), IMAGE)


def test_a_predictors_own_strategy_and_symmetries_are_taken_unless_told():
    model = shaken(UNet(1, 2, base=1, depth=1))
    small = IMAGE[:12, :10]
    predictor = Predictor(model, AS_IS, strategy=strategies.Resize(6), symmetries=True)
    np.testing.assert_array_equal(predict(predictor, small), predictor(small[None, ..., None])[0])
    plain = predict(predictor, small, "pad", symmetries=False)
    np.testing.assert_array_equal(plain, predict(model, small, normalise=AS_IS))
    assert not np.allclose(plain, predict(predictor, small))


@pytest.mark.parametrize("values", [(0.0, 255.0), (-1.0, 1.0)])
def test_floats_beyond_those_of_training_are_refused_where_their_scale_matters(values):
    image = np.array([values], np.float32)
    model = UNet(1, 2, base=1, depth=1)
    with pytest.raises(ValueError, match=r"values reach from .* scale them to 0..1 first"):
        predict(model, image, normalise=AS_IS)
    assert predict(model, image).shape == (1, 2, 2)
