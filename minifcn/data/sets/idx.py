"""The IDX file format of MNIST: a magic number, the sizes of the axes, the elements.

    byte 0, 1   zero
    byte 2      element type; 8 is unsigned byte, the only one that MNIST uses
    byte 3      number of axes
    then        one big-endian 32-bit size an axis, and the elements, last axis fastest

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_UNSIGNED_BYTE = 8
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes with `ndim` axes, gzipped or not.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not what it should be; the message names it and says what is wrong.
    """
    data = path.read_bytes()
    if data.startswith(_GZIP_MAGIC):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: damaged gzip file: {error}") from error
    try:
        return parse_idx(data, ndim)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse_idx(data: bytes, ndim: int) -> NDArray[np.uint8]:
    r"""Read the bytes of an IDX file of unsigned bytes with `ndim` axes.

    >>> parse_idx(b"\0\0\x08\x02" + b"\0\0\0\x01" + b"\0\0\0\x03" + b"abc", ndim=2)
    array([[97, 98, 99]], dtype=uint8)

    Raises:
        ValueError: wrong magic number, wrong number of axes, or a length that does not agree with the sizes.
    """
    header = 4 + 4 * ndim
    expected_magic = bytes([0, 0, _UNSIGNED_BYTE, ndim])
    if data[:4] != expected_magic:
        raise ValueError(
            f"magic number {data[:4].hex() or 'missing'}, expected {expected_magic.hex()}: not this IDX file"
        )
    if len(data) < header:
        raise ValueError(f"truncated: {len(data)} bytes, the header alone has {header}")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", count=ndim, offset=4))
    expected, actual = int(np.prod(shape, dtype=object)), len(data) - header
    if actual != expected:
        problem = "truncated" if actual < expected else "too long"
        raise ValueError(f"{problem}: sizes {shape} need {expected} bytes of elements, the file holds {actual}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
