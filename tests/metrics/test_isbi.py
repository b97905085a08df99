import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from minifcn.metrics import (
    THRESHOLDS,
    gaussian_threshold,
    isbi_scores,
    misclassified_fraction,
    pixel_error,
    rand_error,
    raw_threshold,
    thin_borders,
    v_info,
    v_rand,
)

slices = hnp.arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 7)))
METRICS = [isbi_scores, v_rand, v_info, rand_error, pixel_error, misclassified_fraction]

# Two cells of 2 x 3 pixels, one on either side of a membrane.
TWO_CELLS = np.array([[1, 1, 1, 0, 1, 1, 1]] * 2)


@given(slices)
@settings(deadline=None)
def test_thinning_grows_each_component_into_one_segment(binary):
    thin = thin_borders(binary)
    components, count = ndimage.label(binary)
    assert thin.max() == max(count, 1)
    np.testing.assert_array_equal(thin[binary], components[binary])
    for axis in (0, 1):
        left, right = np.moveaxis(thin, axis, 0)[:-1], np.moveaxis(thin, axis, 0)[1:]
        assert np.all((left == right) | (left == 0) | (right == 0)), "two segments touch"
    # What is left of the border keeps two segments apart.
    for y, x in np.argwhere(thin == 0):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        neighbours = {int(thin[p]) for p in around if 0 <= p[0] < thin.shape[0] and 0 <= p[1] < thin.shape[1]}
        assert neighbours != {0}, "the line is thicker than one pixel"


def test_thinning_removes_a_border_that_separates_nothing():
    spur = np.ones((5, 5), bool)
    spur[:3, 2] = False
    np.testing.assert_array_equal(thin_borders(spur), np.ones((5, 5)))


def test_a_map_without_interior_is_one_segment():
    np.testing.assert_array_equal(thin_borders(np.zeros((2, 3), bool)), np.ones((2, 3)))


def test_thinning_wants_a_boolean_slice():
    with pytest.raises(ValueError, match=r"expected a \(H, W\) boolean slice, got \(2, 3\) float64"):
        thin_borders(np.zeros((2, 3)))


@given(slices.filter(lambda binary: binary.any()), st.sampled_from([np.float32, np.float64]))
@settings(deadline=None)
def test_identity_scores_one(truth, dtype):
    scores = isbi_scores(truth, truth.astype(dtype))
    np.testing.assert_allclose([scores.v_rand[:3], scores.v_info[:3]], 1.0, rtol=1e-12)
    np.testing.assert_allclose(scores[2:], 0.0, atol=1e-12)


@given(slices.filter(lambda binary: binary.any()), st.data())
@settings(deadline=None, max_examples=30)
def test_separate_functions_agree_with_all_at_once(truth, data):
    probability = data.draw(hnp.arrays(np.float32, truth.shape, elements=st.floats(0, 1, width=32)))
    scores = isbi_scores(truth, probability)
    assert scores.v_rand.f == v_rand(truth, probability)
    assert scores.v_info.f == v_info(truth, probability)
    assert scores.rand_error == rand_error(truth, probability) == 1 - v_rand(truth, probability)
    assert scores.pixel_error == pixel_error(truth, probability)
    assert scores.misclassified == misclassified_fraction(truth, probability)
    # The best threshold is one of those allowed, and no other does better.
    fixed = [isbi_scores(truth, probability, thresholds=(t,)) for t in THRESHOLDS]
    assert scores.v_rand.f == max(score.v_rand.f for score in fixed)
    assert scores.v_info == fixed[THRESHOLDS.index(scores.v_info.threshold)].v_info
    assert scores.misclassified == min(score.misclassified for score in fixed)


def test_a_merge_costs_precision_and_a_split_costs_recall():
    merged, split = np.ones(TWO_CELLS.shape), TWO_CELLS.astype(float)
    split[:, 1] = 0
    # Merged: 12 pixels in one segment, truth in halves: P = (1/4 + 1/4) / 1.
    assert isbi_scores(TWO_CELLS, merged).v_rand[:3] == pytest.approx((2 / 3, 1 / 2, 1.0))
    # Split, in twelfths: b = 2, 2, 6 and q/n = 2/12/12, so S_AB = S_B = 4 + 4 + 36 + 2 of 144; S_A = 36 + 36 of 144.
    score = isbi_scores(TWO_CELLS, split).v_rand
    assert score[:3] == pytest.approx((2 * 46 / 72 / (1 + 46 / 72), 1.0, 46 / 72))


