"""Data: indexable sets of (image, label), transforms of both at once, batches, and the check before training."""

from minifcn.data.check import DataError, Report, check, class_fractions
from minifcn.data.dataset import ArrayDataset, Cached, Dataset, Subset, split, spread
from minifcn.data.download import DownloadError, data_home
from minifcn.data.isbi import ISBI2012
from minifcn.data.loader import Loader
from minifcn.data.masks import IGNORE_INDEX, map_binary_masks
from minifcn.data.mnist import MNIST, MNISTSegmentation
from minifcn.data.normalise import Normalisation, Normalised, statistics
from minifcn.data.sources import SOURCES, Source, open_source
from minifcn.data.synthetic import SyntheticMembranes
from minifcn.data.targets import Target, WeightedLabel, classes_of
from minifcn.data.transforms import CenterCrop, Compose, RandomCrop, RandomFlip, RandomRot90, Transform
from minifcn.data.weight_map import Weighted, border_weight_map

__all__ = [
    "IGNORE_INDEX",
    "ISBI2012",
    "MNIST",
    "SOURCES",
    "ArrayDataset",
    "Cached",
    "CenterCrop",
    "Compose",
    "DataError",
    "Dataset",
    "DownloadError",
    "Loader",
    "MNISTSegmentation",
    "Normalisation",
    "Normalised",
    "RandomCrop",
    "RandomFlip",
    "RandomRot90",
    "Report",
    "Source",
    "Subset",
    "SyntheticMembranes",
    "Target",
    "Transform",
    "Weighted",
    "WeightedLabel",
    "border_weight_map",
    "check",
    "class_fractions",
    "classes_of",
    "data_home",
    "map_binary_masks",
    "open_source",
    "split",
    "spread",
    "statistics",
]
