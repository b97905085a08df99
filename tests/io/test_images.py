import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from minifcn.io import ImageError, read_image, to_float, write_image

TYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float16", "float32", "float64"]
SHAPES = [(6, 7), (6, 7, 3), (6, 7, 2), (6, 7, 4), (5, 6, 7), (2, 6, 7, 3), (2, 6, 7, 2)]


def sample(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("float"):
        return rng.random(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.dtype.isnative
    np.testing.assert_array_equal(actual, expected)


# ---- round trips


@pytest.mark.parametrize("dtype", TYPES)
def test_npy_keeps_everything(tmp_path, dtype):
    for shape in [*SHAPES, (1, 6, 7), (6, 7, 1)]:
        write_image(tmp_path / "a.npy", sample(dtype, shape))
        assert_same(read_image(tmp_path / "a.npy"), sample(dtype, shape))


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".TIF"])
@pytest.mark.parametrize("dtype", TYPES)
def test_tiff_keeps_everything_but_the_precision_of_float64(tmp_path, dtype, suffix):
    for shape in SHAPES:
        image = sample(dtype, shape)
        write_image(tmp_path / f"a{suffix}", image)
        expected = image.astype(np.float32) if dtype.startswith("float") else image
        assert_same(read_image(tmp_path / f"a{suffix}"), expected)


PNG = [("bool", ()), ("uint8", ()), ("uint8", (2,)), ("uint8", (3,)), ("uint8", (4,)), ("uint16", ())]
BMP = [("bool", ()), ("uint8", ()), ("uint8", (3,))]


@pytest.mark.parametrize(
    ("suffix", "dtype", "channels"), [(".png", *case) for case in PNG] + [(".bmp", *case) for case in BMP]
)
def test_png_and_bmp_are_exact(tmp_path, suffix, dtype, channels):
    image = sample(dtype, (6, 7, *channels))
    write_image(tmp_path / f"a{suffix}", image)
    assert_same(read_image(tmp_path / f"a{suffix}"), image)
    # Strided and byte-swapped arrays are images like any other.
    odd = np.asfortranarray(image).astype(image.dtype.newbyteorder(">"))[::-1, ::2]
    write_image(tmp_path / f"b{suffix}", odd)
    assert_same(read_image(tmp_path / f"b{suffix}"), image[::-1, ::2])


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_jpeg_is_close(tmp_path, suffix, channels):
    ramp = np.linspace(0, 255, 32 * 32).reshape(32, 32).astype(np.uint8)
    image = np.broadcast_to(ramp.reshape(32, 32, *[1] * len(channels)), (32, 32, *channels))
    write_image(tmp_path / f"a{suffix}", image)
    back = read_image(tmp_path / f"a{suffix}")
    assert (back.dtype, back.shape) == (np.uint8, image.shape)
    assert np.abs(back.astype(int) - image).max() <= 6


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_floats_become_rounded_bytes(tmp_path, suffix):
    write_image(tmp_path / f"a{suffix}", np.array([[0.0, 0.2, 0.5, 1.0]]))
    assert_same(read_image(tmp_path / f"a{suffix}"), np.array([[0, 51, 128, 255]], np.uint8))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".jpg"])
def test_a_single_channel_is_no_axis_in_an_image_file(tmp_path, suffix):
    write_image(tmp_path / f"a{suffix}", np.full((6, 7, 1), 9, np.uint8))
    assert read_image(tmp_path / f"a{suffix}").shape == (6, 7)


