"""Images that come twice: across parts they make scores too good, with other labels they contradict themselves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from minifcn.audit.doctor.finding import Finding, Severity, counted, listed
from minifcn.audit.doctor.likeness import find_alike
from minifcn.audit.doctor.survey import Examined, Part

_CHECK = "duplicates"
Relation = Literal["same", "turned", "alike"]
_WORDS: dict[Relation, str] = {
    "same": "pixel by pixel the same",
    "turned": "the same, flipped or turned",
    "alike": "nearly the same",
}


class Twin(NamedTuple):
    """Two images that show the same."""

    first: Examined
    second: Examined
    relation: Relation
    correlation: float

    def __str__(self) -> str:
        also = "" if self.relation != "alike" else f" (correlation {self.correlation:.3f})"
        return f"{self.first.place} = {self.second.place}{also}"


def judge_duplicates(parts: Sequence[Part]) -> Iterator[Finding]:
    """Duplicates between parts, inside a part, and those whose labels differ."""
    read = [image for part in parts for image in part.images if image.thumbnail is not None]
    images = [image for image in read if image.low < image.high]
    blank = len(read) - len(images)
    left_out = f"; {counted(blank, 'image')} without content left out" if blank else ""
    if len(images) < 2:
        yield Finding("skipped", _CHECK, f"fewer than two images to be compared{left_out}")
        return
    twins = find_twins(images)
    across = [twin for twin in twins if twin.first.place.part != twin.second.place.part]
    inside = [twin for twin in twins if twin.first.place.part == twin.second.place.part]
    relations: tuple[Relation, ...] = ("same", "turned", "alike")
    said = [_across(relation, found) for relation in relations if (found := _related(across, relation))]
    said += _contradicting(_related(inside, "same"))
    said += [_inside(relation, found) for relation in relations if (found := _related(inside, relation))]
    between = "between parts" if len(parts) > 1 else ""
    alone = f"none among {counted(len(images), 'image')} {between}".strip() + ", flipped, turned or nearly the same"
    alone += left_out
    yield from said or [Finding("fine", _CHECK, alone)]


def find_twins(images: Sequence[Examined]) -> list[Twin]:
    """All pairs that are the same, turned, or alike; images of a single grey have no twins."""
    images = [image for image in images if image.low < image.high and image.thumbnail is not None]
    if not images:
        return []
    thumbnails = np.stack([image.thumbnail for image in images if image.thumbnail is not None])
    alike = {(first, second): correlation for first, second, correlation in find_alike(thumbnails)}
    alike |= dict.fromkeys(_equal([image.digest[1] for image in images]), 1.0)
    twins = []
    for (first, second), correlation in sorted(alike.items()):
        one, other = images[first], images[second]
        relation: Relation = "alike"
        if one.digest[1] == other.digest[1]:
            relation = "same" if one.digest[0] == other.digest[0] else "turned"
        twins.append(Twin(one, other, relation, correlation))
    return twins


def _equal(digests: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Positions of every two that are the same."""
    places: dict[bytes, list[int]] = {}
    for place, digest in enumerate(digests):
        places.setdefault(digest, []).append(place)
    for same in places.values():
        yield from itertools.combinations(same, 2)


def _related(twins: Sequence[Twin], relation: Relation) -> list[Twin]:
    return [twin for twin in twins if twin.relation == relation]


def _across(relation: Relation, twins: list[Twin]) -> Finding:
    severity: Severity = "warning" if relation == "alike" else "wrong"
    return Finding(
        severity, _CHECK, f"{counted(len(twins), 'pair')} of images in two parts, {_WORDS[relation]}", listed(twins),
        "a network is scored on what it was trained on, so the scores are too good"
        + ("; frames of one film or neighbouring sections are alike, too" if relation == "alike" else ""),
        "keep each image, and all that belong together, in one part", _places(twins),
        {f"{relation}_pairs_between_parts": [str(twin) for twin in twins]},
    )  # fmt: skip


def _inside(relation: Relation, twins: list[Twin]) -> Finding:
    return Finding(
        "note", _CHECK, f"{counted(len(twins), 'pair')} of images in one part, {_WORDS[relation]}", listed(twins),
        "they count twice; and whoever divides the images anew may tear them apart", "keep one of each", _places(twins),
        {f"{relation}_pairs_in_one_part": [str(twin) for twin in twins]},
    )  # fmt: skip


def _contradicting(twins: list[Twin]) -> list[Finding]:
    found = [twin for twin in twins if twin.first.digest[2] != twin.second.digest[2] and twin.first.digest[2]]
    return [] if not found else [Finding(
        "warning", _CHECK, f"{counted(len(found), 'pair')} of the same image with different labels", listed(found),
        "at least one of the labels is wrong", "look at both, and keep the right one", _places(found),
        {"same_image_other_label": [str(twin) for twin in found]},
    )]  # fmt: skip


def _places(twins: list[Twin]) -> tuple:
    return tuple(dict.fromkeys(image.place for twin in twins for image in (twin.first, twin.second)))
