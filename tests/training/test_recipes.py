"""Recipes: for every dataset and network, something that can be trained."""

import numpy as np
import pytest

from minifcn import models
from minifcn.data import SOURCES, ArrayDataset, Cached, SyntheticMembranes
from minifcn.nn import init
from minifcn.training.build import build_model, complete
from minifcn.training.config import ConfigError, TrainConfig
from minifcn.training.loading import build_loader
from minifcn.training.objective import objective
from minifcn.training.recipes import _OTHERWISE, RECIPES, fitted, recipe


def test_every_dataset_has_one():
    assert sorted(RECIPES) == sorted(SOURCES)


@pytest.mark.parametrize(("dataset", "model"), [(name, None) for name in RECIPES] + list(_OTHERWISE), ids=str)
def test_its_network_takes_what_it_crops(dataset, model):
    config = recipe(dataset, model)
    objective(config.loss)
    with init.skipped():
        network = build_model(config, 1, 2)
    if config.crop:
        assert network.size_error(config.crop, config.crop) is None


@pytest.mark.parametrize("model", list(models.REGISTRY))
def test_every_network_starts_from_its_own_options(model):
    options = recipe("isbi", model).options
    if model != "unet":
        assert "depth" not in options  # the U-Net's


@pytest.mark.parametrize("model", ["ciresan-n3", "ciresan-n4"])
@pytest.mark.parametrize("dataset", ["synthetic", "folder"])
def test_classifiers_of_windows_are_trained_on_balanced_windows(dataset, model):
    config = recipe(dataset, model)
    assert (config.crop, config.balance) == (models.REGISTRY[model].side, "windows")


def test_a_pretrained_network_is_as_wide_as_its_weights():
    assert recipe("camvid", "unet-backbone").options["base"] == 16
    assert "base" not in recipe("camvid", "unet-backbone", pretrained="resnet18.safetensors").options


def test_values_are_trained_on_with_a_loss_of_values_unless_another_is_asked_for():
    config = fitted(recipe("bsds500"), "regression", {"loss": None})
    assert (config.loss, config.balance) == ("mse", "none")
    assert fitted(recipe("bsds500"), "regression", {"loss": "tv"}).loss == recipe("bsds500").loss
    assert fitted(recipe("bsds500"), "segmentation", {}) == recipe("bsds500")


def test_batches_are_augmented_as_asked():
    dataset = SyntheticMembranes(4, size=64, seed=0)
    plain = recipe("synthetic", crop=32, batch=2, augment="none")
    (images, labels) = build_loader(plain, dataset).batch(0)
    for changes in ({"augment": "mirror"}, {"elastic": 3.0}, {"rotation": 20.0}, {"zoom": 1.3}):
        others, theirs = build_loader(plain.changed(**changes, seed=1), dataset).batch(0)
        assert others.shape == images.shape
        assert set(np.unique(theirs)) <= {0, 1}
    for changes in ({"intensity": 0.3}, {"noise": 0.1}):
        others, theirs = build_loader(plain.changed(**changes), dataset).batch(0)
        assert not np.array_equal(others, images)
        np.testing.assert_array_equal(theirs, labels)


def test_densities_are_not_stretched():
    values = np.ones((2, 8, 8, 1), np.float32)
    dataset = ArrayDataset(values[..., 0], values, ("density",), task="regression")
    plain = TrainConfig("mine", loss="mse", batch=2)
    for changes in ({"elastic": 1.0}, {"rotation": 5.0}, {"zoom": 1.1}):
        with pytest.raises(ConfigError, match="would change what the values of an object add up to"):
            build_loader(plain.changed(**changes), dataset)
    for changes in ({"border_weight": 1.0}, {"balance": "inverse"}):
        with pytest.raises(ConfigError, match="balance and border_weight are for classes"):
            build_loader(plain.changed(**changes), dataset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zoom": 0.5}, "expected zoom >= 1 and border_sigma > 0, got 0.5"),
        ({"border_sigma": 0.0}, "expected zoom >= 1 and border_sigma > 0"),
        ({"noise": -1.0}, "noise must be finite and not negative, got -1.0"),
        ({"augment": "flips"}, "augment must be 'turns', 'mirror' or 'none', not 'flips'"),
        ({"balance": "equal"}, "balance must be one of none, inverse, median, crops, windows, not 'equal'"),
    ],
)
def test_impossible_choices_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        recipe("isbi", **change)


def test_none_takes_back_what_a_network_has_by_itself():
    config = recipe("isbi", "unet-backbone", options={"norm": "none", "base": 2})
    assert config.options["norm"] == "none"  # which a file can hold
    names = [name for name, _ in build_model(config, 1, 2).decoder.named_parameters()]
    plain = [name for name, _ in build_model(config.changed(options={"base": 2}), 1, 2).decoder.named_parameters()]
    assert len([name for name in names if name.endswith("bias")]) == len(names) // 2
    assert names != plain


def test_a_class_in_few_images_still_counts():
    labels = np.zeros((300, 2, 2), int)
    labels[:, 0] = 1
    labels[7, 1] = 2
    rare = ArrayDataset(np.zeros((300, 2, 2), np.float32), labels, ("a", "b", "c"), name="rare")
    assert min(complete(TrainConfig("rare", balance="inverse"), rare).class_weights) > 0


def test_large_sets_stay_on_disk(monkeypatch):
    small, large = np.zeros((4, 4), np.float32), np.zeros((64, 64), np.float32)
    images = [small, large]
    dataset = ArrayDataset(images, [image.astype(int) for image in images], ("a", "b"))
    config = TrainConfig("mine", batch=2, crop=4)
    assert isinstance(build_loader(config, dataset).dataset, Cached)
    monkeypatch.setattr("minifcn.training.loading._MOST_CACHED", 2 * (small.nbytes + 8 * small.size))
    assert not isinstance(build_loader(config, dataset).dataset, Cached)
