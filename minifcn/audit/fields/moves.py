"""Whether answers move with the image, and not only their receptive fields: tried on noise.

They do not where a network is told each pixel's place, though its fields lie as those of any other.
"""

from __future__ import annotations

import numpy as np

from minifcn.audit.fields.uncut import AxisGeometry
from minifcn.audit.subject import Subject
from minifcn.autograd import no_grad
from minifcn.kernels.shapes import Pair
from minifcn.nn.modes import evaluating
from minifcn.tensor import Tensor

#: How far answers to a moved image may be from moved answers, relative to the largest: float32's roundings are below.
_ROUNDINGS = 1e-4


class DoesNotMoveError(ValueError):
    """A network's answers do not move with the image."""


def check_moves(subject: Subject, along: AxisGeometry, size: Pair, axis: int) -> None:
    """Answer a strip of noise of that size, and another that begins a total stride further, and compare.

    Only answers that no edge cuts are compared; if there are none that both strips have, nothing is said.

    Args:
        subject: the network.
        along: its geometry along the axis.
        size: height and width of the strips, which the network takes.
        axis: 0, moved along rows; 1, along columns.

    Raises:
        DoesNotMoveError: they differ by more than roundings.
    """
    longer = [side + along.period * (a == axis) for a, side in enumerate(size)]
    noise = np.random.default_rng(0).standard_normal((1, *longer, subject.channels)).astype(subject.dtype)
    still, moved = (_answers(subject, noise, begin, size[axis], axis) for begin in (0, along.period))
    begin, stop = along.exact(size[axis], len(still))
    if stop - begin <= along.rows:
        return
    still, moved = still[begin + along.rows : stop], moved[begin : stop - along.rows]
    difference = np.abs(still - moved).max() / max(np.abs(still).max(), np.finfo(still.dtype).tiny)
    if not difference <= _ROUNDINGS:
        raise DoesNotMoveError(
            f"its answers do not move with the image: where that is moved by the total stride of {along.period} "
            f"pixels, answers differ by {difference:.2g} of the largest, as they do if the network is told each "
            "pixel's place"
        )


def _answers(subject: Subject, noise: np.ndarray, begin: int, length: int, axis: int) -> np.ndarray:
    """To the part [begin, begin + length) of noise along an axis, which then comes first."""
    image = np.ascontiguousarray(np.take(noise, range(begin, begin + length), axis + 1))
    with evaluating(subject.module), no_grad():
        return np.moveaxis(subject.module(Tensor(image)).data, axis + 1, 0)
