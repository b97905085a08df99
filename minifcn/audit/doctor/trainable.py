"""What training would refuse, or what is odd about the pixels of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minifcn.audit.doctor.finding import Finding, counted, listed
from minifcn.audit.doctor.survey import Examined, Part

_CHECK = "image values"
_DARK = 0.07  # 12 of 16 bits: 4095 / 65535
_SATURATED = 0.25
_KINDS = {
    "file": ("files", "{} cannot be read as image and mask", "save these files again, or move them away"),
    "image": (_CHECK, "{} cannot be trained on", "mend these images, or move them away"),
    "label": ("label values", "the labels of {} are refused", "mend these labels, or move the images away"),
}


def judge_refusals(parts: Sequence[Part]) -> Iterator[Finding]:
    """All that would end a training, and not only the first."""
    for kind, (check, title, mend) in _KINDS.items():
        images = [image for part in parts for image in part.images if image.refused == kind]
        if not images:
            continue
        yield Finding(
            "wrong", check, title.format(counted(len(images), "image")), images[0].refusal,
            "training stops at the first of them", mend, tuple(image.place for image in images),
            {"refusals": {str(image.place): image.refusal for image in images}},
        )  # fmt: skip


def judge_pixels(parts: Sequence[Part]) -> Iterator[Finding]:
    """Images without content, out of range, burnt out, or of another depth than their files."""
    images = [image for part in parts for image in part.images if image.thumbnail is not None]
    if not images:
        yield Finding("skipped", _CHECK, "no image could be read")
        return
    said = [*_constant(images), *_range(images), *_grey(images)]
    yield from said or [
        Finding("fine", _CHECK, f"{counted(len(images), 'image')}, all with content, in the range 0 to 1")
    ]


def _constant(images: list[Examined]) -> Iterator[Finding]:
    blank = [image for image in images if image.low == image.high]
    if blank:
        values = listed(sorted({f"{image.low:g}" for image in blank}))
        yield Finding(
            "wrong" if len(blank) == len(images) else "warning", _CHECK,
            f"{counted(len(blank), 'image', len(images))} the same all over",
            f"{_named(blank)}: value {values}", "nothing can be seen in them, so what their masks say cannot be learnt",
            "look at these files; move them away if they hold nothing", _places(blank), {"constant_images": len(blank)},
        )  # fmt: skip
    burnt = [image for image in images if image.saturated > _SATURATED and image.low < image.high]
    if burnt and len(burnt) <= len(images) / 2:  # of most of them, it is how these images are: drawings, bright fields
        yield Finding(
            "note", _CHECK, f"{counted(len(burnt), 'image', len(images))} saturated in more than a quarter",
            _named(burnt), "where the sensor was saturated there is nothing to see", "look at them", _places(burnt),
            {"saturated_images": len(burnt)},
        )  # fmt: skip


def _range(images: list[Examined]) -> Iterator[Finding]:
    low, high = min(image.low for image in images), max(image.high for image in images)
    outside = [image for image in images if image.low < 0 or image.high > 1]
    if outside:
        yield Finding(
            "warning", _CHECK, f"{counted(len(outside), 'image', len(images))} outside the range of 0 to 1",
            f"{low:g} to {high:g}; {_named(outside)}", "whatever scales these images must scale later ones alike",
            "divide by the largest possible value before training", _places(outside), {"low": low, "high": high},
        )  # fmt: skip
    elif 0 < high < _DARK:
        yield Finding(
            "note", _CHECK, f"the images use {high:.1%} of their range",
            f"the largest value of all is {high:.4f} of what the files could hold",
            "16-bit files often hold 8 to 12 bits; trainings normalise images, so this does no harm there, but what "
            "expects 0 to 1 sees black",
            "nothing for minifcn train; elsewhere scale all images by the same number",
            numbers={"low": low, "high": high},
        )  # fmt: skip


def _grey(images: list[Examined]) -> Iterator[Finding]:
    if all(image.grey for image in images):
        yield Finding(
            "note", _CHECK, "the images are grey, but have three channels", f"{counted(len(images), 'image')}",
            "three equal channels cost time and tell no more than one",
            "for folder and dsb2018, --data-option channels=1 reads one", numbers={"grey_images": len(images)},
        )  # fmt: skip


def _places(images: list[Examined]) -> tuple:
    return tuple(image.place for image in images)


def _named(images: list[Examined]) -> str:
    return listed([image.place for image in images])
