import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minifcn.metrics import ConfusionMatrix, confusion_matrix, dice, jaccard

masks = hnp.arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 5), st.integers(1, 5)))
labels = hnp.arrays(st.sampled_from([np.uint8, np.int64]), (2, 4, 5), elements=st.integers(0, 3))


@given(masks)
@settings(deadline=None)
def test_dice_and_jaccard_obey_the_lectures_inequalities(pair):
    a, b = pair
    d, j = dice(a, b, empty=1.0), jaccard(a, b, empty=1.0)
    assert 0 <= j <= d <= 1
    assert j == pytest.approx(d / (2 - d))
    assert (d, j) == (dice(b, a, empty=1.0), jaccard(b, a, empty=1.0))
    assert (d == 1) == (j == 1) == np.array_equal(a, b)
    if a.any() or b.any():
        assert (d == 0) == (j == 0) == (not (a & b).any())


@given(masks.filter(lambda pair: pair[0].any() and not pair[0].all()), st.data())
@settings(deadline=None)
def test_dice_and_jaccard_grow_with_what_is_found_and_fall_with_what_is_not_there(pair, data):
    truth, prediction = pair
    for measure in (dice, jaccard):
        before = measure(truth, prediction)
        for wanted in (True, False):
            pixel = data.draw(st.sampled_from([tuple(p) for p in np.argwhere(truth == wanted).tolist()]))
            more = prediction.copy()
            more[pixel] = True
            assert measure(truth, more) >= before if wanted else measure(truth, more) <= before


@pytest.mark.parametrize("measure", [dice, jaccard])
def test_two_empty_sets_follow_the_stated_policy(measure):
    nothing = np.zeros((2, 3), bool)
    assert measure(nothing, nothing, empty=1.0) == 1.0
    assert measure(nothing, nothing, empty=0.0) == 0.0
    assert np.isnan(measure(nothing, nothing, empty=float("nan")))
    with pytest.raises(ValueError, match=rf"{measure.__name__}: both sets are empty.*pass empty=1\.0"):
        measure(nothing, nothing)
    # The policy speaks of *both* sets: one empty set is an ordinary case.
    assert measure(nothing, ~nothing) == 0.0


@pytest.mark.parametrize("measure", [dice, jaccard])
def test_masks_must_be_boolean_and_of_one_shape(measure):
    mask = np.ones((2, 3), bool)
    with pytest.raises(ValueError, match="sets are boolean masks, got uint8; compare first, for example mask > 0"):
        measure(mask, mask.astype(np.uint8))
    with pytest.raises(ValueError, match=r"masks \(2, 3\) and \(3, 2\) must have the same shape"):
        measure(mask, mask.T)


@given(labels)
@settings(deadline=None)
def test_confusion_matrix_counts_every_pair(pair):
    truth, prediction = pair
    expected = [[np.sum((truth == i) & (prediction == j)) for j in range(4)] for i in range(4)]
    matrix = confusion_matrix(truth, prediction, classes=4)
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, expected)
    # Fortran order and strides change nothing.
    np.testing.assert_array_equal(confusion_matrix(truth[::-1].T, prediction[::-1].T, classes=4), expected)


@given(labels)
@settings(deadline=None)
def test_scores_are_those_of_the_classes_as_sets(pair):
    truth, prediction = pair
    scores = ConfusionMatrix(classes=5)
    # Image by image or all at once: pixels are pooled.
    for row_truth, row_prediction in zip(truth, prediction, strict=True):
        scores.update(row_truth, row_prediction)
    nan = float("nan")
    sets = [(truth == c, prediction == c) for c in range(5)]
    np.testing.assert_allclose(scores.iou, [jaccard(a, b, empty=nan) for a, b in sets])
    np.testing.assert_allclose(scores.dice, [dice(a, b, empty=nan) for a, b in sets])
    assert np.isnan(scores.iou[4])
    assert scores.mean_iou == pytest.approx(np.nanmean(scores.iou))
    assert scores.mean_dice == pytest.approx(np.nanmean(scores.dice))
    recall = [np.mean(prediction[truth == c] == c) for c in np.unique(truth)]
    assert scores.mean_accuracy == pytest.approx(np.mean(recall))
    assert scores.pixel_accuracy == pytest.approx(np.mean(truth == prediction))
    assert scores.pixel_error == pytest.approx(np.mean(truth != prediction))
    assert scores.frequency_weighted_iou == pytest.approx(np.nansum(scores.iou * scores.matrix.sum(axis=1)) / 20)