def test_slices_are_averaged_before_the_best_threshold_is_taken():
    # Slice 0 is right only below 0.35, slice 1 only from there on: no threshold serves both.
    first = np.where(TWO_CELLS == 1, 0.35, 0.0)
    second = np.where(TWO_CELLS == 1, 1.0, 0.35)
    truth, probability = np.stack([TWO_CELLS, TWO_CELLS]), np.stack([first, second])
    scores = isbi_scores(truth, probability)
    # A cut map without interior, or without border, is one segment: F = 2/3 by hand above.
    assert scores.v_rand.f == pytest.approx((1 + 2 / 3) / 2)
    assert scores.v_rand.threshold == 0.0
    assert v_rand(truth[0], probability[0]) == v_rand(truth[1], probability[1]) == 1.0


def test_a_probability_equal_to_the_threshold_is_border():
    probability = np.where(TWO_CELLS == 1, 0.4, 0.3)
    assert v_rand(TWO_CELLS, probability, thresholds=(0.3,)) == 1.0
    assert v_rand(TWO_CELLS, probability, thresholds=(0.2,)) < 1.0
    assert 3 / 10 in THRESHOLDS
    assert len(THRESHOLDS) == 11


def test_pixel_errors_are_f_score_and_accuracy_of_the_pooled_pixels():
    truth = np.array([[[1, 1, 1, 1]], [[1, 0, 0, 0]]])
    probability = np.array([[[0.9, 0.9, 0.9, 0.1]], [[0.9, 0.9, 0.1, 0.1]]])
    # From 0.1 on: TP 4, FP 1, FN 1.
    assert pixel_error(truth, probability, thresholds=(0.5,)) == pytest.approx(1 - 8 / 10)
    assert misclassified_fraction(truth, probability) == pytest.approx(2 / 8)
    # Everything interior: TP 5, FP 3: F = 10/13, lower.
    assert pixel_error(truth, probability) == pytest.approx(1 - 8 / 10)


def test_without_thinning_a_wide_border_counts():
    narrow = TWO_CELLS.astype(float)
    narrow[:, 2] = 0
    assert rand_error(TWO_CELLS, narrow) < rand_error(TWO_CELLS, narrow, thin=False)
    assert isbi_scores(TWO_CELLS, narrow, thin=False).rand_error == rand_error(TWO_CELLS, narrow, thin=False)


@pytest.mark.parametrize("metric", METRICS)
def test_bad_input_is_explained(metric):
    name, truth = metric.__name__, TWO_CELLS
    good = truth.astype(float)
    with pytest.raises(ValueError, match=rf"{name}: truth \(2, 7\) and probability \(7, 2\) must have the same shape"):
        metric(truth, good.T)
    with pytest.raises(ValueError, match=rf"{name}: expected \(H, W\) or \(N, H, W\) with pixels in it, got \(7,\)"):
        metric(truth[0], good[0])
    with pytest.raises(ValueError, match=r"got values 0\.\.255; for labels of 0 and 255 pass truth == 255"):
        metric(truth * 255, good)
    with pytest.raises(ValueError, match=r"probability must be floating point in 0\.\.1, got uint8"):
        metric(truth, truth.astype(np.uint8))
    with pytest.raises(ValueError, match=r"probability must lie in 0\.\.1, got 0\.0\.\.2\.0; apply a sigmoid"):
        metric(truth, good * 2)
    with pytest.raises(ValueError, match=r"probability must lie in 0\.\.1, got nan"):
        metric(truth, good * np.nan)
    with pytest.raises(ValueError, match="thresholds must name at least one value"):
        metric(truth, good, thresholds=())


