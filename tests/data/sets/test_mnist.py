import gzip
import struct

import numpy as np
import pytest

from minifcn.data import MNIST, MNISTSegmentation
from minifcn.data.sets.idx import parse_idx, read_idx


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def digits(tmp_path):
    """A folder with three made-up digits, 4, 0 and 9, in the official layout; the labels are not gzipped."""
    images = np.zeros((3, 28, 28), np.uint8)
    images[:, 10:20, 10:12] = 255
    images[:, 10:20, 12] = 128
    images[:, 10:20, 13] = 127
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.array([4, 0, 9], np.uint8)))
    return tmp_path


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_idx_files_are_read_gzipped_or_not(tmp_path, compress):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = tmp_path / "file"
    path.write_bytes(compress(idx(array)))
    np.testing.assert_array_equal(read_idx(path, 3), array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "magic number missing, expected 00000801"),
        (b"\0\0\x08\x03" + bytes(12), "magic number 00000803, expected 00000801"),
        (b"\0\0\x0d\x01" + bytes(8), "magic number 00000d01, expected 00000801"),
        (b"\0\0\x08\x01\0\0", "truncated: 6 bytes, the header alone has 8"),
        (b"\0\0\x08\x01\0\0\0\x03ab", r"truncated: sizes \(3,\) need 3 bytes of elements, the file holds 2"),
        (b"\0\0\x08\x01\0\0\0\x01ab", r"too long: sizes \(1,\) need 1 bytes of elements, the file holds 2"),
        (b"\0\0\x08\x01\xff\xff\xff\xffab", "truncated: sizes .4294967295,. need 4294967295 bytes"),
    ],
)
def test_idx_errors_say_what_is_wrong_and_where(tmp_path, data, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        parse_idx(data, 1)
    path = tmp_path / "labels.idx"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"labels\.idx: {message}"):
        read_idx(path, 1)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:20] + b"\xff" * 9 + data[29:]])
def test_damaged_gzip_names_the_file(tmp_path, damage):
    path = tmp_path / "labels.gz"
    path.write_bytes(damage(gzip.compress(idx(np.arange(200, dtype=np.uint8)))))
    with pytest.raises(ValueError, match=r"labels\.gz: damaged gzip file"):
        read_idx(path, 1)


def test_classification(digits):
    dataset = MNIST(digits)
    image, label = dataset[2]
    assert (image.shape, image.dtype) == ((28, 28, 1), np.float32)
    assert (label.shape, label.dtype, int(label)) == ((), np.int64, 9)
    assert (image.min(), image.max()) == (0, 1)


def test_segmentation_labels_ink_with_digit_plus_one(digits):
    dataset = MNISTSegmentation(digits)
    image, label = dataset[0]
    assert dataset.classes[5] == "4"
    assert (image.shape, label.shape, label.dtype) == ((28, 28, 1), (28, 28), np.int64)
    assert np.unique(label).tolist() == [0, 5]
    # 255, 255, 128 are ink; 127 is exactly the threshold, and is not
    assert label[15, 9:15].tolist() == [0, 5, 5, 5, 0, 0]
    assert MNISTSegmentation(digits, threshold=0.4)[0][1][15, 9:15].tolist() == [0, 5, 5, 5, 5, 0]
    assert np.unique(dataset[1][1]).tolist() == [0, 1]  # a zero is ink too


def test_segmentation_in_a_larger_frame(digits):
    image, label = MNISTSegmentation(digits, size=33)[0]
    small_image, small_label = MNISTSegmentation(digits)[0]
    assert image.shape == (33, 33, 1)
    np.testing.assert_array_equal(image[2:30, 2:30], small_image)
    np.testing.assert_array_equal(label[2:30, 2:30], small_label)
    assert np.count_nonzero(label) == np.count_nonzero(small_label)
    with pytest.raises(ValueError, match="expected size >= 28, got 27"):
        MNISTSegmentation(digits, size=27)


def test_files_that_do_not_belong_together(digits):
    (digits / "train-labels-idx1-ubyte").write_bytes(idx(np.array([4, 0], np.uint8)))
    with pytest.raises(ValueError, match="2 labels for 3 images"):
        MNIST(digits)
    (digits / "train-labels-idx1-ubyte").write_bytes(idx(np.array([4, 0, 10], np.uint8)))
    with pytest.raises(ValueError, match="label 10 is not a digit"):
        MNIST(digits)
    (digits / "train-images-idx3-ubyte.gz").write_bytes(idx(np.zeros((3, 4, 4), np.uint8)))
    with pytest.raises(ValueError, match=r"images are \(4, 4\), expected \(28, 28\)"):
        MNIST(digits)


def test_unknown_split(digits):
    with pytest.raises(ValueError, match="expected split 'train' or 'test', got 'validation'"):
        MNIST(digits, "validation")


def test_real_mnist(real_data):
    folder = real_data("mnist")
    train, test = MNIST(folder), MNIST(folder, "test")
    assert (len(train), len(test)) == (60_000, 10_000)
    # LeCun's own page lists these as the first labels of either file.
    assert [int(train[i][1]) for i in range(5)] == [5, 0, 4, 1, 9]
    assert [int(test[i][1]) for i in range(5)] == [7, 2, 1, 0, 4]
    assert np.bincount(train.digits).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    # The mean grey value that every MNIST tutorial normalises by.
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    label = MNISTSegmentation(folder, "test")[0][1]
    assert np.unique(label).tolist() == [0, 8]
    assert 0.05 < (label > 0).mean() < 0.2