def test_stack_settles_what_three_axes_mean(tmp_path):
    image = sample("uint8", (5, 6, 3))
    write_image(tmp_path / "slices.tif", image, stack=True)
    write_image(tmp_path / "channels.tif", image)
    with tifffile.TiffFile(tmp_path / "slices.tif") as slices, tifffile.TiffFile(tmp_path / "channels.tif") as channels:
        assert (len(slices.pages), len(channels.pages)) == (5, 1)
    write_image(tmp_path / "many.tif", sample("uint16", (6, 7, 9)), stack=False)
    assert_same(read_image(tmp_path / "many.tif"), sample("uint16", (6, 7, 9)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_imagej_opens_a_stack_as_a_stack(tmp_path, dtype):
    write_image(tmp_path / "a.tif", sample(dtype, (5, 6, 7)))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.imagej_metadata["slices"] == 5
        assert tiff.series[0].axes == "ZYX"
        assert {page.compression for page in tiff.pages} == {tifffile.COMPRESSION.NONE}


# ---- files of other makers


def test_palette_files_give_colours_or_indices(tmp_path):
    indices = np.array([[0, 1, 255]], np.uint8)
    image = Image.fromarray(indices)
    image.putpalette([200, 100, 50] + [1, 2, 3] + [0, 0, 0] * 253 + [224, 224, 192])
    image.save(tmp_path / "voc.png")
    assert_same(read_image(tmp_path / "voc.png", labels=True), indices)
    assert_same(read_image(tmp_path / "voc.png"), np.array([[[200, 100, 50], [1, 2, 3], [224, 224, 192]]], np.uint8))
    image.save(tmp_path / "clear.png", transparency=1)
    assert read_image(tmp_path / "clear.png")[0, :, 3].tolist() == [255, 0, 255]


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (3, 2)).save(tmp_path / "a.jpg")
    assert_same(read_image(tmp_path / "a.jpg"), np.full((2, 3, 3), 255, np.uint8))


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_channels_come_last_wherever_they_lie(tmp_path, planar):
    image = sample("uint16", (6, 7, 3))
    stored = image if planar == "contig" else np.moveaxis(image, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    assert_same(read_image(tmp_path / "a.tif"), image)


def test_a_plain_multi_page_tiff_is_a_stack(tmp_path):
    stack = sample("uint8", (4, 6, 7))
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page in stack:
            tiff.write(page, contiguous=False, metadata=None, photometric="minisblack")
    assert_same(read_image(tmp_path / "a.tif"), stack)


# ---- to_float


@given(hnp.arrays(st.sampled_from([np.bool_, np.uint8, np.uint16]), (3, 4)))
@settings(deadline=None)
def test_to_float_scales_by_the_range_of_the_type(image):
    scaled = to_float(image)
    assert scaled.dtype == np.float32
    highest = 1 if image.dtype == np.bool_ else np.iinfo(image.dtype).max
    np.testing.assert_allclose(scaled, image / highest, rtol=1e-6)
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    np.testing.assert_array_equal(np.rint(scaled * np.float32(highest)), image)


def test_to_float_takes_either_byte_order():
    assert to_float(np.array([0, 65535], ">u2")).tolist() == [0, 1]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_to_float_keeps_floats_within_the_unit_range(dtype):
    image = sample(dtype, (3, 4))
    assert to_float(image).dtype == np.float32
    np.testing.assert_array_equal(to_float(image), image.astype(np.float32))


def test_to_float_refuses_what_has_no_range():
    for bad in (np.array([0.0, 255.0]), np.array([-0.1, 1.0]), np.array([0.5, np.nan]), np.array([0.0, np.inf])):
        with pytest.raises(ImageError, match=r"^floating-point image must lie in 0\.\.1, got .*scale it first"):
            to_float(bad)
    with pytest.raises(ImageError, match=r"^int32 pixels have no standard range; divide by the largest possible value"):
        to_float(np.zeros((2, 2), np.int32))


# ---- errors


def error_of(action, *arguments, **options):
    """The message of the error: one line, with the file's name in it."""
    with pytest.raises((ImageError, FileNotFoundError)) as caught:
        action(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(arguments[0]))
    return message


def test_reading_what_is_not_there(tmp_path):
    assert "no such file" in error_of(read_image, tmp_path / "missing.png")
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "missing.png")
    (tmp_path / "folder.png").mkdir()
    assert "is a folder; name an image file in it" in error_of(read_image, tmp_path / "folder.png")
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    assert "unknown suffix '.gif'; the known ones are .tif" in error_of(read_image, tmp_path / "a.gif")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".bmp", ".npy"])
def test_damaged_files(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.touch()
    assert "is empty (0 bytes)" in error_of(read_image, path)
    path.write_bytes(b"this is no image at all, whatever its name may say" * 9)
    assert f"cannot be read as {suffix} (" in error_of(read_image, path)
    write_image(path, sample("uint8", (64, 64)))
    whole = path.read_bytes()
    for kept in (0.03, 0.5, 0.9):
        path.write_bytes(whole[: int(kept * len(whole))])
        assert f"cannot be read as {suffix} (" in error_of(read_image, path)
    write_image(path, sample("uint8", (64, 64)))
    assert path.read_bytes() == whole


@pytest.mark.parametrize("metadata", ["imagej", "none"])
def test_a_stack_cut_short_is_not_a_shorter_stack(tmp_path, metadata, capsys):
    path = tmp_path / "a.tif"
    if metadata == "imagej":
        write_image(path, sample("uint8", (4, 64, 64)))
    else:
        with tifffile.TiffWriter(path) as tiff:
            for page in sample("uint8", (4, 64, 64)):
                tiff.write(page, contiguous=False, metadata=None, photometric="minisblack")
    whole = path.read_bytes()
    for kept in (0.1, 0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(kept * len(whole))])
        assert "damaged" in error_of(read_image, path)
    assert capsys.readouterr().err == ""


