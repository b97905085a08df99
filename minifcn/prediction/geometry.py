"""Which answers of a tile are those of the whole image: the ones whose receptive fields the tile's edges do not cut.

Away from borders, a network's output moves with its image, a total stride p at a time. So the field of output row
p k + f is that of row f, moved by p k rows, and p fields say where all fields would lie if there were no border.

Nothing here asks what network it is. The fields come from `minifcn.audit.receptive_field`. That values move, too,
and not only fields, is tried on noise: they do not where a network is told each pixel's place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minifcn.audit.fields.receptive_field import AxisField, receptive_field
from minifcn.autograd import no_grad
from minifcn.kernels.shapes import Pair
from minifcn.models.network import Network
from minifcn.models.sized import SizedNetwork
from minifcn.nn.modes import evaluating
from minifcn.tensor import Tensor

#: How far answers to a moved image may be from moved answers, relative to the largest: float32's roundings are below.
_ROUNDINGS = 1e-4


@dataclass(frozen=True)
class AxisGeometry:
    """The fields of output rows, were there no border.

    Attributes:
        first: input row at which the field of output row f begins, for each phase f = 0..p - 1; before 0 where there
            is padding.
        stop: one after the field's last row.
    """

    first: tuple[int, ...]
    stop: tuple[int, ...]

    @property
    def period(self) -> int:
        """p, the total stride: tiles whose beginnings differ by a multiple of it are pooled on one grid."""
        return len(self.first)

    @staticmethod
    def of(field: AxisField) -> AxisGeometry:
        """Read from fields of which every phase was seen without a border.

        Raises:
            ValueError: there are none, or the output is not pixel for pixel.
        """
        if not field.complete or field.period is None:
            raise ValueError("its output does not move with the image, or each of its pixels depends on all of it")
        pixels, rows = field.period
        if pixels != rows:
            raise ValueError(f"its output has {rows} rows for {pixels} of the image, not one for each")
        # Middle rows: far from both borders, where a cut field may look like a moved one, its taps being far apart.
        inside = np.flatnonzero(field.inside)
        middle = (len(field.first) - 1) / 2
        nearest = [min(inside[inside % rows == phase], key=lambda row: abs(row - middle)) for phase in range(rows)]
        first = tuple(int(field.first[row]) - int(row - row % rows) for row in nearest)
        stop = tuple(int(field.last[row]) + 1 - int(row - row % rows) for row in nearest)
        return AxisGeometry(first, stop)

    def exact(self, length: int, output: int) -> Pair:
        """[begin, stop) of a window's output rows, ``output`` of ``length``, that its edges have no part in.

        >>> AxisGeometry((-1,), (2,)).exact(8, 8)  # a 3 x 3 convolution that keeps the size
        (1, 7)
        """
        rows = np.arange(output)
        moved = rows - rows % self.period
        before = np.flatnonzero(np.asarray(self.first)[rows % self.period] + moved < 0)
        beyond = np.flatnonzero(np.asarray(self.stop)[rows % self.period] + moved > length)
        begin = int(before[-1]) + 1 if len(before) else 0
        stop = int(beyond[0]) if len(beyond) else output
        return begin, max(begin, stop)


@dataclass(frozen=True)
class Geometry:
    """Of a network, along rows and along columns."""

    rows: AxisGeometry
    columns: AxisGeometry

    @staticmethod
    def of(network: SizedNetwork) -> Geometry:
        """Follow the network's operations, and try on noise whether its answers move with the image.

        Raises:
            ValueError: it cannot be applied in tiles without a seam; the message says why, and what to do.
        """
        if not isinstance(network, Network):
            raise ValueError(
                f"predict: {type(network).__name__} is no minifcn.models.Network, so its operations cannot be followed "
                "and it cannot be applied in tiles; take strategy='pad'"
            )
        name = network.name or type(network).__name__
        try:
            field = receptive_field(network)
            geometry = Geometry(AxisGeometry.of(field.rows), AxisGeometry.of(field.columns))
        except (ValueError, NotImplementedError) as error:
            raise ValueError(f"predict: {name} cannot be applied in tiles: {error}; take strategy='pad'") from None
        for axis, along in enumerate((geometry.rows, geometry.columns)):
            difference = _difference(network, along, axis)
            if not difference <= _ROUNDINGS:
                raise ValueError(
                    f"predict: {name} cannot be applied in tiles: where an image is moved by its total stride of "
                    f"{along.period} pixels, answers differ by {difference:.2g} of the largest, as they do if the "
                    "network is told each pixel's place; take strategy='pad'"
                )
        return geometry


def _difference(network: Network, along: AxisGeometry, axis: int) -> float:
    """max |f(moved x) − moved f(x)| / max |f(x)| on a strip of noise, where both know all that they depend on."""
    period, width = along.period, network.legal_size(1)
    length = network.legal_size(max(along.stop) - min(along.first))
    while np.diff(along.exact(length, network.output_length(length)))[0] < 2 * period:
        length = network.legal_size(length + 1)
    begin, stop = along.exact(length, network.output_length(length))
    shape = (1, length + period, width, network.in_channels)
    noise = np.random.default_rng(0).standard_normal(shape)
    noise = noise if axis == 0 else noise.swapaxes(1, 2)
    dtype = next((parameter.dtype for parameter in network.parameters()), np.dtype(np.float32))

    def answers(window: slice, rows: slice) -> np.ndarray:
        image = noise[:, window] if axis == 0 else noise[:, :, window]
        output = network(Tensor(np.ascontiguousarray(image, dtype))).data
        return output[:, rows] if axis == 0 else output[:, :, rows]

    with evaluating(network), no_grad():
        still = answers(slice(0, length), slice(begin + period, stop))
        moved = answers(slice(period, period + length), slice(begin, stop - period))
    return float(np.abs(still - moved).max() / max(np.abs(still).max(), np.finfo(dtype).tiny))
