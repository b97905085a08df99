"""Folders broken on purpose: each fault is found, with the right advice, and nothing else is claimed."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minifcn.audit import Diagnosis, doctor_source
from minifcn.data import SOURCES

IMAGES = 8
Edit = Callable[[int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def scene(seed: int, size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Bright discs in noise, uint8, and their mask of 0 and 1."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    mask = np.zeros((size, size), np.uint8)
    for row, column in rng.integers(8, size - 8, (3, 2)):
        mask[(rows - row) ** 2 + (columns - column) ** 2 < rng.integers(20, 40)] = 1
    return np.clip(60 + 90 * mask + rng.normal(0, 12, mask.shape), 0, 255).astype(np.uint8), mask


def write(folder: Path, edit: Edit, images: int = IMAGES, suffix: str = ".png", seed: int = 0) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(images):
        image, mask = edit(number, *scene(seed + number))
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}{suffix}")
    return folder


def jpeg(pixels: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return np.asarray(Image.open(file))


def half_size_and_back(mask: np.ndarray) -> np.ndarray:
    small = Image.fromarray(mask).resize((20, 20), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(mask.shape[::-1], Image.Resampling.BILINEAR))


def coloured(mask: np.ndarray) -> np.ndarray:
    return np.array([(0, 0, 0), (200, 30, 30)], np.uint8)[mask]


def with_band(mask: np.ndarray, value: int) -> np.ndarray:
    mask = mask.copy()
    mask[:2] = value
    return mask


def numbered(number: int, mask: np.ndarray) -> np.ndarray:
    """A square each for objects 1 to 3 + number."""
    objects = np.zeros_like(mask)
    for place in range(3 + number):
        row, column = divmod(place, 4)
        objects[2 + 12 * row : 8 + 12 * row, 2 + 12 * column : 8 + 12 * column] = place + 1
    return objects


def said(report: Diagnosis) -> list[tuple[str, str]]:
    """Severity and kind of all that was found to ask for something."""
    return [(f.severity, f.check) for f in report.findings if f.severity in ("wrong", "warning", "note")]


def test_nothing_is_claimed_of_what_is_right(tmp_path):
    write(tmp_path / "train", lambda _, image, mask: (image, 255 * mask))
    write(tmp_path / "val", lambda _, image, mask: (image, 255 * mask), 3, seed=100)
    report = doctor_source("folder", tmp_path, crop=32)
    assert said(report) == []
    assert report.headline() == ("Nothing is wrong, nothing to look at. 11 images looked at (train 8; validation 3).")
    assert ("fine", "masks hold 0 and 255: mapped to 0 and 1") in [(f.severity, f.title) for f in report.findings]


LABELS: dict[str, tuple[Edit, str, str]] = {
    "mixed": (
        lambda n, image, mask: (image, mask * (255 if n % 2 else 1)),
        "the same thing has different values in different masks",
        "`background 0`, `foreground 1`, `foreground 255`",
    ),
    "one odd": (
        lambda n, image, mask: (image, mask * (128 if n == 5 else 255)),
        "the same thing has different values in different masks",
        "`foreground 128`, `foreground 255`",
    ),
    "void": (
        lambda n, image, mask: (image, with_band(mask, 255)),
        "masks hold 255, which seems to mark what does not count",
        "each of 0, 1 and `void 255`",
    ),
    "gaps": (
        lambda n, image, mask: (image, with_band(3 * mask, 11)),
        "masks hold 3 values with gaps: 0, 3, 11",
        "`NAME VALUE` for each class",
    ),
    "from 1": (
        lambda n, image, mask: (image, mask + 1),
        "masks count from 1: they hold 1, 2, and no 0",
        "classes file",
    ),
    "soft": (
        lambda n, image, mask: (image, half_size_and_back(255 * mask)),
        "8 masks have soft edges",
        "nearest neighbour",
    ),
    "once JPEG": (
        lambda n, image, mask: (image, jpeg(255 * mask) if n == 3 else 255 * mask),
        "1 mask has soft edges",
        "without antialiasing",
    ),
    "colour": (
        lambda n, image, mask: (image, coloured(mask)),
        "8 masks in colour, and nobody says what the colours mean",
        "`NAME 0 0 0`; `NAME 200 30 30`",
    ),
}


@pytest.mark.parametrize("fault", LABELS)
def test_label_values(tmp_path, fault):
    edit, title, advice = LABELS[fault]
    report = doctor_source("folder", write(tmp_path / "data", edit), crop=32)
    assert said(report) == [("wrong", "label values")]
    (finding,) = report.of("wrong")
    assert finding.title == title
    assert advice in finding.action
    assert finding.evidence and finding.why  # noqa: PT018


def test_numbered_objects_are_no_classes(tmp_path):
    folder = write(tmp_path / "data", lambda n, image, mask: (image, numbered(n, mask)))
    report = doctor_source("folder", folder, crop=32)
    assert [f.title for f in report.of("wrong")] == ["the masks look like numbered objects, not classes"]
    assert report.parts[0].dataset.classes == ("background", "foreground")


def test_classes_of_which_images_show_some_are_no_numbered_objects(tmp_path):
    def stripes(number: int, image: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels = np.repeat(np.arange(6, dtype=np.uint8), 8)[:, None] * np.ones(48, np.uint8)
        return image, np.where(labels == number % 5 + 1, 0, labels)

    assert doctor_source("folder", write(tmp_path / "data", stripes), crop=32).of("wrong") == []


def test_masks_that_are_jpeg(tmp_path):
    folder = write(tmp_path / "data", lambda _, image, mask: (image, 255 * mask), suffix=".jpg")
    report = doctor_source("folder", folder, crop=32)
    assert said(report) == [("wrong", "label values")]
    assert report.of("wrong")[0].title == "8 masks are JPEG"


def test_the_advice_mends_it(tmp_path):
    mixed = write(tmp_path / "mixed", LABELS["mixed"][0])
    (tmp_path / "mixed.txt").write_text("background 0\nforeground 1\nforeground 255\n")
    assert said(doctor_source("folder", mixed, crop=32, classes=str(tmp_path / "mixed.txt"))) == []
    colour = write(tmp_path / "colour", LABELS["colour"][0])
    (tmp_path / "colour.txt").write_text("ground 0 0 0\ncell 200 30 30\n")
    assert said(doctor_source("folder", colour, crop=32, classes=str(tmp_path / "colour.txt"))) == []


@pytest.mark.parametrize(
    ("classes", "value", "advice"),
    [
        ("ground\ncell\ndirt\n", 3, "say `void 3`"),
        ("ground 0\ncell 1\n", 255, "say `void 255`"),
        ("ground 0\ncell 1\n", 77, "`NAME 77`"),
    ],
)
def test_values_that_the_classes_file_lacks(tmp_path, classes, value, advice):
    folder = write(tmp_path / "data", lambda n, image, mask: (image, with_band(mask, value)))
    (tmp_path / "classes.txt").write_text(classes)
    report = doctor_source("folder", folder, crop=32, classes=str(tmp_path / "classes.txt"))
    (finding,) = report.of("wrong")
    assert advice in finding.action
    assert "4.17%" in finding.evidence
    assert report.parts[0].totals.sum() == sum(48 * 46 for _ in report.parts[0].images)  # the band does not count


def test_a_colour_that_the_classes_file_lacks(tmp_path):
    folder = write(tmp_path / "data", LABELS["colour"][0])
    (tmp_path / "classes.txt").write_text("ground 0 0 0\ncell 200 0 0\n")
    report = doctor_source("folder", folder, crop=32, classes=str(tmp_path / "classes.txt"))
    assert "masks hold 1 colour that the classes lack" in report.of("wrong")[0].title


def test_a_classes_file_that_cannot_be_understood_is_a_finding(tmp_path):
    folder = write(tmp_path / "data", lambda _, image, mask: (image, mask))
    (tmp_path / "classes.txt").write_text("ground 0\ncell\n")
    report = doctor_source("folder", folder, crop=32, classes=str(tmp_path / "classes.txt"))
    assert said(report) == [("wrong", "classes file")]
    assert len(report.parts) == 2


@pytest.mark.parametrize("half", [False, True], ids=["small objects", "half of the image"])
def test_inverted_masks(tmp_path, half):
    def edit(number: int, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if half:
            mask = np.broadcast_to(np.arange(48) > 22, (48, 48)).astype(np.uint8)
            image = np.clip(60 + 90 * mask + np.random.default_rng(number).normal(0, 12, mask.shape), 0, 255)
        return image.astype(np.uint8), 255 * (1 - mask if number in (2, 5) else mask)

    report = doctor_source("folder", write(tmp_path / "data", edit), crop=32)
    assert said(report) == [("wrong", "polarity")]
    (finding,) = report.of("wrong")
    assert finding.title == "2 of 8 masks are inverted"
    assert sorted(place.name for place in finding.images) == ["2.png", "5.png"]


def test_dark_objects_among_bright_ones_are_not_inverted(tmp_path):
    folder = write(tmp_path / "data", lambda n, image, mask: (255 - image if n % 3 == 0 else image, mask))
    assert said(doctor_source("folder", folder, crop=32)) == []


def test_duplicates(tmp_path):
    def edit(number: int, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        copied = [scene(2), scene(5), scene(6), (image, mask)][number]
        if number == 1:
            copied = tuple(np.ascontiguousarray(np.rot90(each)[:, ::-1]) for each in copied)
        if number == 2:
            copied = jpeg(copied[0]), copied[1]
        return copied

    write(tmp_path / "train", lambda _, image, mask: (image, mask))
    write(tmp_path / "val", edit, 4, seed=100)
    report = doctor_source("folder", tmp_path, crop=32)
    assert said(report) == [("wrong", "duplicates")] * 2 + [("warning", "duplicates")]
    evidence = [finding.evidence for finding in report.findings[:3]]
    assert evidence[:2] == ["train 2.png = validation 0.png", "train 5.png = validation 1.png"]
    assert evidence[2].startswith("train 6.png = validation 2.png (correlation 0.99")


def test_the_same_image_with_another_mask(tmp_path):
    folder = write(tmp_path / "data", lambda n, image, mask: (scene(3)[0] if n in (0, 3) else image, mask))
    report = doctor_source("folder", folder, crop=32)
    assert [f.title for f in report.of("warning")] == ["1 pair of the same image with different labels"]


def test_empty_and_full_masks(tmp_path):
    masks = {1: 0, 4: 0, 6: 255}
    folder = write(
        tmp_path / "data", lambda n, image, mask: (image, np.full_like(mask, masks[n]) if n in masks else 255 * mask)
    )
    report = doctor_source("folder", folder, crop=32)
    assert said(report) == [("warning", "empty masks")] * 2
    empty, full = report.of("warning")
    assert (empty.title, full.title) == ("2 of 8 masks are empty", "1 of 8 masks is full, without background")
    assert "dice(empty=perfect)" in empty.action


def test_files_that_do_not_fit(tmp_path):
    folder = write(tmp_path / "data", lambda n, image, mask: (image, mask[:40] if n == 2 else mask))
    (folder / "masks" / "7.png").unlink()
    (folder / "masks" / "4.png").write_bytes(b"not an image")
    (folder / "images" / "5.png").write_bytes(b"")
    report = doctor_source("folder", folder, crop=32)
    assert said(report) == [("wrong", "files")] * 2
    lonely, refused = report.of("wrong")
    assert lonely.title == "1 of 8 images without a mask of the same name"
    assert refused.title == "3 images cannot be read as image and mask"
    assert len(report.parts) == 2


def test_two_masks_for_one_image_are_a_finding(tmp_path):
    folder = write(tmp_path / "data", lambda _, image, mask: (image, mask))
    (folder / "masks" / "0.tif").write_bytes(b"")
    report = doctor_source("folder", folder)
    assert report.of("wrong")
    assert "have the same name" in str(report)
    assert report.parts == ()
    assert report.figure() is not None


def test_sizes_and_pixels(tmp_path):
    def edit(number: int, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if number == 1:
            return np.full_like(image, 7), mask
        mask[2:9, 2:9] = 1
        return (image[:20], mask[:20]) if number in (2, 3, 4) else (image, mask)

    report = doctor_source("folder", write(tmp_path / "data", edit), crop=32)
    assert said(report) == [("warning", "sizes"), ("warning", "image values")]
    assert [f.title for f in report.of("warning")] == [
        "3 of 8 images smaller than the crop of 32",
        "1 of 8 images the same all over",
    ]
    whole = doctor_source("folder", tmp_path / "data")
    assert "images of 2 sizes, and no crop" in [finding.title for finding in whole.of("warning")]


def test_twelve_bits_in_sixteen(tmp_path):
    folder = write(tmp_path / "data", lambda _, image, mask: (image.astype(np.uint16) * 8, mask))
    (note,) = doctor_source("folder", folder, crop=32).of("note")
    assert "of their range" in note.title


def test_grey_in_three_channels(tmp_path):
    folder = write(tmp_path / "data", lambda _, image, mask: (np.repeat(image[:, :, None], 3, axis=2), mask))
    assert said(doctor_source("folder", folder, crop=32)) == [("note", "image values")]
    assert said(doctor_source("folder", folder, crop=32, channels=1)) == []


def test_what_is_no_data_at_all_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no images"):
        doctor_source("folder", tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        doctor_source("folder", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no option 'colour'"):
        doctor_source("isbi", tmp_path, colour=1)
    with pytest.raises(ValueError, match="did you mean 'folder'"):
        doctor_source("folders", tmp_path)


@pytest.mark.parametrize("name", [name for name in SOURCES if name in ("isbi", "camvid", "voc2012", "dsb2018")])
def test_real_data_is_not_slandered(real_data, name):
    root = real_data({"isbi": "isbi2012"}.get(name, name))
    report = doctor_source(name, root / "fluo" if name == "dsb2018" else root, limit=4)
    assert report.of("wrong") == [] or name == "voc2012"  # of five images, a class may be in the last one alone
    assert not [f for f in report.of("warning") if f.check not in ("class balance", "sizes")]
