"""``minifcn predict``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minifcn.cli.evaluate import Checkpoint
from minifcn.cli.notice import announce_compilation

if TYPE_CHECKING:
    from rich.console import Console

    from minifcn.prediction import Predictor
    from minifcn.prediction.stream import Plan, Written
    from minifcn.prediction.tiling import TileOptions


class StrategyName(StrEnum):
    """How an image of another size than the network takes is answered."""

    auto = "auto"
    pad = "pad"
    tile = "tile"
    resize = "resize"
    whole = "whole"


class BlendName(StrEnum):
    """How tiles that overlap are averaged."""

    constant = "constant"
    gaussian = "gaussian"


_INPUTS = "Images or stacks: tif, png, jpg, bmp, npy, zarr."
_STRATEGY = (
    "pad: mirrored to the next size that the network takes, and cropped back. tile: in tiles, without a seam. resize: "
    "to --size, and back. whole: as it is. auto: pad, or tile from 4 million pixels on."
)
_SYMMETRIES = "Average over the eight symmetries of the square: 8 times as long, and each page is in memory as a whole."

#: Rows and columns of an image that --prove is given at the most; it takes as many of them as it needs.
_SAMPLE = 4096


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.", metavar="RUN", show_default=False)],
    inputs: Annotated[list[Path], typer.Argument(help=_INPUTS, metavar="INPUT...", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the results; they keep the inputs' names.", show_default=False)],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write probabilities instead of the most probable class.")
    ] = False,
    strategy: Annotated[StrategyName, typer.Option(help=_STRATEGY)] = StrategyName.auto,
    tile: Annotated[
        int | None, typer.Option(help="Rows and columns of a tile, at most.", min=1, show_default="1024, or as needed")
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="From a tile to the next.", min=1, show_default="the largest without a seam")
    ] = None,
    halo: Annotated[
        int | None, typer.Option(help="Rows that a tile drops at its edges.", min=0, show_default="those that it must")
    ] = None,
    blend: Annotated[
        BlendName | None, typer.Option(help="Average tiles that overlap, with such weights.", show_default=False)
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Longer side of the image that --strategy resize predicts.", min=1)
    ] = None,
    symmetries: Annotated[bool, typer.Option("--symmetries", help=_SYMMETRIES)] = False,
    prove: Annotated[
        bool, typer.Option("--prove", help="Compare tiles with the whole, on a part of the first image, and say so.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew, and replace results that exist.")] = False,
    checkpoint: Annotated[Checkpoint, typer.Option(help="Which of the run's networks.")] = Checkpoint.best,
) -> None:
    """Apply a trained network to images of any size; results have the inputs' names, sizes and formats.

    Large images (tif, npy, zarr) are read and written part by part, so they may be larger than memory. When it is
    interrupted, the same command goes on from there.

    With two classes, the result is a mask of 0 and 255 (the second class), or with --probabilities the probability of
    the second class. With more, it is the class number (as a palette image in png), or one probability image for each
    class. A network that answers with values, such as a density, gives them as float32 in tif (or npy, zarr), and says
    what they add up to. Jpg would blur classes: results of jpg and bmp are png.
    """
    from minifcn.prediction.strategies import by_name
    from minifcn.prediction.stream import journal_of
    from minifcn.prediction.tiling import TileOptions
    from minifcn.training.run import Run

    announce_compilation()
    predictor = Run.open(run).predictor(checkpoint.value)
    options = TileOptions(tile, halo, stride, None if blend is None else blend.value)
    tiled = strategy is StrategyName.auto and options != TileOptions()
    predictor.strategy = by_name("tile" if tiled else strategy.value, options, size)
    predictor.symmetries = symmetries
    targets = _targets(predictor, inputs, out, probabilities, overwrite)
    out.mkdir(parents=True, exist_ok=True)
    if prove:
        _prove(predictor, inputs[0], options)
    if probabilities and predictor.activation == "identity":
        _say("--probabilities has no effect: the network answers with values")
    for source, target in zip(inputs, targets, strict=True):
        _predict_file(predictor, source, target, probabilities, overwrite)
    for target in targets:  # until now they told which results are complete
        journal_of(target).unlink(missing_ok=True)


def _targets(predictor: Predictor, inputs: list[Path], out: Path, probabilities: bool, overwrite: bool) -> list[Path]:
    """A result for each input, refused before anything is computed if one cannot be written."""
    from minifcn.io import ImageError
    from minifcn.io.stores import is_store
    from minifcn.prediction.job import refuse_existing
    from minifcn.prediction.maps import Maps
    from minifcn.prediction.stream import journal_of

    for path in inputs:
        if not path.is_file() and not is_store(path):
            what = "is a folder; name the images in it" if path.is_dir() else "no such file"
            raise FileNotFoundError(f"{path}: {what}")
    if out.exists() and not out.is_dir():
        raise ImageError(f"--out {out}: is a file; give a folder")
    if store := next((folder for folder in (out, *out.resolve().parents) if is_store(folder)), None):
        raise ImageError(f"--out {out}: is or lies in the Zarr store {store}, whose reader would stumble on results")
    maps = Maps.asked(predictor, probabilities)
    targets = [_target(path, out, maps.kind == "values") for path in inputs]
    results = [
        (source, target, path) for source, target in zip(inputs, targets, strict=True) for path in maps.paths(target)
    ]
    paths = [path.resolve() for _, _, path in results]
    if len(set(paths)) < len(paths):
        twice = next(path for k, path in enumerate(paths) if path in paths[:k])
        raise ImageError(
            f"two inputs have the same name, so their results would too ({twice.name}); predict them into different "
            "folders"
        )
    if set(paths) & {path.resolve() for path in inputs}:
        raise ImageError(f"--out {out} is the inputs' own folder: results would replace them; give another one")
    if not overwrite:
        # One with a journal may be unfinished; what is to be done about it is decided when its turn comes.
        refuse_existing([path for _, target, path in results if not journal_of(target).exists()])
    return targets


def _target(path: Path, out: Path, values: bool) -> Path:
    if values and path.is_file() and path.suffix.lower() not in (".tif", ".tiff", ".npy"):
        return out / path.with_suffix(".tif").name
    return out / (path.with_suffix(".png").name if path.suffix.lower() in (".jpg", ".jpeg", ".bmp") else path.name)


def _predict_file(predictor: Predictor, source: Path, target: Path, probabilities: bool, overwrite: bool) -> None:
    """Predict a file, with a bar, and say what was written."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from minifcn.prediction.stream import predict_file

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())

    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(source.name, total=None)

        def announce(plan: Plan) -> None:
            for line in _lines(source, plan):
                _say(line, console)

        try:
            written = predict_file(
                predictor,
                source,
                target,
                probabilities,
                overwrite,
                keep_journal=True,
                announce=announce,
                progress=lambda done, pixels: bar.update(task, completed=done, total=pixels),
            )
        except KeyboardInterrupt:
            _say(f"{source}: interrupted; {_after(target, overwrite)}")
            raise
    _say(_result(source, written, predictor.activation == "identity"))


