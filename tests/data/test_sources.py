import subprocess
import sys

import numpy as np
import pytest
import tifffile

from minifcn.data import MNIST, SOURCES, check, open_source


def greys(dataset):
    return [round(float(image.max()) * 255) for image, _ in dataset]


def write_stack(folder, count):
    """A stack in which section i is grey i."""
    volume = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 8, 9))
    for name, stack in (("volume", volume), ("labels", np.zeros_like(volume))):
        tifffile.imwrite(folder / f"train-{name}.tif", stack, photometric="minisblack")


@pytest.mark.parametrize(("count", "held_out"), [(30, 10), (24, 4), (21, 1), (20, 4), (9, 1), (3, 1), (2, 1)])
def test_isbi_holds_out_the_last_sections(tmp_path, count, held_out):
    write_stack(tmp_path, count)
    train, validation = (open_source("isbi", tmp_path, split) for split in SOURCES["isbi"].splits)
    assert greys(train) == list(range(count - held_out))
    assert greys(validation) == list(range(count - held_out, count))


def test_a_single_section_cannot_be_held_out(tmp_path):
    write_stack(tmp_path, 1)
    for split in SOURCES["isbi"].splits:
        with pytest.raises(ValueError, match="isbi: too few images, 1: training and validation need one each"):
            open_source("isbi", tmp_path, split)


def write_digits(folder, part, inks):
    """Digits in the official layout; digit i is a square of grey `inks[i]`."""
    images = np.zeros((len(inks), 28, 28), np.uint8)
    images[:, 9:20, 9:20] = np.array(inks)[:, None, None]
    for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", images[:, 0, 0])):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        (folder / name).write_bytes(header + array.tobytes())


def test_mnist_validates_on_official_training_digits(tmp_path):
    write_digits(tmp_path, "train", range(100, 124))
    write_digits(tmp_path, "t10k", range(200, 203))
    parts = [greys(open_source("mnist", tmp_path, split)) for split in ("train", "validation", "test")]
    assert parts == [list(range(100, 122)), [122, 123], [200, 201, 202]]


def test_which_part_is_scored():
    assert {name: source.scored for name, source in SOURCES.items()} == {
        "synthetic": "test",
        "isbi": "validation",
        "mnist": "test",
    }


def test_a_download_is_of_all_parts(tmp_path, monkeypatch):
    def fetch(file, url, folder):
        write_digits(folder, file.name.split("-")[0], range(100, 124))
        return folder / file.name.removesuffix(".gz")

    monkeypatch.setattr("minifcn.data.mnist.fetch", fetch)
    assert len(open_source("mnist", tmp_path, "train", download=True)) == 22
    assert len(open_source("mnist", tmp_path, "test")) == 24


def test_synthetic_parts_are_as_promised_and_disjoint():
    parts = {split: open_source("synthetic", split=split) for split in SOURCES["synthetic"].splits}
    assert {split: len(part) for split, part in parts.items()} == {"train": 64, "validation": 8, "test": 8}
    firsts = [part[0][0] for part in parts.values()]
    assert {first.shape for first in firsts} == {(256, 256, 1)}
    assert len({first.tobytes() for first in firsts}) == 3
    assert check(parts["validation"], samples=2).notes == ()


def test_real_isbi_parts(real_data):
    folder = real_data("isbi2012")
    train, validation = (open_source("isbi", folder, split) for split in ("train", "validation"))
    assert len(train) == 20
    assert len(validation) in (4, 10)  # the rebuilt stack, the official one
    assert not any(np.array_equal(image, validation[0][0]) for image, _ in train)
    assert check(train, samples=2).fractions["interior"] == pytest.approx(0.78, abs=0.05)


def test_real_mnist_parts(real_data):
    folder = real_data("mnist")
    train, validation, test = (open_source("mnist", folder, split) for split in SOURCES["mnist"].splits)
    assert (len(train), len(validation), len(test)) == (55_000, 5_000, 10_000)
    official = MNIST(folder)
    for part, index, number in ((train, -1, 54_999), (validation, 0, 55_000), (validation, -1, 59_999)):
        np.testing.assert_array_equal(part[index][0][2:30, 2:30], official[number][0])
    np.testing.assert_array_equal(test[0][0][2:30, 2:30], MNIST(folder, "test")[0][0])
    assert train.num_classes == 11
    assert check(train, samples=200).shapes == ((32, 32, 1),)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("isbi2012", "unknown data source 'isbi2012': did you mean 'isbi'. There are synthetic, isbi, mnist"),
        ("minst", "did you mean 'mnist'"),
        ("xyz", "unknown data source 'xyz': there are synthetic, isbi, mnist"),
    ],
)
def test_unknown_sources(name, message):
    with pytest.raises(ValueError, match=message):
        open_source(name)


def test_splits_that_a_source_lacks():
    with pytest.raises(ValueError, match="isbi: no split 'test': there are train, validation"):
        open_source("isbi", split="test")


def test_missing_files_are_not_fetched_unasked(tmp_path):
    for name in ("isbi", "mnist"):
        with pytest.raises(FileNotFoundError, match=f"{name}: .*download=True"):
            open_source(name, tmp_path)


def test_importing_costs_numpy_only():
    # What `import minifcn` itself loads is not this package's doing.
    script = """
import sys, minifcn
before = set(sys.modules)
import minifcn.data
print(*{"pooch", "tifffile", "PIL", "scipy", "requests", "platformdirs"} & (set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
