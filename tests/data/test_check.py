import numpy as np
import pytest

from minifcn.data import IGNORE_INDEX, ArrayDataset, DataError, Dataset, WeightedLabel, check, class_fractions


class Given(Dataset):
    """Samples as they are, right or wrong."""

    name, channels = "given", 1

    def __init__(self, *samples, classes=("background", "cell")):
        self.samples, self.classes = samples, classes

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def image(height=4, width=4, channels=1):
    return np.linspace(0, 1, height * width * channels, dtype=np.float32).reshape(height, width, channels)


def label(height=4, width=4):
    return np.arange(height * width).reshape(height, width) % 2


def test_a_good_dataset_says_nothing():
    report = check(Given((image(), label()), (image(4, 6), label(4, 6))))
    assert report.images == 2
    assert report.shapes == ((4, 4, 1), (4, 6, 1))
    assert report.fractions == {"background": 0.5, "cell": 0.5}
    assert report.notes == ()
    assert str(report) == "2 images of 4x4x1, 4x6x1; background 50.0%, cell 50.0%"


def test_many_sizes_are_abbreviated():
    report = check(Given(*((image(4, width), label(4, width)) for width in range(2, 9))))
    assert str(report).startswith("7 images of 4x2x1, 4x3x1, 4x4x1, 4x5x1 and 3 more; background")


def with_value(value, classes=("background", "cell"), everywhere=False):
    values = label()
    values[1, 2] = value
    if everywhere:
        values[:] = value
    return Given((image(), label()), (image(), values), classes=classes)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Given(), "given: holds no images"),
        (with_value(2), "given: image 1 has label 2; classes are 0 = background, 1 = cell; renumber the labels"),
        (with_value(-1), "given: image 1 has label -1; .* the label -100"),
        (with_value(255), "image 1 has label 255; .*if 255 marks pixels that do not count, replace it by -100"),
        (with_value(255, everywhere=True), "label 255; .*masks of 0 and 255 are mapped to 0 and 1 by map_binary_masks"),
        (with_value(9, "abcdef"), r"classes are 0 = a, 1 = b, 2 = c, 3 = d, \.\.\., 5 = f; renumber"),
        (
            Given((image(), label(4, 5))),
            r"image 0 is \(4, 4\), but its label is \(4, 5\): they must have the same size",
        ),
        (Given((image(), np.asarray(1))), "one label for the whole image: segmentation needs one a pixel"),
        (Given((image(), label().astype(np.int32))), "labels of type int32, expected int64"),
        (
            Given((image()[..., 0], label())),
            r"image 0 is float32 \(4, 4\), expected float32 \(height, width, channels\)",
        ),
        (Given((image().astype(float), label())), r"image 0 is float64 \(4, 4, 1\), expected float32"),
        (Given((image(0), label(0))), r"image 0 is empty: shape \(0, 4, 1\)"),
        (Given((image(channels=3), label())), "image 0 has 3 channels, the dataset declares 1"),
        (Given((image(), np.zeros((4, 4), np.int64))), "all 1 images looked at hold nothing but 'background'"),
        (Given((image(), np.full((4, 4), IGNORE_INDEX))), "every pixel of the 1 images looked at is ignored"),
    ],
)
def test_what_is_refused(dataset, message):
    with pytest.raises(DataError, match=message) as caught:
        check(dataset)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers(value):
    pixels = image()
    pixels[2, 3] = value
    with pytest.raises(DataError, match=f"given: image 1 holds {value} at row 2, column 3"):
        check(Given((image(), label()), (pixels, label())))


def test_channels_that_the_network_does_not_take():
    dataset = Given((image(), label()))
    assert check(dataset, channels=1).images == 1
    with pytest.raises(DataError, match="image 0 has 1 channels, the network takes 3"):
        check(dataset, channels=3)


def multiple_of_four(height, width):
    return f"{height}x{width} is not a multiple of 4" if height % 4 or width % 4 else None


def test_sizes_that_the_network_cannot_take():
    dataset = Given((image(), label()), (image(6, 8), label(6, 8)))
    with pytest.raises(DataError, match="given: image 1: 6x8 is not a multiple of 4"):
        check(dataset, multiple_of_four)
    assert check(dataset, multiple_of_four, crop=(4, 4)).notes == ()
    with pytest.raises(DataError, match="crops of 3x4: 3x4 is not a multiple of 4"):
        check(dataset, multiple_of_four, crop=(3, 4))


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        ((17, 17), "crops of 17x17: height 17 is bad; nearest legal: 16, 32"),
        ((17, 16), "crops of 17x16: height 17 is bad; nearest legal: 16, 32"),
        ((17, 18), "crops of 17x18: height 17 is bad; nearest legal: 16, 32; width 18 is bad; nearest legal: 16, 32"),
    ],
)
def test_a_square_that_the_network_cannot_take_is_said_once(crop, message):
    def rule(height, width):
        sides = (("height", height), ("width", width))
        return "\n".join(f"{side} {n} is bad; nearest legal: 16, 32" for side, n in sides if n % 16) or None

    with pytest.raises(DataError) as caught:
        check(Given((image(), label())), rule, crop)
    assert str(caught.value) == message
    with pytest.raises(DataError) as caught:
        check(Given((image(*crop), label(*crop))), rule)
    assert str(caught.value) == message.replace(f"crops of {crop[0]}x{crop[1]}", "given: image 0")


