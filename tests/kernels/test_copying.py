"""Copies on all threads are NumPy's, whatever the layout."""

import numpy as np
import pytest

from minifcn.kernels.cpu import copying

LARGE = (3, 41, 43, 24)  # above the size from which threads share the work
LAYOUTS = {
    "contiguous": lambda x: x,
    "first channels": lambda x: x[..., :7],
    "last channels": lambda x: x[..., 7:],
    "one channel": lambda x: x[..., 3:4],
    "cropped": lambda x: x[:, 1:-2, 3:],
    "every other column": lambda x: x[:, :, ::2],
    "backwards": lambda x: x[:, ::-1],
    "channels apart": lambda x: x[..., ::2],
    "transposed": lambda x: x.transpose(3, 0, 2, 1),
    "repeated": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "two axes": lambda x: x.reshape(-1, 24)[:, 5:],
    "one axis": lambda x: x.ravel()[1:],
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_copies_every_layout(layout, dtype):
    x = LAYOUTS[layout](np.random.default_rng(0).normal(0, 100, LARGE).astype(dtype))
    y = copying.contiguous(x)
    assert y.flags.c_contiguous
    np.testing.assert_array_equal(y, x)
    frame = np.zeros((*x.shape[:-1], x.shape[-1] + 5), dtype)
    copying.copy(x, frame[..., 2:-3])
    np.testing.assert_array_equal(frame[..., 2:-3], x)
    assert not frame[..., :2].any()
    assert not frame[..., -3:].any()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_adds_every_layout(layout):
    rng = np.random.default_rng(0)
    a, b = (LAYOUTS[layout](rng.standard_normal(LARGE, np.float32)) for _ in range(2))
    for first, second in ((a, b), (a.copy(), b), (a, b.copy())):
        total = copying.add(first, second)
        if total is not None:
            np.testing.assert_array_equal(total, a + b)
    laid_out_by_pixels = layout in ("contiguous", "first channels", "last channels", "two axes")
    assert (copying.add(a, b) is not None) == laid_out_by_pixels


def test_what_is_contiguous_is_not_copied():
    x = np.ones(LARGE)
    assert copying.contiguous(x) is x
