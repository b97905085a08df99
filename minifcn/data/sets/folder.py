"""Your own images and masks, as files in folders.

Either of two layouts:

    root/images/a.png, b.png, ...        root/a.png, a_mask.png
    root/masks/a.png, b.png, ...         root/b.png, b_mask.png, ...

where `labels` may stand for `masks`, `_label` for `_mask`, and a mask in its own folder may carry `_mask` or not.
Images are .png, .jpg, .tif, .bmp or .npy; masks are the same but for .jpg, whose compression blurs class numbers.
Images may differ in size, not in their number of channels.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from minifcn.data.dataset import Image
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.sets.label_table import LabelTable, read_classes, read_mask
from minifcn.data.sets.pairs import SUFFIXES, Pair, PairDataset, files_by_stem, paired, read_pixels, with_channels
from minifcn.io import ImageError

#: What the stems of masks end in that lie beside their images.
MASK_ENDING = re.compile(r"_(mask|label)s?$")
_LOSSY = (".jpg", ".jpeg")
_MOST_CLASSES = 64  # that are taken for granted where nobody has named them
_ADVICE = "name what the masks hold in a classes file, such as `void 255` for what does not count"
_LAYOUT = "images/ and masks/ (or labels/) with the same file names, or x.png beside x_mask.png"
Classes = str | os.PathLike[str] | Sequence[str] | LabelTable


class FolderDataset(PairDataset):
    """Pairs of image and mask files in a folder; see the top of this module.

    What the masks' values mean is said by `classes`:

    - a path: a classes file (see `minifcn.data.sets.label_table`), which names values or colours, and what does not
      count;
    - names: class numbers 0, 1, ... in this order; of two, masks may also hold 0 and 255 throughout;
    - None: the masks are read and must hold 0, 1, ..., K-1, which become "class 0" and so on; or 0 and one other value,
      which become "background" and "foreground".

    For None and for two names (in a file or not) all masks are read at once, otherwise a mask when it is asked for.

    Args:
        root: the folder.
        classes: what the masks hold, as above.
        images: the subfolder of the images.
        masks: the subfolder of the masks; where "masks" does not exist, "labels".
        channels: convert images to 1 or 3 channels; None leaves them as they are, if all have the same.

    Raises:
        FileNotFoundError: there is no such folder, or it holds no images.
        ImageError: a file that cannot be read or does not fit; when it is asked for, or at once if masks are read.
        ValueError: an image without mask or the other way round; values that nobody could number.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        classes: Classes | None = None,
        images: str = "images",
        masks: str = "masks",
        *,
        channels: int | None = None,
    ) -> None:
        if channels not in (None, 1, 3):
            raise ValueError(f"folder: expected channels 1, 3 or None, got {channels}")
        folder = Path(root).expanduser()
        pairs = _find(folder, images, masks)
        table, self.notes = _table(classes, pairs)
        self._first = None if channels else pairs[0].image
        super().__init__(f"folder {folder.name}", pairs, table, channels or read_pixels(pairs[0].image).shape[2])

    def read_image(self, path: Path) -> Image:
        """As for all pairs; if no channels were asked for, an image of others than the first one's is an error."""
        image = read_pixels(path)
        if self._first is None:
            return with_channels(image, self.channels, path)
        if image.shape[2] != self.channels:
            raise ImageError(
                f"{path}: has {image.shape[2]} channels, but {self._first.name} has {self.channels}; channels=1 or "
                "channels=3 converts all images"
            )
        return image


