import subprocess
import sys

import numpy as np
import pytest
import tifffile
from small_data import write_bsds, write_camvid, write_dsb, write_folder, write_vgg_cells, write_voc

from minifcn.data import MNIST, SOURCES, MissingPartError, check, open_source


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
    scored = {name: source.scored for name, source in SOURCES.items()}
    tested = {name for name, part in scored.items() if part == "test"}
    assert tested == {"synthetic", "mnist", "digits", "discs"}
    assert {"isbi", "camvid", "voc2012", "bsds500", "dsb2018", "vgg_cells", "folder"} <= scored.keys() - tested


# source -> (writes it, number of images in train and in validation)
HELD_OUT = {
    "camvid": (lambda root: write_camvid(root, images=3), (3, 3)),
    "voc2012": (lambda root: write_voc(root, images=5), (4, 1)),
    "voc2012 with lists": (lambda root: write_voc(root, images=5, lists=True), (4, 1)),
    "bsds500": (lambda root: write_bsds(root, images=9), (7, 2)),
    "bsds500 in parts": (lambda root: write_bsds(root, ("train", "val", "test"), images=2), (2, 2)),
    "dsb2018": (lambda root: write_dsb(root, images=11), (9, 2)),
    "dsb2018 as published": (lambda root: write_dsb(root, images=3, published=True), (2, 1)),
    "vgg_cells": (lambda root: write_vgg_cells(root, images=6), (4, 2)),
    "folder": (lambda root: write_folder(root, images=5), (4, 1)),
}


@pytest.mark.parametrize("case", HELD_OUT)
def test_parts_on_disk_are_disjoint_and_the_same_every_time(tmp_path, case):
    name = case.split()[0]
    write, sizes = HELD_OUT[case]
    write(tmp_path)
    parts = [open_source(name, tmp_path, split) for split in SOURCES[name].splits]
    assert tuple(map(len, parts)) == sizes
    images = [[image.tobytes() for image, _ in part] for part in parts]
    assert len(set(images[0] + images[1])) == sum(sizes)
    assert [image.tobytes() for image, _ in open_source(name, tmp_path, "train")] == images[0]
    assert parts[0].classes == parts[1].classes
    with pytest.raises(ValueError, match=f"{name}: no option 'colour': "):
        open_source(name, tmp_path, colour=1)


def test_official_test_parts_where_they_are(tmp_path):
    assert len(open_source("camvid", write_camvid(tmp_path / "c", ("test",), 2), "test")) == 2
    assert len(open_source("bsds500", write_bsds(tmp_path / "b", ("train", "val", "test")), "test")) == 4
    with pytest.raises(FileNotFoundError, match="camvid: there is no test in"):
        open_source("camvid", write_camvid(tmp_path / "c2"), "test")
    with pytest.raises(FileNotFoundError, match="bsds500: there is no images/test in"):
        open_source("bsds500", write_bsds(tmp_path / "b2"), "test")


def test_a_folder_in_parts(tmp_path):
    write_folder(tmp_path / "train", images=3, values=(0, 1, 2))
    with pytest.raises(FileNotFoundError, match="expected train and val, and test to score on; found train"):
        open_source("folder", tmp_path)
    write_folder(tmp_path / "val", images=2, values=(0, 2))
    train, validation = (open_source("folder", tmp_path, split) for split in ("train", "validation"))
    # Alone, val would be numbered 0 and 1.
    assert train.classes == validation.classes == ("class 0", "class 1", "class 2")
    assert (len(train), len(validation), validation[0][1].max()) == (3, 2, 2)
    with pytest.raises(FileNotFoundError, match="has no folder test"):
        open_source("folder", tmp_path, "test")
    write_folder(tmp_path / "test", images=1, values=(1,))
    assert open_source("folder", tmp_path, "test")[0][1].max() == 1
    with pytest.raises(MissingPartError, match="has no folder test"):
        open_source("folder", tmp_path / "train", "test")
    assert len(open_source("folder", tmp_path / "train", "all")) == 3


def test_a_single_image_of_ones_own_cannot_be_held_out(tmp_path):
    with pytest.raises(ValueError, match="too few images, 1: training and validation need one each"):
        open_source("folder", write_folder(tmp_path / "data", images=1))


def test_options_reach_the_data_set(tmp_path):
    write_dsb(tmp_path / "dsb")
    assert open_source("dsb2018", tmp_path / "dsb", target="border").num_classes == 3
    write_bsds(tmp_path / "bsds")
    assert open_source("bsds500", tmp_path / "bsds", target="agreement").task == "regression"
    write_vgg_cells(tmp_path / "cells")
    assert open_source("vgg_cells", tmp_path / "cells", scale=1)[0][1].sum() == pytest.approx(1)
    write_folder(tmp_path / "folder")
    assert open_source("folder", tmp_path / "folder", classes=("a", "b"), channels=1).classes == ("a", "b")
    (tmp_path / "isbi").mkdir()
    write_stack(tmp_path / "isbi", 4)
    assert open_source("isbi", tmp_path / "isbi", foreground="membrane").classes == ("interior", "membrane")
    write_digits(tmp_path, "train", range(100, 124))
    assert open_source("mnist", tmp_path, size=40)[0][0].shape == (40, 40, 1)


def test_options_that_a_source_lacks():
    with pytest.raises(ValueError, match="isbi: no option 'forground': there are foreground"):
        open_source("isbi", forground="membrane")
    with pytest.raises(ValueError, match="synthetic: no option 'size': it takes none"):
        open_source("synthetic", size=3)


def test_a_download_is_of_all_parts(tmp_path, monkeypatch):
    def fetch(file, url, folder):
        write_digits(folder, file.name.split("-")[0], range(100, 124))
        return folder / file.name.removesuffix(".gz")

    monkeypatch.setattr("minifcn.data.sets.mnist.fetch", fetch)
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
        ("voc", "unknown data source 'voc': did you mean 'voc2012'"),
    ],
)
def test_unknown_sources(name, message):
    with pytest.raises(ValueError, match=message):
        open_source(name)


def test_splits_that_a_source_lacks():
    with pytest.raises(ValueError, match="isbi: no split 'test': there are train, validation"):
        open_source("isbi", split="test")


@pytest.mark.parametrize("name", ["camvid", "voc2012", "bsds500", "dsb2018", "vgg_cells"])
def test_missing_files_that_nobody_may_fetch(tmp_path, name):
    with pytest.raises(
        FileNotFoundError, match=rf"{name}: expected .* get the data from https?://\S+ and unpack it"
    ) as caught:
        open_source(name, tmp_path, download=True)
    assert "download" not in str(caught.value)


def test_which_folder():
    with pytest.raises(ValueError, match=r"folder: which one\? Name it with --data FOLDER"):
        open_source("folder")


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
