"""From a configuration to batches: what is drawn from the images, and what is done to it on the way."""

from __future__ import annotations

from minifcn.data import (
    BalancedCrop,
    Cached,
    Compose,
    Crop,
    Dataset,
    Deformation,
    ElasticDeformation,
    Loader,
    Normalised,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomIntensity,
    RandomNoise,
    RandomRot90,
    RandomWarp,
    Repeated,
    Transform,
    Weighted,
    spread,
)
from minifcn.data.dataset import Image, Label
from minifcn.data.targets import maps_of
from minifcn.training.config import ConfigError, TrainConfig

#: Bytes of images and labels: prepared images are kept in memory where all of them take no more. Reading and
#: normalising a whole image for every crop out of it takes longer than a step of a small network.
_MOST_CACHED = 2**30
_LOOKED_AT = 8  # images, whose largest stands for all


def build_loader(config: TrainConfig, dataset: Dataset) -> Loader:
    """Batches of random crops of normalised images; all batches of one size, so that every step weighs the same.

    Raises:
        ConfigError: what was asked for does not fit the dataset.
    """
    _check_fit(config, dataset)
    steps = [*_where_to_look(config), *_turns(config)]
    if config.intensity:
        strength = config.intensity
        steps.append(RandomIntensity(gamma=1 + strength, contrast=min(strength, 1.0), brightness=strength / 2))
    if config.noise:
        steps.append(RandomNoise(config.noise))
    transform = Compose(*steps) if steps else None
    return Loader(_prepared(config, dataset), config.batch, transform=transform, seed=config.seed, drop_last=True)


def _bytes(image: Image, label: Label) -> int:
    """How much memory a sample takes."""
    return image.nbytes + sum(array.nbytes for array in maps_of(label))


def _check_fit(config: TrainConfig, dataset: Dataset) -> None:
    if dataset.task != "regression":
        return
    if config.elastic or config.rotation or config.zoom != 1:
        raise ConfigError(
            f"{dataset.name}: elastic, rotation and zoom would change what the values of an object add up to; leave "
            "them out"
        )
    if config.balance != "none" or config.border_weight:
        raise ConfigError(f"{dataset.name}: balance and border_weight are for classes, but its labels are values")


def _where_to_look(config: TrainConfig) -> list[Transform]:
    """The crop, deformed if that is asked for."""
    crop: Crop | None = None
    if config.balance in ("crops", "windows"):
        crop = BalancedCrop(config.crop, exact=config.balance == "windows")
    elif config.crop:
        crop = RandomCrop(config.crop)
    deformations: list[Deformation] = []
    if config.elastic:
        deformations.append(ElasticDeformation(config.elastic))
    if config.rotation or config.zoom != 1:
        deformations.append(RandomAffine(config.rotation, scale=(1 / config.zoom, config.zoom)))
    if deformations:
        return [RandomWarp(*deformations, crop=crop)]
    return [crop] if crop else []


def _turns(config: TrainConfig) -> list[Transform]:
    if config.augment == "turns":
        return [RandomFlip(), RandomRot90()]
    return [RandomFlip(vertical=False)] if config.augment == "mirror" else []


def _prepared(config: TrainConfig, dataset: Dataset) -> Dataset:
    """The dataset normalised, with the weights of pixels that are asked for, at least as large as a batch."""
    if config.border_weight:
        dataset = Weighted(dataset, config.border_weight, config.border_sigma)
    dataset = Normalised(dataset, config.normalisation)
    if len(dataset) * max(_bytes(*dataset[index]) for index in spread(len(dataset), _LOOKED_AT)) <= _MOST_CACHED:
        dataset = Cached(dataset)
    return Repeated(dataset, -(-config.batch // len(dataset))) if config.batch > len(dataset) else dataset
