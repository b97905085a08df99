import json

import numpy as np
import pytest

from minifcn import nn
from minifcn.audit import doctor
from minifcn.data import IGNORE_INDEX, ArrayDataset, TwoDiscs, split
from minifcn.models import CiresanN3, UNet

CLASSES = ("background", "cell")


def squares(count: int = 6, size: int = 32, side: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W) of a bright square each, float32, and masks."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, size, size), np.int64)
    for mask, (row, column) in zip(masks, rng.integers(1, size - side - 1, (count, 2)), strict=True):
        mask[row : row + side, column : column + side] = 1
    return np.clip(0.3 + 0.4 * masks + rng.normal(0, 0.05, masks.shape), 0, 1).astype(np.float32), masks


def test_arrays_that_are_right():
    train, validation = split(ArrayDataset(*squares(), CLASSES), 0.3)
    report = doctor(train, validation, model=UNet(1, 2, base=1, depth=2), crop=32)
    assert report.headline().startswith("Nothing is wrong, nothing to look at. 6 images looked at")
    assert {finding.severity for finding in report.findings} == {"fine"}
    assert len(report.findings) == 7


def test_masks_of_0_and_255_are_refused_and_the_images_looked_at_all_the_same():
    images, masks = squares()
    report = doctor(ArrayDataset(images, 255 * masks, CLASSES))
    assert [(f.check, f.title) for f in report.of("wrong")] == [("label values", "the labels of 6 images are refused")]
    assert "binary_masks=True" in report.of("wrong")[0].evidence
    assert ("skipped", "class balance") in [(f.severity, f.check) for f in report.findings]


def test_an_image_with_nan():
    images, masks = squares()
    images[2, 3, 4] = np.nan
    (finding,) = doctor(ArrayDataset(images, masks, CLASSES)).of("wrong")
    assert finding.images[0].number == 2
    assert "row 3, column 4" in finding.evidence


def test_classes_that_training_never_sees():
    images, masks = squares()
    masks[5] *= 2
    data = ArrayDataset(images, masks, (*CLASSES, "dirt", "dust"))
    train, validation = split(data, [5])
    report = doctor(train, validation)
    assert [f.title for f in report.of("wrong")] == ["1 class of the validation images not in the 5 training images"]
    assert [f.title for f in report.of("warning")] == ["1 class of 4 nowhere in the 5 training images"]
    sampled = doctor(train, validation, limit=2)
    assert sampled.of("wrong") == []  # the others may show it
    assert "train 2 of 5, evenly spread" in sampled.headline()


@pytest.mark.parametrize(
    ("balance", "crop", "expected"),
    [
        ("none", None, "--balance inverse"),
        ("none", 32, "--balance inverse"),
        ("inverse", 32, "--balance inverse sees to it"),
    ],
)
def test_rare_classes(balance, crop, expected):
    report = doctor(ArrayDataset(*squares(side=3), CLASSES), crop=crop, balance=balance)
    (finding,) = report.of("warning") or report.of("note")
    assert finding.severity == ("warning" if balance == "none" else "note")
    assert finding.title == "'cell' is rare: 0.88% of the pixels"
    assert finding.action.startswith(expected)


def test_a_rare_class_in_few_images_needs_crops():
    images, masks = squares(8, side=3)
    masks[3:] = 0
    report = doctor(ArrayDataset(images, masks, CLASSES), crop=16)
    assert any("--balance crops" in finding.action for finding in report.of("warning"))


def test_a_class_for_each_image_is_not_rare():
    images, masks = squares(20, side=12)
    masks *= np.arange(1, 21)[:, None, None] % 10 + 1
    report = doctor(ArrayDataset(images, masks, ("background", *map(str, range(1, 11)))))
    assert (report.of("wrong"), report.of("warning"), report.of("note")) == ([], [], [])


def test_one_class_throughout():
    images, masks = squares()
    (finding,) = doctor(ArrayDataset(images, 0 * masks, CLASSES)).of("wrong")
    assert finding.title == "the training images hold nothing but 'background'"


@pytest.mark.parametrize("classes", [("class 0",), CLASSES, ("background", "cell", "dirt")])
def test_masks_of_one_class_only_are_not_said_to_be_fine(classes):
    images, masks = squares()
    report = doctor(ArrayDataset(images, 0 * masks, classes))
    (finding,) = [finding for finding in report.findings if finding.check == "empty masks"]
    assert (finding.severity, finding.title) == ("warning", f"6 of 6 masks with nothing but {classes[0]!r}")


