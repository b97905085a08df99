"""Predict files, of images that may be larger than memory: a band of rows at a time, from a file to a file.

A band is what one row of tiles answers. It is read once, each of its tiles goes through the network, and its result is
on the disk before a journal beside it says so. So a process may be killed at any moment: the same call goes on with the
next band, and the file is the same in the end, bit for bit. In memory are a band of the source, a band of the results
and the network's maps of one tile. Where an image needs no tiles, a page is one band.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minifcn.data import Normalisation
from minifcn.io.journal import Journal, JournalError, difference, open_journal
from minifcn.io.outputs import Output
from minifcn.io.regions import Regions, open_regions
from minifcn.kernels.shapes import Pair
from minifcn.prediction.bands import Band, Normalise, Tiles
from minifcn.prediction.fingerprint import fingerprint
from minifcn.prediction.maps import Maps
from minifcn.prediction.pixels import STATISTICS, Pixels
from minifcn.prediction.predictor import Predictor
from minifcn.prediction.strategies import Auto, TileBy, Whole
from minifcn.prediction.tiling import Tiling

_OTHER = 2**24  # bytes: what the libraries that read and write files take, about


class Plan(NamedTuple):
    """What is about to be computed."""

    shape: tuple[int, int, int, int]  # of the image: (pages, H, W, C)
    window: Pair | None  # rows and columns of a tile; None where a page goes through the network at once
    bands: int  # of all pages
    done: int  # of these, in an earlier call
    peak: int | None  # bytes of memory that the process takes at the most, about; None where it was not estimated


class Written(NamedTuple):
    """What `predict_file` has done."""

    paths: tuple[Path, ...]
    totals: NDArray[np.float64]  # (pages, K): what the answers add up to, divided by the predictor's scale


def predict_file(
    predictor: Predictor,
    source: str | Path,
    target: str | Path,
    probabilities: bool = False,
    overwrite: bool = False,
    announce: Callable[[Plan], None] = lambda plan: None,
    progress: Callable[[int, int], None] = lambda done, pixels: None,
) -> Written:
    """Predict an image or a stack from a file into a file of the same format, going on where an earlier call ended.

    Args:
        predictor: how; its strategy decides whether there are tiles. With symmetries, or with another normalisation
            than `Normalisation`, a page is in memory as a whole.
        source: .tif, .npy or a Zarr folder, which are read part by part; .png, .jpg or .bmp.
        target: .tif, .npy, a Zarr folder, or .png. Several maps (one for each class) have the class's name appended:
            "a.tif" becomes "a_sky.tif" and "a_road.tif".
        probabilities: write the probability of each class (of two classes: of the second) instead of the most probable
            one. Regression writes its values in any case.
        overwrite: replace results that exist, and unfinished ones that were begun otherwise.
        announce: called once, before anything is computed.
        progress: called after each tile with the pixels that are done, and those of all pages.

    Returns:
        the files that were written, and what the answers add up to.

    Raises:
        FileNotFoundError: no such source.
        ImageError: it is damaged, no image, or holds NaN; or its channels do not fit the network.
        ValueError: the strategy does not work for it.
        FileExistsError: a result exists.
        JournalError: another process is writing this result, or it was begun otherwise.
        OSError: such as of a full disk. What was written before is kept, and the same call goes on from there.
    """
    target = Path(target)
    with open_regions(source, predictor.channels) as image:
        job = _Job(predictor, image, target, probabilities)
        with open_journal(journal_of(target)) as journal, closing(job):
            try:
                job.begin(journal, overwrite)
                announce(job.plan(len(journal.steps)))
                job.run(journal, progress)
                job.finish()
            except BaseException:
                if not (journal.steps and job.resumable):
                    job.discard()
                    journal.remove()
                raise
            journal.remove()
            return Written(tuple(output.path for output in job.outputs), job.totals(journal))


def journal_of(target: Path) -> Path:
    """Where it is noted how far a result has come."""
    return target.with_name(f"{target.name}.journal")


def refuse_existing(paths: list[Path]) -> None:
    """Raise FileExistsError if there are results already, naming them."""
    if there := [str(path) for path in paths if path.exists()]:
        shown = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
        raise FileExistsError(
            f"{shown}: exists already; replace it with --overwrite, or choose another folder with --out"
        )


class _Job:
    """One file on its way through the network."""

    def __init__(self, predictor: Predictor, image: Regions, target: Path, probabilities: bool) -> None:
        self.predictor, self.image, self.target = predictor, image, target
        self.pixels = Pixels(image, predictor.channels)
        self.network = predictor.prepared()
        try:
            self.tiles = self._tiles()
        except ValueError as error:
            raise ValueError(f"{image.path}: {error}") from None
        self.maps = Maps.asked(predictor, probabilities)
        self.settings = fingerprint(predictor, image.path, self.maps.kind)
        self.outputs = [
            Output(path, self.maps.dtype, image, self._size(), self.maps.save) for path in self.maps.paths(target)
        ]

    @property
    def resumable(self) -> bool:
        """Whether what is written can be used again."""
        return all(output.resumable for output in self.outputs)

    @property
    def bands_a_page(self) -> int:
        """How many bands a page has."""
        return 1 if self.tiles is None else len(self.tiles)

    def begin(self, journal: Journal, overwrite: bool) -> None:
        """Open the results, anew or to go on with them.

        Raises:
            JournalError: they were begun otherwise.
            FileExistsError: there are complete ones.
        """
        unfinished = bool(journal.steps) and self.resumable
        changed = difference(journal.settings or {}, self.settings) if unfinished else ""
        if changed and not overwrite:
            raise JournalError(
                f"{self.target}: is unfinished and was begun otherwise ({changed}); repeat it as it was begun, or "
                "begin anew with --overwrite"
            )
        resume = unfinished and not changed
        if resume and len(journal.steps) == self.bands_a_page * self.image.shape[0]:
            return  # all is computed; some results may have their names already
        if not overwrite:
            refuse_existing([output.path for output in self.outputs])
        if not resume:
            journal.begin(self.settings)
        for output in self.outputs:
            output.open(resume)

    def plan(self, done: int) -> Plan:
        """What is about to be computed."""
        window = None if self.tiles is None else self.tiles.tiling.window
        peak = None if self.tiles is None else expected_peak(self.tiles, self.outputs)
        return Plan(self.image.shape, window, self.bands_a_page * self.image.shape[0], done, peak)

    def run(self, journal: Journal, progress: Callable[[int, int], None]) -> None:
        """Compute the bands that are not done yet, and write each before it is noted."""
        pages, height, width = self.outputs[0].shape
        for page in range(len(journal.steps) // self.bands_a_page, pages):
            for band in self._bands(page, len(journal.steps) - page * self.bands_a_page):
                begin, end = band.rows
                maps = [np.empty((end - begin, width), output.dtype) for output in self.outputs]
                sums = np.zeros(len(self.maps.classes))
                for (left, right), answers in band.parts:
                    for whole, part in zip(maps, self.maps.of(answers), strict=True):
                        whole[:, left:right] = part
                    sums += answers.sum(axis=(0, 1), dtype=np.float64)
                    progress((page * height + begin) * width + (end - begin) * right, pages * height * width)
                for output, whole in zip(self.outputs, maps, strict=True):
                    output.write(page, begin, whole)
                journal.add([page, sums.tolist()])

    def finish(self) -> None:
        """Give the results their names."""
        for output in self.outputs:
            output.finish()

    def totals(self, journal: Journal) -> NDArray[np.float64]:
        """(pages, K): what all bands' answers add up to."""
        totals = np.zeros((self.image.shape[0], len(self.maps.classes)))
        for page, sums in journal.steps:
            totals[page] += sums
        return totals / self.predictor.scale

    def discard(self) -> None:
        """Delete what is not complete."""
        for output in self.outputs:
            output.discard()

    def close(self) -> None:
        """Close the results."""
        for output in self.outputs:
            output.close()

    def _bands(self, page: int, first: int) -> Iterator[Band]:
        if self.tiles is not None:
            return self.tiles.bands(page, self._normalisation(page), first)
        height, width = self.outputs[0].shape[1:]
        return iter([Band((0, height), (((0, width), self._answers(page)) for _ in range(1)))])

    def _answers(self, page: int) -> NDArray:
        image = self.pixels.convert(self.pixels.strip(page, (0, self.image.shape[1])))
        try:
            return self.predictor(image[None])[0]
        except ValueError as error:
            raise ValueError(f"{self.image.path}: {error}") from None

    def _normalisation(self, page: int) -> Normalise:
        """That of the whole page, for parts of it."""
        normalise = self.predictor.normalise
        if not isinstance(normalise, Normalisation) or normalise.kind == "dataset":
            return normalise
        mean, std = self.pixels.statistics(page)
        return lambda part: Normalisation.of_image(part, mean, std)

    def _tiles(self) -> Tiles | None:
        """The tiles, if there are any and nothing asks for the page as a whole."""
        strategy = self.predictor.strategy
        if isinstance(strategy, Auto):
            strategy = strategy.chosen(self.network, *self.image.shape[1:3])
        if not isinstance(strategy, TileBy) or self.predictor.symmetries:
            return None
        if not isinstance(self.predictor.normalise, Normalisation):
            return None
        _, height, width, _ = self.image.shape
        tiling = Tiling(self.network.network, height, width, strategy.options, self.network.geometry)
        return Tiles(self.network, tiling, self.pixels)

    def _size(self) -> Pair:
        """Rows and columns of the results: fewer than the image's if a network without padding answers it as it is."""
        height, width = self.image.shape[1:3]
        if isinstance(self.predictor.strategy, Whole):
            output = self.network.network.output_length
            return output(height) or height, output(width) or width  # where 0, predicting says what is wrong
        return height, width


def expected_peak(tiles: Tiles, outputs: list[Output]) -> int:
    """How many bytes of memory the process takes at the most, about: what it has after a tile of zeros, and the bands.

    Kernels keep the memory that they used for a tile (`minifcn.memory`), so the second tile takes no more of it.
    """
    image, tiling = tiles.pixels.image, tiles.tiling
    (rows, columns), (_, _, width, channels) = tiling.window, image.shape
    answers = tiles.network(np.zeros((1, rows, columns, tiles.pixels.channels), np.float32))
    kept = max(end - begin for begin, end in tiling.rows.keep)
    strip = 2 * rows * width * channels * image.dtype.itemsize  # as read, and mirrored or decoded
    window = rows * columns * tiles.pixels.channels * (4 + 8 + 8 + 4)  # as float32, and normalised in float64
    results = sum(kept * width * output.dtype.itemsize for output in outputs)
    sums = 0 if tiles.parted else 3 * kept * width * answers.shape[-1] * answers.itemsize
    return _resident() + _OTHER + max(STATISTICS, strip + window + results + sums)


def _resident() -> int:
    """Bytes of memory that the process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
