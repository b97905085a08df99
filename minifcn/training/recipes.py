"""Choices that work: a training for each dataset, and what to change in it for another network than the U-Net."""

from __future__ import annotations

from typing import Any

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
        augment=False,
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
        augment=False,  # the sky is above
        normalise="dataset",
        lr=2e-3,
    ),
    "dsb2018": TrainConfig("dsb2018", options=_SMALL_UNET, steps=600, batch=4, crop=128, lr=2e-3),
    "vgg_cells": TrainConfig(
        "vgg_cells", options=_SMALL_UNET, loss="mse", steps=1000, batch=4, crop=128, normalise="dataset", lr=2e-3
    ),
    "voc2012": TrainConfig(
        "voc2012", options={"base": 16, "depth": 4, "norm": "batch"}, steps=600, batch=2, crop=256, normalise="dataset"
    ),
    "bsds500": TrainConfig("bsds500", options=_SMALL_UNET, balance="inverse", steps=600, batch=2, crop=256),
    "digits": TrainConfig(
        "digits", options=_SMALL_UNET, steps=800, batch=8, augment=False, normalise="dataset", lr=2e-3
    ),
    "discs": TrainConfig(
        "discs", options={"base": 8, "depth": 2}, balance="inverse", steps=300, batch=8, augment=False, lr=5e-3
    ),
    "folder": TrainConfig("folder", options=_SMALL_UNET, steps=1000, batch=4, crop=128),
}

#: What differs for another network: by (dataset, model). Options are then the model's own, not those of the U-Net.
_OTHERWISE: dict[tuple[str, str], dict[str, Any]] = {
    ("isbi", "segnet"): {"options": {"base": 16}},
    ("isbi", "fcn8s"): {"options": {"base": 16, "hidden": 256}, "crop": 192, "batch": 2},
    ("isbi", "pang"): {"options": {}, "lr": 1e-2},
    # The window's centre is the target, and both classes are drawn equally often.
    ("isbi", "ciresan-n3"): {"options": {}, "crop": 65, "batch": 32, "balance": "windows", "steps": 3000},
    ("isbi", "ciresan-n4"): {"options": {}, "crop": 95, "batch": 32, "balance": "windows", "steps": 3000},
    ("camvid", "segnet"): {"options": {"base": 16}},
}


def recipe(dataset: str, model: str | None = None, **changes: Any) -> TrainConfig:
    """The recipe for a dataset and a network, with changes; None changes nothing, the option "none" takes one back.

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
        base = base.changed(model=model, **{"options": {}, **_OTHERWISE.get((dataset, model), {})})
    given = {name: value for name, value in changes.items() if value is not None}
    options = {name: value for name, value in (given.pop("options", None) or {}).items() if value is not None}
    kept = {name: value for name, value in {**base.options, **options}.items() if value != "none"}
    return base.changed(**given, options=kept)
