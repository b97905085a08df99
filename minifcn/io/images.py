"""Images between files and arrays: .tif/.tiff, .png, .jpg/.jpeg, .bmp and .npy.

Arrays are channels-last, as everywhere in minifcn: (H, W), (H, W, C), or a stack (N, H, W) or (N, H, W, C). Values are
the file's own, in the file's own type: nothing is scaled on reading. `to_float` is the one place that scales them to
0..1.
"""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from minifcn.io.atomic import replacing
from minifcn.io.errors import DAMAGE, ImageError, explain

KNOWN = ".tif, .tiff, .png, .jpg, .jpeg, .bmp, .npy"


def read_image(path: str | Path, labels: bool = False) -> np.ndarray:
    """Read one image file; its suffix says the format.

    - .tif: every page, as stored; a channel axis, wherever the file has it, comes last.
    - .png, .jpg, .bmp: the first image. A palette is resolved to RGB, unless `labels` is true: then the indices
      themselves come back (PASCAL VOC's masks are such files, 255 = void). CMYK and YCbCr become RGB. EXIF rotation is
      not applied, so that an image and its mask stay aligned.
    - .npy: the array, never unpickled.

    Args:
        path: the file.
        labels: the file is a label map; palette files give indices, and more than one channel is an error.

    Returns:
        (H, W), (H, W, C), (N, H, W) or (N, H, W, C), in the file's dtype and the machine's byte order.

    Raises:
        FileNotFoundError: no such file.
        ImageError: a folder, an unknown suffix, an empty or damaged file, or contents that are no image or hold no
            pixels.
    """
    path = Path(path)
    if path.is_dir():
        raise ImageError(f"{path}: is a folder; name an image file in it")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    suffix = _known_suffix(path)
    if path.stat().st_size == 0:
        raise ImageError(f"{path}: is empty (0 bytes); copy or download it again")
    with path.open("rb") as file:
        try:
            image = _READERS[suffix](file, labels)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from error
        except DAMAGE as error:
            raise ImageError(f"{path}: {explain(suffix, error)}") from error
    if image.ndim not in (2, 3, 4) or image.dtype.kind not in "biuf":
        raise ImageError(f"{path}: {image.dtype} of shape {image.shape} is no image, which has 2 to 4 axes of numbers")
    if image.size == 0:
        raise ImageError(f"{path}: holds no pixels: its shape is {image.shape}")
    return image.astype(image.dtype.newbyteorder("="), copy=False)


def to_float(image: np.ndarray) -> np.ndarray:
    """Intensities as float32 in 0..1, scaled by the range of the dtype and never by the contents.

    Two images of one experiment are thus scaled alike. Boolean: 0 and 1; uint8: / 255; uint16: / 65535; floating
    point: kept, if already within 0..1. Other integers have no range that images use, and are refused.

    Raises:
        ImageError: floating-point values outside 0..1 (NaN among them), or another dtype.

    >>> to_float(np.array([[0, 51, 255]], dtype=np.uint8))
    array([[0. , 0.2, 1. ]], dtype=float32)
    """
    image = np.asarray(image)
    if image.dtype == np.bool_:
        return image.astype(np.float32)
    if image.dtype.kind == "u" and image.dtype.itemsize <= 2:  # of either byte order
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    if image.dtype.kind == "f":
        _check_unit_range("floating-point image", image)
        return image.astype(np.float32, copy=False)
    raise ImageError(f"{image.dtype} pixels have no standard range; divide by the largest possible value yourself")


def write_image(path: str | Path, array: np.ndarray, stack: bool | None = None) -> None:
    """Write one image file; its suffix says the format. The file appears whole or not at all, replacing an old one.

    - .tif: any numbers, uncompressed, one page a slice. Types that ImageJ knows (uint8, uint16, float32) carry its
      metadata, so that a stack opens as a stack; float64 and float16 are stored as float32.
    - .png: boolean (1 bit), uint8 with 1 to 4 channels, uint16 with one; floating point in 0..1 becomes round(255 x).
    - .bmp, .jpg: uint8 with 1 or 3 channels, or floating point as for .png (.bmp: boolean too). Only .jpg loses detail.
    - .npy: anything, exactly.

    Except in .npy, an axis of a single channel or a single slice is not kept.

    Args:
        path: the file; its folder must exist.
        array: (H, W), (H, W, C), (N, H, W) or (N, H, W, C).
        stack: whether the first axis counts slices. None decides by the shape: four axes are a stack, three are one
            unless the last has at most 4 entries, which then are channels.

    Raises:
        FileNotFoundError: the folder does not exist.
        ImageError: the path is a folder, the suffix is unknown, or the format cannot hold the array.
    """
    path, array = Path(path), np.asarray(array)
    suffix = _known_suffix(path)
    if path.is_dir():
        raise ImageError(f"{path}: is a folder; add a file name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: folder {path.parent} does not exist; create it first")
    if array.ndim not in (2, 3, 4) or array.size == 0 or array.dtype.kind not in "biuf":
        raise ImageError(f"{path}: {array.dtype} of shape {array.shape} is no image, which has 2 to 4 axes of numbers")
    if stack is None:
        stack = array.ndim == 4 or (array.ndim == 3 and array.shape[-1] > 4)
    if array.ndim != 3 and stack != (array.ndim == 4):
        raise ImageError(f"{path}: stack={stack} does not fit an array of shape {array.shape}")

    try:
        with replacing(path) as temporary, temporary.open("xb") as file:
            _WRITERS[suffix](file, array, stack)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def write_palette(path: str | Path, labels: np.ndarray, colours: np.ndarray) -> None:
    """Write class numbers (H, W), uint8, as .png with a palette (classes, 3) in 0..1.

    It makes classes visible, and leaves their numbers as they are for whoever reads the file.
    """
    from PIL import Image

    image = Image.fromarray(labels).convert("P")
    image.putpalette(np.round(255 * np.asarray(colours)).astype(int).ravel().tolist())
    image.frombytes(labels.tobytes())
    with replacing(path) as temporary:
        image.save(temporary, format="PNG")


