import re

import numpy as np
import pytest
from small_data import write_folder

from minifcn.data import IGNORE_INDEX, FolderDataset, check
from minifcn.io import ImageError, write_image


def test_binary_masks_are_mapped_and_said(tmp_path):
    dataset = FolderDataset(write_folder(tmp_path))
    assert dataset.classes == ("background", "foreground")
    assert dataset.notes == ("masks hold 0 and 255: mapped to 0 and 1",)
    image, label = dataset[3]
    assert (image.shape, image.dtype, label.dtype) == ((16, 23, 3), np.float32, np.int64)
    assert label[5].tolist() == [0] * 12 + [1] * 11
    assert len(check(dataset).shapes) == 5
    named = FolderDataset(tmp_path, ("ground", "cell"))
    assert (named.classes, named.notes) == (("ground", "cell"), dataset.notes)
    np.testing.assert_array_equal(named[3][1], label)


@pytest.mark.parametrize(
    ("values", "classes", "expected"),
    [
        ((0, 1), None, ("background", "foreground")),
        ((0, 1), ("a", "b"), ("a", "b")),
        ((0, 1, 2), None, ("class 0", "class 1", "class 2")),
        ((2, 0), ("a", "b", "c"), ("a", "b", "c")),
        ((0,), None, ("class 0",)),
    ],
)
def test_class_numbers(tmp_path, values, classes, expected):
    dataset = FolderDataset(write_folder(tmp_path, values=values), classes)
    assert (dataset.classes, dataset.notes) == (expected, ())
    assert np.unique(dataset[0][1]).tolist() == sorted(values)


def test_a_classes_file_says_what_values_and_colours_mean(tmp_path):
    write_folder(tmp_path, images=1, values=(7, 9, 255))
    (tmp_path / "values.txt").write_text("cell 9\nground 7\nvoid 255\n")
    dataset = FolderDataset(tmp_path, tmp_path / "values.txt")
    assert (dataset.classes, np.unique(dataset[0][1]).tolist()) == (("cell", "ground"), [IGNORE_INDEX, 0, 1])
    colours = np.zeros((16, 20, 3), np.uint8)
    colours[:, 10:] = (255, 0, 4)
    write_image(tmp_path / "masks" / "0.png", colours)
    (tmp_path / "colours.txt").write_text("ground 0 0 0\ncell 255 0 4\n")
    assert FolderDataset(tmp_path, str(tmp_path / "colours.txt"))[0][1][3].tolist() == [0] * 10 + [1] * 10


def test_a_classes_file_is_repeated_where_it_may_not_say_what_was_meant(tmp_path):
    write_folder(tmp_path / "data", images=2)
    (tmp_path / "classes.txt").write_text("\ufeffground 0\nclass 1\nclass 255\nunlabeled 7\n", encoding="utf-8")
    dataset = FolderDataset(tmp_path / "data", tmp_path / "classes.txt")
    assert dataset.classes == ("ground", "class")  # a byte order mark is no part of a name
    assert dataset.notes == (
        "classes file: 1, 255 in the masks are 'class'",
        "classes file: 7 in the masks is what does not count",
    )


def test_a_file_of_two_names_takes_binary_masks_too(tmp_path):
    write_folder(tmp_path, images=2)
    (tmp_path / "classes.txt").write_text("ground\ncell\n")
    dataset = FolderDataset(tmp_path, tmp_path / "classes.txt")
    assert (dataset.classes, dataset.notes) == (("ground", "cell"), ("masks hold 0 and 255: mapped to 0 and 1",))
    assert np.unique(dataset[0][1]).tolist() == [0, 1]
    write_image(tmp_path / "masks" / "0.png", np.ones((16, 20), np.uint8))
    with pytest.raises(ImageError, match=r"1\.png: label 255 .* 1 = cell; .*`void 255` \(all lines then need values\)"):
        FolderDataset(tmp_path, tmp_path / "classes.txt")[1]


