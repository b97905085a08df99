"""Pictures of a run: how the loss and the scores went, and what the network makes of a few images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minifcn.data import IGNORE_INDEX, Dataset, Target, WeightedLabel, spread, without_weights
from minifcn.io.figures import new_figure, save_figure
from minifcn.prediction import Predictor


def draw_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """Training loss, and validation scores, against the step."""
    figure = new_figure(11, 4)
    left, right = figure.subplots(1, 2)
    for axes, names in (
        (left, ("loss", "val_cross_entropy", "val_mse")),
        (right, ("val_mean_iou", "val_mean_dice", "val_pixel_error", "val_count_mae")),
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
    left.set_title("training loss, and the same on validation images")
    right.set_title("scores on validation images")
    save_figure(figure, path)


def draw_preview(path: Path, predictor: Predictor, dataset: Dataset, count: int = 3) -> None:
    """Input, truth, answer and errors of ``count`` images, evenly spread, one a row."""
    chosen = spread(len(dataset), count)
    values = dataset.task == "regression"
    panels = 4 if values or dataset.num_classes == 2 else 5
    figure = new_figure(3 * panels, 3.2 * len(chosen))
    grid = figure.subplots(len(chosen), panels, squeeze=False)
    for axes, index in zip(grid, chosen, strict=True):
        image, label = dataset[index]
        answer = predictor(image[None])[0]
        if values:
            _draw_values(axes, image, without_weights(label), answer, dataset.scale)
        else:
            _draw_row(axes, image, without_weights(label), answer, dataset.classes)
        axes[0].set_title(f"input {index}")
        for panel in axes:
            panel.set_axis_off()
    if not values and dataset.num_classes > 2:
        _draw_legend(figure, dataset.classes)
    save_figure(figure, path)


def draw_batch(path: Path, images: np.ndarray, labels: Target, classes: tuple[str, ...], count: int = 4) -> None:
    """Up to ``count`` crops of a batch as the network sees them: image, label and, where it has one, weight."""
    shown, weight = images[:count], labels.weight if isinstance(labels, WeightedLabel) else None
    rows = 2 if weight is None else 3
    figure = new_figure(3 * len(shown), 3.2 * rows)
    grid = figure.subplots(rows, len(shown), squeeze=False)
    target = without_weights(labels)
    for index, image in enumerate(shown):
        panels = grid[:, index]
        panels[0].imshow(_greys(image), cmap="gray")
        if target.dtype.kind == "f":
            panels[1].imshow(target[index, ..., 0], cmap="gray")
        else:
            label = np.ma.masked_equal(target[index], IGNORE_INDEX)
            top = len(classes) - 0.5
            panels[1].imshow(label, cmap=_colours(len(classes)), vmin=-0.5, vmax=top, interpolation="nearest")
        if weight is not None:
            drawn = panels[2].imshow(weight[index], cmap="viridis", vmin=0)
            figure.colorbar(drawn, ax=panels[2], shrink=0.8)
        for panel, title in zip(panels, ("image", "label", "weight"), strict=False):
            panel.set_title(f"{title} {index}")
            panel.set_axis_off()
    save_figure(figure, path)


def _greys(image: np.ndarray) -> np.ndarray:
    """A normalised image (H, W, C), stretched to [0, 1]: colours if there are three channels, else the first."""
    pixels = image if image.shape[-1] == 3 else image[..., 0]
    low, high = float(pixels.min()), float(pixels.max())
    return (pixels - low) / max(high - low, 1e-12)


def _draw_row(
    axes: Any, image: np.ndarray, label: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]
) -> None:
    prediction = probabilities.argmax(axis=-1)
    counted = label != IGNORE_INDEX
    wrong = counted & (prediction != label)
    binary = len(classes) == 2
    axes[0].imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray")
    truth = np.ma.masked_array(label, ~counted)
    if binary:
        axes[1].imshow(truth, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes[1].set_title(f"truth (white: {classes[1]})")
        axes[2].imshow(probabilities[..., 1], cmap="gray", vmin=0, vmax=1)
        axes[2].set_title(f"P({classes[1]})")
    else:
        for panel, classified, title in ((axes[1], truth, "truth"), (axes[2], prediction, "most probable class")):
            panel.imshow(
                classified, cmap=_colours(len(classes)), vmin=-0.5, vmax=len(classes) - 0.5, interpolation="nearest"
            )
            panel.set_title(title)
        axes[3].imshow(probabilities.max(axis=-1), cmap="gray", vmin=0, vmax=1)
        axes[3].set_title("its probability")
    axes[-1].imshow(_errors(image, wrong))
    axes[-1].set_title(f"errors: {wrong.sum() / max(1, counted.sum()):.1%} of pixels")


def _draw_values(axes: Any, image: np.ndarray, label: np.ndarray, answer: np.ndarray, scale: float) -> None:
    """Of values, the first channel: truth and answer in one range of grey, with the counts that they add up to."""
    truth, answer = label[..., 0], answer[..., 0]
    top = max(float(truth.max()), 1e-6)
    axes[0].imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray")
    for panel, values, title in ((axes[1], truth, "truth"), (axes[2], answer, "predicted")):
        panel.imshow(values, cmap="gray", vmin=0, vmax=top)
        panel.set_title(f"{title}: {values.sum() / scale:.1f} in all")
    axes[3].imshow(answer - truth, cmap="RdBu_r", vmin=-top, vmax=top)
    axes[3].set_title("predicted − truth")


def _draw_legend(figure: Any, classes: tuple[str, ...]) -> None:
    from matplotlib.patches import Patch

    colours = _colours(len(classes))
    patches = [Patch(color=colours(number), label=name) for number, name in enumerate(classes)]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(classes), 12))


def _colours(classes: int) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(class_colours(classes))


def class_colours(classes: int) -> np.ndarray:
    """(classes, 3) in [0, 1]: black for class 0, then colours that can be told apart; what masks are shown in."""
    from matplotlib import colormaps

    others = colormaps["tab20"](np.arange(classes - 1) % 20)[:, :3]
    return np.concatenate([np.zeros((1, 3)), others])


def _errors(image: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """The image, pale, with wrong pixels in red: (H, W, 3)."""
    pale = 0.5 + 0.5 * np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    return np.clip(np.where(wrong[..., None], np.array((0.85, 0.1, 0.1), np.float32), pale), 0, 1)
