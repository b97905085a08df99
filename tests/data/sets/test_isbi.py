import numpy as np
import pytest
import tifffile

from minifcn.data import ISBI2012


@pytest.fixture
def stack(tmp_path):
    """A made-up stack of four sections: section i is grey i, and its left half is interior."""
    volume = np.broadcast_to(np.arange(4, dtype=np.uint8)[:, None, None], (4, 6, 8))
    labels = np.zeros((4, 6, 8), np.uint8)
    labels[:, :, :4] = 255
    tifffile.imwrite(tmp_path / "train-volume.tif", volume, photometric="minisblack")
    tifffile.imwrite(tmp_path / "train-labels.tif", labels, photometric="minisblack")
    return tmp_path


def sections_of(dataset):
    return [round(float(image[0, 0, 0]) * 255) for image, _ in dataset]


def test_polarity_is_named_and_can_be_turned(stack):
    dataset = ISBI2012(stack)
    assert dataset.classes == ("membrane", "interior")
    assert dataset[0][1][0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    turned = ISBI2012(stack, foreground="membrane")
    assert turned.classes == ("interior", "membrane")
    assert turned[0][1][0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert turned.notes == ("label 255 is cell interior, 0 is membrane: mapped to class 1 = membrane",)
    with pytest.raises(ValueError, match="expected foreground 'interior' or 'membrane', got 'cell'"):
        ISBI2012(stack, foreground="cell")


@pytest.mark.parametrize(
    ("sections", "expected"),
    [(None, [0, 1, 2, 3]), (slice(1, 3), [1, 2]), (slice(2, 99), [2, 3]), (range(2), [0, 1]), ([3, 0, 3], [3, 0, 3])],
)
def test_sections(stack, sections, expected):
    assert sections_of(ISBI2012(stack, sections)) == expected


@pytest.mark.parametrize("sections", [[4], [-1], range(3, 6)])
def test_section_out_of_range(stack, sections):
    with pytest.raises(IndexError, match=r"isbi: section (4|-1) is out of range: the stack has sections 0 to 3"):
        ISBI2012(stack, sections)


def test_stack_of_one_section(tmp_path):
    tifffile.imwrite(tmp_path / "train-volume.tif", np.zeros((6, 8), np.uint8))
    tifffile.imwrite(tmp_path / "train-labels.tif", np.zeros((6, 8), np.uint8))
    assert ISBI2012(tmp_path)[0][0].shape == (6, 8, 1)


def test_files_that_are_not_the_challenges(stack):
    labels = stack / "train-labels.tif"
    tifffile.imwrite(labels, np.full((4, 6, 8), 7, np.uint8), photometric="minisblack")
    with pytest.raises(ValueError, match=r"train-labels\.tif: expected labels 0 and 255, found 7"):
        ISBI2012(stack)
    tifffile.imwrite(labels, np.zeros((3, 6, 8), np.uint8), photometric="minisblack")
    with pytest.raises(ValueError, match=r"shape \(3, 6, 8\), but train-volume\.tif has \(4, 6, 8\)"):
        ISBI2012(stack)
    tifffile.imwrite(labels, np.zeros((4, 6, 8), np.uint16), photometric="minisblack")
    with pytest.raises(ValueError, match=r"of uint8, found \(4, 6, 8\) of uint16"):
        ISBI2012(stack)
    labels.write_bytes(b"no image at all")
    with pytest.raises(ValueError, match=r"train-labels\.tif: cannot be read as \.tif"):
        ISBI2012(stack)
    tifffile.imwrite(labels, np.zeros((6, 8, 3), np.uint8), photometric="rgb")
    with pytest.raises(ValueError, match=r"train-labels\.tif: a label map has one channel, this image has 3"):
        ISBI2012(stack)


def test_a_stack_cut_short_is_one_clear_error(stack, capsys):
    volume = stack / "train-volume.tif"
    with tifffile.TiffWriter(volume) as tiff:
        for page in np.zeros((4, 64, 64), np.uint8):
            tiff.write(page, contiguous=False, metadata=None, photometric="minisblack")
    volume.write_bytes(volume.read_bytes()[:-5000])
    with pytest.raises(ValueError, match=r"train-volume\.tif: .*damaged") as caught:
        ISBI2012(stack)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


def test_real_isbi(real_data):
    dataset = ISBI2012(real_data("isbi2012"))
    image, label = dataset[0]
    assert (image.shape, label.shape, dataset.channels) == ((512, 512, 1), (512, 512), 1)
    labels = np.stack([label for _, label in dataset])
    greys = np.stack([image[:, :, 0] for image, _ in dataset])
    # Interior is most of the tissue, and membranes are stained: swapped polarity fails both.
    assert labels.mean() == pytest.approx(0.775, abs=0.01)
    assert greys[labels == 1].mean() > greys[labels == 0].mean() + 0.15
