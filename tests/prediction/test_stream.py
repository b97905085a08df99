"""Files predicted band by band: as in memory, and nothing is lost or overwritten unasked."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from predicted_files import SIZE, StoppedError, interrupted, pixels, predictor_of, read, write

from minifcn.data import Normalisation
from minifcn.io import ImageError, write_image
from minifcn.io.opening import open_regions
from minifcn.models import UNet
from minifcn.prediction import Predictor, TileOptions
from minifcn.prediction.strategies import Auto, Whole
from minifcn.prediction.stream import predict_file

FILES = [
    ("strips.tif", {}),
    ("tiles.tif", {"tile": (16, 32)}),
    ("deflate.tif", {"tile": (32, 16), "compression": "deflate"}),
    ("imagej.tif", {"imagej": True}),
    ("big-endian.tif", {"byteorder": ">"}),
    ("a.npy", {}),
    ("two.zarr", {"zarr_format": 2}),
    ("three.zarr", {"zarr_format": 3}),
]


@pytest.mark.parametrize(("name", "options"), FILES)
@pytest.mark.parametrize("pages", [0, 2])
def test_a_file_is_predicted_as_in_memory(
    name: str, options: dict[str, Any], pages: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minifcn.io.tiff._SMALL", 0)
    stack = pixels(*([pages] if pages else []), *SIZE)
    predictor = predictor_of()
    source = write(tmp_path / name, stack, **options)
    (path,) = predict_file(predictor, source, tmp_path / f"out{source.suffix}").paths
    expected = predictor(stack.reshape(-1, *SIZE, 1) / np.float32(255)).argmax(axis=-1) * 255
    result = read(path)
    assert result.dtype == np.uint8
    assert 0 < result.mean() < 255
    np.testing.assert_array_equal(result, expected.reshape(stack.shape))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, path.name])


@pytest.mark.parametrize(
    ("channels", "array", "axes"),
    [
        (3, pixels(*SIZE, 3), "YXS"),
        (1, pixels(*SIZE, 3), "YXS"),  # luminance
        (3, pixels(*SIZE, dtype="uint16"), "YX"),
        (2, pixels(2, *SIZE, dtype="float32"), "CYX"),
        (1, 9 * pixels(*SIZE, dtype="float64") - 3, "YX"),
    ],
)
def test_colour_and_types(channels: int, array: np.ndarray, axes: str, tmp_path: Path) -> None:
    predictor = predictor_of(channels, classes=3)
    source = write(
        tmp_path / "a.tif", array, metadata={"axes": axes}, photometric="rgb" if "S" in axes else "minisblack"
    )
    written = predict_file(predictor, source, tmp_path / "out.tif", probabilities=True)
    assert [path.name for path in written.paths] == ["out_0.tif", "out_1.tif", "out_2.tif"]
    image = np.moveaxis(array, 0, -1) if "C" in axes else array
    image = image if image.ndim == 3 else image[..., None]
    floats = image.astype(np.float32)
    if image.dtype.kind == "u":
        floats /= np.float32(np.iinfo(image.dtype).max)
    if channels == 3:
        floats = np.broadcast_to(floats, (*SIZE, 3))
    elif floats.shape[-1] == 3:
        floats = (floats @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    expected = predictor(floats[None])[0]
    for k, path in enumerate(written.paths):
        assert read(path).dtype == np.float32
        # Roundings of the luminance, through a network whose answers are steep.
        np.testing.assert_allclose(read(path), expected[..., k], atol=2e-4)


@pytest.mark.parametrize("blend", ["constant", "gaussian"])
def test_overlapping_tiles_are_averaged_as_in_memory(blend: Any, tmp_path: Path) -> None:
    predictor = predictor_of(options=TileOptions(32, 2, 8, blend), normalise=Normalisation("dataset", (0.5,), (0.2,)))
    image = pixels(*SIZE)
    (path,) = predict_file(predictor, write(tmp_path / "a.npy", image), tmp_path / "out.npy", probabilities=True).paths
    np.testing.assert_array_equal(read(path), predictor(image[None, ..., None] / np.float32(255))[0, ..., 1])


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (64, 33)])
def test_images_of_any_size(size: tuple[int, int], tmp_path: Path) -> None:
    image, predictor = pixels(*size), predictor_of()
    (path,) = predict_file(predictor, write(tmp_path / "a.npy", image), tmp_path / "out.npy", probabilities=True).paths
    expected = predictor(image[None, ..., None] / np.float32(255))[0, ..., 1]
    np.testing.assert_allclose(read(path), expected, atol=1e-6)


def test_values_are_written_and_added_up(tmp_path: Path) -> None:
    predictor = predictor_of(classes=1, activation="identity", scale=2.0)
    stack = pixels(2, *SIZE)
    written = predict_file(predictor, write(tmp_path / "a.npy", stack), tmp_path / "out.npy")
    values = read(written.paths[0])
    assert values.dtype == np.float32
    np.testing.assert_allclose(written.totals[:, 0], values.sum(axis=(1, 2), dtype=np.float64) / 2, rtol=1e-9)


def test_a_network_without_padding_answers_the_middle_if_asked_to(tmp_path: Path) -> None:
    network = UNet(1, 2, base=1, depth=1, padding="valid")
    source = write(tmp_path / "a.npy", pixels(40, 44))
    predict_file(Predictor(network, strategy=Whole()), source, tmp_path / "out.npy")
    assert read(tmp_path / "out.npy").shape == network.output_size(40, 44)
    source = write(tmp_path / "b.npy", pixels(41, 44))
    with pytest.raises(ValueError, match=r"b.npy: predict: .*41"):
        predict_file(Predictor(network, strategy=Whole()), source, tmp_path / "out2.npy")
    assert {path.name for path in tmp_path.iterdir()} == {"a.npy", "b.npy", "out.npy"}


def test_small_images_are_a_single_band(tmp_path: Path) -> None:
    plans: list[Any] = []
    predictor = predictor_of()
    predictor.strategy = Auto()
    source = write(tmp_path / "a.npy", pixels(*SIZE))
    predict_file(predictor, source, tmp_path / "out.npy", announce=plans.append)
    assert plans == [((1, *SIZE, 1), None, 1, 0, None, False, False)]


def test_results_are_not_overwritten_unasked(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.tif", pixels(*SIZE)), tmp_path / "out.tif"
    target.write_text("precious")
    with pytest.raises(FileExistsError, match=r"out.tif: exists already; replace it with --overwrite"):
        predict_file(predictor_of(), source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "out.tif"]
    assert target.read_text() == "precious"
    predict_file(predictor_of(), source, target, overwrite=True)
    assert read(target).shape == SIZE


def test_a_store_is_replaced_but_no_other_folder(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.zarr", pixels(*SIZE), zarr_format=2), tmp_path / "out.zarr"
    for _ in range(2):
        predict_file(predictor_of(), source, target, overwrite=True)
    assert read(target).shape == SIZE
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "mine").touch()
    with pytest.raises(ImageError, match="no Zarr store, so it is not replaced"):
        predict_file(predictor_of(), source, tmp_path / "b.zarr", overwrite=True)
    assert (tmp_path / "b.zarr" / "mine").exists()


def test_a_full_disk_is_found_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    source, target = write(tmp_path / "a.tif", pixels(*SIZE)), tmp_path / "out.tif"
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match=r"No space left.*out.tif"):
            predict_file(predictor_of(), source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    with monkeypatch.context() as patched:
        writes = iter(range(2))
        pwrite = os.pwrite
        patched.setattr(os, "pwrite", lambda *a: full() if next(writes, None) is None else pwrite(*a))
        with pytest.raises(OSError, match=r"No space left.*out.tif"):
            predict_file(predictor_of(), source, target)
    plans: list[Any] = []
    predict_file(predictor_of(), source, target, announce=plans.append)
    assert plans[0].done > 0


def test_pictures_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", pixels(*SIZE))
    interrupted(predictor_of(), tmp_path / "a.png", tmp_path / "out.png", after=8)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    predict_file(predictor_of(), tmp_path / "a.png", tmp_path / "out.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "out.png"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_named_with_its_place(value: float, tmp_path: Path) -> None:
    stack = pixels(2, *SIZE, dtype="float32")
    stack[1, 70, 3] = value
    source = write(tmp_path / "a.npy", stack)
    with pytest.raises(ImageError, match=r"a.npy: holds NaN or infinite values in rows \d+ to \d+ of page 1"):
        predict_file(predictor_of(), source, tmp_path / "out.npy")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            pixels(*SIZE, 5).transpose(2, 0, 1)[None].transpose(0, 2, 3, 1),
            "has 5 channels, but the network was trained",
        ),
        (pixels(*SIZE).astype(np.int32), "int32 pixels have no standard range"),
        (np.zeros((2, 2, 2, 2, 2), np.uint8), r"shape \(2, 2, 2, 2, 2\) is no image"),
        (np.zeros((0, 5), np.uint8), "holds no pixels"),
        (np.zeros((5, 5), complex), "complex128 of shape"),
    ],
)
def test_what_is_no_image_leaves_nothing_behind(array: np.ndarray, message: str, tmp_path: Path) -> None:
    source = write(tmp_path / "a.npy", array)
    with pytest.raises(ImageError, match=rf"a.npy: .*{message}"):
        predict_file(predictor_of(), source, tmp_path / "out.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_the_stated_peak_of_memory_does_not_grow_with_the_height(tmp_path: Path) -> None:
    plans: list[Any] = []
    for height in (100, 4000):
        path = tmp_path / f"{height}.npy"
        np.lib.format.open_memmap(path, "w+", np.uint8, (height, 64))

        def announce(plan: Any) -> None:
            plans.append(plan)
            raise StoppedError

        with pytest.raises(StoppedError):
            predict_file(predictor_of(), path, tmp_path / f"out{height}.npy", announce=announce)
    assert abs(plans[1].peak - plans[0].peak) < 2**24


def test_regions_close_their_file(tmp_path: Path) -> None:
    with open_regions(write(tmp_path / "a.tif", pixels(*SIZE), tile=(16, 16))) as source:
        assert source.read(0, (3, 5), (80, 90)).shape == (2, 10, 1)


def test_planes_of_their_own_are_no_transparency(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tif", pixels(2, *SIZE), metadata={"axes": "CYX"}, imagej=True)
    with pytest.raises(ImageError, match="has 2 channels, but the network was trained on 1"):
        predict_file(predictor_of(), source, tmp_path / "out.tif")


def test_the_size_of_a_pixel_is_kept(tmp_path: Path) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "tiled.tif": {"tile": (16, 16), "resolution": (2e5, 1e5), "resolutionunit": "CENTIMETER"},
        "imagej.tif": {"imagej": True, "resolution": (4, 2), "metadata": {"axes": "ZYX", "unit": "um", "spacing": 0.5}},
        "ome.tif": {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"}},
    }
    for name, options in kinds.items():
        predict_file(predictor_of(), write(tmp_path / name, pixels(2, *SIZE), **options), tmp_path / f"out-{name}")
    with tifffile.TiffFile(tmp_path / "out-tiled.tif") as tiff:
        assert tiff.pages[0].is_tiled
        assert (tiff.pages[0].resolution, tiff.pages[0].resolutionunit) == ((2e5, 1e5), 3)
    with tifffile.TiffFile(tmp_path / "out-imagej.tif") as tiff:
        assert tiff.pages[0].resolution == (4, 2)
        assert (tiff.imagej_metadata["unit"], tiff.imagej_metadata["spacing"]) == ("um", 0.5)
        assert tiff.series[0].axes == "ZYX"
    with tifffile.TiffFile(tmp_path / "out-ome.tif") as tiff:
        assert 'PhysicalSizeX="0.25"' in tiff.ome_metadata
        assert tiff.series[0].shape == (2, *SIZE)


@pytest.mark.parametrize(("resolution", "unit", "dtype"), [((300, 300), 2, "uint8"), ((2e5, 1e5), 3, "uint16")])
@pytest.mark.parametrize("probabilities", [False, True])
def test_untiled_files_keep_the_unit_of_their_resolution(
    resolution: tuple[float, float], unit: int, dtype: str, probabilities: bool, tmp_path: Path
) -> None:
    source = write(tmp_path / "a.tif", pixels(*SIZE, dtype=dtype), resolution=resolution, resolutionunit=unit)
    predict_file(predictor_of(), source, tmp_path / "out.tif", probabilities)
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert (tiff.pages[0].resolution, tiff.pages[0].resolutionunit) == (resolution, unit)


@pytest.mark.parametrize("name", ["out.tif", "out.npy", "out.zarr", "out"])
def test_the_target_says_the_format(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "a.zarr", pixels(2, *SIZE), zarr_format=2)
    predict_file(predictor_of(), source, tmp_path / name)
    expected = predictor_of()(pixels(2, *SIZE, 1) / np.float32(255)).argmax(axis=-1) * 255
    path = tmp_path / name
    result = np.asarray(zarr.open_array(path, mode="r")) if path.is_dir() else read(path)
    assert path.is_dir() == (name in ("out.zarr", "out"))
    np.testing.assert_array_equal(result, expected)


def test_a_store_of_a_file(tmp_path: Path) -> None:
    predict_file(predictor_of(), write(tmp_path / "a.npy", pixels(*SIZE)), tmp_path / "out.zarr")
    predict_file(predictor_of(), tmp_path / "a.npy", tmp_path / "out.npy")
    np.testing.assert_array_equal(read(tmp_path / "out.zarr"), read(tmp_path / "out.npy"))


@pytest.mark.parametrize(
    ("name", "there", "message"),
    [
        ("out.tif", "folder", "is a folder where a file should be"),
        ("out.zarr", "file", "is a file where a Zarr store should be"),
        ("out.zarr", "folder", "is a folder that is no Zarr store"),
        ("out.png", None, "png holds one image, not a stack of 2"),
        ("out.jpg", None, "results are .tif, .npy, .zarr or .png, not '.jpg'"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_computed(
    name: str, there: str | None, message: str, tmp_path: Path
) -> None:
    source, target = write(tmp_path / "a.npy", pixels(2, *SIZE)), tmp_path / name
    if there:
        target.mkdir() if there == "folder" else target.touch()
    with pytest.raises(ImageError, match=rf"{name}: .*{message}"):
        predict_file(predictor_of(), source, target, overwrite=True, announce=lambda plan: pytest.fail("has begun"))
    assert {path.name for path in tmp_path.iterdir()} <= {"a.npy", name}


def test_values_are_no_picture(tmp_path: Path) -> None:
    source = write(tmp_path / "a.npy", pixels(*SIZE))
    with pytest.raises(ImageError, match=r"out.png: png holds no values"):
        predict_file(predictor_of(classes=1, activation="identity"), source, tmp_path / "out.png")


def test_floats_beyond_those_of_training_are_refused_with_their_file(tmp_path: Path) -> None:
    source = write(tmp_path / "a.npy", 200 * pixels(*SIZE, dtype="float32"))
    normalise = Normalisation("dataset", (0.5,), (0.2,))
    with pytest.raises(ValueError, match=r"a.npy: predict: the image's values reach from .* scale them"):
        predict_file(predictor_of(normalise=normalise), source, tmp_path / "out.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
