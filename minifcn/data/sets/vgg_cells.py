"""VGG cells: synthetic fluorescence images of bacteria with a dot on each, to be counted.

Source: Lempitsky, Zisserman, "Learning to count objects in images", 2010. A network that answers a density at every
pixel counts by summing it: the integral over a region is the number of cells there.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.dataset import Dataset, Sample, normalise_index
from minifcn.data.sets.download import dataset_root
from minifcn.data.sets.pairs import Pair, check_sizes, files_by_stem, missing_layout, paired, read_pixels, with_channels
from minifcn.io import read_image

VGG_CELLS_URL = "https://www.robots.ox.ac.uk/~vgg/research/counting/"


class VGGCells(Dataset):
    """Cells to count, 256 x 256 pixels in colour; the label is their density, float32 (H, W, 1).

    Every dot is a Gaussian whose pixels sum to 1, times `scale`, for regression among small numbers is slow: the number
    of cells is the sum of the label over `scale`. What of a Gaussian would lie beyond the image is mirrored into it, so
    the sum also holds at the border.

    Args:
        root: folder of the files 001cell.png, 001dots.png, ...; by default `data_home() / "vgg_cells"`.
        sigma: standard deviation of the Gaussians in pixels; 0 leaves the dots as they are.
        scale: what a cell sums to.

    Raises:
        FileNotFoundError: there are no such files.
        ValueError: a negative sigma, a scale that is not positive, or an image without dots or the other way round.
    """

    name = "vgg_cells"
    task = "regression"
    classes = ("density",)
    channels = 3

    def __init__(self, root: str | os.PathLike[str] | None = None, sigma: float = 1.0, scale: float = 100.0) -> None:
        if not sigma >= 0 or not scale > 0:
            raise ValueError(f"vgg_cells: expected sigma >= 0 and scale > 0, got {sigma} and {scale}")
        self.sigma, self.scale = sigma, scale
        self.pairs = tuple(_find(dataset_root(root, "vgg_cells")))

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        index = normalise_index(index, len(self), self.name)
        image_path, dots_path = self.pairs[index]
        image, dots = with_channels(read_pixels(image_path), self.channels, image_path), self.dots(index)
        check_sizes(dots_path, dots.shape, image_path, image.shape)
        return image, (self.scale * density(dots, self.sigma)).astype(np.float32)[:, :, None]

    def dots(self, index: int) -> NDArray[np.bool_]:
        """Return the annotated pixels of image `index`, (H, W): one a cell."""
        pixels = read_image(self.pairs[normalise_index(index, len(self), self.name)].mask)
        return pixels != 0 if pixels.ndim == 2 else pixels[:, :, 0] != 0  # red

    def count(self, index: int) -> int:
        """Return the number of cells in image `index`."""
        return int(self.dots(index).sum())

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of cells in every image, (N,); reads all files of dots."""
        return np.array([self.count(index) for index in range(len(self))], np.int64)


def density(dots: NDArray[np.bool_], sigma: float) -> NDArray[np.float64]:
    """Return a Gaussian of sum 1 for every dot, (H, W): mirrored at the border, cut off at 4 sigma.

    >>> dots = np.zeros((9, 9), bool)
    >>> dots[0, 0] = dots[4, 5] = True
    >>> round(float(density(dots, 1.5).sum()), 12)
    2.0
    """
    from scipy import ndimage

    # Mirrored with the edge pixel repeated, the filter is a symmetric matrix: as its rows sum to 1, so do its columns.
    return ndimage.gaussian_filter(dots.astype(np.float64), sigma, mode="reflect", truncate=4.0)


def _find(folder: Path) -> list[Pair]:
    files = files_by_stem(folder, "vgg_cells", (".png",)) if folder.is_dir() else {}
    images, dots = (
        {stem.removesuffix(kind): path for stem, path in files.items() if stem.endswith(kind)}
        for kind in ("cell", "dots")
    )
    if not images and not dots:
        raise missing_layout("vgg_cells", folder, "files 001cell.png, 001dots.png, ...", VGG_CELLS_URL)
    return paired("vgg_cells", images, dots)
