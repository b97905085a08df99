"""Whether a network can be applied in tiles without a seam, and where its receptive fields lie.

Nothing here asks what network it is. The fields come from `minifcn.audit.receptive_field`; that values move, too, and
not only fields, is tried on noise (`minifcn.audit.fields.moves`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minifcn.audit.fields.moves import check_moves
from minifcn.audit.fields.receptive_field import receptive_field
from minifcn.audit.fields.uncut import AxisGeometry
from minifcn.audit.subject import Subject
from minifcn.kernels.shapes import Pair
from minifcn.models.network import Network
from minifcn.models.sized import SizedNetwork
from minifcn.nn import Module


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
        if not isinstance(network, Module):
            raise ValueError(
                f"predict: {type(network).__name__} is no minifcn.nn.Module, so its operations cannot be followed "
                "and it cannot be applied in tiles; take strategy='pad'"
            )
        subject = Subject(network, channels=network.in_channels)
        try:
            field = receptive_field(Subject(subject.network, subject.name))
            geometry = Geometry(AxisGeometry.of(field.rows), AxisGeometry.of(field.columns))
            for axis, along in enumerate((geometry.rows, geometry.columns)):
                _check_pixelwise(along)
                check_moves(subject, along, _strip(subject.network, along, axis), axis)
        except (ValueError, NotImplementedError) as error:
            raise ValueError(
                f"predict: {subject.name} cannot be applied in tiles: {error}; take strategy='pad'"
            ) from None
        return geometry


def _check_pixelwise(along: AxisGeometry) -> None:
    if along.rows != along.period:
        raise ValueError(f"its output has {along.rows} rows for {along.period} of the image, not one for each")


def _strip(network: Network, along: AxisGeometry, axis: int) -> Pair:
    """Height and width of the smallest strip of which two total strides are answered without regard to its edges."""
    length = network.legal_size(max(along.stop) - min(along.first))
    while np.diff(along.exact(length, network.output_length(length)))[0] < 2 * along.period:
        length = network.legal_size(length + 1)
    width = network.legal_size(1)
    return (length, width) if axis == 0 else (width, length)