@pytest.mark.parametrize("ending", ["_mask", "_label", "_masks", "_labels"])
@pytest.mark.parametrize("kind", [".png", ".tif", ".npy"])
def test_images_and_masks_side_by_side(tmp_path, ending, kind):
    for name in ("a", "b_mask_of"):
        write_image(tmp_path / f"{name}.png", np.full((4, 5), 51, np.uint8))
        write_image(tmp_path / f"{name}{ending}{kind}", np.eye(4, 5, dtype=np.uint8))
    dataset = FolderDataset(tmp_path)
    assert (len(dataset), dataset.channels) == (2, 1)
    np.testing.assert_allclose(dataset[1][0], np.full((4, 5, 1), 0.2), rtol=1e-6)
    np.testing.assert_array_equal(dataset[1][1], np.eye(4, 5))


def test_folders_of_other_names(tmp_path):
    assert len(FolderDataset(write_folder(tmp_path / "labels", masks="labels"))) == 5
    other = write_folder(tmp_path / "other", masks="truth")
    assert len(FolderDataset(other, masks="truth")) == 5
    for path in (other / "truth").iterdir():
        path.rename(path.with_stem(f"{path.stem}_mask"))
    assert len(FolderDataset(other, masks="truth")) == 5
    write_image(other / "truth" / "0_label.png", np.zeros((16, 20), np.uint8))
    with pytest.raises(
        ValueError, match=r"0_label\.png and 0_mask\.png are masks of the same image; which one is meant"
    ):
        FolderDataset(other, masks="truth")
    with pytest.raises(FileNotFoundError, match="holds images, but no masks beside it; expected images/ and masks/"):
        FolderDataset(other)


def test_a_grey_mask_saved_as_colour_is_one(tmp_path):
    dataset = FolderDataset(write_folder(tmp_path))
    mask = np.zeros((16, 20, 4), np.uint8)
    mask[:, 10:, :3], mask[..., 3] = 255, 255
    write_image(dataset.pairs[0].mask, mask)
    assert FolderDataset(tmp_path)[0][1].sum() == 16 * 10


def test_channels(tmp_path):
    write_folder(tmp_path)
    write_image(tmp_path / "images" / "2.png", np.full((16, 22), 51, np.uint8))
    dataset = FolderDataset(tmp_path)
    with pytest.raises(
        ImageError, match=r"2\.png: has 1 channels, but 0\.png has 3; channels=1 or channels=3 converts"
    ):
        dataset[2]
    assert {image.shape[2] for image, _ in FolderDataset(tmp_path, channels=3)} == {3}
    assert {image.shape[2] for image, _ in FolderDataset(tmp_path, channels=1)} == {1}
    with pytest.raises(ValueError, match="folder: expected channels 1, 3 or None, got 2"):
        FolderDataset(tmp_path, channels=2)
    write_image(tmp_path / "images" / "2.tif", np.zeros((5, 16, 22), np.uint8))
    with pytest.raises(ValueError, match=r"2\.tif and 2\.png have the same name; which one is meant"):
        FolderDataset(tmp_path)


def test_folders_without_images(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="nowhere does not exist; expected a folder that holds images/ and masks"
    ):
        FolderDataset(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"holds no images \(\.png, .*\); expected images/ and masks/"):
        FolderDataset(tmp_path)
    (tmp_path / "a.txt").write_text("no folder")
    with pytest.raises(FileNotFoundError, match=r"a\.txt is a file; expected a folder"):
        FolderDataset(tmp_path / "a.txt")


def test_files_without_partner(tmp_path):
    write_folder(tmp_path)
    for number in range(4):
        (tmp_path / "masks" / f"{number}.png").unlink()
    with pytest.raises(
        ValueError,
        match=r"4 of 5 files in .*images have no mask of the same name: 0\.png, 1\.png, 2\.png, \.\.\.; add the",
    ):
        FolderDataset(tmp_path)
    for number in range(5):
        (tmp_path / "images" / f"{number}.png").unlink()
    with pytest.raises(
        ValueError, match=r"1 of 1 files in .*masks have no image of the same name: 4\.png; add the images"
    ):
        FolderDataset(tmp_path)


