import numpy as np
import pytest
from scipy import ndimage
from small_data import write_dsb

from minifcn.data import DSB2018, check
from minifcn.data.sets.dsb import with_border
from minifcn.io import ImageError, write_image


def test_both_layouts_hold_the_same(tmp_path):
    maps, published = write_dsb(tmp_path / "maps"), write_dsb(tmp_path / "raw", published=True)
    for root in (published, published / "stage1_train"):
        for (image, label), (other, expected) in zip(DSB2018(root), DSB2018(maps), strict=True):
            np.testing.assert_array_equal(image, other)
            np.testing.assert_array_equal(label, expected)
    dataset = DSB2018(maps)
    image, label = dataset[2]
    assert (image.shape, image.dtype, label.shape, label.dtype) == ((20, 32, 1), np.float32, (20, 32), np.int64)
    assert label.sum() == 2 * 8 * 8
    assert len(check(dataset).shapes) == 5
    for root in (maps, published):
        nuclei = DSB2018(root).instances(0)  # 3 and 7 in the maps
        assert (nuclei.dtype, nuclei[6, [0, 3, 10, 11, 18, 19]].tolist()) == (np.int64, [0, 1, 1, 2, 2, 0])


def test_a_border_separates_nuclei_that_touch(tmp_path):
    dataset = DSB2018(write_dsb(tmp_path), target="border")
    assert dataset.classes == ("background", "interior", "border")
    label = dataset[0][1]
    assert label[7, 1:21].tolist() == [0, 0, 2, 2, 1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 2, 2, 0, 0]
    assert ndimage.label(label == 1)[1] == 2
    thin = DSB2018(tmp_path, target="border", border=1)[0][1]
    assert ((thin == 1).sum(), (label == 1).sum()) == (2 * 6 * 6, 2 * 4 * 4)


@pytest.mark.parametrize("border", [1, 2, 3])
def test_the_border_is_what_its_rule_says(border):
    instances = np.kron(np.random.default_rng(0).integers(0, 3, (4, 5)), np.ones((4, 3), int))
    height, width = instances.shape
    for row in range(height):
        for column in range(width):
            around = instances[max(0, row - border) : row + border + 1, max(0, column - border) : column + border + 1]
            own = instances[row, column]
            expected = 0 if own == 0 else 1 if (around == own).all() else 2
            assert with_border(instances, border)[row, column] == expected


def test_a_map_without_background_and_one_without_nuclei(tmp_path):
    dataset = DSB2018(write_dsb(tmp_path))
    path = dataset.files[0][1][0]
    write_image(path, np.full((20, 24), 5, np.uint16))
    assert np.unique(dataset.instances(0)).tolist() == [1]
    write_image(path, np.zeros((20, 24), np.uint16))
    assert not dataset.instances(0).any()
    assert not dataset[0][1].any()


def test_colour_is_read_by_its_luminance_and_said(tmp_path):
    dataset = DSB2018(write_dsb(tmp_path, published=True))
    assert dataset.notes == ("images are read as grey, colour among them by its luminance: channels=3 keeps it",)
    red = np.zeros((20, 24, 4), np.uint8)
    red[..., 0] = 255
    write_image(dataset.files[0][0], red)
    np.testing.assert_allclose(dataset[0][0], 0.299, rtol=1e-6)
    coloured = DSB2018(tmp_path, channels=3)
    assert coloured.notes == ()
    np.testing.assert_array_equal(coloured[0][0][0, 0], [1, 0, 0])
    assert coloured[1][0].shape == (20, 28, 3)
    assert check(coloured).images == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "edges"}, "expected target 'semantic' or 'border', got 'edges'"),
        ({"border": 0}, "expected a border of at least 1 pixel, got 0"),
        ({"channels": 4}, "expected 1 or 3 channels, got 4"),
    ],
)
def test_arguments_that_mean_nothing(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=f"dsb2018: {message}"):
        DSB2018(write_dsb(tmp_path), **arguments)


def test_files_that_are_missing_or_do_not_fit(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"stage1_train/<id>/images and masks, or images and labels .*BBBC038"):
        DSB2018(tmp_path)
    raw = write_dsb(tmp_path / "raw", published=True)
    dataset = DSB2018(raw)
    write_image(dataset.files[1][1][1], np.zeros((20, 20), np.uint8))
    with pytest.raises(ImageError, match=r"7\.png: is 20 x 20 pixels, but its image 3\.png is 20 x 28"):
        dataset[1]
    dataset.files[2][0].unlink()
    with pytest.raises(ValueError, match="00000002 holds 0 images and a folder masks, expected one image and a folder"):
        DSB2018(raw)
    maps = write_dsb(tmp_path / "maps")
    write_image(maps / "labels" / "00000000.png", np.zeros((20, 20), np.uint16))
    with pytest.raises(ImageError, match=r"is 20 x 20 pixels, but its image 00000000\.png is 20 x 24"):
        DSB2018(maps)[0]
    (maps / "labels" / "00000001.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 5 files in .*images have no mask of the same name"):
        DSB2018(maps)


def test_real_dsb(real_data):
    folder = real_data("dsb2018")
    maps, published = DSB2018(folder / "fluo", "border"), DSB2018(folder / "raw_layout", "border")
    assert (len(maps), len(published)) == (45, 2)
    for index in range(2):  # the same two images
        for array, other in zip(maps[index], published[index], strict=True):
            np.testing.assert_array_equal(array, other)
    assert [int(maps.instances(index).max()) for index in range(3)] == [27, 16, 82]
    report = check(maps, samples=10)
    assert {channels for _, _, channels in report.shapes} == {1}
    assert report.fractions["background"] == pytest.approx(0.82, abs=0.05)
