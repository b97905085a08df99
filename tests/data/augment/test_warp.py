"""Deformations: that image and label are looked at in the same places, and that these are the right ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import assert_close

from minifcn.data import (
    IGNORE_INDEX,
    ArrayDataset,
    BalancedCrop,
    CenterCrop,
    Compose,
    ElasticDeformation,
    Loader,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomIntensity,
    RandomWarp,
    WeightedLabel,
)
from minifcn.data.augment.elastic import cubic_matrix, interpolated
from minifcn.data.augment.sampling import sample
from minifcn.data.augment.warp import Deformation, undeformed

sides = st.integers(1, 12)
STRONG = (ElasticDeformation(3), RandomAffine(180, scale=(0.5, 2), shear=20, translate=4))


def rng(seed=0):
    return np.random.default_rng(seed)


def pair(height, width, classes=4):
    """A label of random blocks, some ignored, and the image that holds the same numbers in two channels."""
    blocks = rng(1).integers(-1, classes, (height // 3 + 1, width // 3 + 1)).repeat(3, 0).repeat(3, 1)[:height, :width]
    label = np.where(blocks < 0, IGNORE_INDEX, blocks)
    return np.stack([label, -label], axis=-1).astype(np.float32), label


@settings(deadline=None)
@given(sides, sides, st.none() | st.tuples(sides, sides), st.integers(0, 10_000))
def test_image_and_label_move_alike_and_no_class_arises(height, width, size, seed):
    image, label = pair(height, width)
    before = image.copy(), label.copy()
    crop = None if size is None else RandomCrop(size)
    moved, classes = RandomWarp(*STRONG, crop=crop, interpolation="nearest")(image, label, rng(seed))
    assert moved.shape == (*(size or (height, width)), 2)
    assert (moved.dtype, classes.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(moved[..., 0], classes)
    np.testing.assert_array_equal(moved[..., 1], -classes)
    assert set(np.unique(classes)) <= set(np.unique(label))
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label, before[1])


@pytest.mark.parametrize("warp", [STRONG[0], STRONG[1], RandomWarp(*STRONG, crop=BalancedCrop(9, exact=True))])
def test_all_kinds_of_labels_move_with_the_image(warp):
    image, label = pair(14, 11)
    weight = rng(2).random((14, 11), np.float32)
    moved, target = warp(image, WeightedLabel(label, weight), rng(5))
    plain = warp(image, label, rng(5))
    np.testing.assert_array_equal(plain[0], moved)
    np.testing.assert_array_equal(plain[1], target.classes)
    assert (target.weight.dtype, target.weight.shape) == (np.float32, moved.shape[:2])
    assert weight.min() <= target.weight.min() < target.weight.max() <= weight.max()
    if not isinstance(warp, RandomWarp):  # a balanced crop needs classes
        values = np.stack([weight, 2 * weight], axis=-1)
        moved_values = warp(image, values, rng(5))[1]
        np.testing.assert_array_equal(moved_values[..., 0], target.weight)
        np.testing.assert_array_equal(moved_values[..., 1], 2 * target.weight)
        moved, number = warp(image, np.asarray(3), rng(5))
        assert (moved.shape, number.shape, int(number)) == (image.shape, (), 3)


@pytest.mark.parametrize("shape", [(9, 12), (1, 7), (8, 1), (1, 1)])
@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize(
    "deformations", [(), (ElasticDeformation(0), RandomAffine()), (ElasticDeformation(5, probability=0),)]
)
def test_without_deformation_nothing_changes(shape, interpolation, deformations):
    image, label = rng().random((*shape, 3), np.float32), rng().integers(0, 9, shape)
    weight = rng(1).random(shape, np.float32)
    warped, target = RandomWarp(*deformations, interpolation=interpolation)(image, WeightedLabel(label, weight), rng())
    np.testing.assert_array_equal(warped, image)
    np.testing.assert_array_equal(target.classes, label)
    np.testing.assert_array_equal(target.weight, weight)


def test_same_seed_same_bits():
    image, label = rng().random((20, 30, 1), np.float32), rng().integers(0, 3, (20, 30))
    transform = Compose(RandomWarp(*STRONG, crop=BalancedCrop(16)), RandomIntensity())
    first, again, other = (transform(image, label, rng(seed)) for seed in (3, 3, 4))
    assert [array.tobytes() for array in first] == [array.tobytes() for array in again]
    assert (first[0] != other[0]).any()


def test_a_warped_crop_shows_what_surrounds_it():
    """Only what lies beyond the image is mirrored, not what lies beyond the window."""
    image = np.tile(np.arange(60, dtype=np.float32)[:, None, None], (1, 60, 1))
    right = RandomWarp(RandomAffine(scale=(0.5, 0.5)), crop=CenterCrop(20))(image, np.asarray(0), rng())[0]
    np.testing.assert_allclose(right[:, 0, 0], 29.5 + 2 * (np.arange(20) - 9.5), rtol=1e-6)


@pytest.mark.parametrize("shape", [(13, 9), (130, 70), (2, 9000)])  # the last two take several strips
@pytest.mark.parametrize(("order", "interpolation"), [(0, "nearest"), (1, "linear")])
def test_sampling_agrees_with_scipy(order, interpolation, shape):
    from scipy import ndimage

    pixels = rng().random((7, 10))
    places = rng(1).uniform(-15, 22, (2, *shape))
    expected = ndimage.map_coordinates(pixels, places, order=order, mode="mirror")
    assert_close(sample(pixels, *places, interpolation), expected, terms=50)


def test_cubic_sampling_reproduces_quadratics():
    """Of Keys' kernels only the one with a = -1/2 does."""
    y, x = np.indices((9, 9)).astype(float)
    rows, columns = rng().uniform(2, 6, (2, 5, 5))

    def quadratic(y, x):
        return 0.3 * y**2 - y * x + 0.1 * x**2 + 2 * x - 1

    assert_close(sample(quadratic(y, x), rows, columns, "cubic"), quadratic(rows, columns), terms=16, scale=50)


