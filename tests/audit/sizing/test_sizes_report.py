"""Legal sizes, margins and crops of an image: U-Net's and the lecture's numbers, and crops tried on real answers."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn
from minifcn.audit import Subject, sizes
from minifcn.audit.sizing.crops import crops
from minifcn.models import CiresanN3, PangCNN, UNet
from minifcn.nn.modes import evaluating
from minifcn.prediction import margins


def _unet(**options):
    return UNet(1, 2, base=1, **options)


@pytest.mark.parametrize(
    ("padding", "padded", "before", "after", "output", "crop", "below"),
    [("same", 1008, 0, 8, 1008, 8, 992), ("valid", 1196, 92, 104, 1012, 12, 988)],
)
def test_1000_pixels(padding, padded, before, after, output, crop, below):
    net = _unet(padding=padding)
    rows, columns = sizes(net, image=1000).image
    assert rows == columns
    assert (rows.padded, rows.before, rows.after) == (padded, before, after)
    assert (rows.output, rows.crop, rows.below) == (output, crop, below)
    assert margins(net, 1000, 1000)[0] == (before, after)  # those of prediction


def test_the_case_study_of_the_lecture():
    """Trained on 512 x 512, applied to 1000 x 1000."""
    report = sizes(_unet(padding="same"), image=1000, trained=512)
    assert report.larger.resize == (1000 / 512, 1000 / 512)
    assert (report.larger.rows.sure, report.larger.rows.advance, report.larger.rows.count) == ((94, 418), 320, 3)
    text = str(report)
    assert "All lengths are divided by 1.95" in text
    assert "60% of the answers see its border" in text  # 1 - (324 / 512)²
    assert "9 crops" in text
    assert "which makes 1008 x 1008; crop the output to 1000 x 1000" in text


def test_a_crop_that_is_not_legal_becomes_smaller():
    larger = sizes(_unet(padding="valid"), image=1000, trained=512).larger
    assert (larger.crop, larger.rows.answers, larger.rows.sure) == ((508, 508), 324, (0, 324))
    assert (larger.rows.advance, larger.rows.overlap, larger.rows.count) == (320, 188, 4)


@pytest.mark.parametrize(
    "net",
    [
        _unet(depth=2),
        nn.Sequential(nn.Conv2d(1, 2, 3, dilation=4, padding=4), nn.Conv2d(2, 1, (5, 3), padding=(2, 1))),
        nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2)),
    ],
    ids=["unet", "dilated", "pooled"],
)
def test_crops_give_what_the_whole_gives_and_not_more(net):
    """In float64: the rows that are called sure are exact, wherever a crop begins; the next ones are not."""
    net.astype(np.float64)
    length, whole = 64, 128
    along, _ = crops(Subject(net, channels=1), (length, length), (whole, whole))
    image = np.random.default_rng(0).standard_normal((1, whole, length, 1))
    with mf.no_grad(), evaluating(net):
        truth = net(mf.Tensor(image)).data[0]
        (begin, end), differences = along.sure, np.zeros(length)
        for start in range(0, whole - length + 1, along.advance):
            part = net(mf.Tensor(np.ascontiguousarray(image[:, start : start + length]))).data[0]
            difference = np.abs(part - truth[start : start + length]).max(axis=(1, 2))
            differences = np.maximum(differences, difference)
    assert differences[begin:end].max() < 1e-12
    assert begin == 0 or differences[begin - 1] > 1e-6
    assert end == length or differences[end] > 1e-6
    assert along.count == 1 + -((whole - length) // -along.advance)


def test_answers_that_know_their_place_have_no_crops():
    larger = sizes(_unet(coordinates=True, padding="same", depth=2), image=100, trained=64).larger
    assert (larger.rows, larger.moves) == (None, False)
    assert "do not move with the image" in larger.obstacle


def test_crops_that_are_smaller_than_the_field():
    report = sizes(_unet(padding="same"), image=1000, trained=64)
    assert (report.larger.rows, report.larger.moves) == (None, True)
    assert "none of its answers to 64 pixels is surely free of their border" in str(report)
    assert "No size up to 8 x 8 is legal" in str(sizes(_unet(), image=1000, trained=8))


def test_an_image_that_needs_nothing():
    report = sizes(PangCNN(1, 1, maps=1), image=(7, 1), trained=(7, 5))
    assert "An image of 7 x 1, as it is, gives an output of 7 x 1." in report.headline()
    assert "nothing" not in report.headline()
    assert "not even anything to pad" in str(report)
    assert "1 (heights) and 0.2 (widths)" in str(report)


def test_a_classifier_of_windows_is_asked_as_a_network_for_images():
    report = sizes(CiresanN3(1, 2, maps=1, hidden=2), image=65)
    assert (report.rows, report.image[0].padded, report.image[0].output) == ("any from 65", 129, 65)
    assert "classifies windows of 65 x 65 pixels" in str(report)


def test_modules_of_ones_own_are_asked():
    report = sizes(nn.Sequential(nn.Conv2d(1, 1, (3, 5)), nn.MaxPool2d(2), nn.Upsample(scale_factor=2)), image=30)
    assert (report.rows, report.columns, report.asked) == ("any from 4", "any from 6", 256)
    assert [(axis.padded, axis.output) for axis in report.image] == [(32, 30), (34, 30)]
    assert "Heights and widths differ" in str(report)


def test_an_output_that_is_larger_by_a_row():
    """Stride 2 rounds 5 rows up to 3, which become 6."""
    net = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.ConvTranspose2d(1, 1, 2, stride=2))
    (rows, _) = sizes(net, image=5).image
    assert (rows.padded, rows.before, rows.after, rows.output, rows.crop) == (5, 0, 0, 6, 1)


def test_an_output_of_another_scale_is_not_cropped():
    report = sizes(nn.Conv2d(1, 1, 2, stride=2), image=9, trained=4)
    assert report.scale == pytest.approx(0.5, abs=0.01)
    assert (report.image[0].padded, report.image[0].crop) == (9, None)
    assert "does not answer pixel for pixel" in str(report)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": 0}, "image must be a number of pixels"),
        ({"image": (3, 4, 5)}, "image must be a number of pixels"),
        ({"image": 100, "trained": -1}, "trained must be"),
        ({"trained": 512}, "trained= needs image="),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        sizes(_unet(), **arguments)


def test_what_takes_no_image_is_an_error():
    with pytest.raises(ValueError, match=r"takes no blank square image .* and 1 channel\(s\)"):
        sizes(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten()))


@pytest.mark.parametrize(("image", "trained"), [(None, None), (40, None), ((40, 70), 32)])
def test_facts_and_figures(image, trained, tmp_path):
    report = sizes(_unet(padding="same", depth=2), image, trained)
    assert report.facts()["legal_heights"] == "multiples of 4"
    assert all(path.stat().st_size > 0 for path in report.save(tmp_path))
