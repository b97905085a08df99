import numpy as np
import pytest
from scipy import ndimage
from small_data import write_bsds

from minifcn.data import BSDS500, check
from minifcn.io import ImageError


def columns(label):
    """The columns that are boundary from top to bottom."""
    assert (label == label[0]).all()
    return np.flatnonzero(label[0]).tolist()


@pytest.mark.parametrize(
    ("consensus", "expected"),
    [("any", [11, 12]), ("majority", [11]), (1 / 3, [11, 12]), (0.4, [11]), (2 / 3, [11]), (0.67, []), (1, [])],
)
def test_how_many_annotators_make_a_boundary(tmp_path, consensus, expected):
    image, label = BSDS500(write_bsds(tmp_path), consensus=consensus)[0]
    assert (image.shape, image.dtype, label.shape, label.dtype) == ((16, 24, 3), np.float32, (16, 24), np.int64)
    assert columns(label) == expected


def test_the_share_of_annotators_is_a_target_too(tmp_path):
    dataset = BSDS500(write_bsds(tmp_path), target="agreement")
    label = dataset[0][1]
    assert (dataset.task, dataset.classes, label.shape, label.dtype) == (
        "regression",
        ("agreement",),
        (16, 24, 1),
        "f4",
    )
    np.testing.assert_allclose(label[3, 10:14, 0], [0, 2 / 3, 1 / 3, 0], rtol=1e-6)
    assert check(dataset).sums["agreement"] == pytest.approx(np.mean([16, 17, 18, 19]))


def test_all_annotations_and_the_first_ones_segments(tmp_path):
    dataset = BSDS500(write_bsds(tmp_path))
    annotations = dataset.annotations(1)
    assert [columns(annotation.boundary) for annotation in annotations] == [[11], [11], [12]]
    assert [int((annotation.segments == 1).sum()) for annotation in annotations] == [12 * 17, 12 * 17, 13 * 17]
    np.testing.assert_array_equal(dataset.instances(1), annotations[0].segments)


@pytest.mark.parametrize("top", ["", "BSDS500/data", "BSR/BSDS500/data"])
def test_official_parts(tmp_path, top):
    write_bsds(tmp_path / top, ("train", "val", "test"), images=2)
    stems = [[pair.image.stem for pair in BSDS500(tmp_path, split).pairs] for split in ("train", "val", "test", None)]
    assert stems == [["00000", "00001"], ["00100", "00101"], ["00200", "00201"], stems[0] + stems[1] + stems[2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "validation"}, "expected split 'train', 'val', 'test' or None, got 'validation'"),
        ({"target": "edges"}, "expected target 'boundary' or 'agreement', got 'edges'"),
        ({"consensus": "all"}, "expected consensus 'any', 'majority' or 0 < share <= 1, got 'all'"),
        ({"consensus": 0}, "0 < share <= 1, got 0"),
        ({"consensus": 1.5}, "0 < share <= 1, got 1.5"),
    ],
)
def test_arguments_that_mean_nothing(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=f"bsds500: .*{message}"):
        BSDS500(write_bsds(tmp_path), **arguments)


def test_files_that_are_missing_or_something_else(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folders images and groundTruth in .*eecs\.berkeley\.edu"):
        BSDS500(tmp_path)
    write_bsds(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"images in images/val and \.mat files in groundTruth/val"):
        BSDS500(tmp_path, "val")
    dataset = BSDS500(tmp_path)
    dataset.pairs[0].mask.write_bytes(dataset.pairs[1].mask.read_bytes())
    with pytest.raises(ImageError, match=r"00000\.mat: is 17 x 24 pixels, but its image 00000\.jpg is 16 x 24"):
        dataset[0]
    dataset.pairs[0].mask.write_bytes(b"no such thing")
    with pytest.raises(ImageError, match=r"00000\.mat: is no annotation of BSDS500 .*; unpack it again"):
        dataset[0]
    dataset.pairs[0].mask.unlink()
    with pytest.raises(ValueError, match=r"1 of 4 files in .*images have no mask of the same name: 00000\.jpg"):
        BSDS500(tmp_path)


def test_real_bsds(real_data):
    dataset = BSDS500(real_data("bsds500"))
    assert len(dataset) == 8
    assert [len(dataset.annotations(index)) for index in range(8)] == [6, 5, 5, 5, 5, 5, 5, 5]
    assert {image.shape for image, _ in dataset} == {(321, 481, 3), (481, 321, 3)}
    assert check(dataset).fractions["boundary"] == pytest.approx(0.065, abs=0.005)
    for index in (0, 5):
        segments, boundary = dataset.annotations(index)[0]
        edges = ndimage.maximum_filter(segments, 3) != ndimage.minimum_filter(segments, 3)
        assert edges[boundary].all()
        assert dataset.instances(index).min() == 1
