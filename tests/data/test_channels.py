"""Images with further channels."""

import numpy as np
import pytest

from minifcn.data import ArrayDataset, Subset, WithChannels


def plain(count=2, size=(3, 4), channels=1):
    images = np.arange(count * size[0] * size[1] * channels, dtype=np.uint8).reshape(count, *size, channels)
    return ArrayDataset(images, np.arange(count * 12).reshape(count, *size) % 2, ("background", "cell"))


@pytest.mark.parametrize(("channels", "added"), [(1, 1), (3, 2)])
def test_maps_follow_the_channels_of_their_image(channels, added):
    dataset = plain(channels=channels)
    maps = np.random.default_rng(0).random((2, 3, 4, added)).astype(np.float32)
    more = WithChannels(dataset, maps)
    assert (more.channels, more.classes, len(more)) == (channels + added, dataset.classes, 2)
    for index in (0, 1, -1):
        image, label = more[index]
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image[..., :channels], dataset[index][0])
        np.testing.assert_array_equal(image[..., channels:], maps[index])
        np.testing.assert_array_equal(label, dataset[index][1])
    np.testing.assert_array_equal(more.instances(1), dataset.instances(1))


@pytest.mark.parametrize("mask", [np.eye(3, 4, dtype=bool), 255 * np.eye(3, 4, dtype=np.uint8), np.eye(3, 4)])
def test_masks_of_any_kind_hold_zero_and_one(mask):
    image, _ = WithChannels(plain(1), [mask])[0]
    np.testing.assert_array_equal(image[..., 1], np.eye(3, 4))


def test_no_images():
    empty = WithChannels(Subset(plain(), []), [])
    assert (len(empty), empty.channels) == (0, 1)
    with pytest.raises(IndexError, match="index 0 is out of range"):
        empty[0]


def test_one_map_for_each_image():
    with pytest.raises(ValueError, match="arrays: 2 images, but 1 maps; give one for each image"):
        WithChannels(plain(), [np.zeros((3, 4))])


@pytest.mark.parametrize("shape", [(4, 3), (3, 4, 2), (1, 1)])
def test_maps_that_do_not_fit(shape):
    more = WithChannels(plain(), [np.zeros((3, 4)), np.zeros(shape)])
    assert more[0][0].shape == (3, 4, 2)
    with pytest.raises(ValueError, match=r"arrays: the map of image 1 is .*, expected \(3, 4, 1\)"):
        more[1]
