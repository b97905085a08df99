from pathlib import Path

import numpy as np
import pytest

from minifcn.data.sets.pairs import read_pixels, with_channels
from minifcn.io import ImageError, write_image

PATH = Path("a.png")


def test_colour_and_grey():
    grey = np.array([[[0.25], [0.5]]], np.float32)
    colour = with_channels(grey, 3, PATH)
    np.testing.assert_array_equal(colour, [[[0.25] * 3, [0.5] * 3]])
    np.testing.assert_array_equal(with_channels(colour, 1, PATH), grey)  # exactly: weights that sum to 1 would round
    primaries = np.eye(3, dtype=np.float32)[None]
    np.testing.assert_allclose(with_channels(primaries, 1, PATH)[0, :, 0], [0.299, 0.587, 0.114], rtol=1e-6)
    assert with_channels(colour, 3, PATH) is colour
    with pytest.raises(
        ImageError, match=r"a\.png: has 2 channels, which cannot be converted to 3; save it as RGB or grey"
    ):
        with_channels(np.zeros((2, 2, 2), np.float32), 3, PATH)


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 1), (3, 3), (4, 3)])
def test_opacity_of_a_png_is_dropped(tmp_path, channels, kept):
    write_image(tmp_path / "a.png", np.full((4, 5, channels), 51, np.uint8))
    image = read_pixels(tmp_path / "a.png")
    assert (image.shape, image.dtype) == ((4, 5, kept), np.float32)
    np.testing.assert_allclose(image, 0.2, rtol=1e-6)


def test_channels_of_other_files_are_kept(tmp_path):
    write_image(tmp_path / "a.npy", np.full((4, 5, 6), 0.5, np.float32))
    assert read_pixels(tmp_path / "a.npy").shape == (4, 5, 6)
