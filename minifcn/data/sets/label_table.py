"""What the values or the colours of mask files mean: a table, and the text file that a user writes it in.

A **classes file** has one class a line, in the order of the class numbers, and all lines are of one kind:

    sky                    name: its value in the masks is the line's place, 0, 1, 2, ...
    road 7                 name value
    car 64 0 128           name R G B

Names may hold spaces; what follows a `#` at a line's start or after a space is a comment. A class called `void`,
`ignore`, `unlabelled` or `unlabeled` gets no number: its pixels get `IGNORE_INDEX`. Where values or colours are given,
a name may come again, and its values are then one class. In a file of names `void` has its place as well, because masks
count it.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minifcn.data.masks import IGNORE_INDEX
from minifcn.io import ImageError, read_image

Colour = tuple[int, int, int]
_UNCOUNTED = ("void", "ignore", "unlabelled", "unlabeled")
_PACK = np.array([1 << 16, 1 << 8, 1])  # (R, G, B) -> 0xRRGGBB
_KINDS = {0: "name", 1: "name value", 3: "name R G B"}


@dataclass(frozen=True)
class LabelTable:
    """What the values, or the colours, of mask files mean.

    Attributes:
        classes: names of the classes, in the order of their numbers.
        values: value in a grey or palette file -> class number, or IGNORE_INDEX.
        colours: (R, G, B) -> class number, or IGNORE_INDEX. Where there are any, a file's palette is resolved: what
            counts is the colour that one sees.
        advice: what to do about a value or a colour that is not in the table.
    """

    classes: tuple[str, ...]
    values: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[Colour, int] = field(default_factory=dict)
    advice: str = "mend the file"

    def read(self, path: Path) -> NDArray[np.int64]:
        """Read a mask file as class numbers, int64 (H, W).

        Raises:
            ImageError: the file cannot be read, is in colour where values are expected, or holds a value or a colour
                that the table lacks; the message says which, and at which pixel.
        """
        return self.look_up(path, read_mask(path, colour=bool(self.colours)))

    def look_up(self, path: Path, pixels: NDArray) -> NDArray[np.int64]:
        """Return the classes of values (H, W) or of colours (H, W, 3); `path` is for the message.

        Raises:
            ImageError: a value or a colour that the table lacks.

        >>> table = LabelTable(("road", "car"), colours={(0, 0, 0): 0, (64, 0, 128): 1})
        >>> table.look_up(Path("a.png"), np.array([[[64, 0, 128], [0, 0, 0]]])).tolist()
        [[1, 0]]
        """
        if pixels.ndim == 2 and not self.values:  # a grey is a colour too; of one bit, 1 is white
            pixels = np.repeat(pixels[:, :, None], 3, axis=2) * np.int64(255 if pixels.dtype == np.bool_ else 1)
        if coloured := pixels.ndim == 3:
            table = {int(_PACK @ colour): number for colour, number in self.colours.items()}
            codes = pixels.astype(np.int64) @ _PACK
        else:
            table, codes = dict(self.values), pixels.astype(np.int64)
        known = np.array(sorted(table))
        places = np.searchsorted(known, codes).clip(max=len(known) - 1)
        strange = known[places] != codes
        if coloured:
            strange |= (pixels.astype(np.int64) >> 8 != 0).any(axis=2)  # of more than 8 bits, which would spill over
        if strange.any():
            row, column = np.argwhere(strange)[0].tolist()
            found = pixels[row, column].tolist()
            said = f"colour {tuple(found)}" if coloured else f"label {found}"
            raise ImageError(
                f"{path}: {said} at row {row}, column {column} is none of {self._known(coloured)}; {self.advice}"
            )
        return np.array([table[code] for code in known.tolist()], np.int64)[places]

    def _known(self, coloured: bool) -> str:
        """Return the first few entries, such as `0 = sky, 1 = road, ..., 255 = not counted`."""
        entries: Mapping = self.colours if coloured else self.values
        said = [
            f"{key} = {'not counted' if number == IGNORE_INDEX else self.classes[number]}"
            for key, number in entries.items()
        ]
        return ", ".join(said if len(said) <= 5 else [*said[:3], "...", said[-1]])


def read_mask(path: Path, colour: bool) -> NDArray:
    """Read a mask file: colours (H, W, 3), or values (H, W); a grey file has values either way.

    Args:
        path: the file.
        colour: resolve a palette to its colours; otherwise its indices are the values.

    Raises:
        ImageError: the file cannot be read, is no single image, or is in colour where values are expected.
    """
    try:
        pixels = read_image(path, labels=not colour)
    except ImageError:
        pixels = read_image(path)  # a damaged file raises again; one of several channels does not
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and path.suffix.lower() == ".png":
        pixels = pixels[:, :, :-1]  # opacity says nothing about classes
    if pixels.dtype.kind not in "iub":
        raise ImageError(f"{path}: holds {pixels.dtype}, but a mask holds integers; convert it")
    if pixels.ndim == 2:
        return pixels
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f"{path}: shape {pixels.shape} is no mask, which is (height, width) or of RGB colours")
    if not colour and (pixels == pixels[:, :, :1]).all():
        return pixels[:, :, 0]  # a grey image saved as RGB
    if not colour:
        raise ImageError(
            f"{path}: is in colour, where one class number a pixel is expected; say what the colours mean in a classes "
            "file with a line `name R G B` for every class"
        )
    return pixels


def read_classes(path: str | os.PathLike[str]) -> LabelTable:
    """Read a classes file; see the top of this module.

    Raises:
        FileNotFoundError: no such file.
        ValueError: lines that cannot be understood, by number.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of classes")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no text file ({error}); expected one class a line") from None
    return parse_classes(text, str(path))