def test_empty_masks_among_those_of_many_classes():
    images, masks = squares()
    masks[3:] *= 2
    masks[[1, 4]] = 0
    report = doctor(ArrayDataset(images, masks, ("background", "cell", "dirt")))
    assert "2 of 6 masks are empty" in [finding.title for finding in report.of("warning")]
    # Of classes without a background, an image of one thing is nothing odd.
    report = doctor(ArrayDataset(images, masks, ("sky", "road", "car")))
    assert [f.severity for f in report.findings if f.check == "empty masks"] == ["fine"]


def test_images_of_one_grey():
    images, masks = squares()
    images[:2] = 0.5
    report = doctor(ArrayDataset(images, masks, CLASSES))
    assert [f.title for f in report.of("warning")] == ["2 of 6 images the same all over"]
    (duplicates,) = [finding for finding in report.findings if finding.check == "duplicates"]
    assert duplicates.title.startswith("none among 4 images")
    assert duplicates.title.endswith("; 2 images without content left out")
    images[:] = 0.5
    report = doctor(ArrayDataset(images, masks, CLASSES))
    assert [f.title for f in report.of("wrong")] == ["6 of 6 images the same all over"]
    assert ("skipped", "duplicates") in [(f.severity, f.check) for f in report.findings]


def test_pixels_that_do_not_count():
    images, masks = squares()
    masks[1] = IGNORE_INDEX
    masks[2, :4] = IGNORE_INDEX
    (finding,) = doctor(ArrayDataset(images, masks, CLASSES)).of("warning")
    assert finding.title == "in 1 of 6 masks no pixel counts"


def test_a_foreground_that_looks_like_a_background_is_a_note():
    images, masks = squares()
    (note,) = doctor(ArrayDataset(images, 1 - masks, CLASSES)).of("note")
    assert note.title == "'cell' covers more than the background, the images' borders included"
    assert doctor(ArrayDataset(images, 1 - masks, ("membrane", "cell"))).of("note") == []


def test_objects_wider_than_the_receptive_field():
    data = ArrayDataset(*squares(size=64, side=40), CLASSES)
    small = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1))  # sees 5 pixels
    (finding,) = doctor(data, model=small).of("warning")
    assert finding.title == "6 of 6 objects wider than the receptive field of 5 pixels"
    assert finding.numbers["their_share_of_pixels"] == 1.0
    assert doctor(data, model=UNet(1, 2, base=1, depth=3)).of("warning") == []  # 100 pixels


