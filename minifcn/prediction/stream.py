"""Predict files, of images that may be larger than memory: a band of rows at a time, from a file to a file.

A band is what one row of tiles answers. It is read once, each of its tiles goes through the network, and its result is on
the disk before a journal beside it says so. So a process may be killed at any moment: the same call goes on with the next
band, and the file is the same in the end, bit for bit. In memory are a band of the source, a band of the results and the
network's maps of one tile. Where an image needs no tiles, a page is one band.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minifcn import memory
from minifcn.data import Normalisation
from minifcn.io.journal import Journal, JournalError, difference, open_journal
from minifcn.io.outputs import Output
from minifcn.io.regions import Regions, open_regions
from minifcn.kernels.shapes import Pair
from minifcn.prediction.bands import Band, Tiles
from minifcn.prediction.fingerprint import fingerprint
from minifcn.prediction.maps import Kind, Maps
from minifcn.prediction.pixels import Pixels
from minifcn.prediction.predictor import Predictor
from minifcn.prediction.strategies import Auto, TileBy, Whole
from minifcn.prediction.tiling import Tiling


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
        predictor: how; its strategy decides whether there are tiles. With symmetries, or with another normalisation than
            `Normalisation`, a page is in memory as a whole.
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
    with ExitStack() as stack:
        image = stack.enter_context(open_regions(source, predictor.channels))
        journal = stack.enter_context(open_journal(journal_of(target)))
        try:
            job = _Job(predictor, image, target, probabilities)
            stack.callback(job.close)
            job.begin(journal, overwrite)
            announce(job.plan(len(journal.steps)))
            job.run(journal, progress)
            job.finish()
        finally:
            _tidy(journal, job)
        totals = job.totals(journal)
        journal.remove()
    return Written(tuple(output.path for output in job.outputs), totals)


def journal_of(target: Path) -> Path:
    """Where it is noted how far a result has come."""
    return target.with_name(f"{target.name}.journal")


def refuse_existing(paths: list[Path]) -> None:
    """Raise FileExistsError if there are results already, naming them."""
    if there := [str(path) for path in paths if path.exists()]:
        shown = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
        raise FileExistsError(f"{shown}: exists already; replace it with --overwrite, or choose another folder with --out")
