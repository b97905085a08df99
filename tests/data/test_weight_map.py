"""U-Net's weight map against its formula, pixel by pixel, and the dataset that keeps it."""

import re
from pathlib import Path

import numpy as np
import pytest

from minifcn.data import (
    ArrayDataset,
    Dataset,
    Loader,
    RandomCrop,
    Subset,
    Weighted,
    WeightedLabel,
    border_weight_map,
    weight_map,
)


def by_definition(labels: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    """Distances from each pixel to every pixel of every object."""
    result = np.ones(labels.shape)
    objects = [np.argwhere(labels == number) for number in np.unique(labels[labels > 0])]
    for here in np.ndindex(labels.shape) if len(objects) > 1 else ():
        row, column = here
        beside = [(row + dr, column + dc) for dr, dc in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        touches = any(
            0 <= r < labels.shape[0] and 0 <= c < labels.shape[1] and labels[r, c] not in (0, labels[here])
            for r, c in beside
        )
        if labels[here] == 0 or touches:
            d1, d2 = sorted(np.sqrt(((pixels - here) ** 2).sum(1)).min() for pixels in objects)[:2]
            result[here] += w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return result


def scattered(shape: tuple[int, int], objects: int, seed: int) -> np.ndarray:
    """Rectangles that touch, overlap, and lie anywhere."""
    draw = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int64)
    for number in range(1, objects + 1):
        top, left = draw.integers(0, shape[0]), draw.integers(0, shape[1])
        labels[top : top + draw.integers(1, 6), left : left + draw.integers(1, 6)] = number
    return labels


@pytest.mark.parametrize(("w0", "sigma"), [(10.0, 5.0), (3.0, 0.7), (0.0, 1.0), (1e-9, 1.0)])
@pytest.mark.parametrize("shape", [(17, 24), (1, 30), (30, 1)])
def test_it_is_the_formula(shape: tuple[int, int], w0: float, sigma: float) -> None:
    for seed, objects in enumerate((2, 3, 12)):
        labels = scattered(shape, objects, seed)
        weight = border_weight_map(labels, w0, sigma)
        assert weight.dtype == np.float32
        np.testing.assert_allclose(weight, by_definition(labels, w0, sigma), atol=2e-6)


def test_looking_no_farther_than_needed_loses_nothing() -> None:
    labels = np.zeros((5, 90), np.int64)
    labels[1:4, :20], labels[2, 40:43], labels[:, 80:] = 1, 7, 10**12  # numbers may be huge
    np.testing.assert_allclose(border_weight_map(labels, 10.0, 3.0), by_definition(labels, 10.0, 3.0), atol=2e-7)


def test_the_gap_between_two_cells_weighs_most() -> None:
    labels = np.zeros((9, 12), np.int64)
    labels[2:7, 1:5], labels[2:7, 7:11] = 1, 2
    weight = border_weight_map(labels)
    assert weight[4, 5] == pytest.approx(1 + 10 * np.exp(-9 / 50))  # d1 = 1, d2 = 2
    assert weight.max() == weight[4, 5] == weight[4, 6]
    assert (weight[labels > 0] == 1).all()


def test_where_cells_touch_their_borders_take_the_gaps_place() -> None:
    weight = border_weight_map(np.repeat([[1, 1, 1, 2, 2, 2]], 3, axis=0))
    touching = np.float32(1 + 10 * np.exp(-1 / 50))
    np.testing.assert_array_equal(weight, np.repeat([[1, 1, touching, touching, 1, 1]], 3, axis=0).astype(np.float32))


@pytest.mark.parametrize(
    "labels", [np.zeros((3, 4), int), np.ones((3, 4), int), np.eye(4, dtype=np.uint8), np.zeros((0, 3), int)]
)
def test_fewer_than_two_objects_have_no_border_term(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(border_weight_map(labels), np.ones(labels.shape, np.float32))


def test_classes_are_balanced_or_weighed_as_asked() -> None:
    labels = np.zeros((4, 5), np.int64)
    labels[0] = 1
    balanced = border_weight_map(labels, class_weights="balanced")
    assert balanced[0].sum() == pytest.approx(balanced[1:].sum())
    assert balanced.mean() == pytest.approx(1.0)
    assert border_weight_map(labels, class_weights=(0.5, 2.0))[:2, 0].tolist() == [2.0, 0.5]
    for one_kind in (np.zeros((2, 2), int), np.ones((2, 2), int)):
        assert (border_weight_map(one_kind, class_weights="balanced") == 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 2)),), "border_weight_map: expected integers (H, W), got float64 of shape (2, 2)"),
        ((np.zeros((1, 2, 2), int),), "border_weight_map: expected integers (H, W), got int64 of shape (1, 2, 2)"),
        ((np.full((2, 2), -100),), "border_weight_map: objects are numbered from 1, but there is -100"),
        ((np.zeros((2, 2), int), -1.0), "border_weight_map: expected finite w0 >= 0 and sigma > 0, got -1.0 and 5.0"),
        (
            (np.zeros((2, 2), int), 1.0, 0.0),
            "border_weight_map: expected finite w0 >= 0 and sigma > 0, got 1.0 and 0.0",
        ),
        ((np.zeros((2, 2), int), 1.0, 1.0, "even"), "class_weights must be None, 'balanced' or two numbers that are"),
        ((np.zeros((2, 2), int), 1.0, 1.0, (1.0, -1.0)), "class_weights must be None, 'balanced' or two numbers"),
    ],
)
def test_bad_arguments_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        border_weight_map(*arguments)