def _find(root: Path, images: str, masks: str) -> list[Pair]:
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        raise FileNotFoundError(f"folder: {root} {state}; expected a folder that holds {_LAYOUT}")
    folders = [root / masks, root / "labels"] if masks == "masks" else [root / masks]
    if (root / images).is_dir():
        mask_folder = next((folder for folder in folders if folder.is_dir()), None)
        if mask_folder is None:
            raise FileNotFoundError(f"folder: {root} holds {images}, but no {masks} beside it; expected {_LAYOUT}")
        of_images = files_by_stem(root / images, "folder")
        files = files_by_stem(mask_folder, "folder")
        of_masks = files if files.keys() <= of_images.keys() else without_ending(files)
    else:
        files = files_by_stem(root, "folder")
        of_images = {stem: path for stem, path in files.items() if not MASK_ENDING.search(stem)}
        of_masks = without_ending({stem: path for stem, path in files.items() if MASK_ENDING.search(stem)})
    if not files and not of_images:
        raise FileNotFoundError(f"folder: {root} holds no images ({', '.join(SUFFIXES)}); expected {_LAYOUT}")
    pairs = paired("folder", of_images, of_masks)
    if lossy := [pair.mask for pair in pairs if pair.mask.suffix.lower() in _LOSSY]:
        raise ImageError(
            f"{lossy[0]}: JPEG changes class numbers near their edges, so masks cannot be kept in it; export them from "
            "where they were drawn as .png, .tif or .npy"
        )
    return pairs


def without_ending(files: dict[str, Path]) -> dict[str, Path]:
    """Files of masks by the stems of their images: "cell_mask" is that of "cell"."""
    shortened: dict[str, Path] = {}
    for stem, path in files.items():
        other = shortened.setdefault(MASK_ENDING.sub("", stem), path)
        if other != path:
            raise ValueError(f"folder: {other} and {path.name} are masks of the same image; which one is meant?")
    return shortened


def _table(classes: Classes | None, pairs: list[Pair]) -> tuple[LabelTable, tuple[str, ...]]:
    """Return what the masks hold, and the sentences to say about it."""
    if isinstance(classes, LabelTable):
        return classes, ()
    if classes is None:
        return _inferred(_values(pairs))
    if isinstance(classes, (str, os.PathLike)):
        table = read_classes(classes)
    else:
        names = tuple(classes)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"folder: expected one or more different names of classes, got {list(names)}")
        table = LabelTable(names, {number: number for number in range(len(names))}, advice=_ADVICE)
    if dict(table.values) == {0: 0, 1: 1} and sorted(_values(pairs)) == [0, 255]:
        return replace(table, values={0: 0, 255: 1}), (_mapping(255),)
    return table, tuple(_meanings(table))


def _meanings(table: LabelTable) -> Iterator[str]:
    """Sentences on what a classes file may say by accident: several values of one name, and what does not count."""
    for meaning in table.values, table.colours:
        names: dict[str, list[str]] = {}
        for value, number in meaning.items():
            name = "what does not count" if number == IGNORE_INDEX else repr(table.classes[number])
            names.setdefault(name, []).append(str(value))
        for name, values in names.items():
            if len(values) > 1 or name == "what does not count":
                yield f"classes file: {', '.join(values)} in the masks {'is' if len(values) == 1 else 'are'} {name}"


def _mapping(value: int) -> str:
    return f"masks hold 0 and {value}: mapped to 0 and 1"


def _inferred(seen: dict[int, Path]) -> tuple[LabelTable, tuple[str, ...]]:
    """Number the values that masks hold: 0 and another one, or 0, 1, ..., K-1."""
    values, binary = sorted(seen), ("background", "foreground")
    if len(values) == 2 and values[0] == 0:
        notes = () if values[1] == 1 else (_mapping(values[1]),)
        return LabelTable(binary, {0: 0, values[1]: 1}, advice=_ADVICE), notes
    if len(values) > _MOST_CLASSES or values != list(range(len(values))):
        strange = next((value for place, value in enumerate(values) if value != place), values[-1])
        shown = ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
        raise ValueError(
            f"folder: masks hold {len(values)} values, {shown} ({strange} in {seen[strange].name}), which are not "
            "numbered 0, 1, 2, ... without gaps; say what they mean in a classes file, with a line `name value` each"
        )
    return LabelTable(
        tuple(f"class {value}" for value in values), {value: value for value in values}, advice=_ADVICE
    ), ()


def _values(pairs: list[Pair]) -> dict[int, Path]:
    """Return the values that the masks hold, each with the first file that holds it."""
    seen: dict[int, Path] = {}
    for pair in pairs:
        for value in np.unique(read_mask(pair.mask, colour=False)).tolist():
            seen.setdefault(int(value), pair.mask)
    return seen