def notes(*samples, classes=("background", "cell"), **arguments):
    return check(Given(*samples, classes=classes), **arguments).notes


def test_what_is_said():
    good = image(), label()
    assert notes(good, classes=("a", "b", "c")) == (
        "class 'c' does not occur in the 1 images looked at: it cannot be learnt",
    )
    assert notes((255 * image(), label())) == (
        "1 of 1 images is outside the range of 0 to 1 that networks here expect, such as image 0 of 0 to 255",
    )
    assert notes((np.full((4, 4, 1), 0.5, np.float32), label())) == (
        "1 of 1 images is the same all over, such as image 0 of 0.5",
    )
    assert notes(good, crop=(4, 9)) == (
        "1 of 1 images is smaller than the crop of 4x9, such as image 0 of 4x4: mirrored to fill it",
    )
    rare = np.ones((10, 10), np.int64)
    rare[0, :2] = 0
    assert notes((image(10, 10), rare)) == (
        "class 'cell' fills 98% of the pixels: judge by Dice or IoU, not by accuracy",
    )


def test_what_is_said_of_many_images_is_said_once():
    bright, small = (255 * image(9, 9), label(9, 9)), (image(), label())
    assert notes(bright, small, small, bright, small, crop=(8, 8)) == (
        "2 of 5 images are outside the range of 0 to 1 that networks here expect, such as image 0 of 0 to 255",
        "3 of 5 images are smaller than the crop of 8x8, such as image 1 of 4x4: mirrored to fill it",
    )


def test_ignored_pixels_are_not_counted():
    ignored = label()
    ignored[1:] = IGNORE_INDEX
    assert check(Given((image(), ignored))).fractions == {"background": 0.5, "cell": 0.5}
    ignored[0, 1:] = IGNORE_INDEX
    with pytest.raises(DataError, match="nothing but 'background'"):
        check(Given((image(), ignored)))


def test_what_the_dataset_says_about_its_files_is_passed_on():
    dataset = ArrayDataset([image()], [255 * label()], ("background", "cell"), binary_masks=True)
    assert check(dataset).notes == ("masks hold 0 and 255: mapped to 0 and 1",)


def test_samples_are_spread_over_the_dataset():
    bad = with_value(7)
    samples = [(image(), label())] * 9 + [bad[1]]
    with pytest.raises(DataError, match="image 9"):
        check(Given(*samples), samples=2)
    assert check(Given(*samples[:-1]), samples=3).images == 3
    with pytest.raises(ValueError, match="expected at least 1 sample to look at, got 0"):
        check(Given(*samples), samples=0)


def test_many_classes_that_do_not_occur_are_said_at_once():
    (note,) = notes((image(), label()), classes="abcdefg")
    assert note == (
        "5 of 7 classes do not occur in the 1 images looked at, such as 'c', 'd', 'e': they cannot be learnt"
    )


class Values(Given):
    """Values to learn, of which `with_values` changes one."""

    task = "regression"


def values(height=4, width=4, level=0.5, names=1):
    return np.full((height, width, names), level, np.float32)


def with_values(label):
    return Values((image(), values()), (image(), label), classes=("density",))


def test_values_are_summed_an_image():
    report = check(Values((image(), values()), (image(4, 6), values(4, 6)), classes=("density",)))
    assert (report.sums, report.fractions, report.notes) == ({"density": 10.0}, {}, ())
    assert str(report) == "2 images of 4x4x1, 4x6x1; density sums to 10 an image"
    two = check(Values((image(), values(names=2)), classes=("cells", "dirt")))
    assert str(two) == "1 images of 4x4x1; cells sums to 8 an image, dirt sums to 8 an image"


def test_images_whose_values_sum_to_nothing():
    assert check(with_values(values(level=0))).notes == ("1 of 2 images sums to density 0, such as image 1",)
    zero = image(), values(level=0)
    many = Values((image(), values()), zero, zero, classes=("density",))
    assert check(many).notes == ("2 of 3 images sum to density 0, such as image 1",)
    with pytest.raises(DataError, match="given: density is 0 in all 2 images looked at: nothing to learn"):
        check(Values(zero, zero, classes=("density",)))


def nan():
    label = values()
    label[1, 2] = np.nan
    return label


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (nan(), "given: image 1 has density nan at row 1, column 2: a single one spoils every weight"),
        (values(4, 5), r"image 1 has labels of shape \(4, 5, 1\), expected \(4, 4, 1\): as the image, 1 deep"),
        (values(names=2), r"image 1 has labels of shape \(4, 4, 2\), expected \(4, 4, 1\)"),
        (values().astype(float), "image 1 has labels of type float64, expected float32 values for regression"),
        (label(), "image 1 has labels of type int64, expected float32 values"),
        (WeightedLabel(label(), values()[..., 0]), "image 1 has labels of type classes and weights, expected float32"),
    ],
)
def test_values_that_are_refused(label, message):
    with pytest.raises(DataError, match=message):
        check(with_values(label))


def test_values_have_no_shares():
    with pytest.raises(DataError, match="given: its labels are values, not classes, so no class has a share"):
        class_fractions(with_values(values()))