def parse_classes(text: str, where: str = "classes") -> LabelTable:
    """Return the table that the text of a classes file describes; `where` begins the messages.

    >>> table = parse_classes("road 0 0 0\\ncar 64 0 128  # parked ones too\\nvoid 255 255 255")
    >>> table.classes, table.colours[64, 0, 128], table.colours[255, 255, 255]
    (('road', 'car'), 1, -100)
    >>> parse_classes("road 0\\ncar").values
    Traceback (most recent call last):
    ValueError: classes, line 2: 'car' is of the kind `name`, the lines before are `name value`

    Raises:
        ValueError: lines that cannot be understood, by number.
    """
    classes: dict[str, int] = {}
    table: dict[tuple[int, ...], int] = {}
    kind: int | None = None
    for line_number, line in enumerate(text.splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line:
            continue
        place = f"{where}, line {line_number}"
        name, numbers = _parse_line(place, line)
        if kind not in (None, len(numbers)):
            kinds = f"`{_KINDS[len(numbers)]}`, the lines before are `{_KINDS[kind or 0]}`"
            raise ValueError(f"{place}: {line!r} is of the kind {kinds}")
        kind = len(numbers)
        key = numbers or (len(table),)
        if key in table or (kind == 0 and name in classes):
            raise ValueError(f"{place}: {' '.join(map(str, numbers)) or repr(name)} has been said before")
        table[key] = IGNORE_INDEX if name.lower() in _UNCOUNTED else classes.setdefault(name, len(classes))
    if not classes:
        raise ValueError(f"{where}: names no class; expected one a line: name, name value or name R G B")
    example = {0: "void 255` (all lines then need values)", 1: "void value`", 3: "void R G B`"}[kind or 0]
    advice = f"give it a line in {where}; if it does not count, `{example}"
    if kind == 3:
        return LabelTable(tuple(classes), colours={(r, g, b): n for (r, g, b), n in table.items()}, advice=advice)
    return LabelTable(tuple(classes), values={value: n for (value,), n in table.items()}, advice=advice)


def _parse_line(place: str, line: str) -> tuple[str, tuple[int, ...]]:
    """Split a line into the name and the numbers behind it."""
    words = line.split()
    count = 0
    while count < len(words) and re.fullmatch(r"-?\d+", words[-1 - count]):
        count += 1
    name, numbers = " ".join(words[: len(words) - count]), tuple(int(word) for word in words[len(words) - count :])
    if not name or count not in _KINDS:
        raise ValueError(f"{place}: expected `name`, `name value` or `name R G B`, got {line!r}")
    if count == 3 and not all(0 <= number <= 255 for number in numbers):
        raise ValueError(f"{place}: colours go from 0 to 255, got {line!r}")
    return name, numbers
