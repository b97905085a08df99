"""Scores of segmentations, counts and images. Plain arrays in, plain numbers out: nothing here knows a Tensor."""

from minifcn.metrics.baselines import gaussian_threshold, raw_threshold
from minifcn.metrics.counting import CountingScores, counting_scores, mean_count_baseline
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
from minifcn.metrics.similarity import psnr, ssim
from minifcn.metrics.warping import warp, warping_error

__all__ = [
    "THRESHOLDS",
    "ConfusionMatrix",
    "CountingScores",
    "IsbiScores",
    "Score",
    "confusion_matrix",
    "counting_scores",
    "dice",
    "gaussian_threshold",
    "information_score",
    "isbi_scores",
    "jaccard",
    "mean_count_baseline",
    "misclassified_fraction",
    "pixel_error",
    "psnr",
    "rand_error",
    "rand_score",
    "raw_threshold",
    "ssim",
    "thin_borders",
    "v_info",
    "v_rand",
    "warp",
    "warping_error",
]