# ---- TIFF


def _read_tiff(file: IO[bytes], labels: bool) -> np.ndarray:
    from minifcn.io.tiff import only_series, refuse_damaged

    with only_series(file) as (series, complaints):
        if series.ndim > 4:
            raise ImageError(f"has {series.ndim} axes ({series.axes}); save one channel or one time point a file")
        image = np.asarray(series.asarray())
        refuse_damaged(complaints)
        # tifffile names interleaved samples S and separate channel planes C.
        channel = next((series.axes.index(name) for name in "SC" if name in series.axes), None)
    if channel is None:
        return image
    if labels:
        raise ImageError(f"a label map has one channel, this image has {image.shape[channel]}")
    return np.moveaxis(image, channel, -1)


def _write_tiff(file: IO[bytes], array: np.ndarray, stack: bool) -> None:
    import tifffile

    if array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    axes = "ZYX" if stack else "YX"
    rgb = False
    if array.ndim == len(axes) + 1:
        rgb = array.dtype == np.uint8 and array.shape[-1] in (3, 4)
        if rgb:
            axes += "S"
        else:
            # Only 8-bit colour is interleaved in ImageJ's files; other channels are planes of their own.
            axes = axes.replace("Y", "CY")
            array = np.moveaxis(array, -1, -3)  # (..., H, W, C) -> (..., C, H, W)
    tifffile.imwrite(
        file,
        np.ascontiguousarray(array),
        imagej=array.dtype in (np.uint8, np.uint16, np.float32),
        photometric="rgb" if rgb else "minisblack",
        metadata={"axes": axes},
    )


# ---- PNG, JPEG, BMP


def _read_pillow(file: IO[bytes], labels: bool) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(file) as image:
            mode = image.mode
            if mode != "I;16" and any("16" in str(tile[3]) for tile in image.tile):
                raise ImageError("has 16 bits a channel in colour, which Pillow cuts to 8; convert it to .tif")
            target = mode
            if mode == "P" and not labels:
                target = "RGBA" if "transparency" in image.info else "RGB"
            elif mode in ("CMYK", "YCbCr", "LAB", "HSV"):
                target = "RGB"
            pixels = np.array(image if target == mode else image.convert(target))
    except Image.DecompressionBombError as error:
        raise ImageError(f"{error}; convert it to .tif") from error
    if labels and pixels.ndim != 2:
        raise ImageError(f"a label map has one channel, this image has {pixels.shape[-1]} ({mode})")
    return pixels


def _pillow_writer(kind: str, shapes: dict[str, tuple[int, ...]], **options: Any) -> Callable[..., None]:
    """A writer for Pillow's format `kind`, which can hold the channel counts `shapes` of each dtype."""

    def write(file: IO[bytes], array: np.ndarray, stack: bool) -> None:
        from PIL import Image

        if stack:
            raise ImageError(f"{kind} holds one image, not a stack of shape {array.shape}; write .tif or .npy")
        if array.dtype.kind == "f":
            _check_unit_range(f"floating-point image for {kind}", array)
            array = np.rint(array * 255.0).astype(np.uint8)
        if array.ndim == 3 and array.shape[-1] == 1:
            array = array[..., 0]  # (H, W, 1) -> (H, W)
        channels = 1 if array.ndim == 2 else array.shape[-1]
        if channels not in shapes.get(array.dtype.name, ()):
            possible = ", ".join(f"{dtype} x {'/'.join(map(str, counts))}" for dtype, counts in shapes.items())
            raise ImageError(
                f"{kind} cannot hold {array.dtype} x {channels} channels; it can hold {possible}: cast, or write .tif"
            )
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        Image.fromarray(np.ascontiguousarray(native)).save(file, kind, **options)

    return write


# ---- npy


def _read_npy(file: IO[bytes], labels: bool) -> np.ndarray:
    # np.load would also open pickles and zip archives that carry this suffix.
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _write_npy(file: IO[bytes], array: np.ndarray, stack: bool) -> None:
    np.lib.format.write_array(file, array, allow_pickle=False)


# ---- shared

_READERS: dict[str, Callable[[IO[bytes], bool], np.ndarray]] = {
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".png": _read_pillow,
    ".jpg": _read_pillow,
    ".jpeg": _read_pillow,
    ".bmp": _read_pillow,
    ".npy": _read_npy,
}

# Quality 95 without chroma subsampling: colours stay on the pixel they belong to.
_write_jpeg = _pillow_writer("JPEG", {"uint8": (1, 3)}, quality=95, subsampling=0)

_WRITERS: dict[str, Callable[[IO[bytes], np.ndarray, bool], None]] = {
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".png": _pillow_writer("PNG", {"bool": (1,), "uint8": (1, 2, 3, 4), "uint16": (1,)}),
    ".jpg": _write_jpeg,
    ".jpeg": _write_jpeg,
    ".bmp": _pillow_writer("BMP", {"bool": (1,), "uint8": (1, 3)}),
    ".npy": _write_npy,
}


def _known_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise ImageError(f"{path}: unknown suffix {path.suffix!r}; the known ones are {KNOWN}")
    return suffix


def _check_unit_range(name: str, image: np.ndarray) -> None:
    # Written so that NaN fails too.
    if image.size and not (image.min() >= 0 and image.max() <= 1):
        raise ImageError(f"{name} must lie in 0..1, got {image.min()}..{image.max()}; scale it first")
