"""One file on its way through the network: `minifcn.prediction.stream.predict_file` band by band."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from minifcn.data import Normalisation
from minifcn.io.errors import ImageError
from minifcn.io.journal import Journal, JournalError, difference
from minifcn.io.outputs import Output, Written, checksum
from minifcn.io.regions import Regions
from minifcn.io.stamps import stamp
from minifcn.kernels.shapes import Pair
from minifcn.prediction.bands import Band, Normalise, Tiles
from minifcn.prediction.fingerprint import fingerprint
from minifcn.prediction.maps import Maps
from minifcn.prediction.pixels import Pixels
from minifcn.prediction.predictor import Predictor, refuse_unscaled
from minifcn.prediction.strategies import Auto, TileBy, Whole
from minifcn.prediction.tiling import Tiling


class Step(NamedTuple):
    """What is noted of a band when it is on the disk."""

    page: int
    rows: Pair
    sums: list[float]  # of the answers, by class
    checksums: list[int]  # of what was written, by result

    @classmethod
    def read(cls, line: Any) -> Self:
        """From a line of the journal.

        Raises:
            TypeError: it is none.
            ValueError: it is none.
        """
        page, (begin, end), sums, checksums = line
        return cls(int(page), (int(begin), int(end)), [float(x) for x in sums], [int(x) for x in checksums])


class Job:
    """A source, its results, and how far they are.

    Attributes:
        steps: the bands that are done.
        anew: whether something was begun, so that it has to be deleted if nothing comes of it.
        lost: whether an earlier call had begun, and what it wrote is damaged or gone.
        finished: whether an earlier call has done everything.
    """

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
        self.steps: list[Step] = []
        self.anew = self.lost = self.finished = False

    @property
    def resumable(self) -> bool:
        """Whether what is written can be used again."""
        return all(output.resumable for output in self.outputs)

    @property
    def bands_a_page(self) -> int:
        """How many bands a page has."""
        return 1 if self.tiles is None else len(self.tiles)

    @property
    def bands(self) -> int:
        """Of all pages."""
        return self.bands_a_page * self.image.shape[0]

    def begin(self, journal: Journal, overwrite: bool) -> None:
        """Open the results, to go on with them or, if there is nothing to go on with or ``overwrite`` is asked, anew.

        Raises:
            JournalError: they were begun otherwise, or the journal is damaged.
            FileExistsError: there are complete ones.
            ImageError: they could not be written.
        """
        for output in self.outputs:
            output.check()
            if self.maps.kind == "values" and not output.resumable:
                raise ImageError(f"{output.path}: png holds no values, but classes; write .tif, .npy or .zarr")
        if not overwrite:
            journal.refuse_damaged()
            if self._goes_on(journal):
                return
            refuse_existing([output.path for output in self.outputs])
        self.anew = True
        journal.clear()  # so that it says nothing of what is begun until that is there
        for output in self.outputs:
            output.open()
        known = {"settings": self.settings, "replace": overwrite, "layouts": [o.layout() for o in self.outputs]}
        journal.begin(known)

    def run(self, journal: Journal, progress: Callable[[int, int], None]) -> None:
        """Compute the bands that are not done yet, and write each before it is noted."""
        pages, height, width = self.outputs[0].shape
        for page in range(len(self.steps) // self.bands_a_page, pages):
            for band in self._bands(page, len(self.steps) - page * self.bands_a_page):
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
                step = Step(page, band.rows, sums.tolist(), [checksum(whole) for whole in maps])
                journal.add(step)
                self.steps.append(step)

    def finish(self, journal: Journal) -> None:
        """Give the results their names, and note that."""
        for output in self.outputs:
            output.finish()
        journal.add({"finished": self._stamps()})

    def totals(self) -> NDArray[np.float64]:
        """(pages, K): what all bands' answers add up to."""
        totals = np.zeros((self.image.shape[0], len(self.maps.classes)))
        for step in self.steps:
            totals[step.page] += step.sums
        return totals / self.predictor.scale

    def discard(self) -> None:
        """Delete what is not complete."""
        for output in self.outputs:
            output.discard()

    def close(self) -> None:
        """Close the results."""
        for output in self.outputs:
            output.close()

    def _goes_on(self, journal: Journal) -> bool:
        """Whether there is something to go on with; then it is opened.

        Raises:
            JournalError: there is, but it was begun otherwise; or the journal is damaged.
            FileExistsError: somebody else has written a result meanwhile.
        """
        if journal.settings is None or not journal.steps:
            return False
        *_, last = journal.steps
        finished = last["finished"] if isinstance(last, dict) and "finished" in last else None
        changed = difference(journal.settings.get("settings", {}), self.settings)
        self.steps = self._noted(journal, journal.steps[:-1] if finished else journal.steps, bool(changed))
        if finished is not None:
            self.finished = not changed and finished == self._stamps()
            self.steps = self.steps if self.finished else []
            return self.finished
        if changed and self.resumable:
            raise JournalError(
                f"{self.target}: is unfinished and was begun otherwise ({changed}); repeat it as it was begun, or "
                "begin anew with --overwrite (overwrite=True)"
            )
        self.lost = not (self.resumable and self._intact(journal.settings.get("layouts", [])))
        if self.lost:
            self.steps = []
            return False
        unnamed = [output for output in self.outputs if output.partial.exists()]
        if not journal.settings.get("replace"):
            refuse_existing([output.path for output in unnamed])
        for output in unnamed:
            output.open_again()
        return True

    def _noted(self, journal: Journal, lines: list[Any], changed: bool) -> list[Step]:
        """The bands that the journal names; these have to follow each other."""
        try:
            steps = [Step.read(line) for line in lines]
        except (TypeError, ValueError):
            journal.damaged = True
            journal.refuse_damaged()
            raise
        ends = [0] + [step.rows[1] for step in steps]
        for k, step in enumerate(steps if not changed else ()):
            page, band = divmod(k, self.bands_a_page)
            if step.page != page or step.rows[0] != (ends[k] if band else 0):
                journal.damaged = True
        journal.refuse_damaged()
        return steps

    def _intact(self, layouts: list[int]) -> bool:
        """Whether all that was written is there."""
        if len(layouts) != len(self.outputs) or (len(self.steps) < self.bands and not self._all_partial()):
            return False
        return all(
            output.holds(layout, (Written(step.page, step.rows, step.checksums[k]) for step in self.steps))
            for k, (output, layout) in enumerate(zip(self.outputs, layouts, strict=True))
        )

    def _all_partial(self) -> bool:
        return all(output.partial.exists() for output in self.outputs)

    def _stamps(self) -> list[str]:
        return [stamp(output.path) if output.path.exists() else "" for output in self.outputs]

    def _bands(self, page: int, first: int) -> Iterator[Band]:
        if self.tiles is not None:
            return self.tiles.bands(page, self._normalisation(page), first)
        height, width = self.outputs[0].shape[1:]
        return iter([Band((0, height), (((0, width), self._answers(page)) for _ in range(1)))])

    def _answers(self, page: int) -> NDArray:
        image = self.pixels.convert(self.pixels.strip(page, (0, self.image.shape[1])))
        try:
            return self.predictor.answer(self.network, image[None])[0]
        except ValueError as error:
            raise ValueError(f"{self.image.path}: {error}") from None

    def _normalisation(self, page: int) -> Normalise:
        """That of the whole page, for parts of it."""
        normalise = self.predictor.normalise
        if not isinstance(normalise, Normalisation) or normalise.kind == "dataset":
            return self._checked
        mean, std = self.pixels.statistics(page)
        return lambda part: Normalisation.of_image(part, mean, std)

    def _checked(self, part: NDArray) -> NDArray:
        try:
            refuse_unscaled(self.predictor.normalise, part)
        except ValueError as error:
            raise ValueError(f"{self.image.path}: {error}") from None
        return self.predictor.normalise(part)

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


def refuse_existing(paths: list[Path]) -> None:
    """Raise FileExistsError if there are results already, naming them."""
    if there := [str(path) for path in paths if path.exists()]:
        shown = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
        raise FileExistsError(
            f"{shown}: exists already; replace it with --overwrite (overwrite=True), or choose another folder"
        )
