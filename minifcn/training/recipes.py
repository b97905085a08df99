"""Choices that work: a training for each dataset, and what to change in it for another network than the U-Net."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from minifcn.data.dataset import Task
from minifcn.models import REGISTRY, PatchClassifier
from minifcn.training.config import ConfigError, TrainConfig

_SMALL_UNET = {"base": 16, "depth": 3, "norm": "batch"}

#: By dataset; the command line's options replace the choices one by one.
RECIPES: dict[str, TrainConfig] = {
    "synthetic": TrainConfig(
        "synthetic", options={"base": 16, "depth": 3}, steps=400, batch=4, crop=128, lr=2e-3, validate_every=50
    ),
    "isbi": TrainConfig(
        "isbi",
        options={"base": 16, "depth": 4, "norm": "batch"},
        balance="inverse",
        steps=1500,
        batch=4,
        crop=128,
        lr=1e-3,
        validate_every=250,
    ),
    "mnist": TrainConfig(
        "mnist",
        options={"base": 16, "depth": 3},
        steps=1500,
        batch=32,
        augment="none",
        normalise="dataset",
        lr=2e-3,
        validate_every=250,
        validation_images=500,
    ),
    "camvid": TrainConfig(
        "camvid",
        options={"base": 16, "depth": 4, "norm": "batch"},
        balance="median",
        steps=600,
        batch=2,
        crop=256,
        augment="none",
        normalise="dataset",
        lr=2e-3,
    ),
    "dsb2018": TrainConfig("dsb2018", options=_SMALL_UNET, steps=600, batch=4, crop=128, lr=2e-3),
    "vgg_cells": TrainConfig(
        "vgg_cells", options=_SMALL_UNET, loss="mse", steps=1000, batch=4, crop=128, normalise="dataset", lr=2e-3
    ),
    "voc2012": TrainConfig(
        "voc2012",
        options={"base": 16, "depth": 4, "norm": "batch"},
        steps=600,
        batch=2,
        crop=256,
        augment="mirror",
        normalise="dataset",
    ),
    "bsds500": TrainConfig(
        "bsds500", options=_SMALL_UNET, balance="inverse", steps=600, batch=2, crop=256, augment="mirror"
    ),
    "digits": TrainConfig(
        "digits", options=_SMALL_UNET, steps=800, batch=8, augment="none", normalise="dataset", lr=2e-3
    ),
    "discs": TrainConfig(
        "discs",
        # So large that the network's receptive field of 44 pixels does not reach from a disc to the border, whose
        # padding would tell it where it is.
        data_options={"size": 128},
        options={"base": 8, "depth": 2},
        balance="inverse",
        steps=300,
        batch=8,
        augment="none",
        lr=5e-3,
    ),
    "folder": TrainConfig("folder", options=_SMALL_UNET, steps=1000, batch=4, crop=128, augment="mirror"),
}

#: Options of networks that are quick enough to train on two cores; without them they are as large as published.
NARROW: dict[str, dict[str, Any]] = {
    "segnet": {"base": 16},
    "segnet-basic": {"width": 32},
    "fcn32s": {"base": 16, "hidden": 256},
    "fcn16s": {"base": 16, "hidden": 256},
    "fcn8s": {"base": 16, "hidden": 256},
    "unet-backbone": {"backbone": "resnet18", "base": 16},
}

#: What else differs for another network, by (dataset, model).
_OTHERWISE: dict[tuple[str, str], dict[str, Any]] = {
    ("isbi", "fcn8s"): {"crop": 192, "batch": 2},
    ("isbi", "pang"): {"lr": 1e-2},
}

#: A classifier of windows learns from many of them, its classes drawn equally often.
_WINDOWS = {"balance": "windows", "batch": 32, "steps": 3000}


def recipe(dataset: str, model: str | None = None, **changes: Any) -> TrainConfig:
    """The recipe for a dataset and a network, with changes; None changes nothing, the option "none" takes one back.

    Networks other than the U-Net are narrow, unless they start from pretrained weights.

    Raises:
        ValueError: no such dataset.
        ConfigError: a change to a value that cannot be.

    >>> recipe("isbi", batch=2, lr=None, options={"norm": "none"}).options
    {'base': 16, 'depth': 4}
    >>> recipe("isbi", "segnet").options
    {'base': 16}
    """
    from minifcn.data import open_source

    if dataset not in RECIPES:
        open_source(dataset)  # it knows what to say about an unknown name
        raise ConfigError(f"{dataset}: there is no recipe; train it in Python with a TrainConfig")
    base = RECIPES[dataset]
    if model is not None and model != base.model:
        base = _for_another(base, model, pretrained=changes.get("pretrained") is not None)
    given = {name: value for name, value in changes.items() if value is not None}
    options = {name: value for name, value in (given.pop("options", None) or {}).items() if value is not None}
    given["data_options"] = {**base.data_options, **given.get("data_options", {})}
    kept = {**base.options, **options}
    for name, value in list(kept.items()):
        if value == "none" and _default(base.changed(**given).model, name) is None:
            del kept[name]  # as the network has it
    return base.changed(**given, options=kept)


def _default(model: str, option: str) -> Any:
    """What a network's option is if nobody says otherwise."""
    parameters = inspect.signature(REGISTRY[model]).parameters if model in REGISTRY else {}
    return parameters[option].default if option in parameters else None


def _for_another(base: TrainConfig, model: str, pretrained: bool) -> TrainConfig:
    """The recipe of the dataset's U-Net, for another network."""
    changes: dict[str, Any] = {"options": {} if pretrained else dict(NARROW.get(model, {}))}
    network = REGISTRY.get(model)  # an unknown name is an error where networks are made
    if network is not None and issubclass(network, PatchClassifier):
        changes |= {**_WINDOWS, "crop": network.side}
    return base.changed(model=model, **changes, **_OTHERWISE.get((base.dataset, model), {}))


def fitted(config: TrainConfig, task: Task, chosen: Mapping[str, Any]) -> TrainConfig:
    """The recipe made to fit what a dataset's options ask for, in all that nobody has chosen.

    >>> fitted(recipe("digits"), "regression", {}).loss
    'mse'
    """
    if task != "regression":
        return config
    fitting = {"loss": "mse", "balance": "none", "normalise": "dataset"}
    if config.loss == "mse":
        del fitting["normalise"]  # the recipe is one for values
    return config.changed(**{name: value for name, value in fitting.items() if chosen.get(name) is None})
