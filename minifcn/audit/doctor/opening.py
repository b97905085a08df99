"""Opening a data set that may be broken: what its loader says is a finding, and folders are read regardless."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from minifcn.audit.doctor.finding import Finding, counted, listed
from minifcn.audit.doctor.label_values import guess_table, judge_masks, total
from minifcn.audit.doctor.mask_files import read_mask_file
from minifcn.data.dataset import Dataset, split, spread
from minifcn.data.sets.folder import MASK_ENDING, without_ending
from minifcn.data.sets.label_table import LabelTable, read_classes
from minifcn.data.sets.pairs import Pair, PairDataset, files_by_stem, read_pixels
from minifcn.data.sources import SOURCES, MissingPartError, open_source

Root = str | os.PathLike[str] | None
_PARTS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}


def opened(
    name: str, root: Root, limit: int | None, options: dict[str, Any]
) -> tuple[dict[str, Dataset], tuple[Finding, ...]]:
    """The parts of a data set that could be opened, and what was found on the way.

    Raises:
        ValueError: there is no such data set or option.
        FileNotFoundError: there are no such files.
    """
    if name == "folder" and root is not None:
        return _folder(Path(root).expanduser(), limit, options)
    parts, refused = _open(name, root, options)
    return parts, _refusal(refused)


def _open(name: str, root: Root, options: dict[str, Any]) -> tuple[dict[str, Dataset], list[Exception]]:
    """Parts by name, and what was said of those that cannot be opened."""
    if (name == "folder" and root is None) or name not in SOURCES or not set(options) <= set(SOURCES[name].options):
        open_source(name, root, **options)  # it knows what to say
    source, parts, refused = SOURCES[name], {}, list[Exception]()
    for part in _PARTS:
        if part not in (*source.splits, *source.perhaps):
            continue
        try:
            parts[part] = open_source(name, root, part, **options)
        except MissingPartError:
            continue
        except FileNotFoundError:
            raise
        except (ValueError, OSError) as error:
            refused.append(error)
    return parts, refused


def _refusal(refused: list[Exception]) -> tuple[Finding, ...]:
    said = list(dict.fromkeys(str(error) for error in refused))
    return tuple(
        Finding("wrong", "files", "the data cannot be opened for training", *_divided(sentence)) for sentence in said
    )


def _divided(sentence: str) -> tuple[str, str, str]:
    """Evidence, reason and mend of an error's message, which says first what is wrong and then what to do."""
    fact, _, mend = sentence.rpartition("; ")
    return (fact, "training does not start", mend) if fact else (mend, "training does not start", "")


def _folder(top: Path, limit: int | None, options: dict[str, Any]) -> tuple[dict[str, Dataset], tuple[Finding, ...]]:
    try:
        parts, refused = _open("folder", top, options)
    except FileNotFoundError as error:
        parts, refused = {}, [error]
    pairs, lonely = find_pairs(top, options)
    if not any(pairs.values()):
        if refused and isinstance(refused[0], FileNotFoundError):
            raise refused[0]
        return parts, (*_refusal(refused), *lonely)
    every = [pair for part in pairs.values() for pair in part]
    table, broken = _given_table(options)
    files = [read_mask_file(every[place].mask, bool(table and table.colours)) for place in spread(len(every), limit)]
    if table is not None and dict(table.values) == {0: 0, 1: 1} and set(total(files)) == {0, 255}:
        table = None  # of two classes, masks may hold 0 and 255 as well
    findings = [*broken, *lonely, *judge_masks(files, table)]
    # What the loader says of labels, the findings say better; unreadable files are told of image by image.
    if refused and not any(finding.severity == "wrong" for finding in findings) and not any(f.error for f in files):
        findings += _refusal(refused)
    if refused or any(f.severity == "wrong" and f.check == "label values" for f in findings):
        parts = _regardless(top, pairs, guess_table(files, table), options)
    return parts, tuple(findings)


def _given_table(options: dict[str, Any]) -> tuple[LabelTable | None, list[Finding]]:
    classes = options.get("classes")
    if not isinstance(classes, (str, os.PathLike)):
        return None, []
    try:
        table = read_classes(classes)
    except (ValueError, OSError) as error:
        return None, [Finding("wrong", "classes file", "the classes file cannot be understood", *_divided(str(error)))]
    return table, []


def _regardless(
    top: Path, pairs: dict[str, list[Pair]], table: LabelTable, options: dict[str, Any]
) -> dict[str, Dataset]:
    """Data sets of what the masks most probably mean."""
    channels = options.get("channels") or _channels(pairs)
    parts: dict[str, Dataset] = {
        part: PairDataset(f"folder {top.name}", of_part, table, channels) for part, of_part in pairs.items() if of_part
    }
    if set(parts) == {"all"}:
        whole = parts["all"]
        return (
            {"train": whole} if len(whole) < 2 else dict(zip(("train", "validation"), split(whole, 0.2), strict=True))
        )
    return parts


def _channels(pairs: dict[str, list[Pair]]) -> int:
    """Of the first image that can be read."""
    for pair in (pair for part in pairs.values() for pair in part):
        try:
            return read_pixels(pair.image).shape[2]
        except (ValueError, OSError):
            continue
    return 1


def find_pairs(top: Path, options: dict[str, Any]) -> tuple[dict[str, list[Pair]], list[Finding]]:
    """Pairs of images and masks by part ("all" if the folder is not divided), and files that have no partner."""
    names = options.get("images", "images"), options.get("masks", "masks")
    folders = {
        part: folder for part, called in _PARTS.items() for folder in [top / name for name in called] if folder.is_dir()
    }
    divided = {"train", "validation"} <= set(folders)
    pairs: dict[str, list[Pair]] = {}
    findings: list[Finding] = []
    for part, folder in (folders if divided else {"all": top}).items():
        try:
            images, masks = _files(folder, *names)
        except (ValueError, OSError) as error:
            findings.append(
                Finding("wrong", "files", f"{folder.name}: the files cannot be paired", *_divided(str(error)))
            )
            continue
        pairs[part] = [Pair(path, masks[stem]) for stem, path in images.items() if stem in masks]
        findings += _lonely(images, masks)
    return pairs, findings


def _files(folder: Path, images: str, masks: str) -> tuple[dict[str, Path], dict[str, Path]]:
    """Images and masks by name, in either layout that `FolderDataset` knows."""
    if not (folder / images).is_dir():
        files = files_by_stem(folder, "folder") if folder.is_dir() else {}
        of_masks = {stem: path for stem, path in files.items() if MASK_ENDING.search(stem)}
        return {stem: path for stem, path in files.items() if stem not in of_masks}, without_ending(of_masks)
    of_images = files_by_stem(folder / images, "folder")
    names = (masks, "labels") if masks == "masks" else (masks,)
    of_masks = next((files_by_stem(folder / name, "folder") for name in names if (folder / name).is_dir()), {})
    return of_images, of_masks if of_masks.keys() & of_images.keys() else without_ending(of_masks)


def _lonely(images: dict[str, Path], masks: dict[str, Path]) -> list[Finding]:
    findings = []
    for kind, missing, files, others in (("image", "mask", images, masks), ("mask", "image", masks, images)):
        alone = [path for stem, path in files.items() if stem not in others]
        if alone:
            findings.append(Finding(
                "wrong", "files", f"{counted(len(alone), kind, len(files))} without a {missing} of the same name",
                listed([path.name for path in alone]), "nobody knows whether the names or the files are wrong",
                f"add the {missing}s, or move these files away",
                numbers={f"without_{missing}": [path.name for path in alone]},
            ))  # fmt: skip
    return findings
