import pytest

from minifcn.audit import sizes_in_words
from minifcn.models import UNet


@pytest.mark.parametrize(
    ("legal", "words"),
    [
        (lambda n: True, "any"),
        (lambda n: n > 4, "any from 5"),
        (lambda n: n % 32 == 0, "multiples of 32"),
        (lambda n: n % 32 == 0 and n > 32, "multiples of 32 from 64"),
        (lambda n: n % 8 == 5, "8 k + 5"),
        (lambda n: n % 16 == 12 and n > 180, "16 k + 12 from 188"),
        (lambda n: n % 6 in (1, 2) and n > 12, "6 k + 1 or 2 from 13"),
        (lambda n: n == 3 or n % 4 == 0, "3; multiples of 4"),
        (lambda n: n == 95, "only 95"),
        (lambda n: n in (65, 95), "only 65, 95"),
        (lambda n: n <= 20, "only 1, 2, 3, 4, 5, 6, 7, 8, ..."),
        (lambda n: False, "none up to 1024"),
    ],
)
def test_sizes_in_words(legal, words):
    assert sizes_in_words(lambda n: 7 * int(legal(n))) == words


@pytest.mark.parametrize(
    ("depth", "words"),
    [(1, "multiples of 2 from 18"), (2, "multiples of 4 from 44"), (3, "8 k + 4 from 92"), (4, "16 k + 12 from 188")],
)
def test_sizes_of_unets(depth, words):
    assert sizes_in_words(UNet(1, 2, base=1, depth=depth).output_length) == f"multiples of {2**depth}"
    assert sizes_in_words(UNet(1, 2, base=1, depth=depth, padding="valid").output_length) == words
