"""BSDS500: photographs that several people each cut into segments, the benchmark of boundary detection.

Source: Arbelaez, Maire, Fowlkes, Malik, "Contour detection and hierarchical image segmentation", 2011. People agree on
where objects are, less on how far to divide them, and hardly ever on the very pixel of a boundary. For non-commercial
research and education.
"""

import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Sample, normalise_index
from minifcn.data.sets.download import dataset_root
from minifcn.data.sets.pairs import (
    Pair,
    check_sizes,
    files_by_stem,
    missing_layout,
    paired,
    read_pixels,
    with_channels,
)
from minifcn.io import ImageError

BSDS500_URL = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/bsds/"
BSDS_SPLITS = ("train", "val", "test")


class Annotation(NamedTuple):
    """What one person saw.

    Attributes:
        segments: int64 (H, W), segment numbers from 1.
        boundary: bool (H, W), the pixels between segments.
    """

    segments: NDArray[np.int64]
    boundary: NDArray[np.bool_]


class BSDS500(Dataset):
    """Photographs, 321 x 481 pixels or 481 x 321, with boundaries that several people drew.

    Args:
        root: folder of images and groundTruth, each with train, val and test or with the files themselves, or
            BSR/BSDS500/data above them; by default `data_home() / "bsds500"`.
        split: "train" (200 images), "val" (100) or "test" (200); None is all that there are.
        target: "boundary", the classes background and boundary; or "agreement", the share of the annotators who
            marked a pixel, float32 (H, W, 1), for regression.
        consensus: for the target "boundary": which pixels are. "any": one annotator marked it; "majority": more than
            half of them did; a number in (0, 1]: at least that share of them did.

    Raises:
        FileNotFoundError: a folder is missing or empty.
        ValueError: unknown split, target or consensus; an image without annotations, or the other way round.
    """

    name = "bsds500"
    channels = 3

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        split: str | None = None,
        target: Literal["boundary", "agreement"] = "boundary",
        *,
        consensus: float | Literal["any", "majority"] = "any",
    ) -> None:
        if split not in (None, *BSDS_SPLITS):
            raise ValueError(f"bsds500: expected split {', '.join(map(repr, BSDS_SPLITS))} or None, got {split!r}")
        if target not in ("boundary", "agreement"):
            raise ValueError(f"bsds500: expected target 'boundary' or 'agreement', got {target!r}")
        if consensus not in ("any", "majority") and (isinstance(consensus, str) or not 0 < consensus <= 1):
            raise ValueError(f"bsds500: expected consensus 'any', 'majority' or 0 < share <= 1, got {consensus!r}")
        self.target, self.consensus = target, consensus
        self.task = "segmentation" if target == "boundary" else "regression"
        self.classes = ("background", "boundary") if target == "boundary" else ("agreement",)
        self.pairs = tuple(_find(bsds_folder(root), split))

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        path = self.pairs[index].image
        image = with_channels(read_pixels(path), self.channels, path)
        votes = np.stack([annotation.boundary for annotation in self.annotations(index)])
        check_sizes(self.pairs[index].mask, votes.shape[1:], path, image.shape)
        agreement = votes.mean(axis=0)
        if self.target == "agreement":
            return image, agreement.astype(np.float32)[:, :, None]
        return image, self._agreed(agreement).astype(np.int64)

    def annotations(self, index: int) -> list[Annotation]:
        """Return what each annotator saw in image `index`.

        Raises:
            ImageError: the file is not one of the set's.
        """
        return _read_annotations(self.pairs[normalise_index(index, len(self), self.name)].mask)

    def instances(self, index: int) -> NDArray[np.int64]:
        """Return the segments of image `index` as its first annotator saw them, int64 (H, W), from 1: none is empty."""
        return self.annotations(index)[0].segments

    def _agreed(self, agreement: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self.consensus == "majority":
            return agreement > 0.5
        # The share is a mean of zeros and ones: 2 of 3 may be a rounding less than 2 / 3.
        return agreement > 0 if self.consensus == "any" else agreement >= float(self.consensus) - 1e-9


def bsds_folder(root: str | os.PathLike[str] | None) -> Path:
    """Return the folder that holds images and groundTruth.

    Raises:
        FileNotFoundError: there is none at or below `root`.
    """
    top = dataset_root(root, "bsds500")
    for folder in (top, top / "BSDS500" / "data", top / "BSR" / "BSDS500" / "data"):
        if all((folder / name).is_dir() for name in ("images", "groundTruth")):
            return folder
    raise missing_layout("bsds500", top, "folders images and groundTruth", BSDS500_URL)


def _find(folder: Path, split: str | None) -> list[Pair]:
    parts = [split] if split else [part for part in BSDS_SPLITS if (folder / "images" / part).is_dir()] or ["."]
    pairs = []
    for part in parts:
        images, annotations = folder / "images" / part, folder / "groundTruth" / part
        found = (
            files_by_stem(images, "bsds500") if images.is_dir() else {},
            files_by_stem(annotations, "bsds500", (".mat",)) if annotations.is_dir() else {},
        )
        if not any(found):
            raise missing_layout(
                "bsds500", folder, f"images in images/{part} and .mat files in groundTruth/{part}", BSDS500_URL
            )
        pairs += paired("bsds500", *found)
    return pairs


def _read_annotations(path: Path) -> list[Annotation]:
    from scipy import io

    try:
        people = io.loadmat(path)["groundTruth"].ravel()  # cells, each a structure of 1 x 1
        read = [(person["Segmentation"][0, 0], person["Boundaries"][0, 0]) for person in people]
    # What SciPy raises on a damaged file depends on where the damage is.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{path}: is no annotation of BSDS500 ({reason}); unpack it again") from error
    if not read or any(array.shape != read[0][0].shape for both in read for array in both):
        raise ImageError(f"{path}: holds {len(read)} annotations, which must be one or more of one size")
    return [Annotation(segments.astype(np.int64), boundary != 0) for segments, boundary in read]
