"""``minifcn train``."""

from __future__ import annotations

import contextlib
import inspect
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from minifcn.training.recipes import RECIPES

option = typer.Option


def train(
    dataset: Annotated[
        str,
        typer.Argument(
            help="What to train on: " + ", ".join(RECIPES) + " (folder: your own images and masks).",
            metavar="DATASET",
            show_default=False,
        ),
    ],
    data: Annotated[Path | None, option(help="Folder that holds the dataset's files.")] = None,
    classes: Annotated[
        Path | None, option(help="Of DATASET folder: a file that names the classes, one a line; see the README.")
    ] = None,
    data_option: Annotated[
        list[str] | None, option(help="An option of the dataset, such as target=border; may be repeated.")
    ] = None,
    download: Annotated[bool, option("--download", help="Fetch the official files if they are missing.")] = False,
    model: Annotated[str | None, option(help="Which network; `minifcn models` lists them (default: unet).")] = None,
    model_option: Annotated[
        list[str] | None, option("--model-option", "-o", help="An option of the network, such as maps=16; repeatable.")
    ] = None,
    pretrained: Annotated[
        Path | None,
        option(help="Weights for the encoder of fcn* or unet-backbone: torchvision's, safetensors or pth."),
    ] = None,
    out: Annotated[Path | None, option(help="Folder of the run (default: runs/DATASET).")] = None,
    steps: Annotated[int | None, option(min=1, help="Number of optimiser steps (default: the dataset's).")] = None,
    minutes: Annotated[
        float | None, option(min=0.01, help="Instead of --steps: train for about so long; timed before training.")
    ] = None,
    batch: Annotated[int | None, option(min=1, help="Images a step.")] = None,
    crop: Annotated[int | None, option(min=0, help="Side of the random crops in pixels; 0: whole images.")] = None,
    seed: Annotated[int | None, option(min=0, help="Of weights, order, crops and dropout (default: 0).")] = None,
    lr: Annotated[float | None, option(help="Highest learning rate.")] = None,
    loss: Annotated[
        str | None, option(help='What to minimise: a name or a sum, such as "cross_entropy + 0.5*dice".')
    ] = None,
    balance: Annotated[
        str | None,
        option(help="none; inverse, median: weigh classes by rarity; crops, windows: draw them equally."),
    ] = None,
    border_weight: Annotated[
        float | None,
        option(min=0, help="w0 of U-Net's weight map between objects (10 in the paper; default: 0, none)."),
    ] = None,
    border_sigma: Annotated[float | None, option(help="Its σ in pixels (default: 5).")] = None,
    augment: Annotated[
        str | None, option(help="turns: flips and quarter turns; mirror: left-right only; or none.")
    ] = None,
    elastic: Annotated[
        float | None, option(min=0, help="Elastic deformation, in pixels (10 in U-Net's paper; default: 0, none).")
    ] = None,
    rotation: Annotated[float | None, option(min=0, help="Random rotation, up to so many degrees.")] = None,
    zoom: Annotated[float | None, option(min=1, help="Random magnification, up to this factor.")] = None,
    intensity: Annotated[
        float | None, option(min=0, help="Random gamma, contrast and brightness; 0.2 is moderate.")
    ] = None,
    noise: Annotated[float | None, option(min=0, help="Random noise, as a share of the image's range.")] = None,
    optimizer: Annotated[str | None, option(help="adamw or sgd.")] = None,
    momentum: Annotated[float | None, option(min=0, max=1, help="Of sgd (0.99 in U-Net's paper).")] = None,
    base: Annotated[int | None, option(min=1, help="Channels of the network's first level.")] = None,
    depth: Annotated[int | None, option(min=1, help="How often the network halves the image.")] = None,
    padding: Annotated[str | None, option(help="same or valid (as in the U-Net paper).")] = None,
    norm: Annotated[str | None, option(help="none or batch.")] = None,
    up: Annotated[str | None, option(help="transposed, nearest or bilinear.")] = None,
    down: Annotated[str | None, option(help="max or stride.")] = None,
    dropout: Annotated[float | None, option(help="Probability, in the two deepest levels.")] = None,
    validate_every: Annotated[int | None, option(min=1, help="Steps between validations.")] = None,
    resume: Annotated[bool, option("--resume", help="Continue an interrupted run, bit for bit.")] = False,
    overwrite: Annotated[bool, option("--overwrite", help="Replace the run that is in --out.")] = False,
) -> None:
    """Train a network and write a run's folder: config, metrics, curves, preview and checkpoints.

    Ctrl-C saves and says how to go on. Options that are not given come from the dataset's recipe.
    """
    from minifcn.training.config import ConfigError

    if resume and overwrite:
        raise ConfigError("--resume continues the run that --overwrite would replace; give one of them")
    if steps is not None and minutes is not None:
        raise ConfigError("give either --steps or --minutes")
    options: dict[str, Any] = {
        "base": base, "depth": depth, "padding": padding, "norm": norm, "up": up, "down": down, "dropout": dropout,
        **parse_options("--model-option", model_option),
    }  # fmt: skip
    data_options = parse_options("--data-option", data_option)
    if classes is not None:
        data_options["classes"] = str(classes.resolve())
    changes: dict[str, Any] = {
        "data": None if data is None else str(data.resolve()), "data_options": data_options or None, "model": model,
        "pretrained": None if pretrained is None else str(pretrained.resolve()),
        "steps": steps, "batch": batch, "crop": crop, "seed": seed, "lr": lr, "loss": loss, "balance": balance,
        "border_weight": border_weight, "border_sigma": border_sigma, "augment": augment, "elastic": elastic,
        "rotation": rotation, "zoom": zoom, "intensity": intensity, "noise": noise, "optimizer": optimizer,
        "momentum": momentum, "validate_every": validate_every,
    }  # fmt: skip
    folder = out or Path("runs") / dataset
    if resume:
        _resume(folder, dataset, changes, options, minutes, download)
    else:
        _begin(folder, dataset, changes, options, minutes, download, overwrite)


