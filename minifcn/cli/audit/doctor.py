"""``minifcn audit doctor``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minifcn.cli.audit.arguments import OUT, AsJson, Options, Out, open_subject, show
from minifcn.cli.notice import announce_compilation
from minifcn.training.recipes import RECIPES

if TYPE_CHECKING:
    from minifcn.audit.subject import Subject
    from minifcn.data import Dataset
    from minifcn.training.config import TrainConfig


def doctor(
    dataset: Annotated[
        str,
        typer.Argument(
            help="As for `minifcn train`: " + ", ".join(RECIPES) + "; or a folder of images and masks.",
            metavar="DATASET",
            show_default=False,
        ),
    ],
    data: Annotated[Path | None, typer.Option(help="Folder that holds the dataset's files.")] = None,
    classes: Annotated[Path | None, typer.Option(help="Of a folder: the file that names the classes.")] = None,
    data_option: Annotated[
        list[str] | None, typer.Option(help="An option of the dataset, such as target=border; may be repeated.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The network to be trained: a name, a run's folder or FILE.py:NAME (default: as for train)."),
    ] = None,
    option: Options = None,
    balance: Annotated[str | None, typer.Option(help="As for train (default: as for train).")] = None,
    crop: Annotated[
        int | None, typer.Option(min=0, help="Side of the crops in pixels; 0: whole images (default: as for train).")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Images to look at in each part, evenly spread; 0: all.")] = 300,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """Examine a dataset before training: what is wrong with it, why it matters, what to do.

    Looks at label values, polarity, class balance, empty masks, sizes, pixels, objects against the receptive field, and
    duplicates between parts. The exit code is 1 if something is wrong, so that a script can stop there.
    """
    from minifcn.audit.doctor import doctor_source
    from minifcn.cli.train import parse_options
    from minifcn.training.recipes import recipe

    options = parse_options("--option", option)
    name, root, data_options = dataset, data, parse_options("--data-option", data_option)
    if dataset not in RECIPES and Path(dataset).is_dir() and data is None:
        name, root = "folder", Path(dataset)
    elif dataset not in RECIPES and (os.sep in dataset or Path(dataset).exists()):
        why = "is no folder" if Path(dataset).exists() else "no such folder"
        raise FileNotFoundError(f"{dataset}: {why}; give a folder of images and masks, or one of {', '.join(RECIPES)}")
    if classes is not None:
        data_options["classes"] = str(classes)
    named = model is None or _is_name(model)
    config = recipe(name, model if named else None, crop=crop, balance=balance, options=options if named else None)
    config = config.changed(data_options={**config.data_options, **data_options})

    announce_compilation()
    subject = _of_recipe(config) if named else open_subject(str(model), option)
    with _watched() as progress:
        report = doctor_source(
            name, root, subject, crop=config.crop or None, balance=config.balance, limit=limit or None,
            progress=progress, **config.data_options,
        )  # fmt: skip
    show(report, Path(dataset).resolve().name if name != dataset else dataset, out, as_json)
    if report.of("wrong"):
        raise typer.Exit(1)


def _is_name(model: str) -> bool:
    return not (model.rpartition(":")[0].endswith(".py") or (Path(model) / "config.toml").is_file())


def _of_recipe(config: TrainConfig) -> Callable[[Dataset], Subject]:
    """The network that `minifcn train` would train, with few channels: how far it sees is the same."""
    from minifcn.audit.subject import Subject
    from minifcn.models import REGISTRY
    from minifcn.training.build import build_model

    def made(train: Dataset) -> Subject:
        narrow = REGISTRY[config.model].narrow if config.model in REGISTRY else {}
        model = build_model(config.changed(options={**config.options, **narrow}), train.channels, 2)
        return Subject(model, config.model)

    return made


@contextmanager
def _watched() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, for as long as images are looked at."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking at images", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
