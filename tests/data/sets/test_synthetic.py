from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from minifcn.data import ISBI2012, SyntheticMembranes
from minifcn.data.sets import tissue
from minifcn.data.sets.tissue import partition, smooth_noise


@pytest.fixture(scope="module")
def sections():
    """Twelve sections: greys (12, 256, 256), labels (12, 256, 256)."""
    dataset = SyntheticMembranes(12, seed=3)
    return np.stack([image[:, :, 0] for image, _ in dataset]), np.stack([label for _, label in dataset])


def threshold_error(greys, labels):
    """The least share of wrong pixels that any one threshold leaves."""
    return min(((greys > t) != labels).mean() for t in np.linspace(0, 1, 52))


def test_a_section_depends_on_seed_and_index_alone():
    few, many = SyntheticMembranes(3, size=48), SyntheticMembranes(50, size=48)
    many[49]
    for index in (2, 0):
        for ours, theirs in zip(few[index], many[index], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    with ThreadPoolExecutor(2) as pool:
        for (image, _), index in zip(pool.map(few.__getitem__, [0, 1, 2]), [0, 1, 2], strict=True):
            np.testing.assert_array_equal(image, few[index][0])


def test_sections_differ_by_index_and_by_seed():
    images = [SyntheticMembranes(2, size=48, seed=seed)[index][0].tobytes() for seed in (0, 1) for index in (0, 1)]
    assert len(set(images)) == 4


@pytest.mark.parametrize("size", [1, 2, 33, (65, 130)])
def test_any_size(size):
    image, label = SyntheticMembranes(1, size=size)[0]
    height, width = (size, size) if isinstance(size, int) else size
    assert (image.shape, label.shape) == ((height, width, 1), (height, width))
    assert (image.dtype, label.dtype) == (np.float32, np.int64)
    assert set(np.unique(label)) <= {0, 1}


def test_greys_are_eight_bit_and_neither_burnt_nor_drowned(sections):
    greys, _ = sections
    levels = greys * np.float32(255)
    np.testing.assert_allclose(levels, levels.round(), atol=1e-4)
    assert greys.min() >= 0
    assert greys.max() <= 1
    assert ((greys == 0) | (greys == 1)).mean() < 0.01


def test_statistics_are_those_of_isbi(sections):
    greys, labels = sections
    # The figures of the real sections: interior .775, greys .49 +- .17, interior brighter by .21.
    assert labels.mean() == pytest.approx(0.775, abs=0.03)
    assert greys.mean() == pytest.approx(0.49, abs=0.04)
    assert greys.std() == pytest.approx(0.17, abs=0.02)
    assert greys[labels == 1].mean() - greys[labels == 0].mean() == pytest.approx(0.21, abs=0.04)


def test_statistics_beside_the_real_sections(sections, real_data):
    dataset = ISBI2012(real_data("isbi2012"), range(0, 24, 4))
    greys = np.stack([image[:, :, 0] for image, _ in dataset])
    labels = np.stack([label for _, label in dataset])
    assert threshold_error(*sections) == pytest.approx(threshold_error(greys, labels), abs=0.03)


def test_a_threshold_does_not_solve_it(sections):
    greys, labels = sections
    all_interior = 1 - labels.mean()
    assert 0.15 < threshold_error(greys, labels) < all_interior
    # Every section is of that kind, not only the mean of them.
    assert min(threshold_error(*pair) for pair in zip(greys, labels, strict=True)) > 0.10


def test_labels_follow_the_walls():
    """Membrane is near a wall, interior away from it, whatever the annotator's hand does."""
    shape = (128, 128)
    stream = np.random.SeedSequence(0, spawn_key=(0,))
    cells = partition(np.random.default_rng(stream), shape)
    label = SyntheticMembranes(1, size=shape)[0][1]
    assert label[cells.wall < 0.5].mean() < 0.01
    assert label[cells.wall > 7].mean() > 0.99


def test_partition_finds_the_two_nearest_discs():
    """A wall's distance is 0 where the cell changes, and both sides name the same pair of cells."""
    cells = partition(np.random.default_rng(5), (90, 70))
    assert (cells.first != cells.second).all()
    assert cells.wall.min() >= 0
    changes = cells.first[:, 1:] != cells.first[:, :-1]
    assert changes.any()
    assert np.maximum(cells.wall[:, 1:], cells.wall[:, :-1])[changes].max() < 3


def test_tiles_leave_no_seam(monkeypatch):
    """A tile considers only some discs: the partition must be what all discs would give."""
    whole = partition(np.random.default_rng(6), (80, 80))
    monkeypatch.setattr(tissue, "_TILE", 80)
    at_once = partition(np.random.default_rng(6), (80, 80))
    np.testing.assert_array_equal(whole.first, at_once.first)
    np.testing.assert_allclose(whole.wall, at_once.wall, atol=1e-3)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_smooth_noise_has_unit_variance_and_the_correlation_it_claims(sigma):
    noise = smooth_noise(np.random.default_rng(0), (400, 400), sigma)
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert noise.std() == pytest.approx(1, abs=0.05)
    lag = int(2 * sigma)
    assert (noise[:, lag:] * noise[:, :-lag]).mean() == pytest.approx(np.exp(-1), abs=0.05)


@pytest.mark.parametrize("arguments", [{"count": -1}, {"count": 1, "size": 0}, {"count": 1, "scale": 0}])
def test_arguments_out_of_range(arguments):
    with pytest.raises(ValueError, match="synthetic: expected count >= 0, size >= 1, scale > 0"):
        SyntheticMembranes(**arguments)
