import numpy as np
import pytest
from small_data import write_vgg_cells

from minifcn.data import VGGCells, check
from minifcn.data.sets.vgg_cells import density
from minifcn.io import ImageError, write_image


def test_cells_are_counted_by_summing(tmp_path):
    dataset = VGGCells(write_vgg_cells(tmp_path))
    assert dataset.counts.tolist() == [1, 2, 3, 4, 5, 6]
    for index, (image, label) in enumerate(dataset):
        assert (image.shape, label.shape, label.dtype) == ((24, 24, 3), (24, 24, 1), np.float32)
        # The first dot is in a corner, where three quarters of its Gaussian lie beyond the image.
        assert label.sum(dtype=np.float64) == pytest.approx(100 * dataset.count(index), rel=1e-6)
    assert check(dataset).sums["density"] == pytest.approx(350)


def test_a_dot_is_a_gaussian():
    dots = np.zeros((21, 21), bool)
    dots[10, 10] = True
    row, column = np.indices(dots.shape) - 10
    for sigma in (1.0, 2.0):
        expected = np.exp(-(row**2 + column**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        # It is cut off at four sigma, sampled rather than integrated.
        np.testing.assert_allclose(density(dots, sigma), expected, rtol=1e-3, atol=1e-4 * expected.max())
    np.testing.assert_array_equal(density(dots, 0), dots)


def test_scale_and_sigma(tmp_path):
    write_vgg_cells(tmp_path, 1)
    dots = VGGCells(tmp_path, sigma=0, scale=1)[0][1]
    assert (dots[0, 0, 0], dots.sum()) == (1, 1)
    for arguments in ({"sigma": -1}, {"scale": 0}, {"sigma": float("nan")}):
        with pytest.raises(ValueError, match="vgg_cells: expected sigma >= 0 and scale > 0"):
            VGGCells(tmp_path, **arguments)


def test_an_image_without_cells(tmp_path):
    dataset = VGGCells(write_vgg_cells(tmp_path))
    write_image(dataset.pairs[1].mask, np.zeros((24, 24, 3), np.uint8))
    assert dataset.count(1) == 0
    assert not dataset[1][1].any()
    assert check(dataset).notes == ("1 of 6 images sums to density 0, such as image 1",)


def test_files_that_are_missing_or_do_not_fit(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=r"files 001cell\.png, .*robots\.ox\.ac\.uk/~vgg/research/counting"):
            VGGCells(folder)
    dataset = VGGCells(write_vgg_cells(tmp_path))
    write_image(dataset.pairs[0].mask, np.zeros((24, 20, 3), np.uint8))
    with pytest.raises(ImageError, match=r"001dots\.png: is 24 x 20 pixels, but its image 001cell\.png is 24 x 24"):
        dataset[0]
    dataset.pairs[0].mask.unlink()
    with pytest.raises(ValueError, match=r"1 of 6 files in .* have no mask of the same name: 001cell\.png"):
        VGGCells(tmp_path)


def test_no_objects_without_classes(tmp_path):
    with pytest.raises(ValueError, match="vgg_cells: has no classes of pixels, so no objects either"):
        VGGCells(write_vgg_cells(tmp_path)).instances(0)


def test_real_cells(real_data):
    dataset = VGGCells(real_data("vgg_cells"))
    counts = dataset.counts
    assert (len(dataset), counts.min(), counts.max()) == (60, 78, 315)
    for index in (0, 30, 59):
        image, label = dataset[index]
        assert label.sum(dtype=np.float64) / 100 == pytest.approx(counts[index], rel=1e-6)
        # Cells are bright: blue is brighter where the density is.
        blue = image[:, :, 2]
        assert np.average(blue, weights=label[:, :, 0]) > 1.5 * blue.mean()
