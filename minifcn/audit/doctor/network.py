"""What the doctor asks of a network: which sizes it takes, and how far it sees."""

from __future__ import annotations

from minifcn.audit.fields.receptive_field import receptive_field
from minifcn.audit.subject import Subject
from minifcn.kernels.shapes import Pair
from minifcn.models.network import Network
from minifcn.nn import Module


def in_words(sides: Pair) -> str:
    """One number if rows and columns have the same.

    >>> in_words((5, 5)), in_words((5, 9))
    ('5', '5 x 9')
    """
    return f"{sides[0]}" if sides[0] == sides[1] else f"{sides[0]} x {sides[1]}"


class Candidate:
    """The network that is to be trained, and its answers.

    Attributes:
        name: what reports call it.
        channels: of the images that it takes.
        field: rows and columns of its largest receptive field; None where that is not known, or there is none that is
            smaller than the image.
        stride: its total strides, along rows and columns, in pixels.
        unknown: why the field is not known.
    """

    def __init__(self, model: Module | Subject):
        self.subject = Subject.of(model)
        self.name, self.channels = self.subject.name, self.subject.channels
        self.field: Pair | None = None
        self.stride: Pair | None = None
        self.unknown = ""
        try:
            field = receptive_field(self.subject.for_images())
        except (ValueError, NotImplementedError, RuntimeError) as error:
            self.unknown = str(error)
            return
        if not field.complete:
            self.unknown = f"{self.name}: no receptive field that is smaller than the image"
        else:
            self.field, self.stride = field.size, (field.rows.stride or 1, field.columns.stride or 1)

    def size_error(self, height: int, width: int) -> str | None:
        """Why the network does not take such an image; None if it does."""
        module = self.subject.module
        if isinstance(module, Network):
            return " ".join((module.size_error(height, width) or "").split("\n")) or None
        if self.subject.output_size(height, width):
            return None
        return f"{self.name}: does not take images of {height} x {width}"

    def legal_at_most(self, length: int) -> int | None:
        """The largest side of a square image, up to ``length``, that the network takes."""
        sides = range(length, max(0, length - 512), -1)
        return next((side for side in sides if self.subject.output_size(side, side)), None)
