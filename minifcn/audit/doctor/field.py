"""Objects against the receptive field: can the network see what it shall find?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from minifcn.audit.doctor.finding import Finding, counted
from minifcn.audit.doctor.network import Candidate, in_words
from minifcn.audit.doctor.objects import Objects, joined
from minifcn.audit.doctor.survey import Part
from minifcn.kernels.shapes import Pair

_CHECK = "objects"
_SHARE_OF_PIXELS = 0.05
_SHARE_OF_OBJECTS = 0.5


def all_objects(parts: Sequence[Part]) -> Objects:
    """The objects of all images."""
    return joined([image.objects for part in parts for image in part.images if image.objects is not None])


def judge_objects(parts: Sequence[Part], network: Candidate | None) -> Iterator[Finding]:
    """Objects that are wider than the receptive field, or smaller than the total stride."""
    objects = all_objects(parts)
    if not parts or parts[0].dataset.task != "segmentation" or not len(objects.areas):
        yield Finding("skipped", _CHECK, "no regions of classes to be measured")
        return
    numbers = _numbers(objects)
    spans = f"{counted(len(objects.areas), 'object')} of {numbers['median_extent_pixels']:.0f} pixels (median), " \
        f"{numbers['largest_extent_pixels']} at most"  # fmt: skip
    if network is None or network.field is None:
        why = network.unknown if network is not None else "no network to hold them against"
        yield Finding("skipped", _CHECK, f"{spans}; {why}", numbers=numbers)
        return
    numbers |= {"receptive_field_pixels": network.field, "total_stride_pixels": network.stride}
    said = [*_wide(objects, network, network.field, numbers), *_small(objects, network, numbers)]
    within = f"{spans}; the receptive field of {network.name} is {in_words(network.field)} pixels"
    yield from said or [Finding("fine", _CHECK, within, numbers=numbers)]


def _wide(objects: Objects, network: Candidate, field: Pair, numbers: dict) -> Iterator[Finding]:
    """What does not fit along both axes: then nothing along one of them tells its middle where it is."""
    wide = objects.widths > min(field)
    along = "" if field[0] == field[1] else " along one axis"
    share = float(objects.areas[wide].sum() / objects.areas.sum())
    if share > _SHARE_OF_PIXELS:
        yield Finding(
            "warning", _CHECK,
            f"{counted(int(wide.sum()), 'object', len(wide))} wider than the receptive field of {in_words(field)} "
            "pixels",
            f"they hold {share:.0%} of the objects' pixels; the widest holds a square of {objects.widths.max()}",
            f"pixels in their middle see nothing but the inside{along}: unless grey or texture tells it there, the "
            "network cannot know what it is in",
            "a deeper network (-o depth=N: each level more doubles the field), or smaller images (half the size is "
            "twice the field)",
            numbers={**numbers, "objects_wider_than_field": int(wide.sum()), "their_share_of_pixels": share},
        )  # fmt: skip


def _small(objects: Objects, network: Candidate, numbers: dict) -> Iterator[Finding]:
    stride = network.stride or (1, 1)
    small, tiny = objects.extents < max(stride), objects.extents <= max(stride) / 4
    share = float(objects.areas[small].sum() / objects.areas.sum())
    # A few crumbs at the edges of regions matter little; that most objects are crumbs is to be known.
    if max(stride) > 1 and (share > _SHARE_OF_PIXELS or tiny.mean() > _SHARE_OF_OBJECTS):
        yield Finding(
            "note", _CHECK,
            f"{counted(int(small.sum()), 'object', len(small))} smaller than the total stride of {in_words(stride)} "
            "pixels",
            f"the median of all is {numbers['median_extent_pixels']:.0f} pixels; the small ones hold {share:.1%} of "
            "the objects' pixels",
            "at the deepest level they are less than one pixel: what has no skips (fcn32s, segnet) may lose them, a "
            "U-Net's skips keep them",
            "a network with skips, fewer levels, or larger images",
            numbers={**numbers, "objects_smaller_than_stride": int(small.sum())},
        )  # fmt: skip


def _numbers(objects: Objects) -> dict:
    return {
        "objects": len(objects.areas),
        "median_extent_pixels": float(np.median(objects.extents)),
        "largest_extent_pixels": int(objects.extents.max()),
        "largest_width_pixels": int(objects.widths.max()),
    }
