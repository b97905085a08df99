import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minifcn.data import (
    IGNORE_INDEX,
    ArrayDataset,
    BalancedCrop,
    CentreClass,
    Compose,
    Loader,
    RandomCrop,
    WeightedLabel,
    largest_crop,
)
from minifcn.data.augment.window import inside, reflected, window

sides = st.integers(1, 7)


def rng(seed=0):
    return np.random.default_rng(seed)


def numbered(height, width):
    return np.arange(height * width).reshape(height, width)


@settings(deadline=None)
@given(sides, sides, st.integers(-15, 15), st.integers(-15, 15), sides, sides)
def test_windows_are_cut_from_the_mirrored_image(height, width, top, left, rows, columns):
    pixels = numbered(height, width)
    whole = np.pad(pixels, 25, mode="reflect")[25 + top :, 25 + left :][:rows, :columns]
    np.testing.assert_array_equal(window(pixels, (top, left), (rows, columns)), whole)
    known = np.pad(np.ones_like(pixels, bool), 25)[25 + top :, 25 + left :][:rows, :columns]
    np.testing.assert_array_equal(inside(pixels.shape, (top, left), (rows, columns)), known)


def test_a_window_inside_is_a_view():
    pixels = numbered(5, 6)
    assert np.shares_memory(window(pixels, (1, 2), (3, 4)), pixels)
    assert reflected(np.array([-1, 4]), 1).tolist() == [0, 0]


def rare(height=9, width=11):
    """Class 7 on one pixel in the corner, class 2 on a row, class 0 elsewhere; a column is ignored."""
    label = np.zeros((height, width), np.int64)
    label[4] = 2
    label[-1, -1] = 7
    label[:, 3] = IGNORE_INDEX
    return numbered(height, width)[:, :, None].astype(np.float32), label


@pytest.mark.parametrize("size", [1, 4, (5, 3), 15])
def test_exact_crops_are_centred_on_a_pixel_of_each_class_alike(size):
    image, label = rare()
    crop, generator = BalancedCrop(size, exact=True), rng()
    centres = []
    for _ in range(600):
        part, classes = crop(image, label, generator)
        assert part.shape[:2] == classes.shape == crop.size
        row, column = (crop.size[0] - 1) // 2, (crop.size[1] - 1) // 2
        assert label.flat[int(part[row, column, 0])] == classes[row, column]
        centres.append(int(classes[row, column]))
        counted = classes != IGNORE_INDEX
        np.testing.assert_array_equal(label.flat[part[counted, 0].astype(int)], classes[counted])
    values, counts = np.unique(centres, return_counts=True)
    assert values.tolist() == [0, 2, 7]
    assert np.abs(counts - 200).max() < 60  # five standard deviations


def test_what_lies_beyond_the_border_is_mirrored_and_not_counted():
    image, label = rare()
    label[label == 2] = label[0, 0] = IGNORE_INDEX
    label[label == 0] = IGNORE_INDEX  # only the corner is left to be drawn
    part, classes = BalancedCrop(5, exact=True)(image, label, rng())
    np.testing.assert_array_equal(part[:, :, 0], np.pad(numbered(9, 11), 2, mode="reflect")[8:13, 10:15])
    assert np.argwhere(classes != IGNORE_INDEX).tolist() == [[2, 2]]


def test_crops_that_need_not_be_exact_lie_inside():
    image, label = rare()
    for seed in range(100):
        part, _ = BalancedCrop((4, 5))(image, label, rng(seed))
        assert np.shares_memory(part, image)
    part, classes = BalancedCrop((20, 5))(image, label, rng(1))
    assert part.shape == (20, 5, 1)
    assert (classes == IGNORE_INDEX).all(axis=1).sum() == 20 - 9


def test_weighted_labels_and_mirrored_weights():
    image, label = rare()
    weight = np.ones(label.shape, np.float32)
    _, target = BalancedCrop(15, exact=True)(image, WeightedLabel(label, weight), rng())
    assert (target.classes.dtype, target.weight.dtype) == (np.int64, np.float32)
    beyond = target.weight == 0
    assert beyond.any()
    assert (target.classes[beyond] == IGNORE_INDEX).all()


def test_windows_for_a_classifier():
    image, label = rare()
    train = Compose(BalancedCrop(5, exact=True), CentreClass())
    data = ArrayDataset([image, image[:7]], [label, label[:7]], "abcdefgh")
    images, labels = Loader(data, 2, transform=train).batch(3)
    assert images.shape == (2, 5, 5, 1)
    assert (labels.shape, labels.dtype) == ((2,), np.int64)
    np.testing.assert_array_equal(label.flat[images[:, 2, 2, 0].astype(int)], labels)
    with pytest.raises(ValueError, match=r"CentreClass: expected a label of one class a pixel \(H, W\), got \(\)"):
        CentreClass()(image, np.asarray(3), rng())


def test_labels_that_cannot_be_balanced():
    image, label = rare()
    for exact in (False, True):
        _, window = BalancedCrop(3, exact=exact)(image, np.full_like(label, IGNORE_INDEX), rng())
        assert (window == IGNORE_INDEX).all()
    for other in (np.asarray(4), np.zeros((9, 11, 1), np.float32)):
        with pytest.raises(ValueError, match=r"expected a label of one class a pixel .* use RandomCrop"):
            BalancedCrop(3)(image, other, rng())
    with pytest.raises(ValueError, match="BalancedCrop: expected a positive size, got 0"):
        BalancedCrop(0)


def test_balanced_crops_print_as_they_are_written():
    assert repr(BalancedCrop(3, exact=True)) == "BalancedCrop(size=(3, 3), exact=True)"
    assert BalancedCrop(3) != BalancedCrop(3, exact=True)
    assert BalancedCrop(3) != RandomCrop(3)


@pytest.mark.parametrize(
    ("sizes", "pixels", "legal", "side"),
    [
        ([(40, 60), (50, 30)], 10**6, bool, 30),
        ([(40, 60)], 35 * 35, bool, 35),
        ([(40, 60)], 35 * 35 - 1, bool, 34),
        (iter([(40, 60), (99, 99)]), 10**6, lambda side: side % 16 == 0, 32),
        ([(16, 16)], 256, lambda side: side % 16 == 0, 16),
        ([(1, 9)], 1, bool, 1),
    ],
)
def test_the_largest_crop(sizes, pixels, legal, side):
    assert largest_crop(sizes, pixels, legal) == side


def test_when_there_is_no_largest_crop():
    with pytest.raises(ValueError, match=r"no side up to 15 is legal: the shortest side of an image is 15, and 900"):
        largest_crop([(15, 40)], 900, lambda side: side % 16 == 0)
    for sizes, pixels in (([], 100), ([(3, 3)], 0), ([(0, 3)], 9)):
        with pytest.raises(ValueError, match="expected images and pixels >= 1"):
            largest_crop(sizes, pixels)