def _say(text: str, console: Console | None = None) -> None:
    """On stderr; above the bar, if it is the bar's console."""
    from rich.console import Console

    (console or Console(stderr=True)).print(text, markup=False, highlight=False, soft_wrap=True)


def _after(target: Path, overwrite: bool) -> str:
    """What becomes of an interrupted prediction."""
    from minifcn.prediction.stream import journal_of

    if not journal_of(target).exists():
        return "nothing of it was kept"
    return f"the same command{', without --overwrite,' if overwrite else ''} goes on from here"


def _lines(source: Path, plan: Plan) -> list[str]:
    """What to say before it begins: nothing of a small image."""
    if plan.finished:
        return [f"{source}: is predicted already"]
    lines = [f"{source}: an earlier result is damaged or gone, so it begins anew"] if plan.lost else []
    if plan.window is not None:
        pages, height, width, _ = plan.shape
        stack = f"{pages} pages of " if pages > 1 else ""
        peak = f"; about {plan.peak / 2**20:.0f} MiB of memory" if plan.peak else ""
        lines.append(
            f"{source}: {stack}{height} x {width} pixels in tiles of {plan.window[0]} x {plan.window[1]}, "
            f"{plan.bands} bands{peak}"
        )
    if plan.done:
        lines.append(f"{source}: goes on after {plan.done} of {plan.bands} bands")
    return lines


def _result(source: Path, written: Written, values: bool) -> str:
    paths = ", ".join(str(path) for path in written.paths)
    said = ", ".join(" and ".join(f"{total:.1f}" for total in page) for page in written.totals)
    return f"{source} -> {paths}" + (f": {said} in all" if values else "")


def _prove(predictor: Predictor, source: Path, options: TileOptions) -> None:
    """Compare tiles with the whole, on the corner of the first page of an image."""
    from minifcn.io.opening import open_regions
    from minifcn.prediction.pixels import Pixels
    from minifcn.prediction.proving import prove

    with open_regions(source, predictor.channels) as image:
        _, height, width, _ = image.shape
        corner = image.read(0, (0, min(height, _SAMPLE)), (0, min(width, _SAMPLE)))
        floats = Pixels(image, predictor.channels).convert(corner)
    print(prove(predictor, floats, tile=options.tile, halo=options.halo, stride=options.stride, blend=options.blend))
