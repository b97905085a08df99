"""Four ways to apply a network to an image that has not the size it was trained on, and to choose between them.

The lecture asks (section 5, case study): a U-Net was trained on images of 512 x 512, now there is one of 1000 x 1000;
how to proceed? A network of convolutions takes any legal size, so:

| strategy | answers | memory | what it costs |
|---|---|---|---|
| "pad" | exact | grows with the image | mirrored pixels beyond the image, at most to the next legal size |
| "tile" | as "pad", up to roundings | of one tile | halos are computed more than once |
| "resize" | other ones | of the smaller image | objects have another scale than in training, details are lost |
| "whole" | exact | grows with the image | only legal sizes; without padding, answers only the middle |

"auto" is "pad" up to 2048 x 2048 pixels, and "tile" beyond, if the network has tiles without a seam.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from minifcn.kernels.shapes import Pair
from minifcn.models.network import Network
from minifcn.models.sized import margins
from minifcn.prediction import canvas
from minifcn.prediction.gluing import glue
from minifcn.prediction.prepared import Prepared
from minifcn.prediction.tiling import TileOptions, Tiling

Name = Literal["auto", "pad", "tile", "resize", "whole"]
NAMES: tuple[Name, ...] = ("auto", "pad", "tile", "resize", "whole")
#: Pixels that "auto" pads at the most: a map of 64 channels takes 1 GiB then.
MOST_PADDED = 2**22
_DEFAULTS = TileOptions()


class Strategy(Protocol):
    """How to answer images with a network."""

    def __call__(self, network: Prepared, images: np.ndarray) -> np.ndarray:
        """Normalised images (N, H, W, C) -> answers float32 (N, H, W, K)."""


@dataclass(frozen=True)
class Pad:
    """Mirror the image at its outside to the next size that the network takes, and crop the answers back."""

    def __call__(self, network: Prepared, images: np.ndarray) -> np.ndarray:
        """Normalised images (N, H, W, C) -> answers (N, H, W, K)."""
        _, height, width, _ = images.shape
        rows, columns = margins(network.network, height, width)
        padded = np.pad(images, ((0, 0), rows, columns, (0, 0)), mode="reflect")
        # The output is the centre of the input: where it begins, the image begins (see `margins`).
        return network(padded)[:, :height, :width]


@dataclass(frozen=True)
class TileBy:
    """Answer windows of what `Pad` would answer; see `minifcn.prediction.tiling`."""

    options: TileOptions = _DEFAULTS

    def __call__(self, network: Prepared, images: np.ndarray) -> np.ndarray:
        """Normalised images (N, H, W, C) -> answers (N, H, W, K), image by image."""
        _, height, width, _ = images.shape
        tiling = Tiling(network.network, height, width, self.options, network.geometry)
        return glue(tiling, lambda tile: network(canvas.window(images, tile.read)))


@dataclass(frozen=True)
class Resize:
    """Shrink (or enlarge) the image to ``size``, predict that, and interpolate the answers back.

    Bilinear; where it shrinks, after a Gaussian that takes away what the smaller image cannot hold. Objects then have
    another scale than those the network learnt, and what was thinner than a pixel of the small image is lost. Use it
    for images whose objects are larger than in training. Values are interpolated, so their sums, counts, change.

    Args:
        size: of the longer side, or height and width.
    """

    size: int | Pair

    def __call__(self, network: Prepared, images: np.ndarray) -> np.ndarray:
        """Normalised images (N, H, W, C) -> answers (N, H, W, K)."""
        _, height, width, _ = images.shape
        return resized(Pad()(network, resized(images, self.target(height, width))), (height, width))

    def target(self, height: int, width: int) -> Pair:
        """The size that an image is given.

        >>> Resize(512).target(1000, 600), Resize((512, 512)).target(1000, 600)
        ((512, 307), (512, 512))
        """
        if isinstance(self.size, tuple):
            return self.size
        factor = self.size / max(height, width)
        return max(1, round(height * factor)), max(1, round(width * factor))


@dataclass(frozen=True)
class Whole:
    """The image as it is: nothing is added. Answers are those of the network, which may have lost a border."""

    def __call__(self, network: Prepared, images: np.ndarray) -> np.ndarray:
        """Normalised images (N, H, W, C) of a legal size -> answers (N, H', W', K)."""
        count, height, width, _ = images.shape
        model = network.network
        if isinstance(model, Network):
            error = model.size_error(height, width, count)
        else:
            legal = model.output_length(height) and model.output_length(width)
            error = None if legal else f"{type(model).__name__} does not take {height} x {width} pixels"
        if error:
            raise ValueError(f"predict: {error}; or take strategy='pad', which does")
        return network(images)


@dataclass(frozen=True)
class Auto:
    """`Pad` while the image is small enough to be answered at once, `TileBy` beyond, if the network can."""

    options: TileOptions = _DEFAULTS

    def __call__(self, network: Prepared, images: np.ndarray) -> np.ndarray:
        """Normalised images (N, H, W, C) -> answers (N, H, W, K)."""
        return self.chosen(network, *images.shape[1:3])(network, images)

    def chosen(self, network: Prepared, height: int, width: int) -> Pad | TileBy:
        """What it does with images of that size."""
        (top, bottom), (left, right) = margins(network.network, height, width)
        if (height + top + bottom) * (width + left + right) <= MOST_PADDED:
            return Pad()
        try:
            _ = network.geometry
        except ValueError:
            return Pad()
        return TileBy(self.options)


def by_name(name: str, options: TileOptions, size: int | Pair | None = None) -> Strategy:
    """By name, with its options.

    Raises:
        ValueError: there is none of the name, or it has not the options.

    >>> by_name("resize", TileOptions(), 512)
    Resize(size=512)
    """
    if name not in NAMES:
        raise ValueError(f"predict: no strategy {name!r}; take one of {', '.join(NAMES)}")
    if options != _DEFAULTS and name != "tile":
        raise ValueError(f"predict: tile, halo, stride and blend are options of strategy='tile', not of {name!r}")
    if (size is not None) != (name == "resize"):
        what = "needs size=, to which images are resized" if size is None else f"takes no size ({size})"
        raise ValueError(f"predict: strategy={name!r} {what}; size belongs to strategy='resize'")
    if name == "resize":
        sides = size if isinstance(size, tuple) else (size, size)
        if len(sides) != 2 or any(not isinstance(side, (int, np.integer)) or side < 1 for side in sides):
            raise ValueError(f"predict: size must be a positive whole number or (height, width), got {size!r}")
        return Resize(size)  # type: ignore[arg-type]
    others: dict[str, Strategy] = {"auto": Auto(), "pad": Pad(), "tile": TileBy(options), "whole": Whole()}
    return others[name]


def resized(images: np.ndarray, size: Pair) -> np.ndarray:
    """Images (N, H, W, C) at another size, bilinear, and smoothed before they are made smaller."""
    if images.shape[1:3] == size:
        return images
    from skimage.transform import resize

    smaller = size[0] < images.shape[1] or size[1] < images.shape[2]
    parts = [resize(image, size, order=1, mode="edge", anti_aliasing=smaller) for image in images.astype(np.float32)]
    return np.stack(parts).astype(np.float32, copy=False)
