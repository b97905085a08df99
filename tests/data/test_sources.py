import subprocess
import sys

import numpy as np
import pytest

from minifcn.data import SOURCES, check, open_source


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
    train, validation = (open_source("mnist", folder, split) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (60_000, 10_000)
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
