"""Overlap of two labellings, pixel by pixel: confusion matrix, intersection over union, Dice, Jaccard."""

from typing import Literal

import numpy as np

# What a ratio means when both of its sets are empty; the lecture excludes that case, so it has to be chosen.
EmptyPolicy = float | Literal["raise"]


def confusion_matrix(
    truth: np.ndarray, prediction: np.ndarray, classes: int, ignore_index: int | None = None
) -> np.ndarray:
    """Count the pixels of every (true class, predicted class) pair.

    Args:
        truth: integer labels in 0..classes-1, any shape.
        prediction: integer labels in 0..classes-1, the same shape.
        classes: number of classes K.
        ignore_index: pixels with this *true* label are left out, whatever was predicted there (VOC's void is 255).

    Returns:
        (K, K) int64; row = truth, column = prediction.

    Raises:
        ValueError: shapes differ, labels are not integers, or a label lies outside 0..classes-1.

    >>> confusion_matrix(np.array([0, 0, 1, 1, 255]), np.array([0, 1, 1, 1, 0]), classes=2, ignore_index=255)
    array([[1, 1],
           [0, 2]])
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if classes < 1:
        raise ValueError(f"confusion_matrix: classes must be at least 1, got {classes}")
    if truth.shape != prediction.shape:
        raise ValueError(
            f"confusion_matrix: truth {truth.shape} and prediction {prediction.shape} must have the same shape"
        )
    for name, labels in (("truth", truth), ("prediction", prediction)):
        if labels.dtype.kind not in "biu":
            raise ValueError(
                f"confusion_matrix: {name} must hold integer labels, got {labels.dtype}; "
                "for class scores take the argmax over the channel axis first"
            )
    if ignore_index is not None:
        kept = truth != ignore_index
        truth, prediction = truth[kept], prediction[kept]
    _check_range("truth", truth, classes)
    _check_range("prediction", prediction, classes)
    # One integer a pair, row-major: bincount then fills the matrix in a single pass.
    pairs = truth.ravel().astype(np.int64) * classes + prediction.ravel().astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _check_range(name: str, labels: np.ndarray, classes: int) -> None:
    if labels.size == 0:
        return
    for label in (int(labels.min()), int(labels.max())):
        if not 0 <= label < classes:
            mend = f"; if {label} marks void pixels, pass ignore_index={label}" if name == "truth" else ""
            raise ValueError(f"confusion_matrix: {name} holds label {label}, outside 0..{classes - 1}{mend}")


class ConfusionMatrix:
    """A confusion matrix summed over a whole data set, and the scores read from it.

    PASCAL VOC scores a data set, not an image: pixels are pooled first and ratios taken once at the end. With n_ij the
    pixels of true class i predicted as j, t_i = sum_j n_ij and p_j = sum_i n_ij. The four averages that Long et al.
    2015 (doi 10.1109/CVPR.2015.7298965, section 5) report are `pixel_accuracy`, `mean_accuracy`, `mean_iou` and
    `frequency_weighted_iou`. A class without a pixel to judge is NaN and stays out of the means.

    >>> scores = ConfusionMatrix(classes=3)
    >>> scores.update(truth=np.array([0, 0, 1, 1]), prediction=np.array([0, 1, 1, 1]))
    >>> scores.iou
    array([0.5       , 0.66666667,        nan])
    >>> round(scores.mean_iou, 4), scores.pixel_accuracy
    (0.5833, 0.75)
    """

    def __init__(self, classes: int, ignore_index: int | None = None) -> None:
        if classes < 1:
            raise ValueError(f"ConfusionMatrix: classes must be at least 1, got {classes}")
        self.classes = classes
        self.ignore_index = ignore_index
        self.matrix = np.zeros((classes, classes), dtype=np.int64)

    def update(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Add the pixels of one image or batch (arguments as in `confusion_matrix`)."""
        self.matrix += confusion_matrix(truth, prediction, self.classes, self.ignore_index)

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union of each class, n_cc / (t_c + p_c - n_cc): (K,) float64, NaN where c is in neither."""
        hits = self._hits
        return _ratio(hits, self._true + self._predicted - hits)

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over the classes found in truth or prediction (VOC's mean IU)."""
        return _mean(self.iou)

    @property
    def dice(self) -> np.ndarray:
        """Dice coefficient of each class, 2 n_cc / (t_c + p_c): (K,) float64, NaN where c is in neither."""
        return _ratio(2 * self._hits, self._true + self._predicted)

    @property
    def mean_dice(self) -> float:
        """Mean of `dice` over the classes found in truth or prediction."""
        return _mean(self.dice)

    @property
    def class_accuracy(self) -> np.ndarray:
        """Fraction of each class's pixels that were found, n_cc / t_c: (K,) float64, NaN where c is not in truth."""
        return _ratio(self._hits, self._true)

    @property
    def mean_accuracy(self) -> float:
        """Mean of `class_accuracy` over the classes in the truth."""
        return _mean(self.class_accuracy)

    @property
    def frequency_weighted_iou(self) -> float:
        """`iou` averaged with the weights t_c / sum_k t_k."""
        present = self._true > 0
        return float(_ratio((self._true * self.iou)[present].sum(), self._true.sum()))

    @property
    def pixel_accuracy(self) -> float:
        """Fraction of all pixels that are right, sum_c n_cc / sum_c t_c."""
        return float(_ratio(self._hits.sum(), self._true.sum()))

    @property
    def pixel_error(self) -> float:
        """Fraction of all pixels that are wrong, 1 - `pixel_accuracy`."""
        return 1.0 - self.pixel_accuracy

    @property
    def _hits(self) -> np.ndarray:
        return self.matrix.diagonal()

    @property
    def _true(self) -> np.ndarray:
        return self.matrix.sum(axis=1)

    @property
    def _predicted(self) -> np.ndarray:
        return self.matrix.sum(axis=0)


