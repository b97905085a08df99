"""TIFF files that are read and written part by part, with the size of their pixels kept."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from minifcn.io.errors import ImageError
from minifcn.io.regions import Mapped, Regions
from minifcn.io.segments import Segments

_SMALL = 2**26  # bytes: smaller images are read whole, which also finds damage before anything is computed
_CLASSIC = 2**32 - 2**25  # bytes: what fits into a TIFF that is no BigTIFF, with room for its directories
_PER_CENTIMETRE = {"um": 1e4, "µm": 1e4, "micron": 1e4, "microns": 1e4, "\\u00B5m": 1e4, "mm": 10.0, "cm": 1.0}


@contextlib.contextmanager
def only_series(file: IO[bytes] | Path) -> Iterator[tuple[Any, list[str]]]:
    """The one image or stack in a TIFF, as tifffile's series, and what tifffile complains of meanwhile.

    Raises:
        ImageError: there are several of different kinds.
    """
    import tifffile

    with _complaints() as complaints, tifffile.TiffFile(file) as tiff:
        if len(tiff.series) != 1:
            raise ImageError(f"holds {len(tiff.series)} images of different kinds; save each to a file of its own")
        yield tiff.series[0], complaints


def refuse_damaged(complaints: Sequence[str]) -> None:
    """Raise ImageError if there were complaints: of a stack that was cut short tifffile reads what is left."""
    if complaints:
        raise ImageError(f"is damaged ({complaints[0]}); copy it again, or repair it by saving it from ImageJ")


def open_tiff(path: Path) -> Regions:
    """Open the one image or stack of a TIFF: mapped if it lies in one piece, else tile by tile or strip by strip."""
    with contextlib.ExitStack() as stack:
        series, complaints = stack.enter_context(only_series(path))
        metadata = _metadata(series)
        array: Any
        if series.nbytes <= _SMALL:
            array = series.asarray()
        elif series.dataoffset is not None:
            array = Mapped(
                path, np.dtype(series.dtype).newbyteorder(series.parent.byteorder), series.dataoffset, series.shape
            )
        else:
            import zarr

            array = zarr.open(stack.enter_context(contextlib.closing(series.aszarr(level=0))), mode="r")
        refuse_damaged(complaints)
        axes = series.axes
        keep_open = stack.pop_all()
    return Regions(path, array, axes, metadata, keep_open.close)


def create_tiff(path: Path, shape: tuple[int, ...], dtype: Any, source: Regions) -> None:
    """Write a TIFF of zeros, uncompressed, whose places are known: (pages of any axes..., H, W).

    It is cut up as ``source`` is, into tiles or not at all, and takes over its kind (ImageJ, OME), its pixels' size and
    what counts its pages. Where ImageJ's kind has room it is taken, so that stacks open as stacks; otherwise BigTIFF.
    """
    import tifffile

    meta, nbytes = source.metadata, int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    tile, resolution, unit = meta.get("tile"), meta.get("resolution"), meta.get("resolutionunit")
    axes = _page_axes(source, len(shape) - 2) + "YX"
    options: dict[str, Any] = {"metadata": {"axes": axes}}
    if meta.get("ome"):
        options = {"ome": True, "metadata": {"axes": axes, **meta["ome"]}}
    elif tile is None and nbytes < _CLASSIC and np.dtype(dtype).name in ("uint8", "uint16", "float32"):
        options = {"imagej": True, "metadata": {"axes": axes, **meta.get("imagej", {})}}
    elif resolution and (scale := _PER_CENTIMETRE.get(meta.get("imagej", {}).get("unit", ""))):
        resolution, unit = tuple(scale * value for value in resolution), 3  # which TIFF itself has no micrometres for
    tifffile.imwrite(
        path,
        shape=shape,
        dtype=dtype,
        photometric="minisblack",
        tile=tile,
        bigtiff=nbytes >= _CLASSIC or (bool(meta.get("bigtiff")) and "imagej" not in options),
        resolution=resolution,
        resolutionunit=unit,
        **options,
    )


def segments_of(path: Path, shape: tuple[int, int, int], dtype: Any) -> Segments:
    """Where each tile or strip of a file that `create_tiff` made lies; ``shape`` is (pages, H, W)."""
    import tifffile

    pages, height, width = shape
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        if series.dataoffset is not None:
            size = height * width * np.dtype(dtype).itemsize
            return Segments(path, shape, dtype, (height, width), [[series.dataoffset + k * size] for k in range(pages)])
        tile = series.keyframe.chunks[:2]
        return Segments(path, shape, dtype, tile, [list(page.dataoffsets) for page in series.pages])


def _page_axes(source: Regions, count: int) -> str:
    """Letters for the axes that count pages: time and depth are what ImageJ and OME know."""
    own = "".join(source.axes[axis] for axis in source.page_axes)
    return own if set(own) <= set("TZ") and len(own) == count else "TZ"[-count:] if count else ""


def _metadata(series: Any) -> Mapping[str, Any]:
    tiff, page = series.parent, series.keyframe
    found: dict[str, Any] = {
        "bigtiff": tiff.is_bigtiff,
        "tile": (page.tilelength, page.tilewidth) if page.is_tiled else None,
    }
    tags = {
        name: page.tags[name].value for name in ("XResolution", "YResolution", "ResolutionUnit") if name in page.tags
    }
    if "XResolution" in tags and "YResolution" in tags:
        pairs = tags["XResolution"], tags["YResolution"]
        if all(denominator for _, denominator in pairs):
            found["resolution"] = tuple(numerator / denominator for numerator, denominator in pairs)
            found["resolutionunit"] = int(tags.get("ResolutionUnit", 1))
    if tiff.is_imagej and tiff.imagej_metadata:
        kept = ("unit", "spacing", "finterval", "fps", "xorigin", "yorigin", "zorigin", "Info", "Labels")
        found["imagej"] = {key: value for key, value in tiff.imagej_metadata.items() if key in kept}
    if tiff.is_ome:
        found["ome"] = _ome_sizes(tiff.ome_metadata)
    return found


def _ome_sizes(xml: str) -> dict[str, Any]:
    """The physical sizes of pixels, with their units, and nothing of the channels, which results do not have."""
    from xml.etree import ElementTree

    pixels = next((element for element in ElementTree.fromstring(xml).iter() if element.tag.endswith("}Pixels")), None)
    attributes = {} if pixels is None else pixels.attrib
    numbers = {
        key: value for key, value in attributes.items() if key.startswith("PhysicalSize") or key == "TimeIncrement"
    }
    return {key: value if key.endswith("Unit") else float(value) for key, value in numbers.items()}


@contextlib.contextmanager
def _complaints() -> Iterator[list[str]]:
    """The errors that tifffile logs while this thread is in the block."""
    complaints: list[str] = []
    reader = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == reader:
                complaints.append(record.getMessage())

    listener = Listener(logging.ERROR)
    logger = logging.getLogger("tifffile")
    logger.addHandler(listener)
    try:
        yield complaints
    finally:
        logger.removeHandler(listener)
