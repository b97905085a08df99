"""Classes: how much there is of each, which are missing, and which images hold nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from minifcn.audit.doctor.finding import Finding, counted, listed, verb
from minifcn.audit.doctor.survey import Examined, Part, foreground
from minifcn.data.frequency import median_frequency_weights

_CHECK = "class balance"
_WEIGHT, _GREAT_WEIGHT = 10, 25  # of median frequency balancing, from which on a class is called rare, or very rare
_DOMINANT = 0.95


def judge_balance(parts: Sequence[Part], balance: str = "none", crop: int | None = None) -> Iterator[Finding]:
    """Shares of the classes of the training images, and classes that these or the others lack.

    How rare a class is, is said by the weight that median frequency balancing would give it: its pixels count among
    those of the images that hold it, so ten digits are not rare because every image shows one.
    """
    if not parts:
        return
    train = parts[0]
    if train.dataset.task != "segmentation" or not train.totals.sum():
        reason = f"the task is {train.dataset.task}" if train.dataset.task != "segmentation" else "no label was counted"
        yield Finding("skipped", _CHECK, reason)
        return
    shares = train.totals / train.totals.sum()
    said = [*_missing(parts), *_seldom(train), *_shares(train, shares, balance, crop)]
    yield from said or [Finding("fine", _CHECK, _in_words(train.dataset.classes, shares), numbers=_numbers(parts))]


def _missing(parts: Sequence[Part]) -> Iterator[Finding]:
    train, names = parts[0], parts[0].dataset.classes
    absent = [number for number in range(len(names)) if not train.totals[number]]
    scored = [number for number in absent if any(part.totals[number] for part in parts[1:])]
    among = f"the {counted(len(train.labelled), 'training image')}" + ("" if train.complete else " looked at")
    if scored:
        where = [part.name for part in parts[1:] if any(part.totals[number] for number in scored)]
        yield Finding(
            "wrong" if train.complete else "warning", _CHECK,
            f"{_count_of(len(scored))} of the {' and '.join(where)} images not in {among}",
            listed([names[number] for number in scored], 8),
            "what is never shown cannot be learnt, but is scored", "divide the images anew, so that every class is in "
            "the training images", numbers={"classes_only_scored": [names[number] for number in scored]},
        )  # fmt: skip
    nowhere = [names[number] for number in absent if number not in scored]
    if nowhere:
        yield Finding(
            "warning", _CHECK, f"{_count_of(len(nowhere))} of {len(names)} nowhere in {among}", listed(nowhere, 8),
            "they cannot be learnt", "leave them out of the classes, or add images that show them",
            numbers={"classes_never_seen": nowhere},
        )  # fmt: skip


def _seldom(train: Part) -> Iterator[Finding]:
    """Classes that a single image holds."""
    holding = np.sum([image.counts > 0 for image in train.labelled if image.counts is not None], axis=0)
    single = [name for name, images in zip(train.dataset.classes, holding.tolist(), strict=True) if images == 1]
    if single and train.complete and len(train.labelled) >= 10:
        yield Finding(
            "note", _CHECK, f"{_count_of(len(single))} in a single training image", listed(single, 8),
            "of one example a network learns that image by heart", "add images that show them",
            numbers={"classes_in_one_image": single},
        )  # fmt: skip


def _shares(train: Part, shares: NDArray, balance: str, crop: int | None) -> Iterator[Finding]:
    names, present = train.dataset.classes, shares[shares > 0]
    if len(present) < 2:
        yield Finding(
            "wrong", _CHECK, f"the training images hold nothing but {names[int(shares.argmax())]!r}",
            _in_words(names, shares), "there is nothing to learn", "check that these are the right masks",
            numbers=_numbers([train]),
        )  # fmt: skip
        return
    weights = median_frequency_weights(np.array([_pixels(image) for image in train.labelled]))
    if weights.max() >= _WEIGHT:
        rarest = int(weights.argmax())
        dominant = f"; judge by Dice or IoU, for {shares.max():.1%} of the pixels are right if all say the commonest"
        yield Finding(
            "note" if balance != "none" or weights.max() < _GREAT_WEIGHT else "warning",
            _CHECK,
            f"{names[rarest]!r} is rare: {shares[rarest]:.2%} of the pixels",
            _in_words(names, shares),
            "with equal weights a network does well by never naming it",
            _weighing(train, rarest, balance, crop) + (dominant if shares.max() > _DOMINANT else ""),
            numbers=_numbers([train]) | {"median_frequency_weights": dict(zip(names, weights.tolist(), strict=True))},
        )


def _weighing(train: Part, rarest: int, balance: str, crop: int | None) -> str:
    if balance != "none":
        return f"--balance {balance} sees to it"
    holding = [image for image in train.labelled if _pixels(image)[rarest]]
    if 2 * len(holding) < len(train.labelled) and crop:
        return "--balance crops: it is in few images, so crops that show it must be drawn on purpose"
    return f"--balance {'inverse' if train.dataset.num_classes == 2 else 'median'} weighs classes by their rarity"


def judge_empty(parts: Sequence[Part]) -> Iterator[Finding]:
    """Images without any object, without any background, or without any pixel that counts."""
    check = "empty masks"
    labelled = [image for part in parts for image in part.labelled]
    if not parts or not labelled or parts[0].dataset.task == "classification":
        yield Finding("skipped", check, "no label was counted" if parts and not labelled else "there are no masks")
        return
    if parts[0].dataset.task == "regression":
        said = _nothing_to_count(labelled)
    else:
        said = [*_ignored(labelled), *_empty_or_full(labelled, parts[0].dataset.classes)]
    yield from said or [Finding("fine", check, f"{counted(len(labelled), 'mask')}, none of them empty")]


def _ignored(labelled: list[Examined]) -> list[Finding]:
    images = [image for image in labelled if _pixels(image).sum() == 0]
    return [] if not images else [Finding(
        "warning", "empty masks", f"in {counted(len(images), 'mask', len(labelled))} no pixel counts", _named(images),
        "nothing is learnt from them", "move these images away, or check what marks pixels that do not count",
        tuple(image.place for image in images), {"masks_without_labels": len(images)},
    )]  # fmt: skip


def _empty_or_full(labelled: list[Examined], names: tuple[str, ...]) -> Iterator[Finding]:
    """Masks of one class: of the background, of the other of two, or all of them of the same."""
    seen = np.flatnonzero(np.sum([_pixels(image) for image in labelled], axis=0))
    if len(seen) == 1:
        yield Finding(
            "warning", "empty masks", f"{counted(len(labelled), 'mask', len(labelled))} with nothing but "
            f"{names[seen[0]]!r}", _named(labelled), "there is nothing to learn",
            "check that these are the right masks, and that their objects were drawn",
            tuple(image.place for image in labelled), {"masks_of_one_class": len(labelled)},
        )  # fmt: skip
        return
    things = list(foreground(names))
    empty = [image for image in labelled if _pixels(image).any() and not _pixels(image)[things].any()]
    # Of many classes, a mask without background is nothing odd.
    full = [image for image in labelled if len(names) == 2 and _pixels(image)[1] and not _pixels(image)[0]]
    if empty:
        yield Finding(
            "warning", "empty masks",
            f"{counted(len(empty), 'mask', len(labelled))} {verb(len(empty), 'is', 'are')} empty", _named(empty),
            "if these images do show something, the network learns not to see it; and overlap losses need to be told "
            'what an empty mask costs (the lecture\'s Dice is 1 on a correct empty answer)',
            'look at them; if they are right, keep cross_entropy, or say --loss "dice(empty=perfect)"; '
            "trainings otherwise leave empty classes out of these losses",
            tuple(image.place for image in empty), {"empty_masks": len(empty)},
        )  # fmt: skip
    if full:
        yield Finding(
            "warning", "empty masks",
            f"{counted(len(full), 'mask', len(labelled))} {verb(len(full), 'is', 'are')} full, without background",
            _named(full),
            "either the objects fill the image, or the mask was not drawn, or is an empty one inverted", "look at them",
            tuple(image.place for image in full), {"full_masks": len(full)},
        )  # fmt: skip


def _nothing_to_count(labelled: list[Examined]) -> list[Finding]:
    images = [image for image in labelled if not _pixels(image).any()]
    return [] if not images else [Finding(
        "warning" if len(images) < len(labelled) else "wrong", "empty masks",
        f"{counted(len(images), 'image', len(labelled))} with values of 0 throughout", _named(images),
        "fine if there is nothing to count; otherwise the annotation is missing", "look at them",
        tuple(image.place for image in images), {"images_of_zeros": len(images)},
    )]  # fmt: skip


def _pixels(image: Examined) -> NDArray:
    assert image.counts is not None
    return image.counts


def _named(images: list[Examined]) -> str:
    return listed([image.place for image in images])


def _count_of(number: int) -> str:
    return "1 class" if number == 1 else f"{number} classes"


def _in_words(names: tuple[str, ...], shares: NDArray) -> str:
    """The commonest first; what does not occur is told elsewhere."""
    order = [int(number) for number in np.argsort(-shares, kind="stable") if shares[number]]
    return listed([f"{names[number]} {shares[number]:.{1 if shares[number] >= 0.01 else 2}%}" for number in order], 12)


def _numbers(parts: Sequence[Part]) -> dict:
    return {f"{part.name}_pixels": dict(zip(part.dataset.classes, part.totals.tolist(), strict=True)) for part in parts}
