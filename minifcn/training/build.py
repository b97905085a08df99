"""From a configuration to the things that train: model, optimiser, schedule."""

from __future__ import annotations

import inspect

from minifcn import models, optim
from minifcn.data import Dataset, class_fractions, median_frequency_weights, statistics
from minifcn.prediction import Predictor
from minifcn.training.config import ConfigError, TrainConfig
from minifcn.training.objective import balanced, objective

#: Mean and standard deviation of ImageNet's colours, as torchvision's networks were trained with.
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def complete(config: TrainConfig, train: Dataset) -> TrainConfig:
    """The configuration with what the training set decides filled in: statistics of images and weights of classes."""
    if config.pretrained and not config.mean:
        mean, std = (_per_channel(colours, train.channels) for colours in _IMAGENET)
        config = config.changed(normalise="dataset", mean=mean, std=std)
    if not config.mean:
        mean, std = statistics(train)
        config = config.changed(mean=mean, std=std)
    if config.balance in ("inverse", "median") and not config.class_weights:
        inverse = config.balance == "inverse"
        # Of all images: a class that is in few of them must not count as one that is in none.
        weights = balanced(class_fractions(train, samples=None)) if inverse else median_frequency_weights(train)
        config = config.changed(class_weights=tuple(round(float(weight), 6) for weight in weights))
    return config


def _per_channel(colours: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """What is known of red, green and blue, for channels that may be others: then their mean."""
    return colours if channels == len(colours) else (round(sum(colours) / len(colours), 6),) * channels


def build_model(config: TrainConfig, channels: int, classes: int) -> models.Network:
    """The network, with fresh weights.

    Raises:
        ConfigError: unknown model, or options that it does not take.
    """
    if config.model in models.REGISTRY:
        known = inspect.signature(models.REGISTRY[config.model]).parameters
        own = [name for name in known if name not in ("in_channels", "classes")]
        for name in config.options:
            if name not in own:
                raise ConfigError(f"{config.model}: no option {name!r}; it has {', '.join(own)}")
    try:
        options = {name: None if value == "none" else value for name, value in config.options.items()}
        return models.create(config.model, in_channels=channels, classes=classes, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None


def build_optimizer(config: TrainConfig, model: models.Network) -> optim.Optimizer:
    """AdamW, or the stochastic gradient descent with momentum that U-Net and FCN were published with."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if config.optimizer == "adamw":
        return optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay)
    return optim.SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)


def build_predictor(config: TrainConfig, model: models.Network, classes: tuple[str, ...], scale: float) -> Predictor:
    """The network as it is applied: images prepared as in training, answers as its loss understands them."""
    activation = objective(config.loss).activation
    return Predictor(model, config.normalisation, classes, activation=activation, scale=scale)


def build_schedule(config: TrainConfig, optimizer: optim.Optimizer) -> optim.Schedule:
    """A tenth of the steps, at most 50, to rise to the learning rate; the rest to fall to zero along a cosine."""
    rise = max(1, min(50, config.steps // 10))
    fall = optim.CosineAnnealingLR(optimizer, max(1, config.steps - rise))
    return optim.LinearWarmup(optimizer, rise, after=fall, start_factor=0.1)
