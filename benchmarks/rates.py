"""Seconds a training step, by data set and network, and augmented crops a second: what the README tells of both.

    python -m minifcn.benchmarks.rates --data FOLDER [--out rates.json]

FOLDER holds the data sets' own folders (isbi2012, camvid, ...). Steps are those of the recipes, the first few left out;
crops are drawn by the loader alone, in its one thread. Run it on a quiet machine.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from minifcn.data import (
    Cached,
    Compose,
    Dataset,
    ElasticDeformation,
    Loader,
    Normalisation,
    Normalised,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomIntensity,
    RandomWarp,
    Repeated,
    open_source,
)
from minifcn.io.atomic import write_text
from minifcn.training import Run, Trainer
from minifcn.training.recipes import recipe

#: (data set, its folder, network)
TRAININGS = (
    *(("isbi", "isbi2012", model) for model in ("unet", "segnet", "fcn8s", "pang", "ciresan-n3")),
    *(("camvid", "camvid", model) for model in ("unet", "segnet")),
    ("dsb2018", "dsb2018/fluo", "unet"),
    ("vgg_cells", "vgg_cells", "unet"),
)
_WARM_UP, _STEPS = 5, 40


def main(
    data: Annotated[Path, typer.Option(help="Folder of the data sets' folders.")],
    out: Annotated[Path | None, typer.Option(help="Also write the figures here, as JSON.")] = None,
) -> None:
    """Measure and print."""
    figures: dict[str, dict[str, float]] = {}
    for dataset, folder, model in TRAININGS:
        train, validation = (open_source(dataset, data / folder, part) for part in ("train", "validation"))
        seconds, steps = seconds_a_step(train, validation, dataset, model), recipe(dataset, model).steps
        row = {"seconds_a_step": round(seconds, 4), "steps": steps, "seconds": round(seconds * steps)}
        figures[f"{dataset} {model}"] = row
        print(f"{dataset} {model}: {1000 * seconds:.1f} ms a step, {row['seconds']} s for {steps}", flush=True)
    for name, dataset, folder in (("grey", "isbi", "isbi2012"), ("colour", "camvid", "camvid")):
        images = Cached(Normalised(open_source(dataset, data / folder), Normalisation()))
        for size in (128, 256):
            rate = crops_a_second(images, size)
            figures[f"crops, {name}, {size}"] = {"a_second": round(rate)}
            print(f"{name} crops of {size} x {size}: {rate:.0f} a second", flush=True)
    if out is not None:
        write_text(out, json.dumps(figures, indent=2) + "\n")


def seconds_a_step(train: Dataset, validation: Dataset, dataset: str, model: str, steps: int = _STEPS) -> float:
    """Of the recipe's training: batch, forward, backward and update, without validations."""
    trainer = Trainer(Run(Path("unused"), recipe(dataset, model)), train, validation)  # a plan: nothing is written
    return trainer.seconds_a_step(_WARM_UP, steps)


def crops_a_second(images: Dataset, size: int, batches: int = 12, rounds: int = 3) -> float:
    """Deformed elastically and affinely in one look, with other grey values, flipped: the best of some rounds."""
    warp = RandomWarp(ElasticDeformation(size / 16), RandomAffine(15, scale=(0.8, 1.25)), crop=RandomCrop(size))
    transform = Compose(warp, RandomIntensity(), RandomFlip())
    loader = Loader(Repeated(images, 8 * batches), 8, transform=transform, drop_last=True)
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        for _batch in loader.batches(0, batches):
            pass
        best = min(best, time.perf_counter() - begin)
    return 8 * batches / best


if __name__ == "__main__":
    typer.run(main)
