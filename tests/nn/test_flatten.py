"""Images as vectors."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (0, 2, 2, 3)])
def test_each_image_becomes_a_vector_in_the_order_of_memory(shape):
    images = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    flat = nn.Flatten()(mf.tensor(images))
    assert flat.shape == (shape[0], np.prod(shape[1:]))
    np.testing.assert_array_equal(flat.data.ravel(), images.ravel())


def test_what_is_no_batch_of_images_is_refused():
    with pytest.raises(ValueError, match=r"Flatten: expected images of shape \(N, H, W, C\), got shape \(2, 3\)"):
        nn.Flatten()(mf.zeros(2, 3))
