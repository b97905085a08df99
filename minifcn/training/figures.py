"""Pictures of a run: how the loss and the scores went, and what the network makes of a few images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minifcn.data import IGNORE_INDEX, Dataset
from minifcn.io.atomic import replacing
from minifcn.predict import Predictor


def draw_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """Training loss, and validation scores, against the step."""
    figure = _figure(11, 4)
    left, right = figure.subplots(1, 2)
    for axes, names in (
        (left, ("loss", "val_cross_entropy")),
        (right, ("val_mean_iou", "val_mean_dice", "val_pixel_error")),
    ):
        for name in names:
            points = [(row["step"], row[name]) for row in rows if name in row]
            if points:
                marker = "" if name == "loss" else "o"
                axes.plot(*zip(*points, strict=True), marker=marker, label=name.replace("_", " "))
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    left.set_title("training loss, and cross-entropy on validation images")
    right.set_title("scores on validation images")
    _save(figure, path)


def draw_preview(path: Path, predictor: Predictor, dataset: Dataset, count: int = 3) -> None:
    """Input, truth, probability and errors of ``count`` images, evenly spread, one a row."""
    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    figure = _figure(12, 3.2 * len(chosen))
    grid = figure.subplots(len(chosen), 4, squeeze=False)
    for axes, index in zip(grid, chosen.tolist(), strict=True):
        image, label = dataset[index]
        probabilities = predictor(image[None])[0]
        _draw_row(axes, image, label, probabilities, dataset.classes)
        axes[0].set_title(f"input {index}")
    _save(figure, path)


def _draw_row(axes: Any, image: np.ndarray, label: np.ndarray, probabilities: np.ndarray, classes: Any) -> None:
    prediction = probabilities.argmax(axis=-1)
    counted = label != IGNORE_INDEX
    binary = len(classes) == 2
    shown = {"cmap": "gray", "vmin": 0, "vmax": 1} if binary else {"cmap": "tab20", "vmin": 0, "vmax": 19}
    axes[0].imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray")
    axes[1].imshow(np.ma.masked_array(label, ~counted), interpolation="nearest", **shown)
    axes[1].set_title(f"truth (white: {classes[1]})" if binary else "truth")
    if binary:
        axes[2].imshow(probabilities[..., 1], cmap="gray", vmin=0, vmax=1)
        axes[2].set_title(f"P({classes[1]})")
    else:
        axes[2].imshow(prediction, interpolation="nearest", **shown)
        axes[2].set_title("most probable class")
    axes[3].imshow(_errors(image, counted & (prediction != label)))
    axes[3].set_title(f"errors: {(counted & (prediction != label)).sum() / max(1, counted.sum()):.1%} of pixels")
    for panel in axes:
        panel.set_axis_off()


def _errors(image: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """The image, pale, with wrong pixels in red: (H, W, 3)."""
    pale = 0.5 + 0.5 * np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    return np.clip(np.where(wrong[..., None], np.array((0.85, 0.1, 0.1), np.float32), pale), 0, 1)


def _figure(width: float, height: float) -> Any:
    # Not pyplot: a figure of its own needs no display, no global state, and no closing.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
