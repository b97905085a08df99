"""Which images a network takes, how to make one fit, and what to do with one larger than those it was trained on.

The last is the lecture's case study (section 5): a U-Net was trained on images of 512 x 512, and a new one has
1000 x 1000. Resize it, cut it into crops, or pad it? Padding by mirroring to the next legal size, as `minifcn.predict`
does, answers every pixel at the scale and with the surroundings that training showed; the two others cost something,
and how much follows from the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from minifcn.audit.report import Report
from minifcn.audit.sizing.fitting import AxisFit, LargerImage, Lengths, fit, for_images, larger_image, scale_of
from minifcn.audit.sizing.size_words import sizes_in_words
from minifcn.audit.subject import Subject, sides_of
from minifcn.io.figures import BLUE, GREEN, GREY, ORANGE
from minifcn.kernels.shapes import Pair
from minifcn.models.network import Network
from minifcn.nn import Module
from minifcn.tables import Table

_PALE = "#CFE3F2"


@dataclass(frozen=True)
class Sizes(Report):
    """Legal sizes, and how an image is made to fit.

    Attributes:
        subject: the network's name.
        rows: legal heights in words.
        columns: legal widths in words.
        asked: the limit up to which they were asked.
        examples: some legal heights, and those of their outputs.
        scale: output rows for each input row, in the long run; None if it was not found.
        image: how an image's rows and columns fit, if there is one.
        larger: how that image compares with those of training, if they were given.
        windows: what is to be said of a network that classifies windows; else empty.
        illegal: heights below the largest example that are not legal.
    """

    name: ClassVar[str] = "sizes"
    figure_size: ClassVar[tuple[float, float]] = (10, 5)

    subject: str
    rows: str
    columns: str
    asked: int
    examples: tuple[Pair, ...]
    scale: float | None
    image: tuple[AxisFit, AxisFit] | None
    larger: LargerImage | None
    windows: str
    illegal: tuple[int, ...]

    def headline(self) -> str:
        """Legal sizes, and how the image is made to fit."""
        words = self.rows if self.rows == self.columns else f"{self.rows} (height), {self.columns} (width)"
        text = f"{self.subject} takes images whose sides are: {words}."
        if self.image is None:
            return text
        height, width = self.image
        image, padded, output = (_by(self.image, key) for key in ("image", "padded", "output"))
        if height.crop is None:
            end = f"an output of {output}, at another scale"
        else:
            end = (
                f"an output of {output}, to be cropped to {image}"
                if height.crop or width.crop
                else f"an output of {output}"
            )
        return (
            f"{text}\nAn image of {image}, {f'mirrored to {padded}' if padded != image else 'as it is'}, gives {end}."
        )

    def brief(self) -> str:
        """Legal sizes."""
        return self.rows if self.rows == self.columns else f"{self.rows}; {self.columns}"

    def table(self) -> Table:
        """Of the image if there is one, else of some legal sizes."""
        if self.image is None:
            rows = [(str(n), str(output), str(n - output)) for n, output in self.examples[:12]]
            return Table(("input", "output", "lost"), rows)
        height, width = self.image
        rows = [
            (label, _cell(getattr(height, key)), _cell(getattr(width, key)))
            for label, key in (
                ("image", "image"),
                ("largest legal size up to it", "below"),
                ("smallest legal size from it on", "legal"),
                ("padded so that every pixel is answered", "padded"),
                ("  mirrored above, left", "before"),
                ("  mirrored below, right", "after"),
                ("output", "output"),
                ("  cropped off below, right", "crop"),
            )
        ]
        return Table(("pixels", "height", "width"), rows)

    def notes(self) -> Sequence[str]:
        """What the network is if it is not made for images, and the lecture's three ways in numbers."""
        notes = [self.windows] if self.windows else []
        if self.scale is not None and abs(self.scale - 1) > 0.01:
            notes.append(
                f"The output has {self.scale:.3g} rows for each row of the image: it does not answer pixel for pixel."
            )
        if self.rows != self.columns:
            notes.append("Heights and widths differ; the table of sizes and the figure's curve are those of heights.")
        return notes if self.larger is None else [*notes, *self._three_ways(self.larger)]

    def _three_ways(self, larger: LargerImage) -> list[str]:
        assert self.image is not None
        trained = f"{larger.trained[0]} x {larger.trained[1]}"
        return [
            f"The network was trained on {trained}, and the image has {_by(self.image, 'image')}. Three ways:",
            f"1. Resize it to {trained}: no. All lengths are divided by {_factor(larger)}, so objects have sizes that "
            "training did not show; and the answer has to be resized back, which blurs its borders.",
            f"2. Cut it into crops: {self._crops(larger)}",
            f"3. Pad it: yes. {self._padding()}"
            + " But its answers depend on where in the image pixels lie, and training showed other places."
            * (not larger.moves),
        ]

    def _crops(self, larger: LargerImage) -> str:
        if larger.crop is None:
            return f"no. No size up to {larger.trained[0]} x {larger.trained[1]} is legal."
        crop = f"{larger.crop[0]} x {larger.crop[1]}"
        crop += " (the largest legal one)" * (larger.crop != larger.trained)
        if larger.rows is None or larger.columns is None:
            return f"no. No crop of {crop} gives what the whole image gives: {larger.obstacle}."
        rows, columns = larger.rows, larger.columns
        cut = 1 - rows.sure_share * columns.sure_share
        sees = (
            f"in a crop of {crop}, {cut:.0%} of the answers see its border instead of the image"
            if cut
            else f"a crop of {crop} is answered in its centre only, {rows.answers} x {columns.answers}"
        )
        field = f"receptive fields have up to {rows.field} x {columns.field} pixels"
        if not rows.count or not columns.count:
            return f"no. {sees.capitalize()} ({field}), and too few do not: larger crops are needed."
        return (
            f"only if they overlap. {sees.capitalize()} ({field}). Without a seam they advance by {rows.advance} x "
            f"{columns.advance} pixels, multiples of the total stride, and overlap by {rows.overlap} x "
            f"{columns.overlap}: {rows.count * columns.count} crops, of which only the middle is kept."
        )

    def _padding(self) -> str:
        assert self.image is not None
        height, width = self.image
        image, padded = _by(self.image, "image"), _by(self.image, "padded")
        if height.crop is None:
            return f"{padded} is the next legal size; the output has another scale."
        if padded == image:
            return (
                f"There is not even anything to pad: {image} is legal. One pass at the scale of training, and no seam."
            )
        margins = f"{height.before} + {height.after} rows and {width.before} + {width.after} columns"
        cropped = f"; crop the output to {image}" if height.crop or width.crop else ""
        return f"Mirror {margins}, which makes {padded}{cropped}. One pass at the scale of training, and no seam."

    def facts(self) -> dict[str, Any]:
        """All of it, in pixels."""
        larger = None if self.larger is None else asdict(self.larger)
        return {
            "subject": self.subject,
            "legal_heights": self.rows,
            "legal_widths": self.columns,
            "asked_up_to_pixels": self.asked,
            "examples": [{"input_pixels": n, "output_pixels": output} for n, output in self.examples],
            "output_rows_per_input_row": self.scale,
            "image": None if self.image is None else {"height": asdict(self.image[0]), "width": asdict(self.image[1])},
            "larger": larger,
            "windows": self.windows,
        }

    def draw(self, figure: Any) -> None:
        """Output against input size; beside it, if there is an image, what is mirrored and what comes out."""
        pixelwise = self.image is not None and self.image[0].crop is not None
        curve, *rest = figure.subplots(1, 2 if pixelwise else 1, squeeze=False)[0]
        if self.examples:
            curve.plot(*zip(*self.examples, strict=True), "o", color=BLUE, ms=3, label="legal")
        if self.illegal:
            at_the_axis = {"transform": curve.get_xaxis_transform(), "clip_on": True}
            curve.plot(
                self.illegal, [0.01] * len(self.illegal), "|", color=GREY, ms=8, label="not legal", **at_the_axis
            )
        if self.image is not None:
            height = self.image[0]
            curve.plot(height.padded, height.output, "s", color=ORANGE, ms=8, label=f"{height.image}, padded")
            curve.axvline(height.image, color=ORANGE, lw=1, ls="--", label=f"image: {height.image}")
            near = [pair for pair in self.examples if pair[0] > 0.8 * height.image]
            if len(near) > 1:  # else they were not asked so far
                curve.set_xlim(0.8 * height.image, 1.02 * height.padded)
                curve.set_ylim(0.98 * near[0][1], 1.02 * max(height.output, near[-1][1]))
        curve.set(xlabel="input height (pixels)", ylabel="output height (pixels)", title=f"{self.subject}: legal sizes")
        for axis in (curve.xaxis, curve.yaxis):
            axis.get_major_locator().set_params(integer=True)
        curve.legend()
        if rest and self.image is not None:
            _draw_margins(rest[0], *self.image)


