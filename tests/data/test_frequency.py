"""Median frequency balancing, against numbers worked out by hand."""

import numpy as np
import pytest

from minifcn import functional as F
from minifcn.data import IGNORE_INDEX, ArrayDataset, Dataset, WeightedLabel, median_frequency_weights

NAMES = ("sky", "road", "car", "never")
COUNTS = [[7, 1, 0, 0], [8, 0, 0, 0], [4, 0, 4, 0]]
#: sky 19 of 24 pixels, road 1 of 8, car 4 of 8; the median is ½.
WEIGHTS = [12 / 19, 4.0, 1.0, 0.0]


def labels_of(counts):
    return [np.repeat(np.arange(len(row)), row).reshape(2, -1) for row in counts]


def dataset_of(labels):
    return ArrayDataset([np.zeros(label.shape) for label in labels], labels, NAMES, name="street")


def test_by_hand():
    for data in (COUNTS, np.array(COUNTS, np.uint16), dataset_of(labels_of(COUNTS))):
        weights = median_frequency_weights(data)
        assert weights.dtype == np.float32
        np.testing.assert_allclose(weights, WEIGHTS, rtol=1e-6)


def test_ignored_pixels_count_nowhere():
    labels = [np.pad(label, ((0, 0), (0, 3)), constant_values=IGNORE_INDEX) for label in labels_of(COUNTS)]
    labels.append(np.full((2, 2), IGNORE_INDEX))
    np.testing.assert_allclose(median_frequency_weights(dataset_of(labels)), WEIGHTS, rtol=1e-6)


def test_weights_of_pixels_change_nothing():
    class Weighted(Dataset):
        name, classes, channels = "weighted", NAMES, 1

        def __len__(self):
            return len(COUNTS)

        def __getitem__(self, index):
            label = labels_of(COUNTS)[index]
            return np.zeros((*label.shape, 1), np.float32), WeightedLabel(label, np.full(label.shape, 7, np.float32))

    np.testing.assert_allclose(median_frequency_weights(Weighted()), WEIGHTS, rtol=1e-6)


def test_some_images_only():
    weights = median_frequency_weights(dataset_of(labels_of([*COUNTS, COUNTS[1]])), samples=2)
    np.testing.assert_allclose(weights, median_frequency_weights([COUNTS[0], COUNTS[1]]))


def test_one_class():
    assert median_frequency_weights([[4], [2]]).tolist() == [1.0]


def test_the_loss_takes_them():
    logits, target = np.zeros((1, 2, 2, 4), np.float32), np.array([[[0, 1], [2, 2]]])
    loss = F.cross_entropy(logits, target, weight=median_frequency_weights(COUNTS))
    assert loss.item() == pytest.approx(np.log(4))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2], r"expected numbers of pixels, integers \(images, classes\) from 0 up, got int64 of shape \(2,\)"),
        ([[0.5, 0.5]], "got float64"),
        ([[1, -1]], "from 0 up"),
        ([[0, 0]], "no pixel has a class; are all of them ignored"),
        (np.zeros((0, 3), int), "no pixel has a class"),
        (
            dataset_of([np.array([[0, 4]])]),
            "street: image 0 has label 4; classes are",
        ),
        (dataset_of([np.array([[0, -1]])]), "street: image 0 has label -1; classes are"),
        (dataset_of([]), "no pixel has a class"),
        (
            ArrayDataset([np.zeros((2, 2))], [1], NAMES),
            "has one label for the whole image: segmentation needs one a pixel",
        ),
    ],
    ids=str,
)
def test_errors(data, message):
    with pytest.raises(ValueError, match=message):
        median_frequency_weights(data)