@pytest.mark.parametrize("kernel", [(3, 65), (65, 3)])
def test_objects_have_to_fit_into_the_receptive_field_along_both_axes(kernel):
    data = ArrayDataset(*squares(size=64, side=40), CLASSES)
    report = doctor(data, model=nn.Conv2d(1, 2, kernel, padding=(kernel[0] // 2, kernel[1] // 2)))
    (finding,) = report.of("warning")
    assert finding.title == f"6 of 6 objects wider than the receptive field of {kernel[0]} x {kernel[1]} pixels"
    assert "the inside along one axis" in finding.why
    assert report.network.field == kernel


def test_lines_are_as_wide_as_they_are_thick():
    images, masks = squares(size=64, side=3)
    masks[:] = 0
    masks[:, ::8] = 1
    model = nn.Conv2d(1, 2, 5, padding=2)
    assert doctor(ArrayDataset(images, masks, CLASSES), model=model).of("warning") == []


def test_objects_smaller_than_the_stride_are_a_note():
    data = ArrayDataset(*squares(size=24, side=7), CLASSES)
    (note,) = doctor(data, model=UNet(1, 2, base=1, depth=3)).of("note")
    assert note.title == "6 of 6 objects smaller than the total stride of 8 pixels"


def test_many_crumbs_beside_few_large_objects():
    images, masks = squares(size=48, side=24)
    masks[:, 0, ::4] = 1  # twelve of one pixel to an image, about 2 % of the objects' pixels
    net = UNet(1, 2, base=1, depth=3)
    (note,) = doctor(ArrayDataset(images, masks, CLASSES), model=net).of("note")
    assert note.title.endswith("objects smaller than the total stride of 8 pixels")
    assert "the small ones hold 2.0% of the objects' pixels" in note.evidence


def test_the_axes_of_the_figure():
    images, masks = squares(1)
    figure = doctor(ArrayDataset(images, masks, CLASSES)).figure()
    classes, _, objects = figure.axes[:3]
    assert (classes.get_xscale(), classes.get_xlim()[0]) == ("linear", 0)
    assert [text.get_text() for text in classes.texts] == ["94", "6.2"]
    assert all(float(tick).is_integer() for tick in objects.get_yticks())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (UNet(1, 2, base=1, depth=2, coordinates=True), "the receptive field of unet is 44 pixels"),
        (nn.Sequential(nn.AvgPool2d(32), nn.Conv2d(1, 2, 1)), "6 of 6 objects smaller than the total stride of 32"),
        (CiresanN3(1, 2, **CiresanN3.narrow), "the receptive field of ciresan-n3 is 60 pixels"),
    ],
)
def test_networks_of_other_kinds(model, said):
    report = doctor(ArrayDataset(*squares(), CLASSES), model=model, crop=65 if isinstance(model, CiresanN3) else 32)
    (objects,) = [finding for finding in report.findings if finding.check == "objects"]
    assert said in objects.title


def test_sizes_against_the_network():
    data = ArrayDataset(*squares(size=36), CLASSES)
    net = UNet(1, 2, base=1, depth=3)
    (finding,) = doctor(data, model=net, crop=20).of("wrong")
    assert finding.title == "the network does not take crops of 20 x 20"
    assert "nearest legal: 16, 24" in finding.evidence
    (finding,) = doctor(data, model=net).of("wrong")
    assert finding.title == "the network does not take 6 of 6 images as a whole"
    assert "--crop 32" in finding.action
    (finding,) = doctor(data, model=UNet(3, 2, base=1, depth=2), crop=32).of("wrong")
    assert finding.title == "the images have 1 channel, unet takes 3"
    assert doctor(data, model=net, crop=32).of("wrong") == []


def test_values_to_be_counted():
    images, masks = squares()
    masks[4] = 0
    data = ArrayDataset(images, masks.astype(np.float32), ("density",), task="regression")
    report = doctor(data)
    assert [f.title for f in report.of("warning")] == ["1 of 6 images with values of 0 throughout"]
    assert [f.check for f in report.of("skipped")] == ["class balance", "polarity", "objects"]


def test_classes_of_whole_images():
    report = doctor(ArrayDataset(squares()[0], np.arange(6) % 2, CLASSES, task="classification"))
    assert (report.of("wrong"), report.of("warning")) == ([], [])


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 5), (1, 33, 2)])
def test_images_of_hardly_any_pixels(shape):
    images = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    report = doctor(ArrayDataset(images, np.zeros(shape, int), CLASSES))
    assert report.of("wrong")[0].title == "the training images hold nothing but 'background'"
    report.figure()


def test_no_images_at_all():
    empty = ArrayDataset([], [], CLASSES)
    report = doctor(empty, ArrayDataset(*squares(), CLASSES))
    assert "train holds no images" in [f.title for f in report.of("wrong")]
    doctor(empty).figure()


def test_values_outside_the_range():
    images, masks = squares()
    (finding,) = doctor(ArrayDataset(images * 300, masks, CLASSES)).of("warning")
    assert finding.title == "6 of 6 images outside the range of 0 to 1"


def test_progress_and_limit():
    seen: list[tuple[int, int]] = []
    doctor(TwoDiscs(9, size=32), TwoDiscs(2, size=32, seed=1), limit=3, progress=lambda *now: seen.append(now))
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    with pytest.raises(ValueError, match="at least 1 sample"):
        doctor(TwoDiscs(9, size=32), limit=0)


def test_the_same_data_give_the_same_report_as_files(tmp_path):
    images, masks = squares()
    masks[1] = 0
    report = doctor(ArrayDataset(images, masks, CLASSES), model=UNet(1, 2, base=1, depth=2), crop=32)
    text, picture = report.save(tmp_path, "mine-")
    facts = json.loads(text.read_text())
    assert (facts["audit"], facts["wrong"], facts["warning"]) == ("doctor", 0, 1)
    assert facts["findings"][0]["images"] == ["train image 1"]
    assert facts["receptive_field_pixels"] == list(report.network.field)
    assert picture.stat().st_size > 5000
    assert doctor(ArrayDataset(images, masks, CLASSES), model=UNet(1, 2, base=1, depth=2), crop=32).facts() == (
        report.facts()
    )
