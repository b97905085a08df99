import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minifcn.data import IGNORE_INDEX, CenterCrop, Compose, RandomCrop, RandomFlip, RandomRot90

sides = st.integers(1, 12)
transforms = st.one_of(
    st.builds(RandomCrop, st.tuples(sides, sides)),
    st.builds(CenterCrop, st.tuples(sides, sides)),
    st.just(RandomFlip()),
    st.just(RandomRot90()),
)


def pair(height, width):
    """An image and a label that hold the same distinct number at every pixel."""
    label = np.arange(height * width).reshape(height, width)
    image = np.stack([label, -label], axis=-1).astype(np.float32)
    return image, label


def rng(seed=0):
    return np.random.default_rng(seed)


@settings(deadline=None)
@given(sides, sides, st.lists(transforms, max_size=4), st.integers(0, 1000))
def test_image_and_label_stay_aligned(height, width, steps, seed):
    image, label = pair(height, width)
    before = image.copy(), label.copy()
    moved_image, moved_label = Compose(*steps)(image, label, rng(seed))
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label, before[1])
    assert moved_image.shape[:2] == moved_label.shape
    assert (moved_image.dtype, moved_label.dtype) == (np.float32, np.int64)
    counted = moved_label != IGNORE_INDEX
    np.testing.assert_array_equal(moved_image[counted, 0], moved_label[counted])
    np.testing.assert_array_equal(moved_image[..., 1], -moved_image[..., 0])


@settings(deadline=None)
@given(sides, sides, sides, sides, st.integers(0, 1000))
def test_crops_have_their_size_and_ignore_nothing_but_padding(height, width, rows, columns, seed):
    for crop in (RandomCrop((rows, columns)), CenterCrop((rows, columns))):
        image, label = crop(*pair(height, width), rng(seed))
        assert (image.shape, label.shape) == ((rows, columns, 2), (rows, columns))
        assert np.count_nonzero(label != IGNORE_INDEX) == min(height, rows) * min(width, columns)


def test_padding_mirrors_the_image_and_ignores_the_label():
    image, label = RandomCrop((1, 7))(*pair(1, 4), rng())
    assert image[0, :, 0].tolist() == [1, 0, 1, 2, 3, 2, 1]
    assert label[0].tolist() == [IGNORE_INDEX, 0, 1, 2, 3, IGNORE_INDEX, IGNORE_INDEX]


def test_random_crop_reaches_every_window_alike():
    corners = [int(RandomCrop((2, 3))(*pair(4, 5), rng(seed))[1][0, 0]) for seed in range(900)]
    places, counts = np.unique(corners, return_counts=True)
    assert places.tolist() == [0, 1, 2, 5, 6, 7, 10, 11, 12]
    assert counts.min() > 60  # 100 expected; 9.4 is the standard deviation
    assert counts.max() < 140


def test_center_crop_takes_the_middle():
    assert CenterCrop(2)(*pair(4, 5), rng())[1].tolist() == [[6, 7], [11, 12]]


@pytest.mark.parametrize(
    ("transform", "shape", "orientations"),
    [
        (RandomFlip(), (2, 3), 4),
        (RandomRot90(), (2, 2), 4),
        (RandomRot90(), (2, 3), 2),
        (Compose(RandomFlip(), RandomRot90()), (2, 2), 8),
    ],
)
def test_orientations(transform, shape, orientations):
    seen = {transform(*pair(*shape), rng(seed))[1].tobytes() for seed in range(200)}
    assert len(seen) == orientations


def test_half_turns_keep_the_shape_of_images_that_are_not_square():
    assert {RandomRot90()(*pair(2, 5), rng(seed))[0].shape for seed in range(20)} == {(2, 5, 2)}


def test_a_label_that_is_one_number_is_left_alone():
    everything = Compose(RandomCrop(40), RandomFlip(), RandomRot90(), CenterCrop(5))
    image, label = everything(np.zeros((28, 28, 1), np.float32), np.asarray(7), rng())
    assert image.shape == (5, 5, 1)
    assert (label.shape, int(label)) == ((), 7)


@pytest.mark.parametrize("size", [0, -3, (4, 0)])
def test_crop_sizes_are_positive(size):
    for crop in (RandomCrop, CenterCrop):
        with pytest.raises(ValueError, match=f"{crop.__name__}: expected a positive size, got"):
            crop(size)


def test_transforms_print_as_they_are_written():
    assert repr(CenterCrop(3)) == "CenterCrop(size=(3, 3))"
    assert RandomCrop(3) == RandomCrop((3, 3))
