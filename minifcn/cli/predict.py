"""``minifcn predict``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from minifcn.cli.evaluate import Checkpoint
from minifcn.cli.notice import announce_compilation


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.", metavar="RUN", show_default=False)],
    inputs: Annotated[
        list[Path], typer.Argument(help="Images or stacks: tif, png, jpg, npy.", metavar="INPUT...", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results; they keep the inputs' names.", show_default=False)],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write probabilities instead of the most probable class.")
    ] = False,
    checkpoint: Annotated[Checkpoint, typer.Option(help="Which of the run's networks.")] = Checkpoint.best,
) -> None:
    """Apply a trained network to images of any size; results have the inputs' names, sizes and formats.

    With two classes, the result is a mask of 0 and 255 (the second class), or with --probabilities the probability of
    the second class. With more, it is the class number (as a palette image in png), or one probability image for each
    class. A network that answers with values, such as a density, gives them as float32 in tif (or npy), and says what
    they add up to. Jpg would blur classes: results of jpg and bmp are png.
    """
    from rich.console import Console
    from rich.progress import track

    from minifcn.io import ImageError
    from minifcn.training.run import Run

    announce_compilation()
    predictor = Run.open(run).predictor(checkpoint.value)
    values = predictor.activation == "identity"
    names = [_target(path, out, values) for path in inputs]
    if len(set(names)) < len(names):
        raise ImageError(
            "two inputs have the same name, so their results would too; predict them into different folders"
        )
    if any(path.resolve() == name.resolve() for path, name in zip(inputs, names, strict=True)):
        raise ImageError(f"--out {out} is the inputs' own folder: results would replace them; give another one")
    for path in inputs:
        if not path.is_file():
            what = "is a folder; name the images in it" if path.is_dir() else "no such file"
            raise FileNotFoundError(f"{path}: {what}")
    if out.exists() and not out.is_dir():
        raise ImageError(f"--out {out}: is a file; give a folder")
    out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    for path, name in track(
        list(zip(inputs, names, strict=True)), "predicting", console=console, disable=not console.is_terminal
    ):
        written, said = _predict_file(predictor, path, name, probabilities)
        paths = ", ".join(str(p) for p in written)
        console.print(f"{path} -> {paths}{said}", markup=False, highlight=False, soft_wrap=True)


def _target(path: Path, out: Path, values: bool) -> Path:
    if values and path.suffix.lower() not in (".tif", ".tiff", ".npy"):
        return out / path.with_suffix(".tif").name
    return out / (path.with_suffix(".png").name if path.suffix.lower() in (".jpg", ".jpeg", ".bmp") else path.name)


def _predict_file(predictor: Any, path: Path, name: Path, probabilities: bool) -> tuple[list[Path], str]:
    """Predict a file; return what was written, and what else there is to say."""
    from minifcn.io import ImageError, read_image, to_float

    array = read_image(path)
    try:  # floating point as it is: training had no other range for it
        floats = array.astype(np.float32) if array.dtype.kind == "f" else to_float(array)
        images, stacked = as_images(floats, predictor.channels)
    except ValueError as error:
        raise ImageError(f"{path}: {error}") from None
    result = predictor(images)
    values, binary = predictor.activation == "identity", result.shape[-1] == 2
    said = ""
    if values:
        layers = {name: result[..., 0]} if result.shape[-1] == 1 else _one_each(name, result, predictor.classes)
        totals = result.sum(axis=(1, 2)) / predictor.scale  # (N, H, W, K) -> (N, K)
        said = ": " + ", ".join(" and ".join(f"{total:.1f}" for total in image) for image in totals) + " in all"
    elif probabilities:
        layers = {name: result[..., 1]} if binary else _one_each(name, result, predictor.classes)
    elif binary:
        layers = {name: (255 * result.argmax(axis=-1)).astype(np.uint8)}
    else:
        layers = {name: result.argmax(axis=-1).astype(np.uint8 if result.shape[-1] <= 256 else np.uint16)}
    for target, layer in layers.items():
        _write(
            target, layer if stacked else layer[0], classes=0 if values or probabilities or binary else result.shape[-1]
        )
    return list(layers), said


def _one_each(name: Path, result: np.ndarray, classes: tuple[str, ...]) -> dict[Path, np.ndarray]:
    """A file for each class: digits.png -> digits_background.png, digits_0.png, ..."""
    labels = [re.sub(r"[^\w.-]+", "_", label) for label in classes]  # as file names know no slashes
    if len(set(labels)) < len(labels):
        labels = [f"{k}_{label}" for k, label in enumerate(labels)]
    return {name.with_name(f"{name.stem}_{label}{name.suffix}"): result[..., k] for k, label in enumerate(labels)}


def _write(path: Path, array: np.ndarray, classes: int) -> None:
    from minifcn.io import replacing, write_image

    if path.suffix.lower() != ".png" or not classes or classes > 256:
        write_image(path, array, stack=array.ndim == 3)  # results have no channels
        return
    # A palette makes class numbers visible, and leaves them as they are for whoever reads the file.
    from PIL import Image

    from minifcn.training.figures import class_colours

    image = Image.fromarray(array).convert("P")
    image.putpalette(np.round(255 * class_colours(classes)).astype(int).ravel().tolist())
    image.frombytes(array.tobytes())
    with replacing(path) as temporary:
        image.save(temporary, format="PNG")


def as_images(array: np.ndarray, channels: int) -> tuple[np.ndarray, bool]:
    """What a file holds as images (N, H, W, C) as training saw them, and whether it was a stack.

    Transparency is left out, and colour becomes grey, or grey colour, if that is what the network was trained on.

    >>> as_images(np.zeros((5, 8, 8)), channels=1)[0].shape, as_images(np.zeros((8, 8, 4)), channels=1)[0].shape
    ((5, 8, 8, 1), (1, 8, 8, 1))

    Raises:
        ValueError: the number of channels does not fit.
    """
    from minifcn.data.sets.pairs import converted

    stacked = array.ndim == 4 or (array.ndim == 3 and array.shape[-1] not in (1, 2, 3, 4, channels))
    if array.ndim == 2 or (array.ndim == 3 and stacked):
        array = array[..., None]
    if not stacked:
        array = array[None]
    given = array.shape[-1]
    if given in (2, 4) and given != channels:
        array = array[..., :-1]
    try:
        return converted(array, channels), stacked
    except ValueError:
        raise ValueError(f"has {given} channels, but the network was trained on {channels}") from None
