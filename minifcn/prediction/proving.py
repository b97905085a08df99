"""Comparing tiles with the whole, in float64; see `minifcn.prediction.proof`."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import numpy as np

from minifcn import settings
from minifcn.audit.fields.uncut import AxisGeometry
from minifcn.autograd import no_grad
from minifcn.kernels.shapes import Pair
from minifcn.models.network import Network
from minifcn.models.sized import SizedNetwork
from minifcn.prediction import canvas
from minifcn.prediction.blending import Blend
from minifcn.prediction.geometry import Geometry
from minifcn.prediction.gluing import glue
from minifcn.prediction.images import Model, as_images, as_predictor
from minifcn.prediction.proof import Proof
from minifcn.prediction.strategies import Resize
from minifcn.prediction.tiling import AxisOptions, AxisTiling, TileOptions, Tiling, enough, largest_stride
from minifcn.tensor import Tensor


def prove(
    model: Model,
    image: np.ndarray,
    *,
    tile: int | Pair | None = None,
    halo: int | Pair | None = None,
    stride: int | Pair | None = None,
    blend: Blend | None = None,
    normalise: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Proof:
    """Predict a sample of an image in tiles and as a whole, in float64, and compare.

    The sample is the image's upper left corner, mirrored if the image is smaller, as large as two tiles along each axis
    take. What the whole of it needs has to fit into memory, twice what it needs in float32.

    Args:
        model: a network, a predictor, or the folder of a run; see `minifcn.predict`.
        image: (H, W), (H, W, C) or (N, H, W, C), of which the first is taken.
        tile: see `minifcn.prediction.TileOptions`; None takes the smallest of which half is kept along each axis.
        halo: see there; None is what proves exact.
        stride: see there.
        blend: see there.
        normalise: see `minifcn.predict`.

    Raises:
        ValueError: the network has no tiles without a seam, or the options are wrong; as in `minifcn.predict`. Or the
            predictor's strategy is "resize", or the image holds NaN.

    >>> from minifcn.models import UNet
    >>> proof = prove(UNet(1, 2, base=1, depth=2, padding="valid"), np.random.default_rng(0).random((99, 99)))
    >>> proof.largest, proof.seamless, proof.stride, proof.wrong > 0.0
    (0.0, True, (40, 40), True)
    """
    predictor = as_predictor(model, normalise)
    images, _ = as_images(image, predictor.channels)
    if images.size == 0:
        raise ValueError(f"prove: the image has no pixels: shape {images.shape}")
    if not np.isfinite(images[0]).all():
        raise ValueError("prove: the image holds NaN or infinite values; give them a value, or take another image")
    if isinstance(predictor.strategy, Resize):
        raise ValueError("prove: strategy='resize' makes no tiles that could be compared with the whole")
    network = copy.deepcopy(predictor.prepared())
    geometry = network.geometry
    options = _with_tile(TileOptions(tile, halo, stride, blend), network.network, geometry)
    sides = tuple(
        _sample(network.network, along, options.along(axis))
        for axis, along in enumerate((geometry.rows, geometry.columns))
    )
    sample = canvas.window(predictor.normalise(images[:1]), ((0, sides[0]), (0, sides[1])))
    assert isinstance(network.network, Network)  # others have no geometry
    with no_grad(), settings.override(conv="direct"):
        return _Comparison(network.network, geometry, options, sample).proof()


def _with_tile(options: TileOptions, network: SizedNetwork, geometry: Geometry) -> TileOptions:
    if options.tile is not None:
        return options
    rows, columns = (
        enough(network, along, options.along(axis)) for axis, along in enumerate((geometry.rows, geometry.columns))
    )
    return TileOptions((rows, columns), options.halo, options.stride, options.blend)


def _sample(network: SizedNetwork, along: AxisGeometry, options: AxisOptions) -> int:
    """Rows of an image whose canvas holds a tile that begins a stride, right or wrong, further than the first."""
    assert options.tile is not None
    size = options.tile + max(options.stride or 0, largest_stride(network, along, options.tile, options.halo))
    size += along.period
    return network.output_length(next(n for n in itertools.count(size) if network.output_length(n)))


class _Comparison:
    """Of the output for a sample (1, H, W, C), in tiles and as a whole."""

    def __init__(self, network: Network, geometry: Geometry, options: TileOptions, sample: np.ndarray):
        self.geometry, self.sample = geometry, sample
        self.network = network.astype(np.float64)
        self.tiling = Tiling(network, sample.shape[1], sample.shape[2], options, geometry)
        rows, columns = self.axes = self.tiling.rows, self.tiling.columns
        self.origin = rows.read[0][0], columns.read[0][0]
        self.usable = tuple(slice(*axis.usable) for axis in self.axes)
        self.whole = self.output(self.origin, (rows.canvas, columns.canvas))[: sample.shape[1], : sample.shape[2]]

    def output(self, begin: Pair, size: Pair) -> np.ndarray:
        """The network's output (h', w', K) for one window of the canvas."""
        read = (begin[0], begin[0] + size[0]), (begin[1], begin[1] + size[1])
        return self.network(Tensor(canvas.window(self.sample, read).astype(np.float64))).data[0]

    def errors(self) -> np.ndarray:
        """|tiles − whole|, the largest of all channels: (H, W)."""
        together = glue(self.tiling, lambda tile: self.output((tile.read[0][0], tile.read[1][0]), self.tiling.window))
        return np.abs(together - self.whole).max(axis=-1)

    def shifted(self, begin: Pair) -> np.ndarray:
        """|tile − whole| of a tile that begins there in the canvas, without what its lower and right edges change."""
        answer = self.output((self.origin[0] + begin[0], self.origin[1] + begin[1]), self.tiling.window)
        answer = answer[: self.usable[0].stop, : self.usable[1].stop]
        there = self.whole[begin[0] :, begin[1] :][: answer.shape[0], : answer.shape[1]]
        return np.abs(answer[: there.shape[0], : there.shape[1]] - there).max(axis=-1)

    def proof(self) -> Proof:
        """All that is to be said."""
        errors = self.errors()
        row, column = np.unravel_index(int(errors.argmax()), errors.shape)
        wrong = self._wrong_stride()
        by_wrong = np.zeros((0, 0)) if wrong is None else self.shifted(wrong)
        return Proof(
            network=self.network.name or type(self.network).__name__,
            sample=self.tiling.size,
            tiles=len(self.tiling),
            window=self.tiling.window,
            stride=self.tiling.stride,
            period=(self.geometry.rows.period, self.geometry.columns.period),
            usable=self.axes[0].usable,
            largest=float(errors.max()),
            where=(int(row), int(column)),
            scale=float(np.abs(self.whole).max()),
            profile=_profile(self.shifted(self.tiling.stride)),
            wrong_stride=wrong,
            wrong=float(by_wrong[self.usable].max(initial=0.0)),
            wrong_profile=_profile(by_wrong),
        )

    def _wrong_stride(self) -> Pair | None:
        """Wrong along each axis where one can be; None if every stride is right."""
        wrong = _wrong_stride(self.axes[0]), _wrong_stride(self.axes[1])
        return (wrong[0] or self.axes[0].stride, wrong[1] or self.axes[1].stride) if any(wrong) else None


def _profile(errors: np.ndarray) -> np.ndarray:
    """The largest error at each distance from the edges above and at the left."""
    distance = np.minimum.outer(np.arange(len(errors)), np.arange(errors.shape[1]))
    profile = np.zeros(distance.max(initial=-1) + 1)
    np.maximum.at(profile, distance, errors)
    return profile


def _wrong_stride(axis: AxisTiling) -> int:
    """A stride that seems natural and leaves the grid: all that a tile can keep. 0 if every stride is right."""
    kept = axis.usable[1] - axis.usable[0]
    if axis.period == 1:
        return 0
    return kept if kept % axis.period else kept - axis.period // 2
