import numpy as np
import pytest

from minifcn.data import DigitScenes, Loader, check
from minifcn.data.sets.digit_scenes import density

SIDES = (6, 9, 14)  # of the made-up digits 3, 0 and 7, in this order: squares with a grey rim
DIGITS = (3, 0, 7)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """MNIST's files with three made-up digits."""
    folder = tmp_path_factory.mktemp("mnist")
    images = np.zeros((3, 28, 28), np.uint8)
    for image, side in zip(images, SIDES, strict=True):
        image[4 : side + 6, 4 : side + 6] = 60
        image[5 : side + 5, 5 : side + 5] = 255
    for part in ("train", "t10k"):
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", np.uint8(DIGITS))):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / name).write_bytes(header + array.tobytes())
    return folder


def test_all_targets_tell_of_the_same_scene(root):
    kinds = ("semantic", "instance", "count")
    semantic, instance, count = (DigitScenes(root, 6, size=(80, 101), target=target) for target in kinds)
    for index in range(6):
        image, classes = semantic[index]
        objects, boxes, number = semantic.instances(index), semantic.boxes(index), semantic.count(index)
        assert (image.shape, image.dtype, classes.dtype) == ((80, 101, 1), np.float32, np.int64)
        assert 3 <= number <= 8
        assert (boxes.shape, boxes.dtype) == ((number, 5), np.int64)
        np.testing.assert_array_equal(image[:, :, 0] > 127 / 255, classes > 0)
        np.testing.assert_array_equal(instance[index][1], classes > 0)
        np.testing.assert_array_equal(instance[index][0], image)
        for k, (x0, y0, x1, y1, digit) in enumerate(boxes, start=1):
            mask = np.zeros(classes.shape, bool)
            mask[y0:y1, x0:x1] = True  # the digits are squares, and do not overlap
            np.testing.assert_array_equal(objects == k, mask)
            assert (classes[mask] == digit).all()
            assert x1 - x0 == y1 - y0 == SIDES[DIGITS.index(digit - 1)]
        np.testing.assert_array_equal(objects > 0, classes > 0)
        density = count[index][1]
        assert (density.shape, density.dtype) == ((80, 101, 1), np.float32)
        assert density.sum() == pytest.approx(number, rel=1e-5)
        peak = np.unravel_index(density[:, :, 0].argmax(), density.shape[:2])
        assert np.min(np.hypot(*((boxes[:, [1, 0]] + boxes[:, [3, 2]] - 1) / 2 - peak).T)) < 3


def test_a_set_says_what_its_labels_are(root):
    described = {target: DigitScenes(root, 1, target=target) for target in ("semantic", "instance", "count")}
    assert [data.task for data in described.values()] == ["segmentation", "segmentation", "regression"]
    assert [data.num_classes for data in described.values()] == [11, 2, 1]
    assert described["semantic"].classes[8] == "7"
    assert "4 images" in str(check(DigitScenes(root, 4)))
    images, labels = Loader(DigitScenes(root, 4, target="count"), 2).batch(0)
    assert (images.shape, labels.shape) == ((2, 128, 128, 1), (2, 128, 128, 1))


def test_digits_keep_apart_unless_they_may_overlap(root):
    """Squares of at least 6 pixels that do not touch: every object is a component of its own."""
    from scipy import ndimage

    crowded = DigitScenes(root, 8, size=40, digits=(30, 30))
    for index in range(8):
        components = ndimage.label(crowded[index][1] > 0, np.ones((3, 3)))[1]
        assert components == crowded.count(index) < 30
    covered = DigitScenes(root, 8, size=40, digits=(30, 30), overlap=True)
    for index in range(8):
        objects, boxes = covered.instances(index), covered.boxes(index)
        # those that cannot be seen at all do not count
        assert np.unique(objects).tolist() == list(range(len(boxes) + 1))
        assert np.array_equal(boxes[objects[objects > 0] - 1, 4], covered[index][1][objects > 0])
        assert len(boxes) < 30


def test_scenes_depend_on_nothing_but_what_they_should(root):
    first = DigitScenes(root, 5, size=64)
    more = DigitScenes(root, 50, size=64)
    np.testing.assert_array_equal(more[3][0], first[3][0])
    np.testing.assert_array_equal(first[-2][0], first[3][0])
    others = (DigitScenes(root, 5, size=64, seed=1), DigitScenes(root, 5, size=64, split="test"))
    assert all((other[3][0] != first[3][0]).any() for other in others)
    assert (first[3][0] != first[4][0]).any()
    with pytest.raises(IndexError, match="digit scenes: index 5 is out of range for 5 images"):
        first[5]


def test_a_scene_without_digits(root):
    empty = DigitScenes(root, 1, digits=(0, 0), target="count")
    assert not empty[0][0].any()
    assert not empty[0][1].any()
    assert (empty.boxes(0).shape, empty.count(0)) == ((0, 5), 0)
    assert not empty.instances(0).any()
    assert not DigitScenes(root, 1, digits=(0, 0))[0][1].any()


def test_digits_are_scaled_and_turned(root):
    sizes = {"plain": {}, "double": {"scale": (2, 2)}, "turned": {"degrees": 45}}
    sides = {}
    for name, options in sizes.items():
        scenes = DigitScenes(root, 30, size=(90, 84), digits=(1, 1), **options)
        boxes = [box for index in range(30) for box in scenes.boxes(index) if box[4] == 8]
        assert boxes
        sides[name] = {int(x1 - x0) for x0, _, x1, _, _ in boxes}
    assert sides["plain"] == {14}
    assert sides["double"] <= {27, 28, 29}
    assert min(sides["turned"]) >= 13
    assert 17 <= max(sides["turned"]) <= 21  # 14 √2 = 19.8


def test_densities_sum_to_one_even_at_the_border():
    assert density(np.array([[0.0, 0.0]]), (5, 1), 40.0).sum() == pytest.approx(1)
    assert density(np.empty((0, 2)), (3, 2), 1.0).tolist() == [[0, 0]] * 3
    spike = density(np.array([[2.0, 1.0]]), (4, 3), 0.1)
    assert np.argwhere(spike > 0.5).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": -1}, "digit scenes: expected count, seed >= 0"),
        ({"seed": -1}, "expected count, seed >= 0"),
        ({"digits": (3, 2)}, r"0 <= digits\[0\] <= digits\[1\]"),
        ({"blur": 0}, "blur > 0"),
        ({"target": "boxes"}, "expected target semantic, instance or count, got 'boxes'"),
        ({"size": 27}, "expected a canvas of 28 x 28 pixels at least, which a digit may need, got 27 x 27"),
        ({"size": 59, "scale": (1, 1.5), "degrees": 10}, "canvas of 60 x 60"),
        ({"scale": (2, 1)}, "RandomAffine: expected"),
        ({"split": "validation"}, "mnist: expected split 'train' or 'test', got 'validation'"),
    ],
)
def test_arguments_out_of_range(root, options, message):
    with pytest.raises(ValueError, match=message):
        DigitScenes(root, **options)


def test_real_digits(real_data):
    scenes = DigitScenes(real_data("mnist"), 20, split="test", degrees=20, scale=(0.8, 1.3))
    for index in range(20):
        objects, boxes = scenes.instances(index), scenes.boxes(index)
        assert len(boxes) == objects.max() >= 3
        assert boxes[:, :2].min() >= 0
        assert boxes[:, 2:4].max() <= 128
        assert (boxes[:, 3] - boxes[:, 1]).min() > 5
