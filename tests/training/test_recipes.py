"""Recipes: for every dataset and network, something that can be trained."""

import pytest

from minifcn import models
from minifcn.data import SOURCES
from minifcn.nn import init
from minifcn.training.build import build_model
from minifcn.training.objective import objective
from minifcn.training.recipes import _OTHERWISE, RECIPES, recipe


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
