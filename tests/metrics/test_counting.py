import numpy as np
import pytest

from minifcn.metrics import counting_scores, mean_count_baseline


def test_errors_worked_out_by_hand():
    scores = counting_scores(truth=[174, 100, 0], prediction=[170.0, 103.0, 0.0])
    assert scores == pytest.approx((7 / 3, np.sqrt(25 / 3)))
    assert scores.mae <= scores.rmse
    assert counting_scores([5], [5]) == (0.0, 0.0)


def test_integers_do_not_wrap_around():
    assert counting_scores(np.array([200], np.uint8), np.array([250], np.uint8)).mae == 50.0
    assert counting_scores(np.array([250], np.uint8), np.array([200], np.uint8)).mae == 50.0


def test_the_baseline_predicts_the_mean_of_other_images():
    scores = mean_count_baseline(truth=[10, 30], training=[20, 40])
    assert scores == (20 / 2, pytest.approx(np.sqrt((20**2 + 0) / 2)))


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([1, 2], [1], "2 true counts, but 1 predicted ones"),
        ([], [], r"truth must be one finite number for each of at least one image, got \(0,\)"),
        ([1.0], [np.nan], "prediction must be one finite number"),
        ([[1.0]], [1.0], r"truth must be one finite number .* got \(1, 1\)"),
    ],
)
def test_bad_counts_are_explained(truth, prediction, message):
    with pytest.raises(ValueError, match=f"counting_scores: {message}"):
        counting_scores(truth, prediction)


def test_a_baseline_needs_a_count():
    with pytest.raises(ValueError, match="mean_count_baseline: training must be one finite number"):
        mean_count_baseline([1.0], [])
