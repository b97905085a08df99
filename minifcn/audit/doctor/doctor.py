"""The examination: look at every image once, then ask each check."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from minifcn.audit.doctor.balance import judge_balance, judge_empty
from minifcn.audit.doctor.duplicates import judge_duplicates
from minifcn.audit.doctor.field import judge_objects
from minifcn.audit.doctor.finding import SEVERITIES, Finding
from minifcn.audit.doctor.label_values import judge_masks
from minifcn.audit.doctor.mask_files import read_mask_file
from minifcn.audit.doctor.network import Candidate
from minifcn.audit.doctor.opening import opened
from minifcn.audit.doctor.polarity import judge_polarity
from minifcn.audit.doctor.report import Diagnosis
from minifcn.audit.doctor.sizes import judge_sizes
from minifcn.audit.doctor.survey import Part, Progress, origin, survey
from minifcn.audit.doctor.trainable import judge_pixels, judge_refusals
from minifcn.audit.subject import Subject
from minifcn.data.dataset import Dataset, spread
from minifcn.data.sets.folder import FolderDataset
from minifcn.nn import Module

LIMIT = 300  # images of a part


def doctor(
    train: Dataset,
    validation: Dataset | None = None,
    test: Dataset | None = None,
    model: Module | Subject | None = None,
    *,
    crop: int | None = None,
    balance: str = "none",
    limit: int | None = LIMIT,
    progress: Progress | None = None,
    found: Sequence[Finding] = (),
) -> Diagnosis:
    """Examine a data set: labels, polarity, balance, empty masks, sizes, pixels, objects, duplicates.

    Nothing that is wrong with an image ends the examination; it is a finding.

    Args:
        train: images and labels as training gets them, of any task.
        validation: those that choose the best checkpoint.
        test: those that are scored at the end.
        model: the network that is to be trained; sizes, channels and objects are held against it.
        crop: side of the square windows that training cuts, in pixels; None: whole images.
        balance: how training will weigh the classes, as `TrainConfig.balance`.
        limit: how many images of each part to look at, evenly spread; None is all of them.
        progress: called with (images done, images in all).
        found: what was found before, such as by `doctor_source`; its checks of labels are not repeated.

    Raises:
        ValueError: a limit below 1.

    >>> import numpy as np
    >>> from minifcn.data import ArrayDataset
    >>> images = np.random.default_rng(0).random((4, 16, 16))
    >>> masks = np.zeros((4, 16, 16), int)
    >>> masks[:, 4:9, 4:9] = 255
    >>> report = doctor(ArrayDataset(images, masks, ("background", "cell")))
    >>> print(report.of("wrong")[0])  # doctest: +ELLIPSIS
    wrong: the labels of 4 images are refused
      seen: train image 0 has label 255; classes are 0 = background, 1 = cell; masks of 0 and 255 are mapped to ...
      why: training stops at the first of them
      do: mend these labels, or move the images away
    """
    given = {"train": train, "validation": validation, "test": test}
    datasets = {name: dataset for name, dataset in given.items() if dataset is not None}
    parts = survey(datasets, limit, progress)
    network = None if model is None else Candidate(model)
    empty = [Finding("wrong", "files", f"{name} holds no images") for name, data in datasets.items() if not len(data)]
    findings = [*found, *empty]
    if not any(finding.check == "label values" for finding in found):
        findings += _label_files(datasets, limit)
    filled = [part for part in parts if part.images]
    findings += [
        *judge_refusals(filled), *judge_balance(filled, balance, crop), *judge_empty(filled), *judge_polarity(filled),
        *judge_sizes(filled, network, crop), *judge_pixels(filled), *judge_objects(filled, network),
        *judge_duplicates(filled),
    ]  # fmt: skip
    return _diagnosis(findings, parts, network, crop)


def doctor_source(
    name: str,
    root: str | os.PathLike[str] | None = None,
    model: Module | Subject | Callable[[Dataset], Module | Subject] | None = None,
    *,
    crop: int | None = None,
    balance: str = "none",
    limit: int | None = LIMIT,
    progress: Progress | None = None,
    **options: Any,
) -> Diagnosis:
    """Examine a data set by name, as `minifcn.data.open_source` opens it, also where that refuses to.

    Of "folder", the files of masks are looked at before their loader has its say, and read as they are most probably
    meant if it refuses.

    Args:
        name: a key of `minifcn.data.SOURCES`.
        root: folder of the files.
        model: as for `doctor`, or what makes it for the training images; see `doctor` for this and the next four.
        crop: see there.
        balance: see there.
        limit: see there.
        progress: see there.
        options: what the data set takes, such as ``classes`` of a folder.

    Raises:
        ValueError: there is no such data set or option.
        FileNotFoundError: there are no such files.
    """
    datasets, found = opened(name, root, limit, options)
    if "train" not in datasets:
        return _diagnosis(list(found), [], None, crop)
    train, others = datasets["train"], {part: datasets.get(part) for part in ("validation", "test")}
    if model is not None and not isinstance(model, (Module, Subject)):
        model = model(train)
    return doctor(train, **others, model=model, crop=crop, balance=balance, limit=limit, progress=progress, found=found)


def _label_files(datasets: dict[str, Dataset], limit: int | None) -> list[Finding]:
    """What the files of a folder's masks hold; data sets of other layouts are known."""
    sources = [origin(dataset)[0] for dataset in datasets.values()]
    folders = {id(source): source for source in sources if isinstance(source, FolderDataset)}
    pairs = [pair for source in folders.values() for pair in source.pairs]
    if not pairs:
        return []
    table = next(iter(folders.values())).table
    files = [read_mask_file(pairs[place].mask, bool(table.colours)) for place in spread(len(pairs), limit)]
    return list(judge_masks(files, table))


def _diagnosis(
    findings: list[Finding], parts: Sequence[Part], network: Candidate | None, crop: int | None
) -> Diagnosis:
    ordered = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    return Diagnosis(tuple(ordered), tuple(parts), network, crop)
