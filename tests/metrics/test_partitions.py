"""The formulas against definitions that share no code with them: pair counting, and scikit-image's metrics."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import adapted_rand_error, variation_of_information

from minifcn.metrics import information_score, rand_score
from minifcn.metrics.partitions import overlaps


def partitions(lowest):
    """Truth and proposal of one small shape, the proposal's labels from `lowest`, truth with some foreground."""
    shape = st.tuples(st.integers(1, 4), st.integers(1, 5))
    return shape.flatmap(
        lambda s: st.tuples(
            hnp.arrays(np.int32, s, elements=st.integers(0, 4)),
            hnp.arrays(np.uint16, s, elements=st.integers(lowest, 5)),
        )
    ).filter(lambda pair: pair[0].any())


def singletons(truth, proposal):
    """Foreground pixels as (true segment, proposed segment), each unassigned pixel a segment of its own."""
    pixels = np.flatnonzero(truth)
    return [(truth.flat[k], proposal.flat[k] or f"pixel {k}") for k in pixels]


@given(partitions(lowest=0))
@settings(deadline=None)
def test_rand_score_counts_pairs_of_pixels(pair):
    pixels = singletons(*pair)
    same_a = same_b = same_both = 0
    for (a1, b1), (a2, b2) in itertools.product(pixels, repeat=2):
        same_a += a1 == a2
        same_b += b1 == b2
        same_both += a1 == a2 and b1 == b2
    score = rand_score(*pair)
    assert score.precision == pytest.approx(same_both / same_b)
    assert score.recall == pytest.approx(same_both / same_a)
    # The F-score of pairs, straight from its definition: 2 TP / (2 TP + FP + FN).
    assert score.f == pytest.approx(2 * same_both / (same_a + same_b))
    assert (score.merge, score.split) == (score.precision, score.recall)


def entropy(values):
    counts = np.unique([str(value) for value in values], return_counts=True)[1] / len(values)
    return -np.sum(counts * np.log(counts))


@given(partitions(lowest=0))
@settings(deadline=None)
def test_information_score_is_mutual_information_over_entropy(pair):
    pixels = singletons(*pair)
    h_a, h_b, h_ab = entropy([a for a, _ in pixels]), entropy([b for _, b in pixels]), entropy(pixels)
    information = h_a + h_b - h_ab
    score = information_score(*pair)
    for value, h in ((score.precision, h_a), (score.recall, h_b)):
        assert 0 <= value <= 1
        assert value == pytest.approx(information / h if h > 1e-9 else 1.0, abs=1e-9)
    assume(h_a + h_b > 1e-9)
    # The harmonic mean of I/H(A) and I/H(B) is 2 I / (H(A) + H(B)).
    assert score.f == pytest.approx(2 * information / (h_a + h_b), abs=1e-9)


@given(partitions(lowest=1))
@settings(deadline=None, max_examples=50)
def test_agrees_with_scikit_image_where_definitions_coincide(pair):
    truth, proposal = pair
    # adapted_rand_error pairs distinct pixels: its sums are n_ij (n_ij - 1), ours n_ij². Copying every pixel 1,000
    # times makes the difference vanish, and changes nothing for us. With no pixel unassigned the rest is the same.
    copies = 1_000
    many_truth, many_proposal = (np.repeat(labels.ravel(), copies).astype(np.int64) for labels in pair)
    # Its documentation divides precision by the pairs of the proposal, as we do; its code (0.26) by those of the truth.
    error, recall, precision = adapted_rand_error(many_truth, many_proposal, ignore_labels=(0,))
    score = rand_score(truth, proposal)
    np.testing.assert_allclose([1 - error, precision, recall], score[:3], atol=2 / copies)

    foreground = truth > 0
    split, merge = variation_of_information(truth[foreground], proposal[foreground])  # H(B|A), H(A|B), in bits
    a, b = overlaps(truth, proposal)[2:4]
    h_a, h_b = -np.sum(a * np.log2(a)), -np.sum(b * np.log2(b))
    assume(h_a > 1e-9 and h_b > 1e-9)
    info = information_score(truth, proposal)
    assert info.precision == pytest.approx(1 - merge / h_a, abs=1e-9)
    assert info.recall == pytest.approx(1 - split / h_b, abs=1e-9)


@given(partitions(lowest=0), st.permutations(range(1, 6)), st.permutations(range(1, 5)))
@settings(deadline=None)
def test_names_of_segments_do_not_matter(pair, proposal_names, truth_names):
    truth, proposal = pair
    renamed = np.array([0, *truth_names])[truth] * 1000, np.array([0, *proposal_names])[proposal]
    for measure in (rand_score, information_score):
        np.testing.assert_allclose(measure(*renamed)[:3], measure(truth, proposal)[:3], atol=1e-12)


@given(partitions(lowest=0))
@settings(deadline=None)
def test_identity_is_perfect_and_the_true_border_does_not_count(pair):
    truth, anything = pair
    proposal = np.where(truth > 0, truth, anything)
    for measure in (rand_score, information_score):
        np.testing.assert_allclose(measure(truth, proposal)[:3], 1.0, rtol=1e-12)


def test_one_segment_has_no_entropy():
    one, two = np.array([1, 1, 1, 1]), np.array([1, 1, 2, 2])
    assert information_score(one, one)[:3] == (1.0, 1.0, 1.0)
    assert information_score(two, one)[:3] == (0.0, 0.0, 1.0)
    assert information_score(one, two)[:3] == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("measure", [rand_score, information_score])
def test_bad_label_images(measure):
    ones = np.ones((2, 2), int)
    with pytest.raises(ValueError, match=r"truth \(2, 2\) and proposal \(4,\) must have the same shape"):
        measure(ones, ones.ravel())
    with pytest.raises(ValueError, match=r"proposal must hold labels 0, 1, 2, \.\.\. of an integer type, got float64"):
        measure(ones, ones * 1.0)
    with pytest.raises(ValueError, match="truth must hold labels"):
        measure(-ones, ones)
    with pytest.raises(ValueError, match="truth has no foreground pixel"):
        measure(ones * 0, ones)
