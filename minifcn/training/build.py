"""From a configuration to the things that train: model, optimiser, schedule, batches."""

from __future__ import annotations

from minifcn import models, optim
from minifcn.data import Compose, Dataset, Loader, Normalised, RandomCrop, RandomFlip, RandomRot90, Transform
from minifcn.training.config import ConfigError, TrainConfig


def build_model(config: TrainConfig, channels: int, classes: int) -> models.Network:
    """The network, with fresh weights.

    Raises:
        ConfigError: unknown model, or options that it does not take.
    """
    try:
        return models.create(config.model, in_channels=channels, classes=classes, **config.options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model {config.model!r}: {error}") from None


def build_loader(config: TrainConfig, dataset: Dataset) -> Loader:
    """Batches of random crops of normalised images; all batches of one size, so that every step weighs the same."""
    steps: list[Transform] = []
    if config.crop:
        steps.append(RandomCrop(config.crop))
    if config.augment:
        steps += [RandomFlip(), RandomRot90()]
    if config.batch > len(dataset):
        raise ConfigError(f"batch {config.batch} is larger than the dataset of {len(dataset)} images")
    transform = Compose(*steps) if steps else None
    return Loader(
        Normalised(dataset, config.normalisation), config.batch, transform=transform, seed=config.seed, drop_last=True
    )


def build_schedule(config: TrainConfig, optimizer: optim.Optimizer) -> optim.Schedule:
    """A tenth of the steps, at most 50, to rise to the learning rate; the rest to fall to zero along a cosine."""
    rise = max(1, min(50, config.steps // 10))
    fall = optim.CosineAnnealingLR(optimizer, max(1, config.steps - rise))
    return optim.LinearWarmup(optimizer, rise, after=fall, start_factor=0.1)