def test_cubics_do_not_leave_the_range_of_the_image():
    edge = np.repeat(np.float32([0, 0, 0, 1, 1, 1])[None], 6, axis=0)
    sampled = sample(edge, np.full((1, 9), np.float32(2.5)), np.linspace(0, 5, 9, dtype=np.float32)[None], "cubic")
    assert (sampled.dtype, sampled.min(), sampled.max()) == (np.float32, 0, 1)


def test_displacements_have_their_standard_deviation_at_the_nodes():
    elastic, generator = ElasticDeformation(sigma=10), rng()
    start = undeformed((5, 9))
    moved = np.array([elastic.deform(start, generator) - start for _ in range(400)])  # (400, 2, 5, 9)
    nodes = moved[:, :, [0, 2, 4]][:, :, :, [0, 4, 8]]  # 7,200 numbers
    assert abs(nodes.std() / 10 - 1) < 5 / np.sqrt(2 * nodes.size)
    assert abs(nodes.mean()) < 5 * 10 / np.sqrt(nodes.size)
    assert abs(np.corrcoef(nodes[:, 0].ravel(), nodes[:, 1].ravel())[0, 1]) < 5 / np.sqrt(nodes.size / 2)


@pytest.mark.parametrize(("length", "nodes"), [(1, 2), (1, 3), (2, 2), (7, 3), (20, 5), (4, 9)])
def test_interpolation_between_nodes_is_linear_where_they_are(length, nodes):
    matrix = cubic_matrix(length, nodes)
    line = np.linspace(-3, 5, nodes, dtype=np.float32)
    expected = np.linspace(-3, 5, length, dtype=np.float32) if length > 1 else np.float32([1])
    assert_close(matrix @ line, expected, terms=nodes, scale=5)
    assert interpolated(np.ones((2, nodes, nodes), np.float32), (length, 3)).shape == (2, length, 3)


def test_the_middle_of_the_middle_node_is_exact():
    nodes = rng().random((1, 3, 3), np.float32)
    np.testing.assert_allclose(interpolated(nodes, (9, 5))[:, ::4, ::2], nodes, rtol=1e-6)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_probability_of_a_deformation(probability):
    elastic, generator, start = ElasticDeformation(1, probability=probability), rng(), undeformed((3, 3))
    share = np.mean([elastic.deform(start, generator) is not start for _ in range(500)])
    assert abs(share - probability) <= 5 * np.sqrt(probability * (1 - probability) / 500)


