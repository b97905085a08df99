"""What the doctor asks of a network: which sizes it takes, and how far it sees."""

from __future__ import annotations

from minifcn.audit.fields.receptive_field import receptive_field
from minifcn.audit.subject import Subject
from minifcn.models.network import Network
from minifcn.nn import Module


class Candidate:
    """The network that is to be trained, and its answers.

    Attributes:
        name: what reports call it.
        channels: of the images that it takes.
        field: rows in its largest receptive field; None where that is not known, or there is none that is smaller than
            the image.
        stride: its total stride in pixels.
        unknown: why the field is not known.
    """

    def __init__(self, model: Module | Subject):
        self.subject = Subject.of(model)
        self.name, self.channels = self.subject.name, self.subject.channels
        self.field: int | None = None
        self.stride: int | None = None
        self.unknown = ""
        try:
            field = receptive_field(self.subject.for_images()).rows
        except (ValueError, NotImplementedError, RuntimeError) as error:
            self.unknown = str(error)
            return
        if not field.complete:
            self.unknown = f"{self.name}: no receptive field that is smaller than the image"
        else:
            self.field, self.stride = field.size, field.stride

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
