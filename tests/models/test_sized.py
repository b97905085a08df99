"""Margins around images, where outputs are smaller and larger than they are."""

import numpy as np
import pytest

from minifcn import nn, predict
from minifcn.models.sized import margin


class Axis:
    """One axis of a network, by its formula."""

    def __init__(self, output_length):
        self.output_length = output_length


@pytest.mark.parametrize(
    ("output_length", "length", "expected"),
    [
        (lambda n: n, 5, (0, 0)),
        (lambda n: max(n - 4, 0), 5, (2, 2)),
        (lambda n: max(n - 3, 0), 5, (1, 2)),
        (lambda n: n if n % 4 == 0 else 0, 5, (0, 3)),
        (lambda n: n + n % 2, 5, (0, 0)),  # pooled to 3 rows, which become 6
        (lambda n: n + 1 if n % 8 == 0 else 0, 5, (0, 3)),
    ],
    ids=["the same", "a border lost", "an odd one", "multiples of 4", "rounded up", "larger by a row"],
)
def test_margins_are_never_negative(output_length, length, expected):
    assert margin(Axis(output_length), length) == expected


def test_no_size_near():
    with pytest.raises(ValueError, match="found no size that the network takes for 5 pixels"):
        margin(Axis(lambda n: 0), 5)


@pytest.mark.parametrize("strategy", ["pad", "auto"])
def test_a_network_whose_output_is_larger_by_a_row_answers_every_pixel(strategy):
    larger = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.ConvTranspose2d(1, 2, 2, stride=2))
    image = np.random.default_rng(0).random((5, 7))
    assert predict(larger, image, strategy).shape == (5, 7, 2)
