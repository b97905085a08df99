"""How well one partition of an image into segments agrees with another: Rand and information scores.

Both scores are *foreground-restricted*: only pixels inside a true segment count, because the true border has an
arbitrary width. A proposal may leave pixels unassigned (label 0). Each of those is taken as a segment of its own, of
one pixel: that is where the terms q/n and q ln n below come from.

Source: Arganda-Carreras et al. 2015, "Crowdsourcing the creation of image segmentation algorithms for connectomics",
doi 10.3389/fnana.2015.00142.
"""

from typing import NamedTuple

import numpy as np


class Score(NamedTuple):
    """An F-score with its two halves, each in 0..1, 1 being perfect.

    `precision` falls when true segments are merged, `recall` when they are split; the paper calls them the merge score
    and the split score. `threshold` is where a probability map was cut, None where nothing was.
    """

    f: float
    precision: float
    recall: float
    threshold: float | None = None

    @property
    def merge(self) -> float:
        """The paper's merge score: `precision`."""
        return self.precision

    @property
    def split(self) -> float:
        """The paper's split score: `recall`."""
        return self.recall


class Overlaps(NamedTuple):
    """What two partitions have in common, as fractions of the true foreground."""

    n: int  # pixels of the true foreground
    p: np.ndarray  # p_ij > 0: true segment i within proposed segment j, both >= 1
    a: np.ndarray  # a_i = sum_j p_ij over all j, 0 included: size of true segment i
    b: np.ndarray  # b_j = sum_i p_ij for j >= 1: size of proposed segment j within the foreground
    q: float  # q = sum_i p_i0: unassigned by the proposal


def overlaps(truth: np.ndarray, proposal: np.ndarray) -> Overlaps:
    """Intersect two label images.

    Args:
        truth: non-negative integer labels, any shape; 0 = border, left out.
        proposal: non-negative integer labels, the same shape; 0 = unassigned.

    Raises:
        ValueError: shapes differ, labels are not non-negative integers, or truth has no foreground.

    >>> overlaps(np.array([1, 1, 2, 2, 0]), np.array([1, 1, 1, 0, 1]))
    Overlaps(n=4, p=array([0.5 , 0.25]), a=array([0.5, 0.5]), b=array([0.75]), q=0.25)
    """
    truth, proposal = np.asarray(truth), np.asarray(proposal)
    if truth.shape != proposal.shape:
        raise ValueError(f"overlaps: truth {truth.shape} and proposal {proposal.shape} must have the same shape")
    for name, labels in (("truth", truth), ("proposal", proposal)):
        if labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
            raise ValueError(f"overlaps: {name} must hold labels 0, 1, 2, ... of an integer type, got {labels.dtype}")
    foreground = truth > 0
    n = int(np.count_nonzero(foreground))
    if n == 0:
        raise ValueError("overlaps: truth has no foreground pixel, so there is nothing to compare")

    _, i = np.unique(truth[foreground], return_inverse=True)
    # Numbered anew, 0 staying 0, because labels may be so large that i * width would overflow.
    labels, j = np.unique(np.append(proposal[foreground], 0), return_inverse=True)
    j, width = j[:-1], len(labels)
    pairs, counts = np.unique(i * width + j, return_counts=True)
    i, j = np.divmod(pairs, width)
    fractions = counts / n
    assigned = j > 0
    _, column = np.unique(j[assigned], return_inverse=True)
    return Overlaps(
        n=n,
        p=fractions[assigned],
        a=np.bincount(i, fractions),
        b=np.bincount(column, fractions[assigned]),
        q=float(fractions[~assigned].sum()),
    )


def rand_score(truth: np.ndarray, proposal: np.ndarray) -> Score:
    """Foreground-restricted Rand F-score of two label images: agreement on which *pairs* of pixels belong together.

        S_A = sum a_i²,   S_B = sum b_j² + q/n,   S_AB = sum p_ij² + q/n
        precision = S_AB / S_B,   recall = S_AB / S_A,   V_Rand = 2 P R / (P + R)

    S_A is the chance that two pixels drawn from the foreground (with replacement) share a true segment, S_B a proposed
    one, S_AB both. Arguments and errors are those of `overlaps`.

    Two true segments of two pixels, merged by the proposal: of the 16 pairs 8 belong together, 16 were put together.

    >>> rand_score(np.array([1, 1, 2, 2]), np.array([1, 1, 1, 1]))
    Score(f=0.6666666666666666, precision=0.5, recall=1.0, threshold=None)

    One pixel left unassigned: S_A = 8/16, S_B = 4/16 + 1/16 + 1/16, S_AB the same (b = 2/4, 1/4; q = 1/4; n = 4).

    >>> rand_score(np.array([1, 1, 2, 2]), np.array([1, 1, 2, 0]))
    Score(f=0.8571428571428571, precision=1.0, recall=0.75, threshold=None)
    """
    n, p, a, b, q = overlaps(truth, proposal)
    s_a = np.sum(a**2)
    s_b = np.sum(b**2) + q / n
    s_ab = np.sum(p**2) + q / n
    precision, recall = float(s_ab / s_b), float(s_ab / s_a)
    return Score(harmonic_mean(precision, recall), precision, recall)


def information_score(truth: np.ndarray, proposal: np.ndarray) -> Score:
    """Foreground-restricted information score of two label images: mutual information over each entropy.

        S_A = sum a_i ln a_i,   S_B = sum b_j ln b_j - q ln n,   S_AB = sum p_ij ln p_ij - q ln n
        I = S_AB - S_A - S_B,   precision = I / H(A),   recall = I / H(B),   H = -S
        V_Info = 2 P R / (P + R)

    A partition into one segment has no entropy; nothing in it can be lost, so its ratio counts as 1. A proposal that
    merges everything then scores 0, and the only segment of an image, found, scores 1. Arguments and errors are those
    of `overlaps`.

    Two halves, one of them split into quarters: H(A) = ln 2 is all recovered, but H(B) = 1.5 ln 2.

    >>> score = information_score(np.array([1, 1, 2, 2]), np.array([1, 1, 2, 3]))
    >>> [round(value, 6) for value in score[:3]]
    [0.8, 1.0, 0.666667]
    """
    n, p, a, b, q = overlaps(truth, proposal)
    unassigned = q * np.log(n)
    s_a = np.sum(a * np.log(a))
    s_b = np.sum(b * np.log(b)) - unassigned
    s_ab = np.sum(p * np.log(p)) - unassigned
    # Mutual information is never negative; rounding may make it so, by some 1e-16.
    information = max(0.0, float(s_ab - s_a - s_b))
    # Sizes are multiples of 1/n, so an entropy that is not 0 is at least ln(n)/n: anything smaller is rounding.
    precision, recall = (
        min(1.0, information / -entropy) if -entropy > 0.5 * np.log(n) / n else 1.0
        for entropy in (float(s_a), float(s_b))
    )
    return Score(harmonic_mean(precision, recall), precision, recall)


def harmonic_mean(precision: float, recall: float) -> float:
    """2 P R / (P + R), and 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