def _begin(
    folder: Path,
    dataset: str,
    changes: dict[str, Any],
    options: dict[str, Any],
    minutes: float | None,
    download: bool,
    overwrite: bool,
) -> None:
    from minifcn.training.progress import ConsoleReporter
    from minifcn.training.recipes import fitted, recipe
    from minifcn.training.run import Run, exclusive, refuse_existing
    from minifcn.training.trainer import Trainer, estimate_steps

    if not overwrite:
        refuse_existing(folder)  # now, not after the data has been looked at
    config = recipe(dataset, **changes, options=options)
    train_set, validation_set = _open(config, "train", download), _open(config, "validation", download)
    config = fitted(config, train_set.task, changes)
    with ConsoleReporter() as reporter:
        _check(config, train_set, validation_set, reporter)
        if minutes is not None:
            reporter.note("timing a few steps")
            config = config.changed(
                steps=estimate_steps(Trainer(Run(folder, config), train_set, validation_set), minutes)
            )
            reporter.note(f"{minutes:g} minutes are about {config.steps} steps")
        trainer = Trainer(Run(folder, config), train_set, validation_set, reporter)
        trainer.loader.batch(0)  # what cannot be cut or stacked fails here, before anything is written
        with exclusive(folder):
            trainer.run.begin(overwrite)  # last, so that what cannot be trained leaves no folder behind
            _finish(trainer, reporter)


def _resume(
    folder: Path,
    dataset: str,
    changes: dict[str, Any],
    options: dict[str, Any],
    minutes: float | None,
    download: bool,
) -> None:
    from minifcn.training.progress import ConsoleReporter
    from minifcn.training.run import Run, exclusive
    from minifcn.training.trainer import Trainer

    run = Run.open(folder)
    _check_unchanged(run.config, dataset, changes, options, minutes)
    # The same files may lie elsewhere now.
    moved = {**run.config.data_options, **(changes["data_options"] or {})}
    config = run.config.changed(data=changes["data"] or run.config.data, data_options=moved)
    train_set, validation_set = _open(config, "train", download), _open(config, "validation", download)
    with exclusive(folder), ConsoleReporter() as reporter:
        run.adopt(config)
        trainer = Trainer(run, train_set, validation_set, reporter)
        trainer.resume()
        if trainer.step_number == run.config.steps:
            trainer.train()  # draws what an interruption may have left undrawn
            reporter.note(f"{folder}: finished already, after {run.config.steps} steps; nothing to resume")
            return
        reporter.note(f"continuing after step {trainer.step_number} of {run.config.steps}")
        _finish(trainer, reporter)


def _open(config: Any, split: str, download: bool = False) -> Any:
    from minifcn.data import open_source

    return open_source(config.dataset, config.data, split, download=download, **config.data_options)