voc_labels = hnp.arrays(np.uint8, (3, 2, 3, 4), elements=st.sampled_from([0, 1, 2, 5, 20, 255]))


@given(voc_labels)
def test_mean_iou_is_that_of_voc(images):
    """One confusion matrix over all images, void dropped, the mean over classes present; here pixel by pixel."""
    scores = ConfusionMatrix(classes=21, ignore_index=255)
    common, true, predicted = [0] * 21, [0] * 21, [0] * 21
    for truth, prediction in images:
        prediction = np.minimum(prediction, 20)  # networks do not predict void
        scores.update(truth, prediction)
        for t, p in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
            if t != 255:
                common[t] += t == p
                true[t] += 1
                predicted[p] += 1
    ratios = [c / (t + p - c) for c, t, p in zip(common, true, predicted, strict=True) if t + p > 0]
    assert scores.mean_iou == pytest.approx(np.mean(ratios) if ratios else np.nan, nan_ok=True)


def test_scores_worked_out_by_hand():
    scores = ConfusionMatrix(classes=3, ignore_index=255)
    scores.update(np.array([[0, 0, 0, 1]]), np.array([[0, 0, 1, 1]]))
    scores.update(np.array([[2, 255]], dtype=np.uint8), np.array([[2, 0]], dtype=np.uint8))
    np.testing.assert_array_equal(scores.matrix, [[2, 1, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(scores.iou, [2 / 3, 1 / 2, 1])
    np.testing.assert_allclose(scores.dice, [4 / 5, 2 / 3, 1])
    np.testing.assert_allclose(scores.class_accuracy, [2 / 3, 1, 1])
    assert scores.mean_iou == pytest.approx(13 / 18)
    assert scores.pixel_error == pytest.approx(1 / 5)
    assert scores.frequency_weighted_iou == pytest.approx((3 * 2 / 3 + 1 / 2 + 1) / 5)


def test_nothing_seen_is_nan_and_not_a_warning():
    scores = ConfusionMatrix(classes=2, ignore_index=1)
    scores.update(np.array([1]), np.array([0]))
    assert np.isnan([scores.mean_iou, scores.mean_dice, scores.mean_accuracy, scores.pixel_accuracy]).all()
    assert np.isnan(scores.frequency_weighted_iou)


def test_label_errors_name_the_culprit_and_the_mend():
    zeros = np.zeros(3, int)
    with pytest.raises(ValueError, match=r"truth holds label 255, outside 0\.\.20; .* pass ignore_index=255"):
        confusion_matrix(np.array([0, 255, 1]), zeros, classes=21)
    with pytest.raises(ValueError, match=r"prediction holds label -1, outside 0\.\.1$"):
        confusion_matrix(zeros, zeros - 1, classes=2)
    with pytest.raises(ValueError, match=r"prediction must hold integer labels, got float64; .* argmax"):
        confusion_matrix(zeros, zeros * 0.5, classes=2)
    with pytest.raises(ValueError, match=r"truth \(3,\) and prediction \(3, 1\) must have the same shape"):
        confusion_matrix(zeros, zeros[:, None], classes=2)
    with pytest.raises(ValueError, match="classes must be at least 1, got 0"):
        confusion_matrix(zeros, zeros, classes=0)
    with pytest.raises(ValueError, match="classes must be at least 1, got 0"):
        ConfusionMatrix(classes=0)


def test_predictions_under_ignored_pixels_are_not_looked_at():
    matrix = confusion_matrix(np.array([0, 255]), np.array([0, 77]), classes=1, ignore_index=255)
    np.testing.assert_array_equal(matrix, [[1]])
