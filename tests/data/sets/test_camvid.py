import numpy as np
import pytest
from small_data import write_camvid

from minifcn.data import IGNORE_INDEX, CamVid, check
from minifcn.io import ImageError, write_image


def test_parts_classes_and_void(tmp_path):
    write_camvid(tmp_path, ("train", "val", "test"))
    names = []
    for split in ("train", "val", "test"):
        dataset = CamVid(tmp_path, split)
        image, label = dataset[-1]
        assert (len(dataset), image.shape, label.shape) == (3, (24, 32, 3), (24, 32))
        assert label[5, [0, 8, 16, 24]].tolist() == [0, 3, 8, IGNORE_INDEX]
        names += [pair.image.name for pair in dataset.pairs]
    assert len(set(names)) == 9
    assert dataset.num_classes == 11
    shares = check(dataset).fractions
    assert {name for name, share in shares.items() if share} == {"Sky", "Road", "Car"}


def test_pairs_that_do_not_match(tmp_path):
    write_camvid(tmp_path)
    (tmp_path / "trainannot" / "0016E5_00001.png").unlink()
    with pytest.raises(
        ValueError, match=r"camvid: 1 of 3 files in .*train have no mask of the same name: 0016E5_00001"
    ):
        CamVid(tmp_path)
    (tmp_path / "val" / "0016E5_10000.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 3 files in .*valannot have no image of the same name"):
        CamVid(tmp_path, "val")


def test_what_is_not_there(tmp_path):
    write_camvid(tmp_path)
    with pytest.raises(ValueError, match="camvid: expected split 'train', 'val', 'test', got 'validation'"):
        CamVid(tmp_path, "validation")
    with pytest.raises(FileNotFoundError, match=r"images in test and masks in testannot .*github\.com/alexgkendall"):
        CamVid(tmp_path, "test")


def test_labels_that_are_not_segnets(tmp_path):
    dataset = CamVid(write_camvid(tmp_path))
    labels = np.full((24, 32), 3, np.uint8)
    labels[2, 3] = 12
    write_image(dataset.pairs[0].mask, labels)
    with pytest.raises(
        ImageError, match=r"label 12 at row 2, column 3 is none of 0 = Sky, .*; this reads SegNet's prep"
    ):
        dataset[0]
    write_image(dataset.pairs[1].mask, np.stack([labels, labels, 0 * labels], axis=2))
    with pytest.raises(ImageError, match="is in colour, where one class number a pixel is expected"):
        dataset[1]


def test_real_camvid(real_data):
    folder = real_data("camvid")
    train, validation = CamVid(folder), CamVid(folder, "val")
    assert (len(train), len(validation)) == (16, 6)
    image, label = validation[0]
    assert image.shape == (360, 480, 3)
    # The car drives on a road under a sky: classes in another order would not look like that.
    rows = {name: np.argwhere(label == train.classes.index(name))[:, 0].mean() for name in ("Sky", "Road", "Building")}
    assert rows["Sky"] < rows["Building"] < rows["Road"]
    assert check(train).fractions["Road"] == pytest.approx(0.33, abs=0.01)
