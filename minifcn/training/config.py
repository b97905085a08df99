"""What a training is: every choice that its result depends on, in one value that a TOML file holds."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from minifcn.data import Normalisation
from minifcn.io.atomic import write_text

_BALANCES = ("none", "inverse", "median", "crops", "windows")
_LISTS = ("mean", "std", "class_weights")  # tuples here, lists in TOML


class ConfigError(ValueError):
    """A configuration that cannot be used; the message says why."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a training's result depends on, besides the data, the machine and its number of threads.

    Attributes:
        dataset: a name in `minifcn.data.SOURCES`.
        data: the folder that holds it; None where the dataset has a place of its own.
        data_options: the dataset's options, such as ``{"target": "border"}``.
        model: a name in `minifcn.models.REGISTRY`.
        options: the model's options, such as ``{"base": 16, "depth": 4}``.
        pretrained: a file of a classification network's weights that the encoder starts from, for
            `minifcn.io.read_weights`; images are then normalised as ImageNet's were.
        loss: what is minimised, as `minifcn.training.objective` reads it: "cross_entropy + 0.5*dice".
        balance: what is done for rare classes. "none"; "inverse", classes weigh 1 / frequency in the cross-entropy, so
            that all of them weigh the same in all; "median", they weigh as in SegNet (see
            `minifcn.data.median_frequency_weights`); "crops", crops lie around each class equally often; "windows",
            exactly so, for networks that classify a window's centre, as Ciresan's.
        class_weights: those weights; filled in when training begins.
        steps: number of optimiser steps.
        batch: images a step.
        crop: side of the random crops in pixels; 0 trains on whole images.
        augment: "turns", random flips and quarter turns; "mirror", flips left-right, for images that have an up and a
            down; or "none".
        elastic: standard deviation in pixels of U-Net's elastic deformation; 0: none.
        rotation: random rotation by up to so many degrees.
        zoom: random magnification by up to this factor, and as much the other way.
        intensity: random changes of gamma, contrast and brightness, by up to about this share.
        noise: random noise, of a standard deviation of up to this share of an image's range.
        border_weight: w0 of U-Net's weight map, which favours the pixels between near objects; 0: none.
        border_sigma: its σ, in pixels.
        lr: the highest learning rate; it rises over the first steps and falls to 0 along a cosine.
        optimizer: "adamw" or "sgd".
        momentum: of "sgd".
        weight_decay: of either.
        clip: largest norm of the gradient; 0 does not limit it.
        seed: of initialisation, order, crops and dropout.
        validate_every: steps between two validations.
        validation_images: how many of the validation images are looked at during training.
        normalise: "image", each image by its own mean and standard deviation; or "dataset", all by the dataset's.
        mean: of the training images, by channel; filled in when training begins.
        std: their standard deviation, by channel.
    """

    dataset: str
    data: str | None = None
    data_options: dict[str, Any] = field(default_factory=dict)
    model: str = "unet"
    options: dict[str, Any] = field(default_factory=dict)
    pretrained: str | None = None
    loss: str = "cross_entropy"
    balance: Literal["none", "inverse", "median", "crops", "windows"] = "none"
    class_weights: tuple[float, ...] = ()
    steps: int = 500
    batch: int = 4
    crop: int = 0
    augment: Literal["turns", "mirror", "none"] = "turns"
    elastic: float = 0.0
    rotation: float = 0.0
    zoom: float = 1.0
    intensity: float = 0.0
    noise: float = 0.0
    border_weight: float = 0.0
    border_sigma: float = 5.0
    lr: float = 1e-3
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    clip: float = 1.0
    seed: int = 0
    validate_every: int = 100
    validation_images: int = 16
    normalise: Literal["image", "dataset"] = "image"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every", "validation_images"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("elastic", "rotation", "intensity", "noise", "border_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be finite and not negative, got {getattr(self, name)}")
        if not (1 <= self.zoom < math.inf and 0 < self.border_sigma < math.inf):
            raise ConfigError(f"expected zoom >= 1 and border_sigma > 0, got {self.zoom} and {self.border_sigma}")
        if self.augment not in ("turns", "mirror", "none"):
            raise ConfigError(f"augment must be 'turns', 'mirror' or 'none', not {self.augment!r}")
        if self.crop < 0 or self.seed < 0 or self.clip < 0 or self.weight_decay < 0:
            raise ConfigError("crop, seed, clip and weight_decay must not be negative")
        if self.normalise not in ("image", "dataset"):
            raise ConfigError(f"normalise must be 'image' or 'dataset', not {self.normalise!r}")
        if self.balance not in _BALANCES:
            raise ConfigError(f"balance must be one of {', '.join(_BALANCES)}, not {self.balance!r}")
        if self.balance in ("crops", "windows") and not self.crop:
            raise ConfigError(f"balance {self.balance!r} chooses where to crop: give the size of the crops")
        if self.optimizer not in ("adamw", "sgd"):
            raise ConfigError(f"optimizer must be 'adamw' or 'sgd', not {self.optimizer!r}")
        if not 0 < self.lr < math.inf:
            raise ConfigError(f"lr must be positive and finite, got {self.lr}")
        if not (0 <= self.momentum < 1 and 0 <= self.weight_decay < math.inf):
            given = f"{self.momentum} and {self.weight_decay}"
            raise ConfigError(f"expected 0 <= momentum < 1 and a finite weight_decay >= 0, got {given}")

    @property
    def normalisation(self) -> Normalisation:
        """How images are prepared."""
        return Normalisation(self.normalise, self.mean, self.std)

    def changed(self, **changes: Any) -> TrainConfig:
        """A copy with some values changed."""
        return replace(self, **changes)

    def save(self, path: Path) -> None:
        """Write as TOML."""
        import tomli_w

        values = {name: value for name, value in asdict(self).items() if value is not None}
        values |= {name: list(values[name]) for name in _LISTS}
        write_text(path, tomli_w.dumps(values))

    @staticmethod
    def load(path: Path) -> TrainConfig:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ConfigError: not TOML, or not this configuration.
        """
        if not path.is_file():
            raise FileNotFoundError(f"{path}: not found; a run's folder holds one")
        try:
            values: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not valid TOML: {error}") from None
        known = {f.name for f in fields(TrainConfig)}
        unknown = sorted(set(values) - known)
        if unknown or "dataset" not in values:
            what = f"unknown entries {', '.join(unknown)}" if unknown else "no dataset"
            raise ConfigError(f"{path}: {what}; is it of this version?")
        listed = {name: tuple(values[name]) for name in _LISTS if name in values}
        try:
            return TrainConfig(**{**values, **listed})
        except TypeError as error:
            raise ConfigError(f"{path}: {error}") from None