def dice(a: np.ndarray, b: np.ndarray, empty: EmptyPolicy = "raise") -> float:
    """Dice coefficient of two sets, D(A, B) = 2 |A ∩ B| / (|A| + |B|) (lecture, "Measures used in image processing").

    Args:
        a: boolean mask, any shape.
        b: boolean mask, the same shape.
        empty: the value when both sets are empty. The lecture leaves the case out, and no value suits every use (1.0
            rewards a correct empty prediction, 0.0 does not), so the default "raise" asks you to choose.

    Raises:
        ValueError: the masks are not boolean, differ in shape, or are both empty while `empty` is "raise".

    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    >>> dice(np.zeros(3, bool), np.zeros(3, bool), empty=1.0)
    1.0
    """
    size_a, size_b, common = _sizes("dice", a, b)
    return 2 * common / (size_a + size_b) if size_a + size_b else _both_empty("dice", empty)


def jaccard(a: np.ndarray, b: np.ndarray, empty: EmptyPolicy = "raise") -> float:
    """Jaccard index of two sets, J(A, B) = |A ∩ B| / |A ∪ B| = D / (2 - D) (same slide as `dice`).

    Arguments and errors are those of `dice`.

    >>> jaccard(np.array([True, True, False]), np.array([True, False, False]))
    0.5
    """
    size_a, size_b, common = _sizes("jaccard", a, b)
    union = size_a + size_b - common
    return common / union if union else _both_empty("jaccard", empty)


def _sizes(name: str, a: np.ndarray, b: np.ndarray) -> tuple[int, int, int]:
    """|A|, |B| and |A ∩ B|, after checking that A and B are masks of one shape."""
    a, b = np.asarray(a), np.asarray(b)
    for mask in (a, b):
        if mask.dtype != np.bool_:
            raise ValueError(f"{name}: sets are boolean masks, got {mask.dtype}; compare first, for example mask > 0")
    if a.shape != b.shape:
        raise ValueError(f"{name}: masks {a.shape} and {b.shape} must have the same shape")
    return int(np.count_nonzero(a)), int(np.count_nonzero(b)), int(np.count_nonzero(a & b))


def _both_empty(name: str, empty: EmptyPolicy) -> float:
    if isinstance(empty, str):
        raise ValueError(f"{name}: both sets are empty, which has no {name} value; pass empty=1.0 (or another value)")
    return float(empty)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator, NaN (without a warning) where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator > 0)


def _mean(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if none is (np.nanmean would warn)."""
    valid = values[~np.isnan(values)]
    return float(valid.mean()) if valid.size else float("nan")
