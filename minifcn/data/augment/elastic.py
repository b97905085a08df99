"""Elastic deformation, U-Net's augmentation: tissue bends, and so may its images.

The nodes of a coarse grid of 3 x 3 are displaced at random, by a Gaussian with a standard deviation of 10 pixels; the
displacements of the pixels between them are interpolated bicubically.

Source: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifcn.data.augment.sampling import cubic_weights
from minifcn.data.augment.warp import Deformation, Offsets
from minifcn.data.augment.window import Pair


@dataclass(frozen=True)
class ElasticDeformation(Deformation):
    """Displace the nodes of a coarse grid at random, and every pixel by a cubic between the nodes around it.

    The grid spans the window that comes out, with nodes in its corners. Where neighbouring nodes differ by more than
    the distance between them, the image folds over itself: in 500 draws never for a `sigma` of an eighth of that
    distance, but once in five draws of 3 x 3 nodes for a quarter. U-Net's 10 pixels suit windows of 160 and more.

    Args:
        sigma: standard deviation of a node's displacement along either axis, in pixels.
        grid: number of nodes along either axis, at least 2.
        probability: of deforming a sample at all.

    Raises:
        ValueError: an argument out of range.

    >>> image, label = np.zeros((60, 80, 1), np.float32), np.zeros((60, 80), np.int64)
    >>> image, label = ElasticDeformation(sigma=4)(image, label, np.random.default_rng(0))
    >>> image.shape, label.shape
    ((60, 80, 1), (60, 80))
    """

    sigma: float = 10.0
    grid: int = 3
    probability: float = 1.0

    def __post_init__(self) -> None:
        if self.sigma < 0 or self.grid < 2 or not 0 <= self.probability <= 1:
            given = f"{self.sigma}, {self.grid}, {self.probability}"
            raise ValueError(f"ElasticDeformation: expected sigma >= 0, grid >= 2, probability in [0, 1]; got {given}")

    def deform(self, offsets: Offsets, rng: np.random.Generator) -> Offsets:
        """Return the offsets with the displacements added."""
        if rng.random() >= self.probability:
            return offsets
        nodes = rng.normal(0, self.sigma, (2, self.grid, self.grid)).astype(np.float32)
        return offsets + interpolated(nodes, (offsets.shape[1], offsets.shape[2]))


def interpolated(nodes: NDArray[np.float32], size: Pair) -> NDArray[np.float32]:
    """Interpolate (K, n, n) values at the nodes bicubically to every pixel: (K, height, width).

    >>> nodes = np.array([[[0, 1], [2, 3]]], np.float32)
    >>> interpolated(nodes, (3, 2)).tolist()
    [[[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]]
    """
    rows, columns = (cubic_matrix(length, nodes.shape[1]) for length in size)
    # einsum, not a matrix product: BLAS would start threads that spin beside the training's.
    lines = np.einsum("ha,kab->khb", rows, nodes)
    return np.einsum("khb,bw->khw", lines, np.ascontiguousarray(columns.T))


def cubic_matrix(length: int, nodes: int) -> NDArray[np.float32]:
    """Return how much each of the nodes counts at each pixel of an axis, (length, nodes); every row sums to 1.

    The nodes are spread evenly from the first to the last pixel. Keys' kernel needs one more at either end: the line
    through the last two nodes is prolonged, so that what is linear stays linear.

    >>> cubic_matrix(3, 2).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    places = np.linspace(0, nodes - 1, length) if length > 1 else np.array([(nodes - 1) / 2])
    below = np.minimum(places.astype(np.int64), nodes - 2)
    matrix = np.zeros((length, nodes + 2))
    matrix[np.arange(length)[:, None], below[:, None] + np.arange(4)] = np.stack(cubic_weights(places - below), axis=1)
    before, matrix, after = matrix[:, :1], matrix[:, 1:-1], matrix[:, -1:]
    matrix[:, :2] += before * [2, -1]
    matrix[:, -2:] += after * [-1, 2]
    return matrix.astype(np.float32)