def broken(folder, values=(0, 1), mask=None, image=None, name="1.png"):
    """A folder whose second sample has another mask or image."""
    write_folder(folder, values=values)
    for kind, pixels in (("masks", mask), ("images", image)):
        if pixels is not None:
            (folder / kind / "1.png").unlink()
            write_image(folder / kind / name, pixels)
    return folder


def mask_of(value, dtype=np.uint8):
    mask = np.zeros((16, 21), dtype)
    mask[3, 4] = value
    return mask


@pytest.mark.parametrize(
    ("arguments", "classes", "message"),
    [
        (
            {"mask": np.zeros((16, 20), np.uint8)},
            None,
            "1.png: is 16 x 20 pixels, but its image 1.png is 16 x 21; they m",
        ),
        (
            {"mask": mask_of(5)},
            tuple("abc"),
            "1.png: label 5 at row 3, column 4 is none of 0 = a, 1 = b, 2 = c; name wh",
        ),
        ({"mask": mask_of(5)}, tuple("ab"), "1.png: label 5 at row 3, column 4 is none of 0 = a, 1 = b; name what the"),
        ({"mask": mask_of(5)}, None, "masks hold 3 values, 0, 1, 5 (5 in 1.png), which are not numbered 0, 1, 2"),
        (
            {"mask": np.eye(16, 21)[..., None] * [0, 1.0, 0]},
            tuple("abc"),
            "1.png: is in colour, where one class number",
        ),
        (
            {"mask": np.zeros((16, 21)), "name": "1.npy"},
            tuple("abc"),
            "1.npy: holds float64, but a mask holds integers",
        ),
        ({"mask": mask_of(1), "name": "1.jpg"}, None, "1.jpg: JPEG changes class numbers near their edges"),
        ({"mask": np.zeros((2, 16, 21), int), "name": "1.npy"}, tuple("abc"), "1.npy: shape (2, 16, 21) is no mask"),
        ({"image": np.zeros((18, 16, 21), np.uint8), "name": "1.tif"}, None, "1.tif: shape (18, 16, 21) is a stack"),
        ({"image": np.zeros((16, 21, 3), int), "name": "1.npy"}, None, "1.npy: int64 pixels have no standard range"),
    ],
)
def test_files_that_do_not_fit(tmp_path, arguments, classes, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        check(FolderDataset(broken(tmp_path, **arguments), classes))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "masks" / "3.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"masks.3\.png: cannot be read as \.png"):
        FolderDataset(tmp_path)
    dataset = FolderDataset(tmp_path, tuple("abc"))
    with pytest.raises(ImageError, match=r"masks.3\.png: cannot be read as \.png"):
        dataset[3]


@pytest.mark.parametrize("classes", [(), ("a", "a")])
def test_names_that_are_none(tmp_path, classes):
    with pytest.raises(ValueError, match="folder: expected one or more different names of classes"):
        FolderDataset(write_folder(tmp_path), classes)


def test_colours_that_the_classes_file_lacks(tmp_path):
    write_folder(tmp_path, images=1, values=(0, 9))
    (tmp_path / "classes.txt").write_text("ground 0 0 0\ncell 255 0 0\n")
    with pytest.raises(
        ImageError,
        match=r"colour \(9, 9, 9\) at row 0, column 10 is none .*; give it a line in .*classes\.txt; "
        "if it does not count, `void R G B`",
    ):
        FolderDataset(tmp_path, tmp_path / "classes.txt")[0]


def test_real_nuclei_read_as_a_folder(real_data):
    folder = real_data("dsb2018") / "fluo"
    with pytest.raises(ValueError, match=r"folder: masks hold .* values, 0, 1, 2"):
        FolderDataset(folder)  # a number for every nucleus is no class
    cells = real_data("camvid")
    dataset = FolderDataset(cells, [*"abcdefghijk", "void"], images="val", masks="valannot")
    assert (len(dataset), dataset.channels, dataset[0][1].shape) == (6, 3, (360, 480))