def test_npy_of_other_things(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    assert "cannot be read as .npy" in error_of(read_image, path)
    np.save(path, np.zeros(5))
    assert "float64 of shape (5,) is no image" in error_of(read_image, path)
    np.save(path, np.zeros((2, 2), complex))
    assert "complex128 of shape (2, 2) is no image" in error_of(read_image, path)
    np.save(path, np.zeros((0, 5)))
    assert "holds no pixels: its shape is (0, 5)" in error_of(read_image, path)


def test_sixteen_bit_colour_is_not_cut_to_eight(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)  # 1 x 1, 16 bits, RGB
    data = zlib.compress(b"\0" + struct.pack(">HHH", 1, 2, 3))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    assert "has 16 bits a channel in colour" in error_of(read_image, tmp_path / "a.png")


def test_label_maps_have_one_channel(tmp_path):
    for name in ("a.png", "a.tif"):
        write_image(tmp_path / name, sample("uint8", (6, 7, 3)))
        assert "a label map has one channel, this image has 3" in error_of(read_image, tmp_path / name, labels=True)


def test_tiffs_that_are_not_one_image(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(np.zeros((4, 5), np.uint8))
        tiff.write(np.zeros((6, 7), np.uint8))
    assert "holds 2 images of different kinds" in error_of(read_image, tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((2, 3, 2, 4, 5), np.uint8), imagej=True, metadata={"axes": "TZCYX"})
    assert "has 5 axes (TZCYX)" in error_of(read_image, tmp_path / "b.tif")


def test_a_compression_that_needs_another_package(tmp_path):
    write_image(tmp_path / "a.tif", sample("uint8", (6, 7)))
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages[0].tags["Compression"].overwrite(50001)  # WebP: never part of tifffile itself
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        assert "install imagecodecs, or save it uncompressed" in error_of(read_image, tmp_path / "a.tif")
    else:
        assert "cannot be read as .tif" in error_of(read_image, tmp_path / "a.tif")


def test_writing_where_nothing_can_be_written(tmp_path):
    image = sample("uint8", (6, 7))
    message = error_of(write_image, tmp_path / "missing" / "a.png", image)
    assert f"folder {tmp_path / 'missing'} does not exist; create it first" in message
    (tmp_path / "folder.png").mkdir()
    assert "is a folder; add a file name" in error_of(write_image, tmp_path / "folder.png", image)
    assert "unknown suffix ''" in error_of(write_image, tmp_path / "a", image)


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        (
            "a.png",
            np.zeros((6, 7), np.int64),
            "PNG cannot hold int64 x 1 channels; it can hold bool x 1, uint8 x 1/2/3/4",
        ),
        ("a.png", np.zeros((6, 7, 3), np.uint16), "PNG cannot hold uint16 x 3 channels"),
        ("a.jpg", np.zeros((6, 7), bool), "JPEG cannot hold bool x 1 channels"),
        ("a.jpg", np.zeros((6, 7, 4), np.uint8), "JPEG cannot hold uint8 x 4 channels; it can hold uint8 x 1/3"),
        ("a.bmp", np.zeros((6, 7), np.uint16), "BMP cannot hold uint16 x 1 channels"),
        ("a.png", np.zeros((5, 6, 7), np.uint8), "PNG holds one image, not a stack of shape (5, 6, 7)"),
        ("a.png", np.full((6, 7), 1.5), "floating-point image for PNG must lie in 0..1, got 1.5..1.5; scale it first"),
        ("a.png", np.full((6, 7), np.nan), "floating-point image for PNG must lie in 0..1, got nan..nan"),
        ("a.tif", np.zeros((6, 7), complex), "complex128 of shape (6, 7) is no image"),
        ("a.tif", np.zeros((0, 7), np.uint8), "uint8 of shape (0, 7) is no image"),
        ("a.npy", np.zeros(7, np.uint8), "uint8 of shape (7,) is no image"),
    ],
)
def test_arrays_a_format_cannot_hold(tmp_path, name, image, message):
    assert message in error_of(write_image, tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []


def test_stack_must_fit_the_shape(tmp_path):
    assert "stack=True does not fit" in error_of(write_image, tmp_path / "a.tif", np.zeros((2, 3)), stack=True)
    assert "stack=False does not fit" in error_of(write_image, tmp_path / "a.tif", np.zeros((2, 3, 4, 5)), stack=False)


# ---- atomic


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    write_image(path, sample("uint8", (6, 7)))

    def fail_half_way(file, *_, **__):
        file.write(b"half of a file")
        raise OSError("disk full")

    monkeypatch.setattr(tifffile, "imwrite", fail_half_way)
    with pytest.raises(OSError, match="disk full"):
        write_image(path, sample("uint8", (6, 7), seed=1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tif"]
    assert_same(read_image(path), sample("uint8", (6, 7)))


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_written_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    write_image(tmp_path / "a.npy", np.zeros((2, 2)))
    assert (tmp_path / "a.npy").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_the_formats_libraries_are_loaded_only_when_used():
    code = """
import sys, minifcn
before = set(sys.modules)
import minifcn.io.images, minifcn.metrics
print({"PIL", "tifffile", "skimage", "scipy"} & (set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---- real files


def test_real_files_of_every_kind(real_data):
    isbi, voc, nuclei = real_data("isbi2012"), real_data("voc2012"), real_data("dsb2018")
    stack = read_image(isbi / "train-volume.tif")
    assert (stack.dtype, stack.shape) == (np.uint8, (24, 512, 512))
    assert set(np.unique(read_image(isbi / "train-labels.tif", labels=True))) == {0, 255}
    for path in sorted((voc / "SegmentationClass").glob("*.png")):
        assert set(np.unique(read_image(path, labels=True))) <= {*range(21), 255}
        assert read_image(path).shape[-1] == 3
    for path in sorted((voc / "JPEGImages").glob("*.jpg")):
        assert read_image(path).shape[-1] == 3
    instances = sorted((nuclei / "fluo" / "labels").iterdir())
    assert read_image(instances[0], labels=True).dtype == np.uint16
