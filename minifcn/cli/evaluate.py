"""``minifcn evaluate``."""

from __future__ import annotations

import contextlib
import enum
import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from minifcn.cli.notice import announce_compilation

_MEMBRANES = ("membrane", "interior")


class Checkpoint(enum.StrEnum):
    """A run's networks."""

    best = "best"
    last = "last"


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.", metavar="RUN", show_default=False)],
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset, if it has moved; or of others.")] = None,
    classes: Annotated[Path | None, typer.Option(help="Of a folder: its classes file, if it has moved.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch the official files if they are missing.")] = False,
    checkpoint: Annotated[Checkpoint, typer.Option(help="Which of the run's networks.")] = Checkpoint.best,
    split: Annotated[
        str | None, typer.Option(help="train, validation, test, or all of a folder (default: test, if there is one).")
    ] = None,
) -> None:
    """Score a trained network on images it was not trained on; writes evaluation.json into the run's folder.

    Networks that find membranes are also scored by the cells they separate (V_Rand, V_Info and warping error of the
    ISBI 2012 challenge), beside two baselines: the raw image, and the image after a Gaussian filter, as if they were
    probabilities.
    """
    from rich.console import Console

    from minifcn.data import SOURCES, open_source
    from minifcn.io.atomic import write_text
    from minifcn.training.run import Run, RunError, check_classes

    announce_compilation()
    opened = Run.open(run)
    config = opened.config
    if config.dataset not in SOURCES:
        raise RunError(
            f"{run}: was trained on {config.dataset!r}, which the command line does not know; in Python: "
            "minifcn.training.evaluate(Run.open(folder).predictor(), dataset)"
        )
    predictor = opened.predictor(checkpoint.value)
    if classes is not None:
        config = config.changed(data_options={**config.data_options, "classes": str(classes.resolve())})
    root = str(data) if data else config.data
    split, dataset = _open(config, root, split, download)
    check_classes(predictor.classes, dataset)
    membranes = _is_stack_of_membranes(dataset)
    evaluation = _score(predictor, dataset, membranes)
    rows = {config.model: evaluation.scalars()}
    if membranes:
        rows |= _baselines(dataset)
    elif dataset.task == "regression":
        rows |= _mean_baseline(open_source(config.dataset, root, "train", **config.data_options), dataset)
    console = Console()
    parameters = predictor.parameters
    console.print(
        f"{dataset.name}, {split}: {len(dataset)} images, {evaluation.seconds_an_image:.3f} s each; "
        f"{checkpoint.value} checkpoint of {parameters:,} parameters",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_table(rows))
    circumstances = {
        "checkpoint": checkpoint.value,
        "split": split,
        "images": len(dataset),
        "parameters": parameters,
        "seconds_an_image": round(evaluation.seconds_an_image, 4),
    }
    write_text(run / "evaluation.json", _json(circumstances, rows))
    console.print(f"written to {run / 'evaluation.json'}", markup=False, highlight=False, soft_wrap=True)


def _open(config: Any, root: str | None, split: str | None, download: bool) -> tuple[str, Any]:
    """The part to score on: the one asked for, or test where there is one, otherwise validation."""
    from minifcn.data import SOURCES, MissingPartError, open_source

    source = SOURCES[config.dataset]
    if split is None and "test" in source.perhaps:
        with contextlib.suppress(MissingPartError):
            return "test", open_source(config.dataset, root, "test", **config.data_options)
    split = split or source.scored
    return split, open_source(config.dataset, root, split, download=download, **config.data_options)


def _is_stack_of_membranes(dataset: Any) -> bool:
    """Whether the challenge's scores can be given: sections of one size, all of them labelled, each with a cell."""
    if dataset.classes != _MEMBRANES:
        return False
    labels = [dataset[index][1] for index in range(len(dataset))]
    same = len({label.shape for label in labels}) == 1
    return same and all((label >= 0).all() and (label == 1).any() for label in labels)


def _json(circumstances: dict[str, Any], rows: dict[str, dict[str, float]]) -> str:
    # A class that is in neither truth nor prediction has no IoU: NaN, which JSON does not know.
    scores = {name: {k: v if math.isfinite(v) else None for k, v in row.items()} for name, row in rows.items()}
    return json.dumps({**circumstances, "scores": scores}, indent=2, allow_nan=False) + "\n"


def _score(predictor: Any, dataset: Any, membranes: bool) -> Any:
    from rich.console import Console
    from rich.progress import Progress

    from minifcn.training.evaluation import evaluate

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("predicting", total=len(dataset))
        return evaluate(
            predictor, dataset, membranes=membranes, progress=lambda done, total: bar.update(task, completed=done)
        )


def _baselines(dataset: Any) -> dict[str, dict[str, float]]:
    """Scores of the images themselves, bright meaning interior."""
    import numpy as np

    from minifcn.metrics import gaussian_threshold, isbi_scores, raw_threshold

    images = np.stack([dataset[i][0][..., 0] for i in range(len(dataset))])
    truth = np.stack([dataset[i][1] for i in range(len(dataset))]) == 1
    rows = {}
    for name, baseline in (("raw threshold", raw_threshold), ("Gaussian, threshold", gaussian_threshold)):
        scores = isbi_scores(truth, baseline(images))
        rows[name] = {
            "v_rand": scores.v_rand.f,
            "v_info": scores.v_info.f,
            "pixel_error_best_threshold": scores.misclassified,
            "warping_error": scores.warping_error,
        }
    return rows


def _mean_baseline(train: Any, dataset: Any) -> dict[str, dict[str, float]]:
    """What it scores to answer, for every image, with the mean count of the training images."""
    from minifcn.metrics import mean_count_baseline
    from minifcn.training.regression import true_counts

    scores = mean_count_baseline(true_counts(dataset), true_counts(train))
    return {"predict the mean": {"count_mae": scores.mae, "count_rmse": scores.rmse}}


def _table(rows: dict[str, dict[str, float]]) -> Any:
    """Scores down, contestants across."""
    from rich.table import Table

    table = Table()
    table.add_column("score")
    for name in rows:
        table.add_column(name, justify="right")
    for score in dict.fromkeys(key for scores in rows.values() for key in scores):
        cells = [f"{scores[score]:.4f}" if score in scores else "" for scores in rows.values()]
        table.add_row(score.replace("_", " "), *cells)
    return table
