"""Predict files, of images that may be larger than memory: a band of rows at a time, from a file to a file.

A band is what one row of tiles answers. It is read once, each of its tiles goes through the network, and its result is
on the disk before a journal beside it says so. So a process may be killed at any moment: the same call goes on with the
next band, and the file is the same in the end, bit for bit. In memory are a band of the source, a band of the results
and the network's maps of one tile. Where an image needs no tiles, a page is one band.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minifcn.io.journal import open_journal
from minifcn.io.opening import open_regions
from minifcn.kernels.shapes import Pair
from minifcn.prediction.job import Job
from minifcn.prediction.peak import expected_peak
from minifcn.prediction.predictor import Predictor


class Plan(NamedTuple):
    """What is about to be computed."""

    shape: tuple[int, int, int, int]  # of the image: (pages, H, W, C)
    window: Pair | None  # rows and columns of a tile; None where a page goes through the network at once
    bands: int  # of all pages
    done: int  # of these, in an earlier call
    peak: int | None  # bytes of memory that the process takes at the most, about; None where it was not estimated
    lost: bool = False  # whether an earlier call had begun, and what it wrote is damaged or gone: it begins anew
    finished: bool = False  # whether an earlier call has done everything


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
    keep_journal: bool = False,
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
        overwrite: begin anew, whatever is there, and replace results that exist.
        keep_journal: leave the journal beside the complete result, so that the same call finds it complete, and does
            nothing; for several files of one command. Delete it in the end (`journal_of`).
        announce: called once, before anything is computed.
        progress: called after each tile with the pixels that are done, and those of all pages.

    Returns:
        the files that were written, and what the answers add up to.

    Raises:
        FileNotFoundError: no such source.
        ImageError: it is damaged, no image, or holds NaN; or its channels do not fit the network.
        ValueError: the strategy does not work for it.
        FileExistsError: a result exists.
        JournalError: another process is writing this result, it was begun otherwise, or there is something else where
            the journal should be.
        OSError: such as of a full disk. What was written before is kept, and the same call goes on from there.
    """
    target = Path(target)
    with open_regions(source, predictor.channels) as image:
        job = Job(predictor, image, target, probabilities)
        with open_journal(journal_of(target)) as journal, closing(job):
            try:
                job.begin(journal, overwrite)
                announce(_plan(job))
                if not job.finished:
                    job.run(journal, progress)
                    job.finish(journal)
            except BaseException:
                if job.anew and not (job.steps and job.resumable):
                    job.discard()
                    journal.remove()
                elif journal.settings is None and not journal.damaged:
                    journal.remove()  # made by opening it
                raise
            if not keep_journal:
                journal.remove()
            return Written(tuple(output.path for output in job.outputs), job.totals())


def journal_of(target: Path) -> Path:
    """Where it is noted how far a result has come."""
    return target.with_name(f"{target.name}.journal")


def _plan(job: Job) -> Plan:
    window = None if job.tiles is None else job.tiles.tiling.window
    peak = None if job.tiles is None or job.finished else expected_peak(job.tiles, job.outputs)
    return Plan(job.image.shape, window, job.bands, len(job.steps), peak, job.lost, job.finished)
