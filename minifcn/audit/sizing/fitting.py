"""How an image is made to fit a network: the next legal size, mirrored margins, and crops of a given size.

The margins are those of `minifcn.predict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minifcn.audit.asked import AskedAxis
from minifcn.audit.fields.moves import DoesNotMoveError
from minifcn.audit.sizing.crops import AxisCrops, crops
from minifcn.audit.subject import Subject
from minifcn.kernels.shapes import Pair
from minifcn.models.network import Network
from minifcn.models.sized import SizedAxis, margin

#: Lengths up to which a network is asked that knows its sizes, and one that has to run for each.
_LIMIT, _LIMIT_ASKED = 1024, 256


@dataclass(frozen=True)
class AxisFit:
    """How the rows (or columns) of an image are made to fit.

    Attributes:
        image: rows of the image.
        below: the largest legal number of rows that is no more; None if there is none.
        legal: the smallest legal number that is no less.
        padded: rows with which every row of the image gets an answer; `legal` if output and image differ in scale.
        before: mirrored rows above.
        after: mirrored rows below.
        output: rows of the output of ``padded``.
        crop: rows of the output, below, that answer no row of the image; None if output and image differ in scale.
    """

    image: int
    below: int | None
    legal: int
    padded: int
    before: int
    after: int
    output: int
    crop: int | None


@dataclass(frozen=True)
class LargerImage:
    """What the three ways to treat an image of another size than training's cost.

    Attributes:
        trained: height and width of the images in training.
        resize: by which factor heights and widths shrink if the image is resized to that.
        crop: height and width of crops: the largest legal ones up to ``trained``; None if there are none.
        rows: crops along rows; None where no crop gives what the whole image gives.
        columns: the same along columns.
        obstacle: why there are none; else empty.
        moves: whether answers move with the image, as far as was tried.
    """

    trained: Pair
    resize: tuple[float, float]
    crop: Pair | None
    rows: AxisCrops | None
    columns: AxisCrops | None
    obstacle: str
    moves: bool


class Lengths:
    """How one axis of a network's images becomes that of its output; for other modules, asked on a strip.

    Args:
        subject: the network.
        axis: 0, heights; 1, widths.

    Raises:
        ValueError: the network takes no square image that is small enough to ask on.
    """

    def __init__(self, subject: Subject, axis: int):
        self.name = subject.name
        self.limit = _LIMIT if isinstance(subject.module, Network) else _LIMIT_ASKED
        self._axis = axis
        known = isinstance(subject.module, Network)
        self._sizes: SizedAxis = subject.network if known else AskedAxis(subject, axis, _narrowest(subject))

    def output_length(self, length: int) -> int:
        """How many output rows that many input rows give; 0 if that many are not legal."""
        return max(self._sizes.output_length(length), 0)

    def legal(self, limit: int) -> list[Pair]:
        """(length, output length) of all legal lengths up to ``limit``."""
        return [(n, output) for n in range(1, limit + 1) if (output := self.output_length(n))]

    def from_on(self, length: int) -> int:
        """The smallest legal length that is no less.

        Raises:
            ValueError: there is none near.
        """
        for n in range(length, 2 * length + self.limit):
            if self.output_length(n):
                return n
        raise ValueError(
            f"sizes: {self.name} takes no {('height', 'width')[self._axis]} from {length} to {2 * length + self.limit}"
        )

    def up_to(self, length: int) -> int | None:
        """The largest legal length that is no more; None if there is none."""
        return next((n for n in range(length, 0, -1) if self.output_length(n)), None)


def _narrowest(subject: Subject) -> int:
    try:
        return subject.legal_size(1, _LIMIT_ASKED)
    except ValueError:
        raise ValueError(
            f"sizes: {subject.name} takes no blank square image of up to {_LIMIT_ASKED} pixels a side and "
            f"{subject.channels} channel(s), or returns no map (N, P, Q, K); if it takes other channels, give "
            "channels= (on the command line --channels)"
        ) from None


def for_images(subject: Subject) -> tuple[Subject, str]:
    """The network that takes images, and, if the subject classifies windows instead, a sentence that says so."""
    images = subject.for_images()
    if images is subject or not isinstance(subject.module, Network):
        return subject, ""
    side = next((n for n in range(1, _LIMIT) if subject.module.output_length(n)), None)
    said = f"{subject.name} classifies windows of {side} x {side} pixels; this is about its form for images."
    return images, said


def scale_of(legal: Sequence[Pair]) -> float | None:
    """Output rows for each input row, in the long run: between the smallest legal size and the largest."""
    if not legal or legal[-1][0] < 2 * legal[0][0]:
        return None
    (n, output), (longest, most) = legal[0], legal[-1]
    return (most - output) / (longest - n)


def is_pixelwise(scale: float | None) -> bool:
    """Whether the output has a row for each row of the image, but for those lost at borders."""
    return scale is None or abs(scale - 1) < 0.01


def fit(lengths: Lengths, image: int, scale: float | None) -> AxisFit:
    """Along one axis.

    Raises:
        ValueError: the network takes no size near.
    """
    legal = lengths.from_on(image)
    before, after = margin(lengths, image) if is_pixelwise(scale) else (0, legal - image)
    padded = before + image + after
    output = lengths.output_length(padded)
    crop = output - image if is_pixelwise(scale) else None
    return AxisFit(image, lengths.up_to(image), legal, padded, before, after, output, crop)


def larger_image(
    subject: Subject, lengths: tuple[Lengths, Lengths], fits: tuple[AxisFit, AxisFit], trained: Pair
) -> LargerImage:
    """What resizing, cropping and padding an image cost, if images had the size ``trained`` in training."""
    resize = fits[0].image / trained[0], fits[1].image / trained[1]
    height, width = (along.up_to(side) for along, side in zip(lengths, trained, strict=True))
    if height is None or width is None:
        return LargerImage(trained, resize, None, None, None, "", True)
    try:
        rows, columns = crops(subject, (height, width), (fits[0].padded, fits[1].padded))
    except (ValueError, NotImplementedError) as error:
        return LargerImage(
            trained, resize, (height, width), None, None, str(error), not isinstance(error, DoesNotMoveError)
        )
    return LargerImage(trained, resize, (height, width), rows, columns, "", True)
