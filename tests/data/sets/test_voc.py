import numpy as np
import pytest
from PIL import Image
from small_data import write_voc

from minifcn.data import IGNORE_INDEX, VOC2012, check
from minifcn.data.sets.voc import VOC_CLASSES, voc_colour
from minifcn.io import ImageError, write_image


def test_masks_are_classes_and_void_does_not_count(tmp_path):
    dataset = VOC2012(write_voc(tmp_path))
    assert len(dataset) == 5  # the sixth photograph has no mask
    assert len(VOC_CLASSES) == len(set(VOC_CLASSES)) == 21
    image, label = dataset[0]
    assert (image.shape, image.dtype, label.shape, label.dtype) == ((20, 30, 3), np.float32, (20, 30), np.int64)
    assert label[7, [0, 8, 16, 29]].tolist() == [0, 17, IGNORE_INDEX, 17]
    assert {image.shape[1] for image, _ in dataset} == {30, 32, 34, 36, 38}
    assert check(dataset).fractions["sheep"] == pytest.approx(2 / 3, abs=0.05)


def test_objects_come_from_their_own_files(tmp_path):
    dataset = VOC2012(write_voc(tmp_path))
    assert dataset.instances(0)[7, [0, 8, 16, 29]].tolist() == [0, 1, 0, 2]
    # Without them a part of the sheep is what hangs together; the void between these two separates them as well.
    (tmp_path / "SegmentationObject" / "2007_000000.png").unlink()
    assert dataset.instances(0).max() == 2
    write_image(tmp_path / "SegmentationObject" / "2007_000001.png", np.zeros((20, 20), np.uint8))
    with pytest.raises(ImageError, match=r"is 20 x 20 pixels, but its image 2007_000001.png is 20 x 32"):
        dataset.instances(1)


def test_the_lists_choose(tmp_path):
    for top in ("", "VOC2012", "VOCdevkit/VOC2012"):
        root = tmp_path / f"for {top.replace('/', ' ')}"
        write_voc(root / top, lists=True)
        names = {split: [pair.image.stem for pair in VOC2012(root, split).pairs] for split in ("train", "val")}
        assert names == {"train": [f"2007_00000{number}" for number in range(4)], "val": ["2007_000004"]}
        assert len(VOC2012(root, "trainval")) == 5


def test_lists_that_are_missing_or_name_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="expected split 'train', 'val', 'trainval' or None, got 'test'"):
        VOC2012(tmp_path, "test")
    write_voc(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"train\.txt not found; split=None takes all images that have a mask"):
        VOC2012(tmp_path, "train")
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_000000\n2007_000005\n")
    with pytest.raises(FileNotFoundError, match=r"2007_000005 is listed in val\.txt, but not in .*SegmentationClass"):
        VOC2012(tmp_path, "val")


def test_layouts_that_are_not_the_challenges(tmp_path):
    expected = "voc2012: expected folders JPEGImages and SegmentationClass in .*, which does not exist: get the data "
    with pytest.raises(FileNotFoundError, match=f"{expected}from http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"):
        VOC2012(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="has no such files"):
        VOC2012(tmp_path)
    (write_voc(tmp_path) / "JPEGImages" / "2007_000001.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 of 5 files in .*SegmentationClass have no image of the same name: 2007_0"):
        VOC2012(tmp_path)


@pytest.mark.parametrize("form", ["RGB", "grey"])
def test_masks_in_other_forms_say_the_same(tmp_path, form):
    dataset = VOC2012(write_voc(tmp_path))
    expected = dataset[0][1]
    path = dataset.pairs[0].mask
    with Image.open(path) as mask:
        pixels = np.array(mask.convert("RGB") if form == "RGB" else mask)
    write_image(path, pixels)
    np.testing.assert_array_equal(dataset[0][1], expected)


def test_masks_that_mean_something_else_are_refused(tmp_path):
    dataset = VOC2012(write_voc(tmp_path))
    path = dataset.pairs[0].mask
    with Image.open(path) as mask:
        mask.putpalette([value for grey in range(256) for value in (grey, grey, grey)])
        mask.save(path)
    with pytest.raises(
        ImageError,
        match=r"colour \(17, 17, 17\) at row 0, column 8 is none of \(0, 0, 0\) = background.*VOC's colour map",
    ):
        dataset[0]
    write_image(path, np.full((20, 30), 21, np.uint8))
    with pytest.raises(ImageError, match="label 21 at row 0, column 0 is none of 0 = background, 1 = aeroplane"):
        dataset[0]
    write_image(path, np.zeros((20, 31), np.uint8))
    with pytest.raises(ImageError, match=r"2007_000000.png: is 20 x 31 pixels, but its image .*jpg is 20 x 30"):
        dataset[0]


def test_real_voc(real_data):
    dataset = VOC2012(real_data("voc2012"))
    assert [pair.mask.stem for pair in dataset.pairs] == [
        "2007_000032", "2007_000033", "2007_000063", "2007_004189", "2008_002536",
    ]  # fmt: skip
    found = [np.unique(label).tolist() for _, label in dataset]
    assert found == [[IGNORE_INDEX, 0, *more] for more in ([1, 15], [1], [9, 12], [12], [12, 17])]
    with Image.open(dataset.pairs[2].mask) as mask:
        palette = np.reshape(mask.getpalette(), (-1, 3))
    assert [tuple(colour) for colour in palette.tolist()] == [voc_colour(index) for index in range(256)]
    objects, label = dataset.instances(2), dataset[2][1]
    assert np.unique(objects).tolist() == [0, 1, 2]
    assert sorted(np.unique(label[objects == number]).tolist() for number in (1, 2)) == [[9], [12]]
