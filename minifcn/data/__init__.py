"""Data: indexable sets of (image, label), transforms of both at once, batches, and the check before training."""

from minifcn.data.augment.affine import RandomAffine
from minifcn.data.augment.crops import BalancedCrop, CenterCrop, CentreClass, Crop, RandomCrop, largest_crop
from minifcn.data.augment.elastic import ElasticDeformation
from minifcn.data.augment.intensity import RandomIntensity, RandomNoise
from minifcn.data.augment.transforms import Compose, RandomFlip, RandomRot90, Transform
from minifcn.data.augment.warp import Deformation, RandomWarp
from minifcn.data.channels import WithChannels
from minifcn.data.check import DataError, Report, check, class_fractions
from minifcn.data.dataset import ArrayDataset, Cached, Dataset, Repeated, Subset, split, spread
from minifcn.data.frequency import median_frequency_weights
from minifcn.data.loader import Loader
from minifcn.data.masks import IGNORE_INDEX, map_binary_masks
from minifcn.data.normalise import Normalisation, Normalised, statistics
from minifcn.data.sets.bsds import BSDS500
from minifcn.data.sets.camvid import CamVid
from minifcn.data.sets.digit_scenes import DigitScenes
from minifcn.data.sets.discs import TwoDiscs
from minifcn.data.sets.download import DownloadError, data_home
from minifcn.data.sets.dsb import DSB2018
from minifcn.data.sets.folder import FolderDataset
from minifcn.data.sets.isbi import ISBI2012
from minifcn.data.sets.label_table import LabelTable, read_classes
from minifcn.data.sets.mnist import MNIST, MNISTSegmentation
from minifcn.data.sets.synthetic import SyntheticMembranes
from minifcn.data.sets.vgg_cells import VGGCells
from minifcn.data.sets.voc import VOC2012
from minifcn.data.sources import SOURCES, MissingPartError, Source, open_source
from minifcn.data.targets import Target, WeightedLabel, without_weights
from minifcn.data.weight_map import Weighted, border_weight_map

__all__ = [
    "BSDS500",
    "DSB2018",
    "IGNORE_INDEX",
    "ISBI2012",
    "MNIST",
    "SOURCES",
    "VOC2012",
    "ArrayDataset",
    "BalancedCrop",
    "Cached",
    "CamVid",
    "CenterCrop",
    "CentreClass",
    "Compose",
    "Crop",
    "DataError",
    "Dataset",
    "Deformation",
    "DigitScenes",
    "DownloadError",
    "ElasticDeformation",
    "FolderDataset",
    "LabelTable",
    "Loader",
    "MNISTSegmentation",
    "MissingPartError",
    "Normalisation",
    "Normalised",
    "RandomAffine",
    "RandomCrop",
    "RandomFlip",
    "RandomIntensity",
    "RandomNoise",
    "RandomRot90",
    "RandomWarp",
    "Repeated",
    "Report",
    "Source",
    "Subset",
    "SyntheticMembranes",
    "Target",
    "Transform",
    "TwoDiscs",
    "VGGCells",
    "Weighted",
    "WeightedLabel",
    "WithChannels",
    "border_weight_map",
    "check",
    "class_fractions",
    "data_home",
    "largest_crop",
    "map_binary_masks",
    "median_frequency_weights",
    "open_source",
    "read_classes",
    "split",
    "spread",
    "statistics",
    "without_weights",
]