# --- the dataset ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cells() -> Dataset:
    masks = np.stack([scattered((12, 14), 4, seed) > 0 for seed in range(3)]).astype(np.int64)
    images = np.random.default_rng(0).random((3, 12, 14), np.float32)
    return ArrayDataset(images, masks, ("background", "cell"), name="cells")


def test_labels_carry_the_map_of_their_objects(cells: Dataset) -> None:
    weighted = Weighted(cells, w0=4.0, sigma=2.0)
    assert (len(weighted), weighted.classes, weighted.name) == (3, cells.classes, "cells")
    for index in (0, 2, -1):
        image, label = weighted[index]
        assert isinstance(label, WeightedLabel)
        np.testing.assert_array_equal(image, cells[index][0])
        np.testing.assert_array_equal(label.classes, cells[index][1])
        np.testing.assert_array_equal(label.weight, border_weight_map(cells.instances(index), 4.0, 2.0))
    np.testing.assert_array_equal(weighted.instances(1), cells.instances(1))
    with pytest.raises(IndexError):
        weighted[3]


def test_maps_go_through_subsets_crops_and_batches(cells: Dataset) -> None:
    loader = Loader(Subset(Weighted(cells), [2, 0]), 2, transform=RandomCrop(8))
    _, label = loader.batch(0)
    assert isinstance(label, WeightedLabel)
    assert label.classes.shape == label.weight.shape == (2, 8, 8)


def test_a_map_is_computed_once(cells: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    weighted = Weighted(cells)
    first = weighted[1][1].weight
    monkeypatch.setattr(weight_map, "border_weight_map", None)
    assert weighted[1][1].weight is first
    assert not first.flags.writeable


def test_weights_that_are_there_already_multiply(cells: Dataset) -> None:
    twice = Weighted(Weighted(cells))
    np.testing.assert_allclose(twice[0][1].weight, Weighted(cells)[0][1].weight ** 2)


def test_a_folder_keeps_maps(cells: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made" / "here"
    expected = [Weighted(cells, cache=folder)[index][1].weight for index in range(3)]
    assert len(list(folder.iterdir())) == 3
    other = Weighted(cells, sigma=2.0, cache=folder)[0][1].weight  # not the same file
    assert (other != expected[0]).any()
    again = Weighted(cells, cache=folder)
    monkeypatch.setattr(weight_map, "border_weight_map", None)
    for index in range(3):
        np.testing.assert_array_equal(again[index][1].weight, expected[index])


@pytest.mark.parametrize("damage", ["empty", "half", "one byte", "no zip", "other shape", "a few bytes"])
def test_a_damaged_file_is_computed_again(cells: Dataset, tmp_path: Path, damage: str) -> None:
    expected = Weighted(cells, cache=tmp_path)[0][1].weight
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    if damage == "other shape":
        np.savez_compressed(path, weight=np.ones((2, 2), np.float32))
    else:
        path.write_bytes(
            {
                "empty": b"",
                "half": whole[:middle],
                "one byte": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
                "no zip": b"not a map",
                "a few bytes": b"PK",
            }[damage]
        )
    np.testing.assert_array_equal(Weighted(cells, cache=tmp_path)[0][1].weight, expected)
    assert path.read_bytes() == whole


def test_only_segmentations_have_weight_maps(cells: Dataset) -> None:
    cells.task = "classification"
    with pytest.raises(ValueError, match="cells: weight maps are for segmentation, but its task is classification"):
        Weighted(cells)
    cells.task = "segmentation"
    with pytest.raises(ValueError, match=r"expected finite w0 >= 0 and sigma > 0, got 10\.0 and 0"):
        Weighted(cells, sigma=0)