def affine(offset, **options):
    """What a pixel at `offset` from the centre is looked at, with the options' largest values drawn."""

    class Largest:
        def uniform(self, low, high, size=None):
            return high if size is None else np.full(size, high)

    start = np.array(offset, np.float32).reshape(2, 1, 1)
    return RandomAffine(**options).deform(start, Largest()).ravel().tolist()


def test_affine_maps_do_what_they_say():
    assert affine((3, 4)) == [3, 4]
    assert affine((3, 4), scale=(1, 2)) == pytest.approx([1.5, 2])  # twice as large: what is seen lies half as far out
    assert affine((3, 4), translate=2) == [1, 2]
    assert affine((3, 4), degrees=90) == pytest.approx([4, -3], abs=1e-6)
    assert affine((3, 4), shear=45) == pytest.approx([3, 1], abs=1e-6)  # columns slant: columns change with the row
    assert affine((5, 7), scale=(1, 2), translate=1) == pytest.approx([2, 3])  # the shift is not magnified


def test_affine_draws_lie_in_their_ranges():
    warp, generator, start = RandomAffine(30, scale=(0.5, 2)), rng(), undeformed((3, 3))
    drawn = np.array([warp.deform(start, generator)[:, 2, 1] for _ in range(2000)])  # where (1, 0) is looked at
    scale, angle = 1 / np.hypot(*drawn.T), np.degrees(np.arctan2(drawn[:, 1], drawn[:, 0]))
    assert 0.5 <= scale.min() < 0.51
    assert 1.96 < scale.max() <= 2.0001
    assert abs(np.median(scale) - 1) < 0.08
    assert -30.001 <= angle.min() < -29
    assert 29 < angle.max() <= 30.001


def test_a_turn_by_a_quarter_is_rot90():
    class Quarter(Deformation):
        def deform(self, offsets, rng):
            return np.stack([offsets[1], -offsets[0]])

    image, label = rng().random((6, 6, 2), np.float32), rng().integers(0, 5, (6, 6))
    turned, classes = Quarter()(image, label, rng())
    np.testing.assert_array_equal(turned, np.rot90(image))
    np.testing.assert_array_equal(classes, np.rot90(label))


def test_images_of_several_sizes_go_into_one_batch():
    images = [rng(i).random((10 + 7 * i, 31 - 5 * i, 3), np.float32) for i in range(4)]
    data = ArrayDataset(images, [image[:, :, 0] > 0.5 for image in images], "ab")
    for transform in (
        RandomCrop(16),
        BalancedCrop(16),
        Compose(RandomWarp(*STRONG, crop=BalancedCrop(16)), RandomFlip(), RandomIntensity()),
    ):
        for batch, labels in Loader(data, 4, transform=transform, workers=2).batches(0, 3):
            assert (batch.shape, labels.shape) == ((4, 16, 16, 3), (4, 16, 16))
            assert (batch.dtype, labels.dtype) == (np.float32, np.int64)
    with pytest.raises(ValueError, match=r"or transform=RandomCrop\(size\), BalancedCrop\(size\) or RandomWarp"):
        Loader(data, 4, transform=ElasticDeformation(2)).batch(0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ElasticDeformation(-1), "ElasticDeformation: expected sigma >= 0, grid >= 2, .* got -1, 3, 1.0"),
        (lambda: ElasticDeformation(grid=1), "grid >= 2"),
        (lambda: ElasticDeformation(probability=1.5), r"probability in \[0, 1\]"),
        (lambda: RandomAffine(-5), "RandomAffine: expected degrees, translate >= 0"),
        (lambda: RandomAffine(shear=90), "0 <= shear < 90"),
        (lambda: RandomAffine(scale=(0, 1)), r"0 < scale\[0\] <= scale\[1\]"),
        (lambda: RandomAffine(scale=(2, 1)), r"got RandomAffine\(degrees=0.0, scale=\(2, 1\)"),
        (lambda: RandomAffine(translate=-1), "translate >= 0"),
        (lambda: RandomWarp(interpolation="bicubic"), "expected interpolation nearest, linear or cubic, got 'bicubic'"),
    ],
)
def test_arguments_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()
