"""Polarity: is 1 the same thing in all masks, and is it what one looks for?

An inverted mask has its classes' greys the other way round *and* covers what the others leave free. Either alone proves
nothing: stained cells are dark and glowing ones bright, and objects are large or small. Where the classes are equally
large, only a contrast that is that of the others mirrored counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from minifcn.audit.doctor.finding import Finding, counted, listed, verb
from minifcn.audit.doctor.survey import Examined, Part

_CHECK = "polarity"
_LEAST_IMAGES = 3
_LEAST_CONTRAST = 0.3  # standard deviations of the image's grey
_HALF = 0.1  # shares of the foreground so near to a half say nothing


def judge_polarity(parts: Sequence[Part]) -> Iterator[Finding]:
    """Masks that contradict the others, and a foreground that looks like a background."""
    images = [image for part in parts for image in part.labelled if np.isfinite(image.contrast)]
    if not parts or parts[0].dataset.task != "segmentation" or parts[0].dataset.num_classes != 2:
        yield Finding("skipped", _CHECK, "asked of two classes only")
        return
    if len(images) < _LEAST_IMAGES:
        yield Finding("skipped", _CHECK, f"{counted(len(images), 'image')} with both classes and contrast are too few")
        return
    shares = np.array([image.counts[1] / image.counts.sum() for image in images])  # type: ignore[index,union-attr]
    contrasts = np.array([image.contrast for image in images])
    inverted = find_inverted(shares, contrasts)
    numbers = {
        "foreground_share": float(np.median(shares)),
        "contrast_in_standard_deviations": float(np.median(contrasts)),
        "share_of_the_frame": _share_of_frame(images),
    }
    if inverted.any():
        yield _contradictory([image for image, flag in zip(images, inverted, strict=True) if flag], images, numbers)
    elif "background" in parts[0].dataset.classes[0].lower() and _looks_like_background(shares, images):
        yield _swapped(parts[0].dataset.classes[1], numbers)
    else:
        yield Finding("fine", _CHECK, f"none contradicts the others: {_means(parts[0], numbers)}", numbers=numbers)


def find_inverted(shares: np.ndarray, contrasts: np.ndarray) -> np.ndarray:
    """Which masks (N,) are inverted, of shares of the foreground and contrasts between it and the background.

    >>> find_inverted(np.array([0.1, 0.2, 0.85, 0.1]), np.array([1.0, 1.2, -1.1, 0.9])).tolist()
    [False, False, True, False]
    """
    one_way = contrasts > 0
    # Where both are equally frequent, it is those that differ from the first image.
    usual = one_way.mean() > 0.5 or (one_way.mean() == 0.5 and bool(one_way[0]))
    others = one_way == usual
    share, contrast = float(np.median(shares[others])), float(np.median(contrasts[others]))
    candidates = ~others & (np.abs(contrasts) > _LEAST_CONTRAST) & (abs(contrast) > _LEAST_CONTRAST)
    if abs(share - 0.5) < _HALF:
        steady = float(np.median(np.abs(contrasts[others] - contrast))) < 0.25 * abs(contrast)
        mirrored = np.abs(contrasts + contrast) < 0.25 * abs(contrast)
        return candidates & mirrored & steady & (abs(contrast) > 1)
    # Nearer to what the others leave free than to what they cover, and the contrast no weaker than half of theirs.
    return (
        candidates
        & (np.abs(shares - (1 - share)) < np.abs(shares - share))
        & (np.abs(contrasts) > 0.5 * abs(contrast))
        & ((shares > 0.5) != (share > 0.5))
    )


def _contradictory(found: list[Examined], images: list[Examined], numbers: dict) -> Finding:
    return Finding(
        "wrong", _CHECK, f"{counted(len(found), 'mask', len(images))} {verb(len(found), 'is', 'are')} inverted",
        f"{listed([image.place for image in found])}: the foreground is where the others have background, in size and "
        f"in grey (elsewhere it fills {numbers['foreground_share']:.0%} and is {_lighter(numbers)})",
        "these images teach the opposite of the others", "invert these masks (1 - mask, or 255 - mask)",
        tuple(image.place for image in found), {**numbers, "inverted_masks": [str(image.place) for image in found]},
    )  # fmt: skip


def _swapped(name: str, numbers: dict) -> Finding:
    return Finding(
        "note", _CHECK, f"{name!r} covers more than the background, the images' borders included",
        f"it fills {numbers['foreground_share']:.0%} of the pixels and {numbers['share_of_the_frame']:.0%} of the "
        f"outermost rows and columns, and is {_lighter(numbers)}",
        "in masks that are inverted as a whole it would be so; in a tissue of cells it is right",
        "check that white in the masks is what you look for; in ISBI 2012 white is the cell and black the membrane",
        numbers=numbers,
    )  # fmt: skip


def _looks_like_background(shares: np.ndarray, images: list[Examined]) -> bool:
    return float(np.median(shares)) > 0.5 and _share_of_frame(images) > 0.5


def _share_of_frame(images: list[Examined]) -> float:
    frames = np.sum([image.frame for image in images if image.frame is not None], axis=0)
    return float(frames[1] / max(1, frames.sum()))


def _means(part: Part, numbers: dict) -> str:
    return f"{part.dataset.classes[1]!r} fills {numbers['foreground_share']:.0%} and is {_lighter(numbers)}"


def _lighter(numbers: dict) -> str:
    contrast = numbers["contrast_in_standard_deviations"]
    return f"{abs(contrast):.1f} standard deviations {'brighter' if contrast > 0 else 'darker'}"
