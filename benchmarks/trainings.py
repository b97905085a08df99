"""The trainings behind the README's tables: networks, data sets and seeds, each a `minifcn train` and `evaluate`.

    python -m minifcn.benchmarks.trainings isbi --data FOLDER [--seeds 3] [--out runs/trainings] [--results FOLDER]

FOLDER holds the data sets' own folders (isbi2012, camvid, ...). Runs follow one another, each with all threads, so that
seconds can be compared. What is finished is not trained again; what was interrupted goes on. Every group leaves a table
in Markdown and its numbers in JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from minifcn.io.atomic import write_text
from minifcn.io.checkpoint import load_checkpoint


class Training(NamedTuple):
    """A row of a table: what it is called, and the arguments of `minifcn train`."""

    name: str
    dataset: str
    folder: str
    arguments: tuple[str, ...] = ()


class Group(NamedTuple):
    """A table: its rows, and which scores it shows, with the names it shows them under."""

    trainings: tuple[Training, ...]
    scores: dict[str, str]


_OVERLAP = {"mean_iou": "mean IoU", "mean_dice": "mean Dice", "pixel_error": "pixel error"}

GROUPS: dict[str, Group] = {
    "isbi": Group(
        tuple(
            Training(name, "isbi", "isbi2012", ("--model", model))
            for name, model in (
                ("U-Net, base 16", "unet"),
                ("SegNet, base 16", "segnet"),
                ("FCN-8s, base 16", "fcn8s"),
                ("Pang's plain CNN", "pang"),
                ("Ciresan's N3, sliding window", "ciresan-n3"),
            )
        ),
        {
            "v_rand": "V_Rand",
            "v_info": "V_Info",
            "warping_error": "warping error",
            "pixel_error_best_threshold": "pixel error, best threshold",
        },
    ),
    "camvid": Group(
        (
            Training("U-Net, base 16", "camvid", "camvid"),
            Training("SegNet, base 16", "camvid", "camvid", ("--model", "segnet")),
        ),
        _OVERLAP,
    ),
    "dsb2018": Group(
        (
            Training("U-Net, base 16, depth 3", "dsb2018", "dsb2018/fluo"),
            Training("the same, border weight map", "dsb2018", "dsb2018/fluo", ("--border-weight", "10")),
        ),
        _OVERLAP,
    ),
    "vgg_cells": Group(
        (Training("U-Net, base 16, depth 3", "vgg_cells", "vgg_cells"),),
        {"count_mae": "MAE", "count_rmse": "RMSE", "mean_count": "mean count"},
    ),
}


def main(
    groups: Annotated[
        list[str] | None, typer.Argument(help=f"Which tables: {', '.join(GROUPS)} (default: all).")
    ] = None,
    data: Annotated[Path, typer.Option(help="Folder of the data sets' folders.")] = Path("data"),
    seeds: Annotated[int, typer.Option(min=1, help="How often each is trained, with seeds 0, 1, ...")] = 3,
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/trainings"),
    results: Annotated[Path | None, typer.Option(help="Folder of the tables (default: as --out).")] = None,
) -> None:
    """Train, evaluate, and write the tables."""
    for name in groups or list(GROUPS):
        if name not in GROUPS:
            raise typer.BadParameter(f"no table is called {name!r}; there are {', '.join(GROUPS)}")
        group = GROUPS[name]
        rows = [_row(training, data, out, range(seeds)) for training in group.trainings]
        folder = results or out
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"{name}.json", json.dumps(rows, indent=2) + "\n")
        write_text(folder / f"{name}.md", table(rows, group.scores))
        print(table(rows, group.scores))


def _row(training: Training, data: Path, out: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """Train with every seed; what came of it."""
    place = ["--data", str(data / training.folder)]
    arguments = " ".join([*training.arguments, "--data", "FOLDER", "--seed", "N", "--out", "RUN"])
    command = f"minifcn train {training.dataset} {arguments} && minifcn evaluate RUN --checkpoint last"
    runs = []
    for seed in seeds:
        folder = out / f"{training.dataset}-{'-'.join(training.name.lower().replace(',', '').split())}-{seed}"
        _train(training, place, folder, seed)
        runs.append(_finished(folder))
    return {"name": training.name, "command": command, "runs": runs}


def _train(training: Training, place: list[str], folder: Path, seed: int) -> None:
    if (folder / "evaluation.json").exists():
        return
    begun = ["--resume"] if (folder / "config.toml").exists() else ["--seed", str(seed), *training.arguments]
    _minifcn("train", training.dataset, *place, "--out", str(folder), *begun)
    _minifcn("evaluate", str(folder), *place, "--checkpoint", "last")


def _minifcn(*arguments: str) -> None:
    print("minifcn", " ".join(arguments), flush=True)
    subprocess.run([sys.executable, "-m", "minifcn", *arguments], check=True)


def _finished(folder: Path) -> dict[str, Any]:
    """Scores and seconds of a run."""
    evaluation = json.loads((folder / "evaluation.json").read_text())
    _, values = load_checkpoint(folder / "last.safetensors")
    return {
        "parameters": evaluation["parameters"],
        "training_seconds": round(values["seconds"], 1),
        "seconds_an_image": evaluation["seconds_an_image"],
        "scores": evaluation["scores"],
    }


def table(rows: list[dict[str, Any]], scores: dict[str, str]) -> str:
    """A Markdown table: the mean over the seeds, and (lowest to highest); seconds are those of the quickest run.

    >>> run = {"parameters": 1234, "training_seconds": 9.0, "seconds_an_image": 0.25, "scores": {"unet": {"iou": 0.5}}}
    >>> print(table([{"name": "U-Net", "runs": [run]}], {"iou": "IoU"}), end="")
    | | IoU | parameters | training, s | prediction, s an image |
    |---|---|---|---|---|
    | U-Net | 0.500 (0.500 to 0.500) | 1,234 | 9 | 0.25 |
    """
    header = ["", *scores.values(), "parameters", "training, s", "prediction, s an image"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines[0] = lines[0].replace("|  |", "| |", 1)
    for row in rows:
        cells = [row["name"], *(_spread(row["runs"], score) for score in scores), f"{row['runs'][0]['parameters']:,}"]
        cells += [f"{_least(row['runs'], 'training_seconds'):.0f}", f"{_least(row['runs'], 'seconds_an_image'):.2g}"]
        lines.append("| " + " | ".join(cells) + " |")
    for name, values in _baselines(rows).items():
        cells = [
            name,
            *(_number(values[score]) if values.get(score) is not None else "" for score in scores),
            "",
            "",
            "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _spread(runs: list[dict[str, Any]], score: str) -> str:
    values = [value for run in runs if (value := next(iter(run["scores"].values()))[score]) is not None]
    if not values:
        return ""
    return f"{_number(sum(values) / len(values))} ({_number(min(values))} to {_number(max(values))})"


def _number(value: float) -> str:
    if 0 < abs(value) < 0.01:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _least(runs: list[dict[str, Any]], key: str) -> float:
    return min(run[key] for run in runs)


def _baselines(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What `minifcn evaluate` put beside the first network; the same for all."""
    named = list(rows[0]["runs"][0]["scores"].items())
    return dict(named[1:])


if __name__ == "__main__":
    typer.run(main)