def parse_options(name: str, pairs: list[str] | None) -> dict[str, Any]:
    """Options given as KEY=VALUE; values are numbers, true, false, or text, such as none.

    >>> parse_options("--model-option", ["base=8", "learned=false", "backbone=resnet18"])
    {'base': 8, 'learned': False, 'backbone': 'resnet18'}

    Raises:
        ConfigError: not of that form.
    """
    from minifcn.training.config import ConfigError

    options = {}
    for pair in pairs or []:
        key, equals, text = pair.partition("=")
        if not (key.isidentifier() and equals):
            raise ConfigError(f"{name} {pair}: expected KEY=VALUE, such as base=8")
        options[key] = _value(text)
    return options


def _value(text: str) -> Any:
    words = {"true": True, "false": False}
    for convert in (words.__getitem__, int, float):
        with contextlib.suppress(ValueError, KeyError):
            return convert(text.lower())
    return text


def _check_unchanged(
    config: Any, dataset: str, changes: dict[str, Any], options: dict[str, Any], minutes: float | None
) -> None:
    """A run continues as it began: another choice would be another run."""
    from minifcn.models import REGISTRY
    from minifcn.training.config import ConfigError

    asked = {"dataset": dataset, **changes, **options, **(changes["data_options"] or {})}
    for moved in ("data", "data_options", "classes"):
        asked.pop(moved, None)
    known = inspect.signature(REGISTRY[config.model]).parameters if config.model in REGISTRY else {}
    defaults = {name: parameter.default for name, parameter in known.items()}
    values = {**vars(config), **config.data_options, **defaults, **config.options}
    for name, value in asked.items():
        kept = values.get(name)
        if value is not None and value != kept and (value, kept) != ("none", None):
            raise ConfigError(
                f"--resume continues the run as it began, with {name} {kept}, not {value}; leave the option out, or "
                "begin a new run in another folder"
            )
    if minutes is not None:
        raise ConfigError(f"--resume continues the run as it began, up to step {config.steps}; leave --minutes out")


def _check(config: Any, train_set: Any, validation_set: Any, reporter: Any) -> None:
    """Refuse what cannot be trained on, and say what is odd, before the first step."""
    from minifcn.data import check
    from minifcn.io import read_weights
    from minifcn.nn import init
    from minifcn.training.build import build_model
    from minifcn.training.objective import objective

    loss = objective(config.loss)
    loss.check_task(train_set.task)
    with init.skipped():  # it is only looked at
        network = build_model(config, train_set.channels, train_set.num_classes)
    if config.pretrained:
        network.load_pretrained(read_weights(config.pretrained))
    crop = (config.crop, config.crop) if config.crop else None
    report = check(train_set, network.size_error, crop, samples=200)
    for line in str(report).splitlines():
        reporter.note(f"{train_set.name}: {line}")
    check(validation_set, channels=train_set.channels, samples=200, training=False)
    for line in _remarks(config, loss):
        reporter.note(f"note: {line}")
    parameters = sum(parameter.size for parameter in network.parameters())
    reporter.note(f"{config.model}: {parameters:,} parameters; {len(validation_set)} images to validate on")


def _remarks(config: Any, loss: Any) -> list[str]:
    """Choices that do nothing, or work against each other."""
    remarks = []
    if not loss.weighs and (config.border_weight or config.balance in ("inverse", "median")):
        remarks.append(f"loss {config.loss!r} takes no weights: balance and border_weight make no difference")
    if config.options.get("coordinates") and (config.augment != "none" or config.crop):
        remarks.append("coordinates mean little beside flips, turns and crops: --augment none --crop 0 leave them out")
    return remarks


def _finish(trainer: Any, reporter: Any) -> None:
    """Train to the end or to the interruption, and say what to do next."""
    from minifcn import memory

    run = trainer.run
    with memory.track() as usage:
        finished = trainer.train()
    reporter.note(f"most memory in use at a time: {usage.peak / 2**20:,.0f} MiB on top of weights and data")
    if finished:
        reporter.note(
            f"done after {trainer.step_number} steps and {trainer.seconds:.0f} s; see {run.folder}/preview.png and "
            f"curves.png; next: minifcn evaluate {shlex.quote(str(run.folder))}"
        )
        return
    reporter.note(
        f"interrupted; saved after step {trainer.step_number} of {run.config.steps}; "
        f"continue with: minifcn train {run.config.dataset} --out {shlex.quote(str(run.folder))} --resume"
    )
    raise typer.Exit(130)
