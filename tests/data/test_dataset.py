import numpy as np
import pytest

from minifcn.data import ArrayDataset, Cached, Dataset, Subset, split
from minifcn.data.dataset import as_image


def numbered(count: int) -> ArrayDataset:
    """Image i is filled with i, as is its label."""
    values = np.arange(count)
    images = np.broadcast_to(values[:, None, None].astype(np.float32), (count, 3, 5))
    labels = np.broadcast_to(values[:, None, None], (count, 3, 5))
    return ArrayDataset(images, labels, [str(value) for value in values], name="numbered")


def test_array_dataset_gives_the_types_that_all_datasets_give():
    images = np.array([[[0, 51], [102, 255]]], np.uint8)
    dataset = ArrayDataset(images, np.array([[[0, 1], [1, 0]]], np.uint8), ("a", "b"))
    image, label = dataset[0]
    assert image.dtype == np.float32
    assert label.dtype == np.int64
    np.testing.assert_allclose(image[:, :, 0], [[0, 0.2], [0.4, 1]], rtol=1e-6)
    assert (dataset.channels, dataset.num_classes, len(dataset)) == (1, 2, 1)


def test_images_of_different_sizes_and_colour():
    dataset = ArrayDataset(
        [np.zeros((4, 5, 3)), np.zeros((6, 7, 3))], [np.zeros((4, 5), int), np.zeros((6, 7), int)], "ab"
    )
    assert dataset.channels == 3
    assert [image.shape for image, _ in dataset] == [(4, 5, 3), (6, 7, 3)]


def test_a_sample_can_be_changed_without_changing_the_dataset():
    images, labels = np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2), np.int64)
    dataset = ArrayDataset(images, labels, "ab")
    image, label = dataset[0]
    image += 1
    label += 1
    assert dataset[0][0].sum() == dataset[0][1].sum() == 0


@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 255), (np.uint16, 65535), (">u2", 65535), (np.bool_, 1)])
def test_as_image_scales_by_the_range_of_the_type(dtype, largest):
    assert as_image(np.array([[0, largest]], dtype))[:, :, 0].tolist() == [[0, 1]]


def test_as_image_refuses_what_it_would_have_to_guess():
    for dtype in (np.int32, np.uint32):
        with pytest.raises(ValueError, match="int32 pixels have no standard range; divide"):
            as_image(np.zeros((2, 2), dtype))
    with pytest.raises(ValueError, match=r"got shape \(2,\)"):
        as_image(np.zeros(2))


def test_array_dataset_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="2 images, but 3 labels"):
        ArrayDataset(np.zeros((2, 4, 4)), np.zeros((3, 4, 4), int), "ab")
    with pytest.raises(TypeError, match="label 0 is float64, expected integers"):
        ArrayDataset(np.zeros((2, 4, 4)), np.zeros((2, 4, 4)), "ab")


def test_binary_masks_are_mapped_and_said_once():
    masks = np.array([[[0, 255]], [[255, 255]], [[0, 0]]], np.uint8)
    dataset = ArrayDataset(np.zeros((3, 1, 2)), masks, ("background", "cell"), binary_masks=True)
    assert [label.tolist() for _, label in dataset] == [[[0, 1]], [[1, 1]], [[0, 0]]]
    assert dataset.notes == ("masks hold 0 and 255: mapped to 0 and 1",)


def test_binary_masks_of_three_values_are_refused():
    with pytest.raises(ValueError, match="expected 0 and one other value, found 128, 255"):
        ArrayDataset(np.zeros((1, 1, 3)), np.array([[[0, 128, 255]]]), "ab", binary_masks=True)


@pytest.mark.parametrize("index", [-4, 3])
def test_index_out_of_range(index):
    with pytest.raises(IndexError, match=f"numbered: index {index} is out of range for 3 images"):
        numbered(3)[index]


def test_negative_index_and_iteration():
    dataset = numbered(4)
    assert int(dataset[-1][1][0, 0]) == 3
    assert [int(label[0, 0]) for _, label in dataset] == [0, 1, 2, 3]


def test_subset_keeps_the_order_given():
    subset = Subset(numbered(5), [3, 0, -1])
    assert [int(label[0, 0]) for _, label in subset] == [3, 0, 4]
    assert subset.classes == numbered(5).classes
    with pytest.raises(IndexError, match="index 5 is out of range"):
        Subset(numbered(5), [5])


class Counting(Dataset):
    name, classes, channels = "counting", ("a",), 1

    def __init__(self):
        self.made = 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        self.made += 1
        return np.full((1, 1, 1), index, np.float32), np.zeros((1, 1), np.int64)


def test_cached_makes_a_sample_once_and_guards_it():
    source = Counting()
    cached = Cached(source)
    for _ in range(3):
        image, label = cached[1]
    assert source.made == 1
    assert cached[-1][0] is image
    assert not image.flags.writeable
    assert not label.flags.writeable
    with pytest.raises(IndexError):
        cached[2]


def values(dataset):
    return [int(label[0, 0]) for _, label in dataset]


def test_split_is_a_partition_and_the_same_every_time():
    train, validation = split(numbered(20), 0.25, seed=1)
    assert sorted(values(train) + values(validation)) == list(range(20))
    assert len(validation) == 5
    assert values(train) == sorted(values(train))
    assert values(split(numbered(20), 0.25, seed=1)[1]) == values(validation)
    assert values(split(numbered(20), 0.25, seed=2)[1]) != values(validation)


def test_split_by_indices():
    train, validation = split(numbered(5), [4, 1])
    assert (values(train), values(validation)) == ([0, 2, 3], [1, 4])


def test_split_never_leaves_a_part_empty():
    assert [len(part) for part in split(numbered(3), 0.01)] == [2, 1]
    assert [len(part) for part in split(numbered(3), 0.99)] == [1, 2]
    for nothing_left in (0.0, 1.0, [], range(3)):
        with pytest.raises(ValueError, match="split: "):
            split(numbered(3), nothing_left)
