"""Scores of segmentations. Plain arrays in, plain numbers out: nothing here knows a Tensor."""

from minifcn.metrics.baselines import gaussian_threshold, raw_threshold
from minifcn.metrics.isbi import (
    THRESHOLDS,
    IsbiScores,
    isbi_scores,
    misclassified_fraction,
    pixel_error,
    rand_error,
    thin_borders,
    v_info,
    v_rand,
)
from minifcn.metrics.overlap import ConfusionMatrix, confusion_matrix, dice, jaccard
from minifcn.metrics.partitions import Score, information_score, rand_score

__all__ = [
    "THRESHOLDS",
    "ConfusionMatrix",
    "IsbiScores",
    "Score",
    "confusion_matrix",
    "dice",
    "gaussian_threshold",
    "information_score",
    "isbi_scores",
    "jaccard",
    "misclassified_fraction",
    "pixel_error",
    "rand_error",
    "rand_score",
    "raw_threshold",
    "thin_borders",
    "v_info",
    "v_rand",
]
