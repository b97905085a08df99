"""The scores of the ISBI 2012 membrane challenge, of probability maps: V_Rand, V_Info; Rand, pixel and warping error.

A map is cut at t = 0, 0.1, ... 1 (interior where probability > t); borders are thinned to one pixel, because the width
of a drawn membrane says nothing about the cells on either side; each slice is scored, the scores of a threshold are
averaged over the slices, and the best threshold counts. Every function takes

    truth:        (N, H, W) or (H, W), boolean or 0/1; 1 = cell interior, 0 = membrane
    probability:  the same shape, floating point in 0..1, of *interior*
    thresholds:   where to cut; give `(0.5,)` for a threshold fixed beforehand

and raises ValueError where shapes or values are not so, or where a slice has no interior to score.

Source: Arganda-Carreras et al. 2015, doi 10.3389/fnana.2015.00142.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from minifcn.metrics.partitions import Score, information_score, rand_score
from minifcn.metrics.warping import warping_error

# k/10 and not k*0.1: 3 * 0.1 > 0.3, and a map of exact tenths would be cut on the wrong side.
THRESHOLDS = tuple(k / 10 for k in range(11))

_Measure = Callable[[np.ndarray, np.ndarray], Score]


class IsbiScores(NamedTuple):
    """Everything `isbi_scores` knows about one stack."""

    v_rand: Score
    v_info: Score
    rand_error: float
    pixel_error: float
    misclassified: float
    warping_error: float


def isbi_scores(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS, thin: bool = True
) -> IsbiScores:
    """All scores at once: each map is thinned a single time (the arguments are described at the top of this file).

    V_Rand and V_Info each take their own best threshold, given in their `threshold`; their precision and recall are
    means over the slices, like their F. `thin=False` leaves borders as wide as they are. The warping error is that of
    the threshold with the fewest wrong pixels: its own best one may be where nothing is found, because a missed cell
    costs one pixel, and a gap in a membrane its length.

    >>> truth = np.array([[1, 1, 0, 1, 1]] * 3)
    >>> scores = isbi_scores(truth, truth * 0.75)
    >>> scores.v_rand
    Score(f=1.0, precision=1.0, recall=1.0, threshold=0.0)
    >>> scores.v_info.f, scores.rand_error, scores.pixel_error, scores.misclassified, scores.warping_error
    (1.0, 0.0, 0.0, 0.0, 0.0)
    """
    truth, probability = _as_stacks("isbi_scores", truth, probability)
    rand, info = _best_scores(truth, probability, thresholds, thin, (rand_score, information_score))
    return IsbiScores(
        v_rand=rand,
        v_info=info,
        rand_error=1.0 - rand.f,
        pixel_error=1.0 - _best_pixel_f(truth, probability, thresholds),
        misclassified=_least_misclassified(truth, probability, thresholds),
        warping_error=warping_error(truth, probability > _best_cut(truth, probability, thresholds)),
    )


def v_rand(truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS) -> float:
    """V_Rand after border thinning at the best threshold: the score that ranked the challenge; see `rand_score`.

    >>> truth = np.array([[1, 1, 0, 1, 1]] * 3)
    >>> everything_is_cell = np.ones((3, 5))
    >>> v_rand(truth, everything_is_cell)  # 12 pixels in two halves: precision 1/2, recall 1
    0.6666666666666666
    """
    truth, probability = _as_stacks("v_rand", truth, probability)
    (score,) = _best_scores(truth, probability, thresholds, True, (rand_score,))
    return score.f


def v_info(truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS) -> float:
    """V_Info after border thinning at the best threshold; see `information_score`.

    >>> truth = np.array([[1, 1, 0, 1, 1]] * 3)
    >>> v_info(truth, truth.astype(float)), v_info(truth, np.ones((3, 5)))
    (1.0, 0.0)
    """
    truth, probability = _as_stacks("v_info", truth, probability)
    (score,) = _best_scores(truth, probability, thresholds, True, (information_score,))
    return score.f


def rand_error(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS, thin: bool = True
) -> float:
    """1 - the best Rand F-score, which is 1 - V_Rand.

    The challenge's first board did not thin: `thin=False`. It also left out the pairs of a pixel with itself, which
    changes the value by about 1/n for n pixels.

    >>> rand_error(np.array([[1, 1, 0, 1, 1]] * 3), np.ones((3, 5)))
    0.33333333333333337
    """
    truth, probability = _as_stacks("rand_error", truth, probability)
    (score,) = _best_scores(truth, probability, thresholds, thin, (rand_score,))
    return 1.0 - score.f


def pixel_error(truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS) -> float:
    """1 - the best F-score of the interior pixels, 2 TP / (2 TP + FP + FN), counted over the whole stack.

    Not the fraction of wrong pixels: that is `misclassified_fraction`.

    >>> truth = np.array([[1, 1, 0, 1, 1]] * 3)
    >>> pixel_error(truth, np.ones((3, 5)))  # TP 12, FP 3: F = 24/27
    0.11111111111111116
    """
    truth, probability = _as_stacks("pixel_error", truth, probability)
    return 1.0 - _best_pixel_f(truth, probability, thresholds)


def misclassified_fraction(
    truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> float:
    """1 - pixel accuracy at the best threshold: the fraction of all pixels that fall on the wrong side.

    >>> truth = np.array([[1, 1, 0, 1, 1]] * 3)
    >>> misclassified_fraction(truth, np.ones((3, 5)))
    0.2
    """
    truth, probability = _as_stacks("misclassified_fraction", truth, probability)
    return _least_misclassified(truth, probability, thresholds)


def thin_borders(binary: np.ndarray) -> np.ndarray:
    """Segments of a binary slice after its borders shrank to one-pixel lines.

    A watershed of the inverted map (interior low, border high), 4-connected: basins grow from the 4-connected
    components of the interior until only the line between two of them is left. A border that ends inside a cell
    separates nothing and disappears; a skeleton would keep it.

    Args:
        binary: (H, W) boolean, True = interior.

    Returns:
        (H, W) int32 labels 1, 2, ...; 0 = watershed line. A map without interior is flat, and a flat map is one basin.

    >>> thin_borders(np.array([[1, 0, 0, 0, 1, 1, 0, 1]], dtype=bool))
    array([[1, 1, 0, 2, 2, 2, 0, 3]], dtype=int32)
    """
    from skimage.segmentation import watershed

    binary = np.asarray(binary)
    if binary.ndim != 2 or binary.dtype != np.bool_:
        raise ValueError(f"thin_borders: expected a (H, W) boolean slice, got {binary.shape} {binary.dtype}")
    if not binary.any():
        return np.ones(binary.shape, dtype=np.int32)
    return watershed(~binary, markers=_components(binary), connectivity=1, watershed_line=True).astype(np.int32)


def _components(binary: np.ndarray) -> np.ndarray:
    """4-connected components of a (H, W) boolean slice: int32 labels, 0 = False."""
    from scipy import ndimage

    # scipy's default structuring element is the 4-neighbourhood.
    return ndimage.label(binary)[0]


def _best_scores(
    truth: np.ndarray,
    probability: np.ndarray,
    thresholds: Sequence[float],
    thin: bool,
    measures: Sequence[_Measure],
) -> list[Score]:
    """Each measure, averaged over the slices at every threshold, at its best threshold (the lowest, on ties)."""
    cuts = _as_cuts(thresholds)
    segment = thin_borders if thin else _components
    values = np.empty((len(truth), len(cuts), len(measures), 3))
    for k, (true_slice, slice_probability) in enumerate(zip(truth, probability, strict=True)):
        if not true_slice.any():
            raise ValueError(f"slice {k} of truth has no interior pixel, so its segmentation cannot be scored")
        true_labels = _components(true_slice)
        previous = None
        for c, cut in enumerate(cuts):
            binary = slice_probability > cut
            # A binary or nearly binary map gives the same segments at most thresholds; the watershed is the slow part.
            if previous is None or not np.array_equal(binary, previous):
                labels = segment(binary)
                row = [measure(true_labels, labels)[:3] for measure in measures]
            values[k, c] = row
            previous = binary
    means = values.mean(axis=0)  # (N, T, M, 3) -> (T, M, 3)
    best = means[:, :, 0].argmax(axis=0)  # (T, M) -> (M,)
    scores = []
    for m, b in enumerate(best):
        f, precision, recall = means[b, m].tolist()
        scores.append(Score(f, precision, recall, threshold=cuts[b]))
    return scores


def _best_pixel_f(truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float]) -> float:
    """F-score of the interior pixels of the whole stack at its best threshold."""
    interior = np.count_nonzero(truth)
    if not interior:
        raise ValueError("truth has no interior pixel, so its pixels have no F-score")
    scores = []
    for cut in _as_cuts(thresholds):
        found = probability > cut
        # 2 TP + FP + FN is the number of pixels found plus the number there.
        scores.append(2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + interior))
    return float(max(scores))


def _least_misclassified(truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float]) -> float:
    """Fraction of the pixels of the whole stack on the wrong side of the best threshold."""
    return float(np.mean((probability > _best_cut(truth, probability, thresholds)) != truth))


def _best_cut(truth: np.ndarray, probability: np.ndarray, thresholds: Sequence[float]) -> float:
    """The (lowest) threshold with the fewest pixels on its wrong side."""
    return min(_as_cuts(thresholds), key=lambda cut: np.count_nonzero((probability > cut) != truth))


def _as_cuts(thresholds: Sequence[float]) -> list[float]:
    cuts = [float(threshold) for threshold in thresholds]
    if not cuts:
        raise ValueError("thresholds must name at least one value to cut the probabilities at")
    return cuts


def _as_stacks(name: str, truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """truth as (N, H, W) bool and probability as (N, H, W) floating point, checked."""
    truth, probability = np.asarray(truth), np.asarray(probability)
    if truth.shape != probability.shape:
        raise ValueError(f"{name}: truth {truth.shape} and probability {probability.shape} must have the same shape")
    if truth.ndim not in (2, 3) or truth.size == 0:
        raise ValueError(f"{name}: expected (H, W) or (N, H, W) with pixels in it, got {truth.shape}")
    if not np.all((truth == 0) | (truth == 1)):
        raise ValueError(
            f"{name}: truth must be 1 inside cells and 0 on membranes, got values {truth.min()}..{truth.max()}; "
            "for labels of 0 and 255 pass truth == 255"
        )
    if probability.dtype.kind not in "bf":
        raise ValueError(f"{name}: probability must be floating point in 0..1, got {probability.dtype}")
    # Written so that NaN fails too.
    if not (probability.min() >= 0 and probability.max() <= 1):
        raise ValueError(
            f"{name}: probability must lie in 0..1, got {probability.min()}..{probability.max()}; "
            "apply a sigmoid to logits first"
        )
    shape = truth.shape if truth.ndim == 3 else (1, *truth.shape)
    return truth.astype(bool).reshape(shape), probability.reshape(shape)