def sizes(subject: Module | Subject, image: int | Pair | None = None, trained: int | Pair | None = None) -> Sizes:
    """Which sizes a network takes, and how an image of a given size is made to fit.

    Sizes of a `Network` follow from its `output_length`; other modules run on a blank strip of every length up to 256.

    Args:
        subject: any module from images (N, H, W, C) to maps (N, P, Q, K).
        image: height and width of an image, in pixels; one number is both.
        trained: those of the images in training, to compare resizing, cropping and padding. The network runs on a
            strip of noise, so its weights should be numbers.

    Raises:
        ValueError: the network takes no size, or none near the image's; ``trained`` without an image; sizes below 1.

    >>> from minifcn.models import UNet
    >>> report = sizes(UNet(1, 2, base=1, padding="valid"), image=1000)
    >>> print(report.headline())
    unet takes images whose sides are: 16 k + 12 from 188.
    An image of 1000 x 1000, mirrored to 1196 x 1196, gives an output of 1012 x 1012, to be cropped to 1000 x 1000.
    """
    subject = Subject.of(subject)
    size, before = _pair("image", image), _pair("trained", trained)
    if before is not None and size is None:
        raise ValueError("sizes: trained= needs image=, the size to be compared with it; on the command line --image")
    images, windows = for_images(subject)
    heights, widths = Lengths(images, 0), Lengths(images, 1)
    legal = heights.legal(heights.limit)
    scale = scale_of(legal)
    fits = None if size is None else (fit(heights, size[0], scale), fit(widths, size[1], scale))
    shown = _shown(legal, 0 if fits is None else fits[0].padded)
    asked = shown if isinstance(images.module, Network) else min(shown, heights.limit)
    examples = tuple(heights.legal(asked))
    return Sizes(
        subject=subject.name,
        rows=sizes_in_words(heights.output_length, heights.limit),
        columns=sizes_in_words(widths.output_length, widths.limit),
        asked=heights.limit,
        examples=examples,
        scale=scale,
        image=fits,
        larger=None if fits is None or before is None else larger_image(images, (heights, widths), fits, before),
        windows=windows,
        illegal=tuple(sorted(set(range(1, asked + 1)) - {n for n, _ in examples})),
    )