@pytest.mark.parametrize("metric", [isbi_scores, v_rand, v_info, rand_error])
def test_a_slice_without_interior_cannot_be_scored(metric):
    truth = np.stack([TWO_CELLS, TWO_CELLS * 0])
    with pytest.raises(ValueError, match="slice 1 of truth has no interior pixel"):
        metric(truth, truth.astype(float))


def test_pixels_of_a_stack_without_interior_have_no_f_score():
    nothing = np.zeros((2, 3))
    with pytest.raises(ValueError, match="truth has no interior pixel, so its pixels have no F-score"):
        pixel_error(nothing, nothing)
    assert misclassified_fraction(nothing, nothing) == 0.0


def test_arguments_are_left_alone():
    truth, probability = TWO_CELLS.copy(), TWO_CELLS * 0.5
    before = probability.copy()
    isbi_scores(truth, probability)
    np.testing.assert_array_equal(truth, TWO_CELLS)
    np.testing.assert_array_equal(probability, before)


def test_baselines_are_probabilities():
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 8), dtype=np.uint8)
    np.testing.assert_array_equal(raw_threshold(images), images.astype(np.float32) / 255)
    smooth = gaussian_threshold(images, sigma=2.0)
    assert smooth.dtype == np.float32
    # Slice by slice: no grey value leaks from one section into the next.
    np.testing.assert_array_equal(smooth[0], gaussian_threshold(images[0], sigma=2.0))
    expected = ndimage.gaussian_filter(images[1] / 255, 2.0)
    np.testing.assert_allclose(smooth[1], expected, atol=1e-6)
    assert gaussian_threshold(np.ones((9, 9), np.float32)).max() <= 1.0
    with pytest.raises(ValueError, match=r"expected \(H, W\) or \(N, H, W\), got \(2, 2, 2, 2\)"):
        raw_threshold(np.zeros((2, 2, 2, 2)))
    with pytest.raises(ValueError, match="sigma must be 0 or more, got -1"):
        gaussian_threshold(images, sigma=-1)


def test_known_scores_of_real_sections(isbi):
    _, truth = isbi
    everything_is_cell = isbi_scores(truth, np.ones(truth.shape, np.float32))
    assert everything_is_cell.v_rand.f == pytest.approx(0.09, abs=0.01)
    assert everything_is_cell.v_rand.recall == pytest.approx(1.0)
    assert everything_is_cell.v_info.f == pytest.approx(0.0, abs=1e-12)
    assert everything_is_cell.misclassified == pytest.approx(np.mean(~truth))

    # Thinning forgives wide membranes: two pixels off every cell's rim cost a tenth of the pixels, and next to nothing.
    eroded = np.stack([ndimage.binary_erosion(section, iterations=2) for section in truth]).astype(np.float32)
    scores = isbi_scores(truth, eroded)
    assert scores.v_rand.f == pytest.approx(0.998, abs=0.002)
    assert scores.v_info.f == pytest.approx(0.996, abs=0.002)
    assert scores.misclassified == pytest.approx(0.115, abs=0.01)

    identity = isbi_scores(truth, truth.astype(np.float32))
    assert (identity.v_rand.f, identity.v_info.f, identity.misclassified) == pytest.approx((1.0, 1.0, 0.0))


def test_baselines_rank_as_they_should_on_real_sections(isbi):
    images, truth = isbi
    # One section and the middle thresholds: enough for the ranking, and a watershed costs time.
    image, interior, middle = images[2], truth[2], (0.4, 0.5)
    raw = isbi_scores(interior, raw_threshold(image), middle)
    smooth = isbi_scores(interior, gaussian_threshold(image), middle)
    assert 0.6 < raw.v_rand.f < smooth.v_rand.f < 0.9
    assert 0.75 < raw.v_info.f < smooth.v_info.f < 0.95


def test_the_warping_error_is_not_that_of_finding_nothing():
    truth = np.ones((1, 9, 9), bool)
    truth[:, 4] = False
    probability = np.where(truth, 0.9, 0.1)
    probability[:, 4, 2:6] = 0.8  # a gap of four pixels; nothing found at all would cost one pixel for each cell
    assert isbi_scores(truth, probability, (0.5, 0.95)).warping_error == pytest.approx(4 / 81)
