"""Convolution is right at every width of SIMD vector that this machine can run, not only at its widest."""

import os
import subprocess
import sys

import pytest

from minifcn.kernels.cpu.simd import VECTOR_BYTES

CHECK = """
import numpy as np
from minifcn import kernels
from minifcn.kernels.cpu.simd import VECTOR_BYTES
from minifcn.kernels.shapes import Window, conv_size

cpu, reference = kernels.load("cpu"), kernels.load("reference")
rng = np.random.default_rng(0)
for dtype, tolerance in ((np.float32, 2e-5), (np.float64, 1e-13)):
    for channels, outputs, stride, columns in ((1, 5, 1, 2), (3, 16, 2, 2), (9, 35, 1, 2), (9, 35, 1, 3)):
        window = Window((3, columns), (stride, stride), (1, 1))
        x = rng.standard_normal((2, 5, 17, channels)).astype(dtype)
        w = rng.standard_normal((3, columns, channels, outputs)).astype(dtype)
        size = conv_size((5, 17), window)
        y = rng.standard_normal((2, *size, outputs)).astype(dtype)
        for name, arguments in (
            ("conv2d", (x, w, None, window, 1, size, False)),
            ("conv_transpose2d", (y, w, None, window, 1, (5, 17), False)),
            ("conv2d_weight", (x, y, window, 1)),
        ):
            actual, expected = (getattr(device, name)(*arguments) for device in (cpu, reference))
            np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * abs(expected).max())
print(VECTOR_BYTES)
"""


def run(width: int) -> subprocess.CompletedProcess:
    environment = os.environ | {"MINIFCN_VECTOR_BYTES": str(width), "NUMBA_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("width", [16, 32, 64])
def test_convolution_is_right_at_this_width(width: int) -> None:
    if width > VECTOR_BYTES:
        pytest.skip(f"this machine's vectors have {VECTOR_BYTES} bytes")
    result = run(width)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(width)


@pytest.mark.parametrize("width", [8, 48, 2 * VECTOR_BYTES])
def test_an_impossible_width_is_refused(width: int) -> None:
    result = run(width)
    assert result.returncode != 0
    assert f"MINIFCN_VECTOR_BYTES={width}: must be 16, 32 or 64, and at most this machine's" in result.stderr
