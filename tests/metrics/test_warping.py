import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from minifcn.metrics import warp, warping_error
from minifcn.metrics.warping import _NEIGHBOURS, is_simple

FULL = np.ones((3, 3), int)
pairs = hnp.arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9)))


def cell(height=5, width=9):
    """A cell in a frame of membrane."""
    return np.pad(np.ones((height, width), bool), 1)


def remaining(truth, proposal, mask=None):
    """Pixels that count as wrong; and the deformed truth has the topology of the truth."""
    warped = warp(truth, proposal, mask)
    assert topology(warped) == topology(truth)
    assert warping_error(truth, proposal, mask) == np.count_nonzero(warped != proposal) / truth.size
    return np.count_nonzero(warped != proposal)


def topology(binary):
    """Components of the foreground (4-connected) and of the background with what lies outside (8-connected)."""
    return ndimage.label(binary)[1], ndimage.label(~np.pad(binary, 1), FULL)[1]


def test_simple_points_are_those_of_the_definition():
    neighbourhoods = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(bool)
    assert is_simple(neighbourhoods).tolist() == [simple_by_components(around) for around in neighbourhoods]


def simple_by_components(around):
    """One component of the foreground touches the pixel, and one of the background, within its neighbourhood."""
    patch = np.zeros((3, 3), bool)
    for (row, column), value in zip(_NEIGHBOURS, around, strict=True):
        patch[1 + row, 1 + column] = value
    foreground, _ = ndimage.label(patch)
    touching = {int(foreground[p]) for p in ((0, 1), (1, 0), (1, 2), (2, 1))} - {0}
    beyond = ~patch
    beyond[1, 1] = False
    return len(touching) == 1 and ndimage.label(beyond, FULL)[1] == 1


@given(pairs)
def test_deformation_keeps_the_topology_and_goes_as_far_as_it_can(pair):
    truth, proposal = pair
    warped = warp(truth, proposal)
    assert topology(warped) == topology(truth)
    # It changed only what differed, and no pixel that still differs could be flipped.
    assert not np.any((warped != truth) & (warped != proposal))
    framed = np.pad(warped, 1)
    around = np.stack([np.roll(framed, (-row, -column), (0, 1))[1:-1, 1:-1] for row, column in _NEIGHBOURS], axis=-1)
    assert not np.any(is_simple(around) & (warped != proposal))
    assert warping_error(truth, truth) == 0.0


def test_a_boundary_that_lies_elsewhere_costs_nothing():
    truth, proposal = np.zeros((2, 12, 16), bool)
    truth[2:10, 1:5], truth[2:10, 7:14] = True, True
    proposal[1:11, 2:6], proposal[3:9, 8:15] = True, True
    assert remaining(truth, proposal) == 0


def test_a_split_costs_the_pixel_that_closes_it():
    proposal = cell()
    proposal[:, 5] = False
    assert remaining(cell(), proposal) == 1


def test_a_merge_costs_the_length_of_the_gap():
    truth = cell()
    truth[:, 5] = False
    proposal = truth.copy()
    proposal[2:4, 5] = True
    assert remaining(truth, proposal) == 2
    assert remaining(truth, cell()) == 5


def test_a_hole_costs_its_size():
    proposal = cell()
    proposal[2:5, 4:7] = False
    assert remaining(cell(), proposal) == 9
    # The other way round, the hole shrinks to a point, but stays.
    assert remaining(proposal, cell()) == 1


def test_a_cell_that_was_missed_costs_a_pixel_and_one_too_many_its_size():
    assert remaining(cell(), np.zeros_like(cell())) == 1
    assert remaining(np.zeros_like(cell()), cell()) == 45


def test_diagonal_neighbours_are_two_cells_and_one_membrane():
    diagonal = np.eye(2, dtype=bool)
    assert topology(diagonal)[0] == 2
    assert remaining(diagonal, np.ones((2, 2), bool)) == 2


def test_flips_are_kept_within_the_mask():
    truth, proposal = cell(3, 6), cell(3, 6)
    proposal[:, 4:] = False  # the cell ends three columns earlier
    near = np.zeros_like(truth)
    near[:, 5:] = True
    assert remaining(truth, proposal) == 0
    assert remaining(truth, proposal, near) == 3
    assert remaining(truth, proposal, np.zeros_like(near)) == 9


def test_slices_are_deformed_one_by_one():
    proposal = cell()
    proposal[:, 5] = False
    stack = np.stack([cell(), cell()]), np.stack([cell(), proposal])
    assert warping_error(*stack) == 1 / cell().size / 2
    assert warping_error(*stack, mask=np.zeros(stack[0].shape, bool)) == 5 / cell().size / 2


def test_arguments_are_left_alone_and_may_lie_anyhow():
    truth, proposal = np.random.default_rng(0).random((2, 20, 30)) < 0.5
    before = truth.copy()
    result = warp(truth, proposal)
    np.testing.assert_array_equal(truth, before)
    np.testing.assert_array_equal(result, warp(np.asfortranarray(truth), np.repeat(proposal, 2, axis=1)[:, ::2]))


@pytest.mark.parametrize("measure", [warp, warping_error])
def test_bad_input_is_explained(measure):
    name, good = measure.__name__, cell()
    with pytest.raises(ValueError, match=rf"{name}: proposal must be boolean, .* got float64; compare first"):
        measure(good, good * 0.5)
    with pytest.raises(ValueError, match=rf"{name}: truth \(7, 11\) and proposal \(11, 7\) must have the same shape"):
        measure(good, good.T)
    with pytest.raises(ValueError, match=rf"{name}: truth \(7, 11\) and mask \(11,\) must have the same shape"):
        measure(good, good, good[0])
    with pytest.raises(ValueError, match=rf"{name}: expected \(H, W\).*, got \(11,\)"):
        measure(good[0], good[0])


@pytest.mark.parametrize("shape", [(0, 5), (0, 3, 3), (2, 0, 3)])
def test_nothing_to_compare_is_an_error(shape):
    with pytest.raises(ValueError, match="have no pixels to compare"):
        warping_error(np.ones(shape, bool), np.ones(shape, bool))


def test_real_sections_shrunk_by_a_pixel_cost_next_to_nothing(isbi):
    _, truth = isbi
    shrunk = ndimage.binary_erosion(truth[0], iterations=1)
    assert warping_error(truth[0], shrunk) < 0.01 < np.mean(truth[0] != shrunk)