def _pair(name: str, size: int | Pair | None) -> Pair | None:
    if size is None:
        return None
    sides = sides_of(size)
    if len(sides) != 2 or not all(isinstance(side, (int, np.integer)) and side > 0 for side in sides):
        raise ValueError(f"sizes: {name} must be a number of pixels or (height, width), all positive, got {size!r}")
    return int(sides[0]), int(sides[1])


def _shown(legal: Sequence[Pair], padded: int) -> int:
    """Up to which height the table and the figure show sizes: the image's, or enough to see how legal ones repeat."""
    enough = legal[min(11, len(legal) - 1)][0] if legal else 1
    return max(padded, enough, 64)


def _cell(pixels: int | None) -> str:
    return "none" if pixels is None else str(pixels)


def _by(fits: tuple[AxisFit, AxisFit], key: str) -> str:
    """Such as "480 x 360"."""
    return f"{getattr(fits[0], key)} x {getattr(fits[1], key)}"


def _factor(larger: LargerImage) -> str:
    rows, columns = (f"{factor:.3g}" for factor in larger.resize)
    return rows if rows == columns else f"{rows} (heights) and {columns} (widths)"


def _draw_margins(axes: Any, height: AxisFit, width: AxisFit) -> None:
    """The padded image, the image in it, and what comes out, each where it lies."""
    from matplotlib.patches import Rectangle

    lost = max(height.padded - height.output, 0) // 2, max(width.padded - width.output, 0) // 2
    mirrored = (-width.before, -height.before), width.padded, height.padded
    output = (lost[1] - width.before, lost[0] - height.before), width.output, height.output
    if (height.padded, width.padded) != (height.image, width.image):
        label = f"with mirrored margin: {height.padded} x {width.padded}"
        axes.add_patch(Rectangle(*mirrored, facecolor=ORANGE, alpha=0.5, label=label))
    axes.add_patch(
        Rectangle(
            (0, 0),
            width.image,
            height.image,
            facecolor=_PALE,
            label=f"image: {height.image} x {width.image}",
        )
    )
    axes.add_patch(
        Rectangle(*output, fill=False, ec=GREEN, lw=2, ls="--", label=f"output: {height.output} x {width.output}")
    )
    rim = 0.03 * max(height.padded, width.padded)
    axes.set_xlim(-width.before - rim, width.padded - width.before + rim)
    axes.set_ylim(height.padded - height.before + rim, -height.before - rim)
    axes.set(aspect="equal", xlabel="columns (pixels)", ylabel="rows (pixels)", title="what goes in and what comes out")
    axes.legend(loc="center")
