"""Sizes: of the images, against the crops that training cuts and the sizes that the network takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minifcn.audit.doctor.finding import Finding, counted, listed
from minifcn.audit.doctor.network import Candidate
from minifcn.audit.doctor.survey import Examined, Part

_CHECK = "sizes"


def judge_sizes(parts: Sequence[Part], network: Candidate | None, crop: int | None) -> Iterator[Finding]:
    """Crops or images that the network does not take, images that are smaller than the crop or do not stack."""
    images = [image for part in parts for image in part.images if image.shape is not None]
    if not images:
        yield Finding("skipped", _CHECK, "no image could be read")
        return
    said = [*_channels(parts, network), *_cropped(images, network, crop), *_whole(parts, network, crop)]
    yield from said or [Finding("fine", _CHECK, _in_words(images, network, crop), numbers=_numbers(images))]


def _channels(parts: Sequence[Part], network: Candidate | None) -> Iterator[Finding]:
    have = parts[0].dataset.channels
    if network is not None and network.channels != have:
        yield Finding(
            "wrong", _CHECK, f"the images have {counted(have, 'channel')}, {network.name} takes {network.channels}",
            why="training would end at the first image", action="make a network for these images (in_channels); "
            "folder and dsb2018 convert with --data-option channels=1 or 3",
        )  # fmt: skip


def _cropped(images: list[Examined], network: Candidate | None, crop: int | None) -> Iterator[Finding]:
    if not crop:
        return
    problem = network.size_error(crop, crop) if network is not None else None
    if problem:
        yield Finding(
            "wrong", _CHECK, f"the network does not take crops of {crop} x {crop}", problem,
            "training would end before the first step", "give --crop one of the legal sizes",
        )  # fmt: skip
    small = [image for image in images if min(image.shape[:2]) < crop]  # type: ignore[index]
    if small:
        least = min(min(image.shape[:2]) for image in small)  # type: ignore[index]
        legal = network.legal_at_most(least) if network is not None else None
        yield Finding(
            "warning", _CHECK, f"{counted(len(small), 'image', len(images))} smaller than the crop of {crop}",
            f"the smallest has a side of {least}; {listed([image.place for image in small])}",
            "they are mirrored until they fill the crop: the network learns from reflections",
            f"leave them out, or give --crop {legal or 'a smaller size'}",
            tuple(image.place for image in small), {"images_smaller_than_crop": len(small), "smallest_side": least},
        )  # fmt: skip


def _whole(parts: Sequence[Part], network: Candidate | None, crop: int | None) -> Iterator[Finding]:
    """Without crops, the images of the training part are what the network sees, stacked."""
    images = [image for image in parts[0].images if image.shape is not None]
    if crop or not images:
        return
    shapes = {image.shape[:2] for image in images if image.shape is not None}
    if len(shapes) > 1:
        yield Finding(
            "warning", _CHECK, f"images of {len(shapes)} sizes, and no crop", _extent(images),
            "images of different sizes do not stack into a batch", "give --crop, or --batch 1",
            numbers=_numbers(images),
        )  # fmt: skip
    refused = [i for i in images if i.shape is not None and network is not None and network.size_error(*i.shape[:2])]
    if refused and network is not None:
        (height, width, _) = refused[0].shape or (0, 0, 0)
        yield Finding(
            "wrong", _CHECK, f"the network does not take {counted(len(refused), 'image', len(images))} as a whole",
            network.size_error(height, width) or "", "training would end there",
            f"give --crop {network.legal_at_most(min(height, width)) or 'N'}, or pad the images",
            tuple(i.place for i in refused),
        )  # fmt: skip


def _in_words(images: list[Examined], network: Candidate | None, crop: int | None) -> str:
    against = f", crops of {crop}" if crop else ""
    return f"{_extent(images)}{against}" + (f", all legal for {network.name}" if network is not None else "")


def _extent(images: list[Examined]) -> str:
    heights, widths = zip(*(image.shape[:2] for image in images if image.shape is not None), strict=True)
    if len(set(heights)) == len(set(widths)) == 1:
        return f"{heights[0]} x {widths[0]} pixels"
    return f"{min(heights)} to {max(heights)} x {min(widths)} to {max(widths)} pixels"


def _numbers(images: list[Examined]) -> dict:
    return {"sizes_in_pixels": sorted({image.shape[:2] for image in images if image.shape is not None})}
